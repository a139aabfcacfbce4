"""From goals and file text to prompts, and from raw model text to one tactic."""
