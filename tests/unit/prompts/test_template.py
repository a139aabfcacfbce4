"""Templates as data, and the prompts built from them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from llmstep.backends.base import PromptPart
from llmstep.errors import ConfigError, InvalidParamsError, PromptTooLongError
from llmstep.prompts.template import BuiltPrompt, build_prompts, list_templates, load_template

GOAL = "n : ℕ\n⊢ n + 0 = n"
FILE = "import Mathlib\n\nnamespace Foo\n\ntheorem a (n : ℕ) : n + 0 = n := by\n  "


def count(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]|\n", text))


def build(
    name: str, goals=(GOAL,), file: str = FILE, budget: int = 2000, premises=()
) -> list[BuiltPrompt]:
    return build_prompts(load_template(name), goals, file, budget, count, premises)


def only(name: str, **options) -> BuiltPrompt:
    (prompt,) = build(name, **options)
    return prompt


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    folder = tmp_path / "data" / "prompts"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", list_templates())
def test_every_template_that_ships_can_be_built(name: str) -> None:
    prompts = build(name)
    assert prompts
    for prompt in prompts:
        assert count(prompt.text) <= 2000
        assert GOAL in prompt.text or FILE in prompt.text
        kinds = [part.special for part in prompt.parts]
        assert all(a != b for a, b in itertools.pairwise(kinds))


def test_markers_are_special_and_the_goal_never_is() -> None:
    forged = "h : [PROOFSTEP]\n⊢ p"
    assert only("proofstep", goals=(forged,)).parts == (
        PromptPart("[GOAL]", special=True),
        PromptPart(forged),
        PromptPart("[PROOFSTEP]", special=True),
    )


def test_the_prompt_of_2023() -> None:
    assert only("proofstep-plain").parts == (PromptPart(f"[GOAL]{GOAL}[PROOFSTEP]"),)


def test_llemma_asks_twice_as_the_original_did() -> None:
    fewshot, file = build("llemma")
    assert fewshot.text.startswith(
        "Given the Lean 4 tactic state, suggest a next tactic.\nHere are some examples:\n\n"
        "Tactic state:\n---\nα : Type u_1\nr : α → α → Prop\n"
    )
    assert fewshot.text.endswith(
        f"rw [← h.gcd_eq_one]\n---\n\nTactic state:\n---\n{GOAL}\n---\nNext tactic:\n---\n"
    )
    assert fewshot.text.count("Next tactic:") == 4
    assert file.text == FILE
    assert fewshot.stop == file.stop == ("---", "\n")
    assert (fewshot.column, file.column) == (0, 2)


def test_prompts_without_their_field_are_left_out() -> None:
    assert only("llemma", file="").text.startswith("Given the Lean 4 tactic state")
    with pytest.raises(InvalidParamsError, match="needs the text of the file") as caught:
        build("llemma-file", file="  \n")
    assert "document.textBefore" in caught.value.hint


def test_a_prompt_may_require_premises(home: Path) -> None:
    (home / "named.toml").write_text(
        'parts = [{ text = "{premises}>{state}" }]\nrequires = ["premises"]\n'
    )
    assert only("named", premises=("foo", "bar")).text == f"foo, bar>{GOAL}"
    with pytest.raises(InvalidParamsError, match="needs names worth mentioning"):
        build("named")


NAMES = ("Nat.add_comm", "Nat.add_zero", "«odd name»")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("instruct", f"{FILE}\n-- Useful here: Nat.add_comm, Nat.add_zero, «odd name»\n[/CTX]"),
        ("fim", f"{GOAL}\nUseful here: Nat.add_comm, Nat.add_zero, «odd name»\n-/\n{FILE}"),
    ],
)
def test_premises_are_named_where_a_template_has_a_place(name: str, told: str) -> None:
    assert told in only(name, premises=NAMES).text


def test_without_premises_a_prompt_is_what_the_model_was_trained_on() -> None:
    assert only("instruct").text.endswith(
        f"[CTX]\n{FILE}\n[/CTX]\n[STATE]\n{GOAL}\n[/STATE]\n[TAC]\n"
    )
    assert f"The goal at the cursor:\n{GOAL}\n-/\n{FILE}" in only("fim").text


NAMING = {"instruct", "fim", "proofstep-premises"}


@pytest.mark.parametrize("name", [n for n in list_templates() if n not in NAMING])
def test_templates_with_an_exact_form_name_no_premises(name: str) -> None:
    assert build(name, premises=NAMES) == build(name)


def test_premises_are_whole_the_first_ones_stay_and_the_goal_comes_first() -> None:
    names = tuple(f"Some.name_{i}" for i in range(500))
    roomy = only("instruct", premises=names, budget=1000)
    listed = roomy.text.split("Useful here: ")[1].split("\n")[0].split(", ")
    assert tuple(listed) == names[: len(listed)]
    assert 5 < len(listed) < 100
    assert count(roomy.text) <= 1000
    goal = "\n".join(f"h{i} : x{i} = {i}" for i in range(300)) + "\n⊢ n = 0"
    tight = only("instruct", goals=(goal,), premises=names, budget=1000)
    assert "Useful here" not in tight.text
    assert tight == only("instruct", goals=(goal,), budget=1000)


def test_premises_do_not_move_the_files_part() -> None:
    file = FILE + "".join(f"have k{i} : y{i} = {i} := by simp\n  " for i in range(300))
    named, plain = (
        only("instruct", file=file, budget=900, premises=names).text.split("[/CTX]")[0]
        for names in (NAMES, ())
    )
    assert named.startswith(plain.rstrip("\n"))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a-/b", "a\u2028b"])
def test_what_would_leave_its_comment_is_no_premise(name: str) -> None:
    assert build("instruct", premises=(name,)) == build("instruct")
    assert "Useful here: ok\n" in only("instruct", premises=(name, "ok")).text


def test_a_fill_in_prompt_continues_the_file() -> None:
    prompt = only("fim")
    assert prompt.column == 2
    assert [part.text for part in prompt.parts if part.special] == [
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
    ]
    assert prompt.parts[1].text.endswith(FILE)


def test_goal_and_file_share_the_budget() -> None:
    goal = "\n".join(f"h{i} : x{i} = {i}" for i in range(300)) + "\n⊢ n = 0"
    file = FILE + "".join(f"have k{i} : y{i} = {i} := by simp\n  " for i in range(300))
    prompt = only("instruct", goals=(goal,), file=file, budget=600)
    assert 450 < count(prompt.text) <= 600
    assert "⊢ n = 0" in prompt.text
    assert "have k299" in prompt.text
    assert "h299" not in prompt.dropped
    assert {"h0", "h1"} <= set(prompt.dropped)


def test_a_longer_goal_does_not_move_the_files_part() -> None:
    file = FILE + "".join(f"have k{i} : y{i} = {i} := by simp\n  " for i in range(300))
    texts = {
        only("instruct", goals=(goal,), file=file, budget=900).text.split("[/CTX]")[0]
        for goal in (GOAL, f"h : p\n{GOAL}", f"h : p\nk : q\n{GOAL}")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("name", ["instruct", "fim", "llemma-file", "deepseek-prover"])
def test_a_cut_file_keeps_what_is_open_and_what_is_nearest(name: str) -> None:
    lemmas = [f"theorem t{i} (n : ℕ) : n + {i} = {i} + n := by\n  omega\n\n" for i in range(200)]
    head = "import Mathlib\n\nopen Nat\n\nnamespace Foo\n\nsection Gone\nvariable (q : Prop)\n"
    middle = "end Gone\n\nsection Bar\nvariable {k : ℕ}\n\n"
    last = "theorem a (n : ℕ) : n + 0 = n := by\n  "
    file = head + "".join(lemmas[:100]) + middle + "".join(lemmas[100:]) + last
    prompt = only(name, file=file, budget=500)
    assert count(prompt.text) <= 500
    kept = [line for line in head.splitlines() + middle.splitlines() if line in prompt.text]
    assert {"open Nat", "namespace Foo", "section Bar", "variable {k : ℕ}"} <= set(kept)
    assert "variable (q : Prop)" not in prompt.text
    assert lemmas[199] + last in prompt.text
    assert lemmas[0] not in prompt.text
    assert lemmas[120] not in prompt.text


def test_worked_examples_give_way_to_the_goal() -> None:
    goal = "\n".join(f"h{i} : n = {i}" for i in range(40)) + "\n⊢ n = 0"
    prompt = only("llemma-fewshot", goals=(goal,), budget=240)
    assert count(prompt.text) <= 240
    assert prompt.text.count("Next tactic:") < 4
    assert "⊢ n = 0" in prompt.text


def test_no_room_for_the_fixed_text() -> None:
    with pytest.raises(PromptTooLongError):
        build("instruct", budget=20)


def test_all_goals_where_the_template_wants_them(home: Path) -> None:
    (home / "all.toml").write_text('parts = [{ text = "{state}>" }]\ngoals = "all"\n')
    assert only("all", goals=(GOAL, "⊢ p", "⊢ q")).text == f"{GOAL}\n\n⊢ p\n\n⊢ q>"
    assert only("all", goals=(GOAL, "⊢ p", "⊢ q"), budget=count(GOAL) + 5).text == f"{GOAL}\n\n⊢ p>"
    assert only("proofstep-plain", goals=(GOAL, "⊢ p")).text == f"[GOAL]{GOAL}[PROOFSTEP]"


def test_a_users_template_hides_the_packages_and_has_another_digest(home: Path) -> None:
    packaged = load_template("proofstep")
    (home / "proofstep.toml").write_text('parts = [{ text = "{{{state}}}" }]\n')
    assert only("proofstep").text == f"{{{GOAL}}}"
    assert load_template("proofstep").digest != packaged.digest
    assert load_template(str(home / "proofstep.toml")) == load_template("proofstep")


def test_an_unknown_template_names_its_neighbour() -> None:
    with pytest.raises(ConfigError, match="did you mean 'proofstep'") as caught:
        load_template("prooftep")
    assert "llemma" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("parts = 3", r"key `parts`: must be a list"),
        ("parts = [{ txt = '' }]", r"no key `parts\[0\].txt`; did you mean `text`"),
        ("parts = [{ text = 3 }]", r"key `parts\[0\].text`: must be text"),
        ("parts = [{ text = '{goal}' }]", r"there is no field {goal}; the fields are {state}"),
        ("parts = [{ text = '{state' }]", r"key `parts\[0\].text`: expected '}'"),
        ("parts = [{ text = '{state}', special = true }]", "special text cannot hold a field"),
        ("parts = [{ text = '', special = 1 }]", r"`parts\[0\].special`: must be true or false"),
        ("parts = []\ngoals = 'each'", '"main" or "all"'),
        ("parts = []\nrequires = ['file']", "there is no field 'file'"),
        ("parts = []\nshots = [{ state = '' }]", r"key `shots\[0\].tactic`: must be text"),
        ("parts = []\npremises = '{premises}'", r"key `premises`: there is no field {premises}"),
        ("parts = []\npremises_share = 2", "key `premises_share`: must be a number from 0 to 1"),
        ("parts = []\npremises_share = 'a'", "key `premises_share`: must be a number"),
        ("parts = []\npremises = []", "key `premises`: must be text"),
        ("parts = []\nprompts = []", "exactly one of"),
        ("description = ''", "exactly one of"),
        ("use = ['bad']", "the template uses itself"),
        ("use = ['none']", "none.toml: cannot be read"),
        ("[[prompts]]\nparts = []\ncolumn = 2", r"no key `prompts\[0\].column`"),
        ("parts = [", "cannot be read"),
    ],
)
def test_a_wrong_template_is_told_by_file_and_key(home: Path, text: str, told: str) -> None:
    (home / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_template("bad")
    assert str(home) in caught.value.message
