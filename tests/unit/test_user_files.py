"""Files on the user's disk: which are read, for whom they are written, and where they may lie."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends.echo import read_script
from llmstep.backends.gguf_file import read_gguf_head
from llmstep.backends.hf_files import read_checkpoint
from llmstep.config import resolve
from llmstep.errors import LLMStepError
from llmstep.front.link import open_log
from llmstep.private_files import replace_privately
from llmstep.prompts.template_file import load_template
from llmstep.runtime.lock import lock_file
from llmstep.runtime.notes import WorkMark
from llmstep.service.card import read_card
from llmstep.service.catalog import find_model
from llmstep.service.checksums import hash_file
from llmstep.service.lockfile import lock_path, read_lock
from llmstep.service.user_models import describe_folder
from llmstep.sources.library_index import LibraryIndex
from llmstep.sources.mixing import load_mixing
from llmstep.sources.portfolio import load_portfolio
from llmstep.user_files import (
    OutsideFolderError,
    TextError,
    decode_text,
    decode_utf8,
    inside,
    make_private_folder,
    open_private,
    parse_json,
    parse_toml,
    read_file,
    write_private,
    write_shared,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes and pipes")


# --- kept in its place

_STEPS = st.sampled_from(
    ["..", ".", "a", "b.gguf", "", "../..", "a/../..", "/etc", "..\\..", "C:x"]
)


@given(st.lists(_STEPS, min_size=1, max_size=4))
def test_no_name_leads_out_of_a_folder(tmp_path_factory: Any, names: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp() / "inside" / "folder"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        place = inside(folder, *names)
    except OutsideFolderError:
        return
    assert place.resolve().is_relative_to(folder.resolve())
    assert place.resolve() != folder.resolve()


@POSIX
def test_no_link_on_the_way_leads_out_but_the_last_may_be_one(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    (folder / "link").symlink_to(other)
    assert inside(folder, "link") == folder / "link"
    with pytest.raises(OutsideFolderError, match="lead out"):
        inside(folder, "link", "file")
    (tmp_path / "way").symlink_to(folder)  # a folder that is itself reached by a link
    assert inside(tmp_path / "way", "file") == tmp_path / "way" / "file"


# --- only files are read


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "settings": ("config.toml", lambda path: resolve(environ={}, config_path=path)),
    "card": ("card.toml", read_card),
    "template": ("prompt.toml", lambda path: load_template(str(path))),
    "weights of the sources": ("mixing.toml", load_mixing.__wrapped__),
    "portfolio": ("portfolio.json", load_portfolio.__wrapped__),
    "index": ("library.tactics", LibraryIndex),
    "GGUF": ("model.gguf", read_gguf_head),
    "checksum": ("model.gguf", hash_file),
    "folder without a card": ("config.json", lambda path: find_model(str(path.parent))),
    "folder to import": ("config.json", lambda path: describe_folder(path.parent)),
    "checkpoint": ("config.json", lambda path: read_checkpoint(path.parent)),
    "echo script": ("echo.json", read_script),
}


@POSIX
@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("what", ["a pipe", "a folder", "a device"])
def test_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, kind: str, what: str
) -> None:
    name, read = READERS[kind]
    path = tmp_path / name
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")  # endless
    outcome: list[Any] = []

    def attempt() -> None:
        try:
            outcome.append(read(path))
        except (LLMStepError, OSError) as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(30)
    assert outcome, f"{kind} waits for {what}"
    if kind == "settings":
        assert "cannot be read" in outcome[0].problems[0].message
    else:
        assert isinstance(outcome[0], LLMStepError)


@POSIX
def test_a_lock_file_that_is_a_pipe_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    lock_path().parent.mkdir(parents=True)
    os.mkfifo(lock_path())
    with pytest.raises(LLMStepError, match="cannot be read"):
        read_lock()


# --- what a text is

GOAL = "n : ℕ\n⊢ n + 0 = n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_with_a_mark_is_read_as_it_was_meant(encoding: str) -> None:
    assert decode_text(GOAL.encode(encoding)) == GOAL
    big = b"\xfe\xff" + GOAL.encode("utf-16-be")
    assert decode_text(big) == GOAL


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (GOAL.encode("utf-16-le"), "zero bytes|belongs to another encoding"),
        ("a : Nat\nê".encode("latin-1"), "0xea in line 2 belongs to another encoding"),
        ("⊢ a = a".encode("utf-16") + b"x", "no UTF-16 text"),
    ],
)
def test_other_text_is_refused_by_name(data: bytes, word: str) -> None:
    with pytest.raises(TextError, match=word):
        decode_text(data)
    with pytest.raises(TextError, match="save it as UTF-8"):
        decode_utf8(data)


def test_a_format_that_is_utf_8_skips_the_mark_and_names_the_other_encoding() -> None:
    assert parse_toml(b"\xef\xbb\xbfn = 3\n") == {"n": 3}
    assert parse_json(b'\xef\xbb\xbf{"n": 3}') == {"n": 3}
    for parse in (parse_toml, parse_json):
        with pytest.raises(ValueError, match="written in UTF-16; save it as UTF-8"):
            parse("n = 3".encode("utf-16"))


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{a=" * 100_000])
def test_depth_is_an_error_like_any_other(text: str) -> None:
    with pytest.raises(ValueError, match=r"deep|Invalid|Unclosed"):
        parse_toml(text.encode())
    with pytest.raises(ValueError, match="deep"):
        parse_json("[" * 100_000)


@pytest.mark.parametrize("path", ["C:\\Users\\ada\\m.gguf", "C:\\models\\m.gguf", "D:\\"])
def test_a_windows_path_in_double_quotes_is_told_how_to_be_written(path: str) -> None:
    with pytest.raises(ValueError, match="single quotes"):
        parse_toml(f'n = 3\nmodel = "{path}"\n'.encode())


# --- for the user alone


@POSIX
def test_what_is_written_is_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "a" / "b" / "file", "x")
        make_private_folder(tmp_path / "c" / "d")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b" / "file").stat().st_mode & 0o777 == 0o600
    for folder in ("a", "a/b", "c", "c/d"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


@POSIX
def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    folder, file = tmp_path / "cache", tmp_path / "cache" / "log"
    folder.mkdir(mode=0o755)
    file.write_text("old\n")
    file.chmod(0o644)
    make_private_folder(folder)
    with open_private(file, "ab") as stream:
        stream.write(b"new\n")
    assert read_file(file) == b"old\nnew\n"
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


@POSIX
def test_what_the_engine_leaves_for_its_fronts_is_the_users_alone(tmp_path: Path) -> None:
    made = [tmp_path / name for name in ("lock", "work", "rows", "log")]
    for path in made:
        path.write_text("{}")
        path.chmod(0o644)  # as an older version may have left it
    lock = lock_file(str(tmp_path / "lock"), 1)
    assert lock is not None
    os.close(lock)
    WorkMark(str(tmp_path / "work"))
    replace_privately(str(tmp_path / "rows"), "[]")
    os.close(open_log(str(tmp_path / "log")))
    assert [path.stat().st_mode & 0o777 for path in made] == [0o600] * len(made)


@POSIX
def test_a_file_of_the_user_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    kept, link = tmp_path / "dotfiles.toml", tmp_path / "languages.toml"
    kept.write_text("old")
    kept.chmod(0o640)
    link.symlink_to(kept)
    write_shared(link, "new\r\n")
    assert link.is_symlink()
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (b"new\r\n", 0o640)
    before = os.umask(0o022)
    try:
        write_shared(tmp_path / "editor" / "settings.json", "{}")
    finally:
        os.umask(before)
    assert (tmp_path / "editor" / "settings.json").stat().st_mode & 0o777 == 0o644
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        write_shared(tmp_path / "pipe", "x")


@POSIX
def test_a_device_keeps_its_mode_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    mode = Path("/dev/null").stat().st_mode
    with open_private(Path("/dev/null"), "ab") as stream:
        stream.write(b"x")
    assert Path("/dev/null").stat().st_mode == mode
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"No such device|no regular file"):
        open_private(tmp_path / "pipe", "ab")
