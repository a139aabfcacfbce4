from __future__ import annotations

from collections import Counter
from pathlib import Path

from llmstep_workshop.data.records import Record
from llmstep_workshop.data.sheet import Profile, Sheet, find_quantile


def test_a_sheet_tells_what_is_in_the_data(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_bytes(b"abc")
    profile = Profile()
    for tactic in ("simp", "simp at h", "exact a | b"):
        profile.count(Record("⊢ p", tactic, "tac", "t", "f.lean", "mathlib"))
    sheet = Sheet(
        title="rows",
        command="llmstep data clean raw.jsonl",
        sources=[source],
        licence="Apache-2.0",
        profiles={"rows.jsonl": profile},
        tables=[("Dropped", ("rule", "rows"), {"a | b": 1200})],
        notes=["A note."],
    )
    text = sheet.render()
    for line in (
        "Licence: Apache-2.0",
        "A note.",
        "| raw.jsonl | 3, ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad |",
        "| a \\| b | 1,200 |",
        "| rows | 3 |",
        "| files | 1 |",
        "| theorems | 1 |",
        "| tactic characters, p50 / p90 / p99 | 9 / 11 / 11 |",
        "| src | mathlib 3 |",
        "| simp | 2 |",
    ):
        assert line in text.splitlines(), line
    assert "env" not in text


def test_quantiles() -> None:
    lengths = Counter({1: 50, 5: 49, 9: 1})
    assert [find_quantile(lengths, share) for share in (50, 51, 99, 100)] == [1, 5, 5, 9]
    assert find_quantile(Counter(), 50) == 0
