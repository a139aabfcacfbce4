"""States of proofs as Lean would print them, made from the text of Lean files alone."""
