"""Training of tactic models, from scratch or from a pretrained one (extra ``[train]``)."""
