"""What is clicked is what was checked: each suggestion proves in its place what it promised."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import check
import psutil
import pytest
from language_client import LanguageClient

pytestmark = pytest.mark.leanbed

HEAD = (
    'import LLMstep\nset_option llmstep.command "llmstep serve --model echo"\n'
    "set_option linter.unusedVariables false\n"
    # The steps as they were scripted, none of them written out as a proof.
    "set_option llmstep.finish false\n"
)
BOTH = "theorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n"
ERROR = 1

Script = list[dict[str, object]]


@dataclass(frozen=True)
class Clicked:
    """A suggestion after the click: its title, the proof it makes, the errors of that."""

    title: str
    proof: str
    errors: list[str] = field(default_factory=list)


class Editor:
    """Opens proofs and takes every suggestion that is offered in them, one after the other."""

    def __init__(self, package: check.LeanChecker, folder: Path, script: Script) -> None:
        answers = folder / "answers.json"
        answers.write_text(json.dumps(script), encoding="utf-8")
        self.client = LanguageClient(package, folder, LLMSTEP_ECHO_SCRIPT=str(answers))
        self._files = 0

    def open(self, text: str) -> list[str]:
        """Open a file of its own; the messages that Lean has for it."""
        self._files += 1
        self.client.open(f"Place{self._files}.lean", HEAD + text)
        return self.client.elaborated()

    def offers(self, marker: str, step: bool) -> list[dict[str, object]]:
        """What is offered at the first place of this text: a step, or suggestions."""
        before = self.client.text[: self.client.text.index(marker, len(HEAD))]
        line, character = before.count("\n"), len(before.rsplit("\n", 1)[-1])
        found = self.client.actions(line, character)
        return [a for a in found if (a["title"] == "llmstep: suggest a step") == step]

    def click_all(self, text: str, marker: str = "llmstep", step: bool = False) -> list[Clicked]:
        """Every suggestion for this text, each applied to the text as it was."""
        self.open(text)
        clicked = []
        for i in range(len(self.offers(marker, step))):
            if i:
                self.client.change(HEAD + text)
                self.client.elaborated()
            action = self.offers(marker, step)[i]
            if "edit" not in action:
                action = self.client.request("codeAction/resolve", action)
            proof = self.client.apply(action).removeprefix(HEAD)
            self.client.elaborated()
            errors = [d["message"] for d in self.client.diagnostics if d["severity"] == ERROR]
            clicked.append(Clicked(str(action["title"]), proof, errors))
        return clicked


EditorFor = Callable[[Script], Editor]


@pytest.fixture(scope="module")
def package(checker: check.LeanChecker) -> check.LeanChecker:
    assert not checker.check(check.ROOT / "LLMstep.lean")
    return checker


@pytest.fixture
def editor_for(package: check.LeanChecker, tmp_path: Path) -> Iterator[EditorFor]:
    editors: list[Editor] = []

    def make(script: Script) -> Editor:
        editors.append(Editor(package, tmp_path, script))
        return editors[-1]

    yield make
    for editor in editors:
        editor.client.stop()


def answers(*tactics: str, goal: str = "⊢ p ∧ q") -> dict[str, object]:
    candidates = [{"tactic": t, "score": -0.1 * (i + 1)} for i, t in enumerate(tactics)]
    return {"goal": goal, "candidates": candidates}


# No two lead to the same goal: of those, one alone is shown.
OPEN_ENDS = [
    "have h : p ∧ q := by exact And.intro hp hq",
    "have h : q ∧ p := by\n  exact And.intro hq hp",
    "first | have h : p ∧ p := And.intro hp hp | skip",
    "refine (fun (h : q ∧ q) => ?_) (And.intro hq hq)",
]


@pytest.mark.parametrize(
    "call",
    [
        "llmstep <;> exact ⟨hp, hq⟩",
        "llmstep; exact ⟨hp, hq⟩",
        "(llmstep); exact ⟨hp, hq⟩",
        "skip; llmstep\n  exact ⟨hp, hq⟩",
        "first | llmstep | skip\n  exact ⟨hp, hq⟩",
        "try llmstep\n  exact ⟨hp, hq⟩",
    ],
)
def test_what_follows_the_call_is_left_alone(editor_for: EditorFor, call: str) -> None:
    editor = editor_for([answers(*OPEN_ENDS)])
    clicked = editor.click_all(BOTH + f"  {call}\n")
    assert [c.errors for c in clicked] == [[]] * len(OPEN_ENDS), clicked


def test_a_call_that_is_being_written_asks_nothing(editor_for: EditorFor) -> None:
    editor = editor_for([answers("exact ⟨hp, hq⟩")])
    for call in (
        'llmstep "exa',
        'llmstep "',
        'llmstep r#"exa"',
        "llmstep exact",
        'llmstep "exact" foo',
    ):
        assert editor.click_all(BOTH + f"  {call}\n") == [], call
        assert editor.click_all(BOTH + f"  {call}\n\ntheorem next : True := True.intro\n") == [], (
            call
        )
        assert not sidecars(), call
    # What is wrong further down is no matter of the call's.
    assert len(editor.click_all(BOTH + "  llmstep\n  exact (\n")) == 1


def sidecars() -> list[psutil.Process]:
    """The sidecars below this process; each is started by the first question of a file."""
    return [c for c in psutil.Process().children(recursive=True) if "serve" in c.cmdline()]


ONE_BY_ONE = [
    answers("exact ⟨hp, hq⟩", "constructor"),
    answers("exact hp", "assumption", "skip", "exact hq", goal="⊢ p"),
    answers("exact hq", "assumption", goal="⊢ q"),
]


@pytest.mark.parametrize(
    ("tactics", "right"),
    [
        ("constructor <;> llmstep", ["assumption"]),
        ("constructor\n  all_goals llmstep", ["assumption"]),
        ("constructor\n  any_goals llmstep", ["assumption"]),
        ("constructor\n  all_goals try llmstep", ["assumption"]),
        ("constructor\n  on_both llmstep", ["assumption"]),
        ("constructor <;> (skip; llmstep)", ["assumption"]),
        ("repeat llmstep", ["exact ⟨hp, hq⟩", "constructor"]),
        ("twice llmstep", []),
        ("constructor <;> repeat llmstep", ["assumption"]),
        ("first | llmstep | skip", ["exact ⟨hp, hq⟩"]),
    ],
)
def test_one_list_of_what_is_right_for_all_goals(
    editor_for: EditorFor, tactics: str, right: list[str]
) -> None:
    editor = editor_for(ONE_BY_ONE)
    macros = (
        'macro "twice " t:tactic : tactic => `(tactic| ($t:tactic; $t:tactic))\n'
        'macro "on_both " t:tactic : tactic => `(tactic| all_goals ($t:tactic))\n'
    )
    text = f"{macros}{BOTH}  {tactics}\n"
    messages = editor.open(text)
    ours = [m for m in messages if "Try these" in m or m.startswith("llmstep:")]
    # What Lean has reported after the first tactic of `(t; t)` cannot be taken back.
    assert len(ours) == (2 if tactics == "twice llmstep" else 1), messages
    assert ("Try these" in ours[0]) == (tactics != "twice llmstep")
    editor.client.close()
    clicked = editor.click_all(text)
    if tactics.startswith("first"):  # What else has arrived by then depends on time.
        clicked = [c for c in clicked if "constructor" not in c.proof]
    assert sorted(c.proof for c in clicked) == sorted(text.replace("llmstep", r) for r in right)
    if "repeat" not in tactics:  # what `constructor` leaves is no fault of the loop's
        assert [c.errors for c in clicked] == [[]] * len(right)


@pytest.mark.parametrize(
    ("closers", "proof"),
    [
        ("assumption", "constructor <;> assumption"),
        (
            "",
            "constructor <;> first\n                  | (exact hp)\n                  | (exact hq)",
        ),
    ],
)
def test_one_proof_for_all_goals(editor_for: EditorFor, closers: str, proof: str) -> None:
    only = [answers("exact hp", goal="⊢ p"), answers("exact hq", goal="⊢ q")]
    editor = editor_for(only)
    options = (
        f'set_option llmstep.search.closers "{closers}"\n'
        "set_option llmstep.search.structural false\n"
    )
    text = options + BOTH + "  constructor <;> llmsearch\n"
    messages = editor.open(text)
    assert sum("Try this" in m for m in messages) == 1, messages
    editor.client.close()
    (clicked,) = editor.click_all(text, "llmsearch\n")
    assert clicked.proof == text.replace("constructor <;> llmsearch", proof)
    assert clicked.errors == []


P_AND_Q = [
    answers("exact ⟨hp, hq⟩"),
    answers("exact hp", "assumption", goal="⊢ p"),
    answers("exact hq", "assumption", goal="⊢ q"),
]
STEPS = {
    "exact": ("exact sorry", "exact by exact ⟨hp, hq⟩"),
    "have": ("have h : p := sorry\n  exact ⟨h, hq⟩", "have h : p := by exact hp\n  exact ⟨h, hq⟩"),
    "anonymous constructor": ("exact ⟨sorry, hq⟩", "exact ⟨by exact hp, hq⟩"),
    "an argument": ("exact And.intro hp sorry", "exact And.intro hp (by exact hq)"),
    "an argument in front": (
        "refine And.intro sorry ?_\n  exact hq",
        "refine And.intro (by exact hp) ?_\n  exact hq",
    ),
    "apply": ("apply And.intro _ sorry; exact hp", "apply And.intro _ (by exact hq); exact hp"),
    "a function": ("exact (fun h => ⟨sorry, h⟩) hq", "exact (fun h => ⟨by exact hp, h⟩) hq"),
    "a tactic in brackets": ("(sorry)", "(exact ⟨hp, hq⟩)"),
    "an alternative": ("first | sorry | skip", "first | exact ⟨hp, hq⟩ | skip"),
    "braces": (
        "constructor\n  { exact hp }\n  { skip }",
        "constructor\n  { exact hp }\n  { skip; exact hq }",
    ),
    "braces on lines": (
        "constructor\n  { exact hp }\n  {\n    skip -- the second\n  }",
        "constructor\n  { exact hp }\n  {\n    skip -- the second\n    exact hq\n  }",
    ),
    "empty braces": (
        "constructor\n  { exact hp }\n  { }",
        "constructor\n  { exact hp }\n  { exact hq }",
    ),
    "a comment behind": (
        "constructor\n  · exact hp\n  · skip -- the second half",
        "constructor\n  · exact hp\n  · skip -- the second half\n    exact hq",
    ),
    "a comment in a line": ("skip /- well -/", "skip /- well -/\n  exact ⟨hp, hq⟩"),
    "brackets behind": ("exact (by skip)", "exact (by skip\n            exact ⟨hp, hq⟩)"),
    "all goals": ("constructor\n  all_goals sorry", "constructor\n  all_goals assumption"),
    "a combinator": ("constructor <;> sorry", "constructor <;> assumption"),
    "the cursor's": ("exact ⟨by sorry, by sorry⟩", "exact ⟨by exact hp, by sorry⟩"),
}


@pytest.mark.parametrize("case", STEPS)
def test_the_step_stands_where_it_is_missing(editor_for: EditorFor, case: str) -> None:
    before, after = STEPS[case]
    marker = "sorry" if "sorry" in before else before.rsplit("\n", 1)[-1].strip()
    if case == "braces on lines":
        marker = "skip --"
    editor = editor_for(P_AND_Q)
    (clicked,) = editor.click_all(f"{BOTH}  {before}\n", marker, step=True)
    assert clicked.proof == f"{BOTH}  {after}\n"
    assert clicked.errors == []


@pytest.mark.parametrize(
    ("proof", "after"),
    [
        ("theorem t (p : Prop) (hp : p) : p := sorry\n", ":= by exact hp\n"),
        ("theorem t (p : Prop) (hp : p) : p := by { skip }\n", "by { skip; exact hp }\n"),
        ("theorem t (p : Prop) (hp : p) : p := by {}\n", "by { exact hp}\n"),
        ("theorem t (p : Prop) (hp : p) : p := by\n", "by exact hp\n"),
        ("theorem t (p : Prop) (hp : p) : p := by -- how?\n", "by exact hp -- how?\n"),
        ("theorem t (p : Prop) (hp : p) : p := (id sorry : p)\n", "(id (by exact hp) : p)\n"),
    ],
)
def test_the_step_stands_in_the_first_line(editor_for: EditorFor, proof: str, after: str) -> None:
    editor = editor_for(P_AND_Q)
    (clicked,) = editor.click_all(proof, "(hp", step=True)
    assert clicked.proof.endswith(after), clicked
    assert clicked.errors == []


def test_a_step_that_is_not_right_for_every_goal_is_refused(editor_for: EditorFor) -> None:
    editor = editor_for([answers("exact hp", goal="⊢ p")])
    editor.open(BOTH + "  constructor <;> sorry\n")
    (action,) = editor.offers("sorry", step=True)
    answer = editor.client.exchange("codeAction/resolve", action)
    assert "on another goal that this place is reached with" in answer["error"]["message"]
