"""Models of the hub without a card."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from llmstep.errors import ConfigError, LLMStepError, ModelFileError, ModelNotFoundError
from llmstep.service.adoption import (
    DEFAULT_PROMPT,
    Reference,
    Wish,
    adopt,
    parse_reference,
    plan_adoption,
)
from llmstep.service.catalog import find_card, find_model
from llmstep.service.hub import DownloadError
from llmstep.service.lockfile import read_lock
from llmstep.service.verification import verify_model

from .fake_hub import COMMIT, FakeHub

REPO = "someone/My-Prover"


def gguf(name: str = "My Prover") -> bytes:
    """A GGUF file without tensors."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.name") + struct.pack("<I", 8) + text(name),
        text("llama.context_length") + struct.pack("<II", 4, 2048),
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)


FOLDER = {
    "config.json": json.dumps({"model_type": "t5", "is_encoder_decoder": True}).encode(),
    "tokenizer_config.json": b"{}",
    "model.safetensors": b"weights",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    with FakeHub(REPO, {"prover-Q4_K_M.gguf": gguf(), "README.md": b"hello"}) as server:
        server.take_over(monkeypatch, tmp_path / "cache")
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("a/b", Reference("a/b")),
        ("a/b@v1", Reference("a/b", "v1")),
        ("a/b@refs/pr/1:x.gguf", Reference("a/b", "refs/pr/1", "x.gguf")),
        ("a/b:x y.gguf", Reference("a/b", None, "x y.gguf")),
        ("https://huggingface.co/a/b", Reference("a/b")),
        ("hf.co/a/b:x.gguf", Reference("a/b", None, "x.gguf")),
        ("builtin", None),
        ("a/b/c", None),
        ("a/b:q/x.gguf", None),
        ("../../etc:x", None),
    ],
)
def test_references(name: str, reference: Reference | None) -> None:
    assert parse_reference(name) == reference


def test_a_model_without_a_card_gets_one(hub: FakeHub) -> None:
    hub.facts = {"tags": ["gguf", "license:mit"], "gguf": {"total": 1234, "architecture": "llama"}}
    adoption = plan_adoption(REPO)
    assert (adoption.is_new, adoption.guessed) == (True, True)
    assert find_card("prover-q4_k_m") is None
    place = adopt(adoption)
    assert place.read_bytes() == gguf()
    card = find_card("prover-q4_k_m")
    assert card is not None
    assert (card.name, card.architecture, card.context_length) == ("My Prover", "llama", 2048)
    assert (card.licence, card.parameters, card.prompt) == ("mit", 1234, DEFAULT_PROMPT)
    assert (card.repo, card.revision, card.file) == (REPO, COMMIT, "prover-Q4_K_M.gguf")
    model = find_model(REPO)
    assert (model.card, model.path) == (card, place)
    assert verify_model(model).source == "the lock file"
    assert read_lock()[card.id].revision == COMMIT
    again = plan_adoption(REPO)
    assert (again.plan, adopt(again)) == (None, place)


def test_what_the_user_says_of_it_counts(hub: FakeHub) -> None:
    hub.revisions.add("v1")
    wish = Wish(model_id="mine", prompt="proofstep-plain", stop=("[GOAL]",))
    adopt(plan_adoption(f"{REPO}@v1:prover-Q4_K_M.gguf", wish))
    assert any("/revision/v1" in path for _, path, _ in hub.requests)
    card = find_card("mine")
    assert card is not None
    assert (card.prompt, card.stop) == ("proofstep-plain", ("[GOAL]",))
    with pytest.raises(ConfigError, match="has a card"):
        plan_adoption("mine", Wish(prompt="fim"))


def test_the_same_weights_in_another_format_have_the_same_prompt(hub: FakeHub) -> None:
    hub.facts = {"tags": ["base_model:quantized:EleutherAI/llemma_7b"]}
    adoption = plan_adoption(REPO)
    assert (adoption.card.prompt, adoption.guessed) == ("llemma", False)
    assert plan_adoption(REPO, Wish(prompt="fim")).card.prompt == "fim"


def test_a_cards_own_repository_is_that_card(hub: FakeHub) -> None:
    hub.repo = "mradermacher/Qwen2.5-Coder-1.5B-GGUF"
    hub.files = {"Qwen2.5-Coder-1.5B.Q4_K_M.gguf": gguf()}
    hub.revisions.add("d3f7e01f1070fe8d4d95ba120e9c1fd2d1373410")
    adoption = plan_adoption(hub.repo)
    assert (adoption.card.id, adoption.is_new) == ("qwen2.5-coder-1.5b", False)
    other = plan_adoption(f"{hub.repo}@main")
    assert (other.card.prompt, other.is_new) == ("fim", True)
    assert other.card.id == "qwen2.5-coder-1.5b.q4_k_m"


def test_of_several_files_the_usual_format_is_taken_or_one_is_named(hub: FakeHub) -> None:
    hub.files["prover-Q8_0.gguf"] = gguf()
    assert plan_adoption(REPO).card.file == "prover-Q4_K_M.gguf"
    del hub.files["prover-Q4_K_M.gguf"]
    hub.files["prover-F16.gguf"] = gguf()
    with pytest.raises(DownloadError, match="has 2 GGUF files") as caught:
        plan_adoption(REPO)
    assert f"{REPO}:prover-F16.gguf, {REPO}:prover-Q8_0.gguf" in caught.value.hint
    assert plan_adoption(f"{REPO}:prover-Q8_0.gguf").card.id == "prover-q8_0"


def test_a_folder_of_an_encoder_decoder_reads_the_goal_alone(hub: FakeHub) -> None:
    hub.files = dict(FOLDER)
    hub.facts = {"safetensors": {"parameters": {"F32": 300}, "total": 300}}
    place = adopt(plan_adoption(REPO))
    card = find_card("my-prover")
    assert card is not None
    assert (card.prompt, card.backends, card.parameters) == ("byt5", ("transformers",), 300)
    assert sorted(file.name for file in place.iterdir()) == sorted(FOLDER)
    assert find_model("my-prover").path == place


@pytest.mark.parametrize(
    ("files", "reference", "words"),
    [
        ({"README.md": b""}, REPO, "no model for llmstep"),
        ({"m-00001-of-00002.gguf": gguf()}, REPO, "split into several files"),
        ({"m.gguf": gguf()}, f"{REPO}:n.gguf", "has no file n.gguf"),
        ({"m.bin": b""}, f"{REPO}:m.bin", "is no GGUF file"),
        ({k: v for k, v in FOLDER.items() if k != "tokenizer_config.json"}, REPO, "no tokenizer"),
        ({k: v for k, v in FOLDER.items() if k != "model.safetensors"}, REPO, "no weights"),
        (FOLDER, "someone/else", "there is no repository"),
        (FOLDER, f"{REPO}@gone", "revision gone"),
    ],
)
def test_what_cannot_be_taken_is_told_before_the_transfer(
    hub: FakeHub, files: dict[str, bytes], reference: str, words: str
) -> None:
    hub.files = files
    with pytest.raises(LLMStepError, match=words) as caught:
        plan_adoption(reference)
    assert caught.value.hint
    assert not any("/resolve/" in path for _, path, _ in hub.requests)


def test_a_file_that_is_no_model_leaves_nothing_behind(hub: FakeHub, tmp_path: Path) -> None:
    hub.files = {"m.gguf": b"<html>"}
    with pytest.raises(ModelFileError):
        adopt(plan_adoption(REPO))
    assert find_card("m") is None
    hub.files = {"m.gguf": gguf()}
    (tmp_path / "home" / "data" / "models.lock.json").unlink()
    adopt(plan_adoption(REPO))
    assert find_card("m") is not None


def test_a_name_that_is_taken_or_none(hub: FakeHub) -> None:
    with pytest.raises(ConfigError, match="there is a model 'builtin' already"):
        plan_adoption(REPO, Wish(model_id="builtin"))
    with pytest.raises(ModelNotFoundError, match="no model card 'nothing'") as caught:
        plan_adoption("nothing")
    assert "owner/name" in caught.value.hint
