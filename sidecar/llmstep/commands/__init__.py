"""One click command per file; :mod:`llmstep.cli` imports each when it is called."""
