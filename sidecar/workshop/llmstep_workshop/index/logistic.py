"""Logistic regression, small and deterministic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

FloatArray = npt.NDArray[np.float64]


def fit_logistic(
    values: FloatArray,
    labels: npt.NDArray[np.bool_] | FloatArray,
    ridge: float,
    importance: FloatArray | None = None,
    prior: FloatArray | None = None,
) -> FloatArray:
    """Minimise the mean log-loss plus ``ridge`` times the squared distance from ``prior``.

    Args:
        values: Shape (n, k); a constant column is the bias.
        labels: Shape (n,); numbers between 0 and 1 are partly both.
        ridge: Strength of the regularisation, on columns scaled to unit deviation.
        importance: Weight of each row, shape (n,); 1 if ``None``.
        prior: Weights that are kept where the rows say nothing else, shape (k,); 0 if ``None``.

    Returns:
        The weights for the columns as given, shape (k,).
    """
    scale = values.std(axis=0)
    # A constant column's deviation may be a rounding error instead of 0.
    scale[scale <= 1e-9 * np.abs(values).max(axis=0)] = 1.0
    inputs = torch.from_numpy(values / scale)
    targets = torch.from_numpy(labels.astype(np.float64))
    rows = None if importance is None else torch.from_numpy(importance)
    start = torch.zeros(values.shape[1], dtype=torch.float64)
    if prior is not None:
        start = torch.from_numpy(prior * scale)
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            inputs @ weights, targets, weight=rows
        )
        loss = loss + ridge * ((weights - start) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach().numpy() / scale
