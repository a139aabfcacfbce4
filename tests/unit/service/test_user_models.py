from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.errors import ConfigError, LLMStepError, ModelFileError, ModelNotFoundError
from llmstep.service.card import ModelCard, read_card
from llmstep.service.catalog import find_card, find_model, folder, locate
from llmstep.service.user_models import format_card, import_model, plan_removal, remove


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A GGUF file without tensors: a head is all that importing looks at."""
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.name") + struct.pack("<I", 8) + text("My Prover"),
        text("llama.context_length") + struct.pack("<II", 4, 2048),
    ]
    file = tmp_path / "My Prover Q4.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
    return file


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    place = tmp_path / "byt5"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"model_type": "t5", "n_positions": 512}))
    (place / "tokenizer_config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"weights")
    (place / ".git").mkdir()
    return place


def test_a_gguf_file_is_copied_under_a_card_of_its_own(gguf: Path) -> None:
    card = import_model(gguf, prompt="proofstep-plain", stop=("[GOAL]", '"\n'), licence="MIT")
    assert card == find_card("my-prover-q4")
    assert (card.name, card.architecture, card.context_length) == ("My Prover", "llama", 2048)
    assert card.sha256 == hashlib.sha256(gguf.read_bytes()).hexdigest()
    model = find_model("my-prover-q4")
    assert model.path == folder(card) / gguf.name
    assert not model.path.is_symlink()
    assert model.card.stop == ("[GOAL]", '"\n')


def test_linking_leaves_the_file_where_it_is(gguf: Path) -> None:
    card = import_model(gguf, model_id="mine", manner="link")
    place = locate(card)
    assert place is not None
    assert place.resolve() == gguf.resolve()
    removal = plan_removal("mine")
    assert removal.size_bytes < 1000
    remove(removal)
    assert gguf.is_file()
    assert find_card("mine") is None


@pytest.mark.parametrize("manner", ["copy", "link"])
def test_a_folder_is_taken_in_without_hidden_files(hf_folder: Path, manner: str) -> None:
    card = import_model(hf_folder, manner=manner)  # type: ignore[arg-type]
    assert (card.id, card.backends, card.context_length) == ("byt5", ("transformers",), 512)
    assert locate(card) == folder(card)
    assert (folder(card) / ".git").exists() is (manner == "link")
    remove(plan_removal("byt5"))
    assert not folder(card).exists()
    assert (hf_folder / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "no config.json"),
        ("tokenizer_config.json", "no tokenizer"),
        ("model.safetensors", "no weights"),
    ],
)
def test_a_folder_that_lacks_something(hf_folder: Path, missing: str, words: str) -> None:
    (hf_folder / missing).unlink()
    with pytest.raises(ModelFileError, match=words):
        import_model(hf_folder)


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no file or folder"):
        import_model(tmp_path / "nowhere.gguf")
    file = tmp_path / "x.gguf"
    file.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ModelFileError, match="no GGUF file"):
        import_model(file)
    assert not (folder(ModelCard("x", "x", ())).parent / "x.toml").exists()


@pytest.mark.parametrize("name", ["echo", "openai", "a/b", "..", "", "x.gguf", "ä", "-a", "a:b"])
def test_names_that_cannot_be(gguf: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a model's name"):
        import_model(gguf, model_id=name or "-")


def test_a_name_that_is_taken(gguf: Path) -> None:
    import_model(gguf, model_id="mine")
    with pytest.raises(ConfigError, match="already") as caught:
        import_model(gguf, model_id="mine")
    assert "models rm mine" in caught.value.hint


def test_a_full_disk_leaves_nothing_behind(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llmstep.service.user_models.shutil.copyfile", fail)
    with pytest.raises(ModelFileError, match="No space left"):
        import_model(gguf, model_id="mine")
    assert find_card("mine") is None
    assert not folder(ModelCard("mine", "", ())).exists()


@pytest.mark.parametrize("name", ["builtin", "never-heard-of", "../..", "/etc", ""])
def test_only_what_was_pulled_or_imported_is_removed(name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        plan_removal(name)


@given(st.text(max_size=20), st.lists(st.text(max_size=8), max_size=3))
def test_any_text_survives_in_a_card(
    tmp_path_factory: pytest.TempPathFactory, name: str, stop: list[str]
) -> None:
    card = ModelCard("a", name or "a", ("llama_cpp",), stop=tuple(stop), licence=name)
    file = tmp_path_factory.mktemp("card") / "a.toml"
    try:
        file.write_text(format_card(card), encoding="utf-8")
    except UnicodeEncodeError:
        return
    try:
        read, _ = read_card(file)
    except LLMStepError as error:
        raise AssertionError(format_card(card)) from error
    assert read == card
