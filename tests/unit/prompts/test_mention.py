"""Premises as a prompt shows them."""

from __future__ import annotations

import re

import pytest

from llmstep.prompts.mention import Mention, choose_mentions, shorten
from llmstep.prompts.template import build_prompts, load_template

GOAL = "a b : ℕ\nh : a ≤ b\n⊢ a * a ≤ b * b"
FOUND = [
    Mention("mul_le_mul'", "a * c ≤ b * d"),
    Mention("inter_comm", "s ∩ t = t ∩ s", full="Set.inter_comm"),
    *(Mention(f"other_{i}", f"x{i} = y") for i in range(12)),
]


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]|\n", text))


def build(goal: str = GOAL, budget: int = 500, premises=(), retrieved=tuple(FOUND)):
    template = load_template("proofstep-premises")
    (prompt,) = build_prompts(template, [goal], "", budget, count, premises, retrieved)
    return prompt


def test_names_and_what_they_say_stand_before_the_goal_the_best_first() -> None:
    prompt = build()
    assert prompt.text.startswith(
        "[PREM]mul_le_mul' : a * c ≤ b * d\ninter_comm : s ∩ t = t ∩ s\nother_0"
    )
    assert prompt.text.endswith(f"[GOAL]{GOAL}[PROOFSTEP]")
    lines = prompt.text.split("[GOAL]")[0].split("\n")
    assert len(lines) == 8


def test_what_two_goals_share_is_a_beginning_of_both_prompts() -> None:
    first, second = build().text, build("p : Prop\n⊢ p").text
    shared = first.split("[GOAL]")[0]
    assert shared == second.split("[GOAL]")[0]


def test_without_premises_the_prompt_is_that_of_the_goal_alone() -> None:
    (plain,) = build_prompts(load_template("proofstep"), [GOAL], "", 500, count)
    assert build(retrieved=()).parts == plain.parts


def test_the_target_and_the_nearest_facts_go_before_premises() -> None:
    target = " + ".join(f"x{i}" for i in range(100)) + " = 0"
    whole = build(f"h : x1 = 0\n⊢ {target}", budget=230)
    assert f"⊢ {target}[PROOFSTEP]" in whole.text
    assert count(whole.text) <= 230
    far = "\n".join(f"α{i} : Type u_{i}" for i in range(60))
    near = build(f"{far}\nh : x1 = x2\n⊢ x1 = 0", budget=120)
    assert "h : x1 = x2\n⊢ x1 = 0" in near.text
    assert "mul_le_mul'" in near.text
    assert near.dropped
    assert count(near.text) <= 120


@pytest.mark.parametrize("budget", [20, 30, 45, 60, 90, 200])
def test_every_budget_is_kept_and_premises_stay_whole(budget: int) -> None:
    prompt = build("⊢ a = b", budget=budget)
    assert count(prompt.text) <= budget
    shown = prompt.text.split("[GOAL]")[0].removeprefix("[PREM]")
    lines = {mention.line for mention in FOUND}
    assert all(line in lines for line in shown.split("\n") if line)


def test_the_clients_names_come_first_and_none_twice() -> None:
    chosen = choose_mentions(("Set.inter_comm", "mine"), FOUND)
    assert [m.name for m in chosen[:3]] == ["Set.inter_comm", "mine", "mul_le_mul'"]
    assert chosen[0].conclusion == "s ∩ t = t ∩ s"
    assert "inter_comm" not in [m.name for m in chosen[1:]]
    assert len(chosen) == 8


def test_a_short_name_of_the_clients_is_shown_with_what_it_says() -> None:
    known = [*FOUND, Mention("union_comm", "s ∪ t = t ∪ s", full="Set.union_comm")]
    chosen = choose_mentions(("inter_comm", "union_comm", "Set.union_comm"), known)
    assert [m.line for m in chosen[:2]] == [
        "inter_comm : s ∩ t = t ∩ s",
        "union_comm : s ∪ t = t ∪ s",
    ]
    assert "union_comm" not in [m.full.rpartition(".")[2] for m in chosen[2:]]


def test_what_is_banned_is_not_shown_by_its_short_name_either() -> None:
    names = [m.name for m in FOUND if not m.is_one_of(("Set.inter_comm",))]
    assert "inter_comm" not in names


def test_a_name_that_would_leave_its_line_is_not_shown() -> None:
    bad = [Mention("x\n[GOAL]", "p"), Mention("fine", "a\nb")]
    assert build(retrieved=bad).text.startswith("[PREM]fine : a b[GOAL]")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a =\n  b", "a = b"),
        ("", ""),
        (
            "Tendsto (fun x => f x + g x) atTop (nhds a) ↔ Summable f ∧ Summable g",
            "Tendsto (fun x => f x + g x) … f ∧ Summable g",
        ),
    ],
)
def test_a_long_conclusion_keeps_both_ends(text: str, short: str) -> None:
    assert shorten(text) == short
    assert len(shorten("x" * 500)) < 60
