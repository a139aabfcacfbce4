"""Spawn to first suggestion, warm, cached, and a request without the model, through a sidecar."""

from __future__ import annotations

import statistics

from common import CASES

from llmstep_workshop.commands.bench import measure, read_questions

LIMITS = {"first": 1500.0, "warm": 250.0, "cached": 10.0, "dispatch": 2.0, "memory": 300.0}


def main() -> None:
    figures = measure(read_questions(CASES), model=None, count=8, rounds=5)
    rows = {
        "first": ("spawn to first suggestion", figures.first_ms, "ms"),
        "warm": ("warm suggestion, 8 candidates", statistics.median(figures.warm_ms), "ms"),
        "cached": ("cached answer", statistics.median(figures.cached_ms), "ms"),
        "dispatch": ("framing and dispatch", statistics.median(figures.dispatch_ms), "ms"),
        "memory": ("resident memory", figures.rss_bytes / 1e6, "MB"),
    }
    print(f"{figures.model}, 17 goals x 5 rounds, medians; target in brackets")
    for key, (name, value, unit) in rows.items():
        print(f"{name:<32} {value:8.2f} {unit}  [{LIMITS[key]:g} {unit}]")


if __name__ == "__main__":
    main()
