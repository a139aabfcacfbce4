"""Putting llmstep and llama.cpp on a machine. The standard library alone: nothing is there yet."""
