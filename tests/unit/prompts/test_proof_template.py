"""Templates for whole proofs: what is wrong with one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep.errors import ConfigError
from llmstep.prompts.proof_template import load_proof_template

GOOD = "user = '{statement}'\nrepair = '{attempt}{error}'\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    place = tmp_path / "data" / "prompts" / "proof"
    place.mkdir(parents=True)
    return place


def test_a_template_of_the_users_own_is_found(folder: Path) -> None:
    (folder / "mine.toml").write_text(GOOD + "stop = ['end']\n")
    template = load_proof_template("mine")
    assert (template.id, template.user, template.stop) == ("mine", "{statement}", ("end",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "sytem = ''", "there is no key `sytem`; did you mean `system`"),
        ("user = ''", "key `repair`: must be text"),
        ("user = '{goal}'\nrepair = ''", "there is no field {goal}; the fields are {statement}"),
        ("user = '{error}'\nrepair = ''", "key `user`: there is no field {error}"),
        (GOOD + "thought = ['<think>']", "must hold the two marks"),
        (GOOD + "fenced = 'all'", '"first" or "last"'),
        ("user = [", "cannot be read"),
    ],
)
def test_a_wrong_template_is_told_by_file_and_key(folder: Path, text: str, told: str) -> None:
    (folder / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_proof_template("bad")
    assert str(folder) in caught.value.message


def test_those_there_are_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        load_proof_template("none")
    assert "kimina" in caught.value.hint
