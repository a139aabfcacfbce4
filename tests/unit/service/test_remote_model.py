"""Choosing a model at a server: ``openai`` and ``openai:<name>``."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmstep.service.catalog import find_model

CARD = """
id = "pythia"
name = "Pythia"
backends = ["llama_cpp"]
prompt = "proofstep-plain"
repo = "someone/pythia-lean"
file = "pythia.gguf"
stop = ["[GOAL]"]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    monkeypatch.delenv("LLMSTEP_OPENAI_MODEL", raising=False)
    monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    (folder / "pythia.toml").write_text(CARD)


@pytest.mark.parametrize("name", ["openai:pythia", "openai:someone/pythia-lean"])
def test_a_card_gives_prompt_stop_strings_and_the_servers_name(name: str) -> None:
    model = find_model(name)
    assert (model.id, model.backend, model.path) == (name, "openai", None)
    assert (model.card.prompt, model.card.stop) == ("proofstep-plain", ("[GOAL]",))
    assert model.remote_model == "someone/pythia-lean"


def test_a_gguf_cards_alias_is_the_name_at_a_server(tmp_path: Path) -> None:
    text = CARD.replace('id = "pythia"', 'id = "llemma"\naliases = ["Eleuther/llemma"]')
    (tmp_path / "data" / "models" / "llemma.toml").write_text(text)
    assert find_model("openai:llemma").remote_model == "Eleuther/llemma"
    assert find_model("openai:Eleuther/llemma").remote_model == "Eleuther/llemma"


def test_the_environment_names_a_card_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_OPENAI_MODEL", "served-as-this")
    assert find_model("openai:pythia").remote_model == "served-as-this"
    assert find_model("openai").remote_model == "served-as-this"


def test_any_other_name_is_the_servers() -> None:
    model = find_model("openai:qwen3:0.6b")
    assert model.remote_model == "qwen3:0.6b"
    assert model.card.prompt == "llemma-fewshot"
    assert find_model("openai").remote_model == ""


def test_answers_of_different_servers_and_models_are_kept_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = find_model("openai:a").fingerprint(), find_model("openai:b").fingerprint()
    monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", "http://127.0.0.1:2/v1")
    assert len({one, other, find_model("openai:a").fingerprint()}) == 3
