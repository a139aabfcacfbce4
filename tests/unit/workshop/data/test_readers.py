from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmstep_workshop.data.readers import Reader, detect_format, first_goal
from llmstep_workshop.data.records import Record
from llmstep_workshop.errors import TrainingDataError

# The shape of LeanDojo Benchmark 4's train.json.
THEOREM: dict[str, Any] = {
    "url": "https://github.com/leanprover-community/mathlib4",
    "commit": "fe4454af900584467d21f4fd4fe951d29d9332a7",
    "file_path": "Mathlib/Logic/Basic.lean",
    "full_name": "and_swap",
    "theorem_statement": "theorem and_swap (p q : Prop) : p ∧ q → q ∧ p :=",
    "start": [7, 1],
    "end": [10, 4],
    "traced_tactics": [
        {
            "tactic": "rintro ⟨hp, hq⟩",
            "annotated_tactic": ["rintro ⟨hp, hq⟩", []],
            "state_before": "p q : Prop\n⊢ p ∧ q → q ∧ p",
            "state_after": "p q : Prop\nhp : p\nhq : q\n⊢ q ∧ p",
        },
        {
            "tactic": "exact hq",
            "annotated_tactic": ["exact hq", []],
            "state_before": "case left\np q : Prop\nhq : q\n⊢ q\n\ncase right\np q : Prop\n⊢ p",
            "state_after": "no goals",
        },
        {
            "tactic": "done",
            "annotated_tactic": ["done", []],
            "state_before": "no goals",
            "state_after": "no goals",
        },
    ],
}
RAW = {
    "declId": "Mathlib.Logic.Basic.7_0.kXq9ZbTzVfR2aPq",
    "decl": "theorem and_swap (p q : Prop) : p ∧ q → q ∧ p ",
    "srcUpToTactic": "import Mathlib\n",
    "declUpToTactic": "theorem and_swap ",
    "state": "p q : Prop\nh : p ∧\n    q\n⊢ q ∧\n    p\np q : Prop\n⊢ p",
    "nextTactic": "exact h.symm",
}
INSTRUCTION = {
    "task": "tactic_predition",
    "prompt_name": "context_state_tactic",
    "prompt": "/- You are proving a theorem in Lean 4. -/\n[CTX]\n-- [STATE]\n-- x\n[/CTX]\n"
    "[STATE]\np : Prop\nh : p\n⊢ p\n[/STATE]\n[TAC]\n",
    "completion": "exact h\n[/TAC]",
    "metadata": {
        "file": "Examples/Mathlib/TacticPrediction/Mathlib.Logic.Basic.jsonl",
        "declId": "Mathlib.Logic.Basic.3_0.abc",
        "split": "train",
    },
}


def write(path: Path, content: object, *, lines: bool) -> Path:
    if lines:
        assert isinstance(content, list)
        text = "".join(json.dumps(entry) + "\n" for entry in content)
    else:
        text = json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_leandojo(tmp_path: Path) -> None:
    bare = {**THEOREM, "full_name": "by_term", "traced_tactics": []}
    path = write(tmp_path / "train.json", [THEOREM, bare], lines=False)
    assert detect_format(path) == "leandojo"
    reader = Reader("leandojo")
    origin = {"decl": "and_swap", "file": "Mathlib/Logic/Basic.lean"}
    assert list(reader.read(path)) == [
        Record("p q : Prop\n⊢ p ∧ q → q ∧ p", "rintro ⟨hp, hq⟩", **origin),
        Record("case left\np q : Prop\nhq : q\n⊢ q", "exact hq", **origin),
    ]
    assert reader.skipped == {"theorem without tactics": 1, "no goal before the tactic": 1}
    assert reader.reduced == 1


def test_ntp_toolkit_raw(tmp_path: Path) -> None:
    path = write(tmp_path / "Mathlib.Logic.Basic.jsonl", [RAW], lines=True)
    assert detect_format(path) == "ntp"
    reader = Reader("ntp")
    assert list(reader.read(path)) == [
        Record(
            "p q : Prop\nh : p ∧\n    q\n⊢ q ∧\n    p",
            "exact h.symm",
            decl="Mathlib.Logic.Basic.7_0.kXq9ZbTzVfR2aPq",
            file="Mathlib.Logic.Basic",
        )
    ]
    assert reader.reduced == 1


def test_ntp_toolkit_instructions(tmp_path: Path) -> None:
    proof = {"prompt": "[CTX]\nx\n[/CTX]\n[PROOF]\n", "completion": "rfl\n[/PROOF]"}
    path = write(tmp_path / "train.jsonl", [INSTRUCTION, proof], lines=True)
    assert detect_format(path) == "ntp"
    reader = Reader("ntp")
    assert list(reader.read(path)) == [
        Record(
            "p : Prop\nh : p\n⊢ p",
            "exact h",
            decl="Mathlib.Logic.Basic.3_0.abc",
            file="Mathlib.Logic.Basic",
        )
    ]
    assert reader.skipped == {"not a state and a tactic": 1}


def test_the_text_before_the_step_is_kept_on_demand(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [RAW, INSTRUCTION], lines=True)
    assert [row.context for row in Reader("ntp", context=8).read(path)] == [
        "Mathlib\n",
        "TE]\n-- x",
    ]
    assert [row.context for row in Reader("ntp").read(path)] == ["", ""]


def test_plain_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [{"state": "⊢ p", "tactic": " simp\n", "x": 1}], lines=True)
    assert detect_format(path) == "jsonl"
    assert list(Reader("jsonl").read(path)) == [Record("⊢ p", "simp")]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"traced_tactics": 3}, r"theorem 0 \(and_swap\): field 'traced_tactics': expected a list"),
        ({"traced_tactics": ["x"]}, r"traced_tactics\[0\]: expected an object, found 'x'"),
        (
            {"traced_tactics": [{"tactic": "simp"}]},
            r"traced_tactics\[0\]: field 'state_before': .* found missing",
        ),
        (
            {"traced_tactics": [{"tactic": 1, "state_before": "⊢ p"}]},
            r"traced_tactics\[0\]: field 'tactic': .* found 1",
        ),
    ],
)
def test_a_malformed_theorem_is_named(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    path = write(tmp_path / "t.json", [THEOREM | change], lines=False)
    with pytest.raises(TrainingDataError, match=complaint):
        list(Reader("leandojo").read(path))


def test_an_array_of_something_else(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", [1], lines=False)
    with pytest.raises(TrainingDataError, match="theorem 0: expected an object, found 1"):
        list(Reader("leandojo").read(path))


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [RAW, RAW | {"nextTactic": None}], lines=True)
    with pytest.raises(TrainingDataError, match=r"t\.jsonl:2: field 'nextTactic'.*found None"):
        list(Reader("ntp").read(path))


def test_an_unknown_format_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", [{"goal": "x", "proof": "y"}], lines=True)
    with pytest.raises(TrainingDataError, match=r'no known format.*"goal", "proof"'):
        detect_format(path)
    path.write_text("\n")
    with pytest.raises(TrainingDataError, match="is empty"):
        detect_format(path)
    with pytest.raises(TrainingDataError, match="cannot be read"):
        detect_format(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    ("state", "first"),
    [
        ("⊢ p", "⊢ p"),
        ("h : p\n⊢ p ∧\n    q", "h : p\n⊢ p ∧\n    q"),
        ("⊢ p ∧\nq", "⊢ p ∧\nq"),  # indentation lost, but there is one goal only
        ("case a\n⊢ p\n\ncase b\n⊢ q", "case a\n⊢ p"),
        ("⊢ p\nh : p\n⊢ q", "⊢ p"),
    ],
)
def test_first_goal(state: str, first: str) -> None:
    assert first_goal(state) == first
