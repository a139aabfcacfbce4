"""What moves the weights, and how fast at which point of a run."""

from __future__ import annotations

import math

import torch

from llmstep_workshop.training.recipe import Optimization

_ADAM_BETA1 = 0.9


def build_optimizers(model: torch.nn.Module, plan: Optimization) -> list[torch.optim.Optimizer]:
    """The plan's optimizers for the weights that are trained.

    Muon takes the hidden matrices and AdamW the embeddings and norms, or AdamW takes all, with
    weight decay on matrices alone. Each group keeps its full rate under ``peak`` so that the
    schedule can scale it.
    """
    betas = (_ADAM_BETA1, plan.adam_beta2)
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    if plan.optimizer == "adamw":
        groups = [
            {"params": [p for _, p in trained if p.ndim >= 2], "weight_decay": plan.weight_decay},
            {"params": [p for _, p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        found: list[torch.optim.Optimizer] = [
            torch.optim.AdamW([g for g in groups if g["params"]], lr=plan.adam_rate, betas=betas)
        ]
        peaks = [plan.adam_rate]
    else:
        hidden, rest = [], []
        for name, parameter in trained:
            is_matrix = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
            (hidden if is_matrix else rest).append(parameter)
        decay, match = plan.weight_decay, "match_rms_adamw"
        muon = torch.optim.Muon(hidden, lr=plan.muon_rate, weight_decay=decay, adjust_lr_fn=match)
        adam = torch.optim.AdamW(rest, lr=plan.adam_rate, betas=betas, weight_decay=0.0)
        found, peaks = [muon, adam], [plan.muon_rate, plan.adam_rate]
    for optimizer, peak in zip(found, peaks, strict=True):
        for group in optimizer.param_groups:
            group["peak"] = peak
    return found


def set_rates(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Set every learning rate to its peak times the factor."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor


def rate_factor(plan: Optimization, step: int, fraction: float, after: float) -> float:
    """The factor on every learning rate: linear warm-up, then a cosine over the budget.

    Args:
        plan: The plan.
        step: Steps taken before this one.
        fraction: Share of the budget used before it.
        after: Share of the budget used when it is done.
    """
    warmup = min(1.0, (step + 1) / max(1, plan.warmup_steps))
    if plan.warmup_share is not None:
        warmup = min(1.0, after / plan.warmup_share) if plan.warmup_share else 1.0
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, fraction)))
    return warmup * (plan.final_fraction + (1.0 - plan.final_fraction) * cosine)
