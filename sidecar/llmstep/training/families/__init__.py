"""Families of synthetic goals; :mod:`llmstep.training.synthetic` draws from them."""
