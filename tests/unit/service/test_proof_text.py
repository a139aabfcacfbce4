from __future__ import annotations

import time

import pytest

from llmstep.service.proof_text import find_lean_3, read_proof, rebase

THINK = ("<think>", "</think>")

BLOCK = "constructor\n· exact hp\n· exact hq"


@pytest.mark.parametrize(
    "answer",
    [
        f"```lean4\n{BLOCK}\n```",
        f"```lean\n{BLOCK}\n```\nThis proves it.",
        f"<think>first `x`\n```lean4\nwrong\n```\n</think>\nHere:\n```lean4\n{BLOCK}\n```",
        f"a thought without its opening mark</think>\n```lean4\n{BLOCK}\n```",
        BLOCK,
        f"by\n  {BLOCK.replace(chr(10), chr(10) + '  ')}",
        f"```lean4\n{BLOCK}",
        f"```lean4\nskip\n```\nBetter:\n```lean4\n{BLOCK}\n```",
        "```lean4\nimport Mathlib\n\nopen Nat\n\n"
        "theorem both (p q : Prop) (hp : p) (hq : q := by simp) :\n    p ∧ q := by\n"
        "  constructor\n  · exact hp\n  · exact hq\n```",
        "```lean4\n@[simp]\nprivate theorem both : p ∧ q :=\n  by\n"
        "    constructor\n    · exact hp\n    · exact hq\n```",
        "```lean4\nlemma a : p := by simp\n\nexample : p ∧ q := by\n  constructor\n  · exact hp\n"
        "  · exact hq\n```",
        f"```lean4\r\n{BLOCK.replace(chr(10), chr(13) + chr(10))}\r\n```",
    ],
)
def test_the_block_is_found(answer: str) -> None:
    assert read_proof(answer, THINK).block == BLOCK


def test_a_term_becomes_a_step() -> None:
    answer = "```lean4\ntheorem both : p ∧ q := ⟨hp, hq⟩\n```"
    assert read_proof(answer, THINK).block == "exact ⟨hp, hq⟩"


def test_a_last_block_in_another_language_is_not_taken_before_one_in_lean() -> None:
    answer = "```lean4\nsimp\n```\nOutput:\n```text\nno goals\n```"
    assert read_proof(answer, THINK).block == "simp"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("<think>and so on, and so on", "thought"),
        ("", "no proof"),
        ("```lean4\n```", "no proof"),
        ("```lean4\ntheorem t : p :=\n```", "no proof"),
        ("```lean\nbegin\n  exact hp,\nend\n```", "Lean 3"),
        ("```lean\nintro h,\ncases h,\nexact h_left\n```", "Lean 3"),
        ("exact nat.succ_le_of_lt h", "Lean 3"),
    ],
)
def test_what_holds_no_proof_says_why(answer: str, problem: str) -> None:
    found = read_proof(answer, THINK)
    assert found.block == ""
    assert problem in found.problem


@pytest.mark.parametrize(
    "block",
    [
        "simp only [foo,\n  bar,\n  baz]",
        "obtain ⟨a,\n  b⟩ := h\nexact f (a,\n  b)",
        "exact fun x => x",
        "rw [Nat.succ_le_iff]",
        "-- begin here, or\n-- there, and so on,\nsimp",
        "exact List.map_map _ _ _",
    ],
)
def test_lean_4_is_not_taken_for_lean_3(block: str) -> None:
    assert find_lean_3(block) == ""


def test_comments_stay() -> None:
    answer = "```lean4\n-- split\nconstructor /- two -/\n· exact hp -- first\n· exact hq\n```"
    assert "-- split" in read_proof(answer, THINK).block


def test_control_characters_are_left_out() -> None:
    assert read_proof("```lean4\nsi\x1b[0mmp\x00\n```", THINK).block == "simp"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("    a\n      b\n    c", "a\n  b\nc"),
        ("a\n  b\n  c", "a\nb\nc"),
        ("a\nb\n  c", "a\nb\n  c"),
        ("  a\nb", "a\nb"),
        ("\n\n  a\n\n  b\n\n", "a\n\nb"),
    ],
)
def test_indentation_begins_at_column_0(block: str, expected: str) -> None:
    assert rebase(block) == expected


@pytest.mark.parametrize(
    "piece",
    ["```lean4\n", "@[", "theorem ", ":= ", "(", "a,\n", "λ ", "<think>", "begin\n", "\n  ", "/-"],
)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    """Doubling an answer may at most quadruple-and-a-bit the time of a quadratic reader."""

    def measure(count: int) -> float:
        text = piece * (count // len(piece))
        best = float("inf")
        for _ in range(3):
            begin = time.process_time()
            read_proof(text, THINK)
            best = min(best, time.process_time() - begin)
        return best

    small, large = measure(4_000), measure(16_000)
    assert large < 0.05 or large / max(small, 1e-3) < 10
