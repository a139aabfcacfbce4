"""How good a model is: on recorded proof steps, and at proving theorems in a Lean project."""
