"""Data sets of proof steps: read, clean, split, decontaminate, check in Lean, describe."""
