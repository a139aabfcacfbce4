"""From goals and file text to prompts."""
