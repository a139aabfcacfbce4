"""Models by name, and their cards."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from llmstep import paths
from llmstep.backends import BACKENDS
from llmstep.errors import BackendUnavailableError, ModelFileError, ModelNotFoundError
from llmstep.prompts.template import load_template
from llmstep.service.card import ModelCard, SamplingDefaults, Score, read_card
from llmstep.service.catalog import (
    find_card,
    find_model,
    how_to_get,
    missing_backend,
    read_catalog,
)
from llmstep.service.checksums import fingerprint
from llmstep.service.verification import verify_model

CARD = """
id = "tiny"
name = "Tiny"
backends = ["llama_cpp"]
aliases = ["someone/tiny"]
repo = "someone/tiny"
file = "tiny.gguf"
"""
WEIGHTS = b"GGUF" + bytes(range(256)) * 20_000


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    folder = paths.data_dir() / "models"
    folder.mkdir(parents=True)
    return folder


GOOD_SCORE = 'scores = [{ task = "step", benchmark = "miniF2F", percent = 30, source = "x" }]'


def write(folder: Path, text: str = CARD, name: str = "tiny.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def put_weights(folder: Path) -> Path:
    (folder / "tiny").mkdir()
    file = folder / "tiny" / "tiny.gguf"
    file.write_bytes(WEIGHTS)
    return file


def test_every_card_that_ships_can_be_read_and_names_a_template() -> None:
    catalog = read_catalog()
    assert catalog.problems == ()
    expected = {"llmstep-pythia-2.8b", "leandojo-byt5-small", "llemma-7b", "qwen2.5-coder-1.5b"}
    assert expected <= {card.id for card in catalog.cards}
    for card in catalog.cards:
        assert load_template(card.prompt).prompts
        assert card.licence
        # `models recommend` tells memory and time from it.
        assert card.parameters
        assert card.source.startswith("https://") or card.id == "builtin"
    names = [name for card in catalog.cards for name in (card.id, *card.aliases)]
    assert len(set(names)) == len(names)


def test_a_card_is_found_by_id_and_alias(models: Path) -> None:
    write(models)
    weights = put_weights(models)
    for name in ("tiny", "someone/tiny"):
        model = find_model(name)
        assert (model.id, model.path, model.backend) == ("tiny", weights, "llama_cpp")
    card = find_card("tiny")
    assert card is not None
    assert card.sampling == SamplingDefaults()


def test_the_scripted_backend_needs_no_file() -> None:
    model = find_model("echo")
    assert (model.path, model.backend, model.fingerprint()) == (None, "echo", "echo")


def test_a_card_whose_file_is_missing_says_where_to_put_it(models: Path) -> None:
    write(models)
    with pytest.raises(ModelNotFoundError, match="'tiny' is not on this machine") as caught:
        find_model("tiny")
    assert str(models / "tiny" / "tiny.gguf") in caught.value.hint
    assert "https://huggingface.co/someone/tiny" in caught.value.hint
    assert "--model /path/to.gguf" in caught.value.hint


def test_a_card_for_a_backend_of_another_version(models: Path) -> None:
    text = CARD.replace("llama_cpp", "abacus").replace('file = "tiny.gguf"', "")
    write(models, text)
    with pytest.raises(BackendUnavailableError, match="needs the backend abacus"):
        find_model("tiny")
    card = find_card("tiny")
    assert card is not None
    assert "abacus, not in this version" in missing_backend(card)
    assert str(models / "tiny") in how_to_get(card)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    card = ModelCard("x", "X", ("llama_cpp",))
    assert missing_backend(card) == f"needs llama_cpp: {paths.install_command('gguf')}"
    assert missing_backend(ModelCard("x", "X", ("echo", "llama_cpp"))) == ""
    assert "echo" in BACKENDS


def test_a_gguf_file_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "My Model.GGUF"
    file.write_bytes(WEIGHTS)
    monkeypatch.chdir(tmp_path)
    for name in (str(file), "My Model.GGUF", "./My Model.GGUF"):
        model = find_model(name)
        assert (model.path, model.backend, model.id) == (file.resolve(), "llama_cpp", "My Model")
        assert model.card.prompt == "proofstep"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tinny", "no model 'tinny'; did you mean 'tiny'"),
        ("nothing-like-it-at-all", "no model 'nothing-like-it-at-all'$"),
        ("no/such.gguf", "no file no/such.gguf"),
        ("no.gguf", "no file no.gguf"),
        ("", "folder"),
    ],
)
def test_names_that_are_no_model(models: Path, name: str, told: str) -> None:
    write(models)
    with pytest.raises((ModelNotFoundError, ModelFileError), match=told):
        find_model(name)


def test_paths_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"a folder without a config\.json"):
        find_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"no \.gguf file"):
        find_model(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize(
    ("config", "prompt"),
    [("{}", "proofstep-plain"), ('{"is_encoder_decoder": true}', "byt5")],
)
def test_a_hugging_face_folder_is_a_model(tmp_path: Path, config: str, prompt: str) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    model = find_model(str(tmp_path))
    assert (model.path, model.backend, model.card.prompt) == (tmp_path, "transformers", prompt)
    before = model.fingerprint()
    (tmp_path / "model.safetensors").write_bytes(b"new weights")
    assert find_model(str(tmp_path)).fingerprint() != before


def test_a_hub_id_that_was_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="does not hold the model nobody/nothing"):
        find_model("nobody/nothing")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("id = ", "# "), "key `id` is missing"),
        (('"Tiny"', "3"), "key `name` must be text"),
        (('["llama_cpp"]', '"llama_cpp"'), "key `backends` must be a list of texts"),
        (('["llama_cpp"]', "[1]"), r"key `backends\[0\]` must be text"),
        (('["llama_cpp"]', "[]"), "key `backends` must name a backend"),
        (('"tiny.gguf"', '"../tiny.gguf"'), "key `file` must be a file name without a folder"),
        (('id = "tiny"', 'id = "a/b"'), "key `id` 'a/b' cannot be a model's name"),
        (('id = "tiny"', 'id = "echo"'), "key `id` 'echo' cannot be a model's name"),
        (("repo = ", 'sha256 = "abc"\nrepo = '), "key `sha256` must be 64 hexadecimal digits"),
        (
            ("repo = ", "size_bytes = -1\nrepo = "),
            "key `size_bytes` must be a whole number above 0",
        ),
        (("repo = ", "context_length = true\nrepo = "), "key `context_length` must be a whole"),
        (("repo = ", "sampling = 3\nrepo = "), "key `sampling` must be a table"),
        (
            ("repo = ", "sampling.top_p = 2\nrepo = "),
            "`sampling.top_p` must be a number from 0 to 1",
        ),
        (
            ("repo = ", "sampling.max_tokens = 1.5\nrepo = "),
            "`sampling.max_tokens` must be a whole",
        ),
        (("repo = ", "repo = = "), "cannot be read"),
    ],
)
def test_a_wrong_card_is_told_by_file_and_key(
    models: Path, change: tuple[str, str], told: str
) -> None:
    file = write(models, CARD.replace(*change, 1))
    with pytest.raises(ModelFileError, match=told) as caught:
        read_card(file)
    assert caught.value.message.startswith(str(file))
    catalog = read_catalog()
    assert len(catalog.problems) == 1
    assert "llemma-7b" in {card.id for card in catalog.cards}
    with pytest.raises(ModelFileError, match=told):
        find_model("tiny")


def test_an_unknown_key_is_told_but_does_not_count(models: Path) -> None:
    write(models, CARD + "licens = 'MIT'\nsampling.topp = 1\n")
    first, second = read_catalog().problems
    assert first.endswith("there is no key `licens`; did you mean `licence`?")
    assert second.endswith("there is no key `sampling.topp`; did you mean `sampling.top_p`?")
    assert find_card("tiny") is not None


def test_a_users_card_hides_the_packages(models: Path) -> None:
    write(models, CARD.replace('"tiny"', '"llemma-7b"', 1))
    card = find_card("llemma-7b")
    assert card is not None
    assert card.name == "Tiny"


def test_verify_compares_size_and_checksum(models: Path) -> None:
    put_weights(models)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    facts = f'size_bytes = {len(WEIGHTS)}\nsha256 = "{digest.upper()}"\n'
    write(models, CARD + facts)
    seen: list[tuple[int, int]] = []
    found = verify_model(find_model("tiny"), lambda read, total: seen.append((read, total)))
    assert (found.size_bytes, found.sha256) == (len(WEIGHTS), digest)
    assert str(found) == "size and sha256 as on the card"
    assert seen[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert len(seen) > 1

    write(models, CARD + f"size_bytes = {len(WEIGHTS) + 1}\n")
    with pytest.raises(ModelFileError, match=f"has {len(WEIGHTS)} bytes, its card says") as caught:
        verify_model(find_model("tiny"))
    assert "fetch it again" in caught.value.hint
    write(models, CARD + f'sha256 = "{"0" * 64}"\n')
    with pytest.raises(ModelFileError, match=f"has the sha256 {digest}, its card says 000"):
        verify_model(find_model("tiny"))
    write(models)
    assert str(verify_model(find_model("tiny"))).endswith("the card names none to compare with")
    with pytest.raises(ModelFileError, match="no single file"):
        verify_model(find_model("echo"))


@pytest.mark.parametrize("size", [1_000, 70 << 20])
def test_a_fingerprint_changes_with_the_file(tmp_path: Path, size: int) -> None:
    file = tmp_path / "m.gguf"
    with file.open("wb") as stream:
        stream.truncate(size)
    before = fingerprint(file)
    assert fingerprint(file) == before
    with file.open("r+b") as stream:
        stream.seek(size - 1)
        stream.write(b"x")
    # Two quick writes may bear one time stamp on a coarse clock.
    os.utime(file, ns=(0, 0))
    assert fingerprint(file) != before
    with pytest.raises(ModelFileError, match="cannot be read"):
        fingerprint(tmp_path / "none.gguf")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("scores = 3", "`scores` must be a list of tables"),
        ("scores = [3]", r"`scores\[0\]` must be a table"),
        (GOOD_SCORE.replace("step", "both"), r"`scores\[0\].task` must be"),
        (GOOD_SCORE.replace("30", "130"), r"`scores\[0\].percent` must be a number from 0 to 100"),
        (GOOD_SCORE.replace(', source = "x"', ""), r"`scores\[0\].source` is missing"),
        (GOOD_SCORE.replace("source", "sauce"), r"`scores\[0\].sauce` is not known"),
        ('seen_lean = "yes"', "`seen_lean` must be true or false"),
    ],
)
def test_a_wrong_score_is_named(models: Path, line: str, problem: str) -> None:
    write(models, CARD.replace("repo = ", f"{line}\nrepo = "))
    with pytest.raises(ModelFileError, match=problem):
        find_card("tiny")


def test_scores_are_read(models: Path) -> None:
    write(models, CARD.replace("repo = ", f"{GOOD_SCORE}\nrepo = "))
    card = find_card("tiny")
    assert card is not None
    assert card.scores == (Score("step", "miniF2F", 30.0, "x"),)
