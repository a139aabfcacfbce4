"""Families of synthetic goals; :mod:`llmstep_workshop.data.synthetic` draws from them."""
