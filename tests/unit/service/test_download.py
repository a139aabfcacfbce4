from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

pytest.importorskip("huggingface_hub")

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, ModelFileError
from llmstep.service.catalog import ModelCard, ResolvedModel, folder, locate
from llmstep.service.download import plan_pull, pull
from llmstep.service.hub import DownloadError
from llmstep.service.lockfile import lock_path, read_lock, write_lock
from llmstep.service.verification import verify_model

from .fake_hub import COMMIT, FakeHub

DATA = b"GGUF" + bytes(range(256)) * 4096
CARD = ModelCard(
    id="tiny", name="tiny", backends=("llama_cpp",), repo="someone/tiny", file="tiny.gguf"
)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    with FakeHub("someone/tiny", {"tiny.gguf": DATA, "README.md": b"hello"}) as server:
        server.take_over(monkeypatch, tmp_path / "cache")
        yield server
        server.shutdown()


def test_a_file_comes_to_its_place_and_into_the_lock_file(hub: FakeHub) -> None:
    seen: list[tuple[str, int, int]] = []
    plan = plan_pull(CARD)
    assert (plan.revision, plan.size_bytes) == (COMMIT, len(DATA))
    path = pull(plan, on_bytes=lambda *progress: seen.append(progress))
    assert path == locate(CARD) == folder(CARD) / "tiny.gguf"
    assert path.read_bytes() == DATA
    assert [p.name for p in folder(CARD).iterdir()] == ["tiny.gguf"]
    assert not (folder(CARD).parent / ".incoming" / "tiny").exists()
    assert seen[-1] == ("tiny.gguf", len(DATA), len(DATA))
    locked = read_lock()["tiny"]
    assert (locked.repo, locked.revision) == ("someone/tiny", COMMIT)
    assert locked.files["tiny.gguf"].sha256 == hashlib.sha256(DATA).hexdigest()


def test_verifying_compares_with_the_lock_file_where_the_card_is_silent(hub: FakeHub) -> None:
    path = pull(plan_pull(CARD))
    found = verify_model(ResolvedModel(CARD, path, "llama_cpp"))
    assert (found.compared, found.source) == (("size", "sha256"), "the lock file")
    path.write_bytes(DATA[::-1])
    with pytest.raises(ModelFileError, match="the lock file says"):
        verify_model(ResolvedModel(CARD, path, "llama_cpp"))


def test_from_then_on_it_is_held_to_the_lock_file(hub: FakeHub) -> None:
    pull(plan_pull(CARD))
    hub.files["tiny.gguf"] = DATA[::-1]
    with pytest.raises(ModelFileError, match="the lock file says"):
        plan_pull(CARD)
    # The commit of the first download is what the second one asks for.
    assert hub.requests[-1][1].endswith(f"/revision/{COMMIT}")


def test_a_revision_on_the_card_is_the_one_asked_for(hub: FakeHub) -> None:
    hub.revisions.add("v1")
    plan_pull(attrs.evolve(CARD, revision="v1"))
    assert hub.requests[-1][1].endswith("/revision/v1")


def test_an_interrupted_download_is_resumed(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.break_after = 100_000
    with pytest.raises(DownloadError):
        pull(plan_pull(CARD))
    assert locate(CARD) is None
    hub.break_after = None
    before = len(hub.requests)
    assert pull(plan_pull(CARD)).read_bytes() == DATA
    ranges = [r for method, _, r in hub.requests[before:] if method == "GET" and r]
    assert ranges == ["bytes=100000-"]


def test_a_cancelled_download_keeps_what_has_come(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
    cancel = CancelToken()
    with pytest.raises(CancelledError, match="the download was cancelled"):
        pull(plan_pull(CARD), on_bytes=lambda *_: cancel.cancel(), cancel=cancel)
    assert locate(CARD) is None
    path = pull(plan_pull(CARD))
    assert path.read_bytes() == DATA
    assert hub.requests[-1][2] is not None
    assert hub.requests[-1][2].startswith("bytes=")


def test_what_is_locked_of_another_commit_says_nothing_of_this_one(hub: FakeHub) -> None:
    pull(plan_pull(CARD))
    (known,) = read_lock().values()
    write_lock({"tiny": attrs.evolve(known, revision="f" * 40)})
    hub.revisions.add("v2")
    hub.files["tiny.gguf"] = DATA[::-1]
    path = pull(plan_pull(attrs.evolve(CARD, revision="v2")))
    assert path.read_bytes() == DATA[::-1]


def test_the_token_does_not_follow_to_another_origin(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.cdn = True
    assert pull(plan_pull(CARD)).read_bytes() == DATA


def test_what_is_in_the_hubs_cache_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    snapshot = tmp_path / "cache" / "models--someone--tiny" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "tiny.gguf").write_bytes(DATA)
    assert pull(plan_pull(CARD)).read_bytes() == DATA
    assert not any("/resolve/" in path for _, path, _ in hub.requests)


def test_a_full_disk_is_told(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", fail)
    with pytest.raises(DownloadError, match="No space left"):
        pull(plan_pull(CARD))


@pytest.mark.parametrize("tampered", [DATA[:-1] + b"x", DATA[::-1]])
def test_a_file_with_another_checksum_is_never_put_in_place(hub: FakeHub, tampered: bytes) -> None:
    hub.tampered["tiny.gguf"] = tampered
    with pytest.raises(ModelFileError, match="sha256") as caught:
        pull(plan_pull(CARD))
    assert "pull it again" in caught.value.hint
    assert locate(CARD) is None
    assert read_lock() == {}
    hub.tampered.clear()
    assert pull(plan_pull(CARD)).read_bytes() == DATA


@pytest.mark.parametrize(
    "promise", [{"sha256": "0" * 64}, {"size_bytes": 5}, {"sha256": "0" * 64, "size_bytes": 5}]
)
def test_a_card_that_says_otherwise_stops_before_the_transfer(
    hub: FakeHub, promise: dict[str, Any]
) -> None:
    with pytest.raises(ModelFileError, match="its card says"):
        plan_pull(attrs.evolve(CARD, **promise))
    assert all(method == "GET" and "/api/" in path for method, path, _ in hub.requests)


def test_a_folder_is_fetched_without_what_it_does_not_need(hub: FakeHub) -> None:
    hub.files |= {
        "config.json": b"{}",
        "tokenizer.json": b'{"a": 1}',
        "model.safetensors": b"weights",
        "pytorch_model.bin": b"pickle",
        "onnx/config.json": b"other",
        "..\\outside.json": b"other",
    }
    card = attrs.evolve(CARD, file="")
    place = pull(plan_pull(card))
    names = sorted(p.name for p in place.iterdir())
    assert names == ["config.json", "model.safetensors", "tokenizer.json"]
    assert locate(card) == place
    assert set(read_lock()["tiny"].files) == set(names)


def test_a_folder_with_pickles_only_is_fetched_with_them(hub: FakeHub) -> None:
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    place = pull(plan_pull(attrs.evolve(CARD, file="")))
    assert (place / "pytorch_model.bin").is_file()


def test_a_small_file_is_held_to_its_git_id(hub: FakeHub) -> None:
    hub.files = {"config.json": b'{"n": 1}', "model.safetensors": b"w"}
    hub.tampered["config.json"] = b'{"n": 2}'
    with pytest.raises(ModelFileError, match="git id"):
        pull(plan_pull(attrs.evolve(CARD, file="")))


@pytest.mark.parametrize(
    ("change", "words", "hint"),
    [
        ({"repo": "someone/typo"}, "no repository someone/typo", "HF_TOKEN"),
        ({"repo": "not a name"}, "no repository's name", "owner/name"),
        ({"revision": "gone"}, "revision gone of someone/tiny is gone", "revision"),
        ({"file": "other.gguf"}, "has no file other.gguf", "renamed"),
        ({"file": ""}, "no config.json", "transformers"),
        ({"repo": ""}, "names no repository", "import"),
    ],
)
def test_what_is_not_there_is_named(
    hub: FakeHub, change: dict[str, Any], words: str, hint: str
) -> None:
    with pytest.raises(DownloadError, match=words) as caught:
        plan_pull(attrs.evolve(CARD, **change))
    assert hint in caught.value.hint


def test_a_gated_repository_says_how_to_get_in(hub: FakeHub) -> None:
    hub.gated = True
    with pytest.raises(DownloadError, match="licence") as caught:
        plan_pull(CARD)
    assert "someone/tiny" in caught.value.hint


def test_no_network(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match="cannot be reached") as caught:
        plan_pull(CARD)
    assert "HF_ENDPOINT" in caught.value.hint


def test_offline_is_honoured(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    from huggingface_hub import close_session

    close_session()
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        plan_pull(CARD)
    assert hub.requests == []
    monkeypatch.undo()
    close_session()


def test_a_disk_without_room_is_told_before(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_pull(CARD)
    big = attrs.evolve(plan, files=(attrs.evolve(plan.files[0], size_bytes=10**15),))
    with pytest.raises(DownloadError, match=r"1000000\.0 GB"):
        pull(big)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"models": {"a": {}}}', '{"models": {"a": {"files": 3}}}']
)
def test_a_damaged_lock_file_is_not_passed_over(hub: FakeHub, content: str) -> None:
    lock_path().parent.mkdir(parents=True)
    lock_path().write_text(content)
    with pytest.raises(ModelFileError, match=r"models\.lock\.json"):
        plan_pull(CARD)


def test_the_lock_file_is_readable_json(hub: FakeHub) -> None:
    pull(plan_pull(CARD))
    values = json.loads(lock_path().read_text())
    assert values["models"]["tiny"]["files"]["tiny.gguf"]["sizeBytes"] == len(DATA)
