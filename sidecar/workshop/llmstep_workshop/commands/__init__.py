"""Commands that join ``llmstep`` where the workshop is installed."""
