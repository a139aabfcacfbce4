"""What ``llmstep setup`` writes into the settings of editors, and how it takes it out again."""
