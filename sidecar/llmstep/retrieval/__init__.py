"""Tactics that were used on similar goals: in a library of proofs, and in the user's own file."""
