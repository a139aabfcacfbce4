"""Data, training, export and evaluation of small tactic models (extra ``[train]``)."""
