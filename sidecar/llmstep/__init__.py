"""llmstep: next-step suggestions for Lean 4 proofs from a language model on your own laptop."""

__version__ = "2.0.0"
