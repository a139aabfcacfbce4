"""Files on the user's disk: which are read, for whom they are written, and where they may lie.

A path may name a pipe or a device that never answers, a text may come from a Windows editor, a
folder may be open to other users of the machine, and a name from the network may climb out of the
folder it was meant for. Every reader and writer of the sidecar goes through here.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import IO, Any, BinaryIO

from llmstep.errors import LLMStepError
from llmstep.private_files import OPEN_FLAGS, OTHERS, open_private_descriptor
from llmstep.replacement import replacing

_PRIVATE_FOLDER = 0o700
# What an encoding's mark at the start of a text looks like; UTF-32 first, it begins like UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TOML_LINE = re.compile(r"\(at line (\d+),")


class OutsideFolderError(LLMStepError):
    """A name would lead out of the folder in which it belongs."""

    default_hint = "Nothing was written or removed. Do not trust where that name came from."


class TextError(ValueError):
    """A text is in no encoding that is read; the message completes "the file ..."."""


def inside(folder: Path, *names: str) -> Path:
    """The path of ``names`` below ``folder``, which they must not leave, also not by a link.

    The last name may itself be a link: it is the link that is then written or removed.

    Raises:
        OutsideFolderError: The path would lie elsewhere, or be the folder itself.
    """
    place = folder.joinpath(*names)
    base = folder.resolve()
    parent = place.parent.resolve()
    # A colon is a drive or a stream on Windows, a backslash a folder.
    odd = place.name in ("", ".", "..") or any(set(name) & set("\\:\0") for name in names)
    if odd or not names or not parent.is_relative_to(base):
        raise OutsideFolderError(f"{'/'.join(names)!r} would lead out of {folder}")
    return place


def open_file(path: Path) -> BinaryIO:
    """Open a file to read its bytes; what is no regular file is refused instead of waited for.

    Raises:
        OSError: It cannot be opened, or is a pipe, a device, a socket or a folder.
    """
    descriptor = os.open(path, os.O_RDONLY | OPEN_FLAGS)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; raises what `open_file` raises."""
    with open_file(path) as stream:
        return stream.read()


def decode_text(data: bytes) -> str:
    """Decode text as editors and shells write it: UTF-8, or UTF-16 and UTF-32 with their mark.

    Raises:
        TextError: It is in none of these; says what it seems to be.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise TextError(
            f"is no {encoding.upper()} text: the byte 0x{data[error.start]:02x} in line {line} "
            "belongs to another encoding; save it as UTF-8"
        ) from None
    if "\0" in text:
        raise TextError("has zero bytes, as UTF-16 without its mark has; save it as UTF-8")
    return text


def decode_utf8(data: bytes) -> str:
    """Decode text of a format that is UTF-8 by definition; a byte order mark is skipped.

    Raises:
        TextError: It is another encoding; names it.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding != "utf-8":
        raise TextError(f"is written in {encoding.upper()}; save it as UTF-8")
    return decode_text(data)


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; raises what `open_file` and `parse_toml` raise."""
    return parse_toml(read_file(path))


def parse_toml(data: bytes) -> dict[str, Any]:
    """The table in TOML text.

    Raises:
        ValueError: It is no UTF-8 or no TOML; the message completes "the file cannot be read: ".
    """
    text = decode_utf8(data)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        lines = text.split("\n")
        line = lines[int(found[1]) - 1] if found and int(found[1]) <= len(lines) else ""
        if '"' in line and "\\" in line:
            advice = "a backslash in double quotes starts an escape: write a path in single quotes"
            raise ValueError(f"{error}; {advice}") from None
        raise


def read_json_value(path: Path) -> Any:
    """The value in a JSON file; raises what `open_file` and `parse_json` raise."""
    return parse_json(read_file(path))


def parse_json(data: bytes | str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: It is no UTF-8 or no JSON, or nested more deeply than can be followed.
    """
    text = decode_utf8(data) if isinstance(data, bytes) else data
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone.

    One that is there already and ours is closed to others: an older version left it open.

    Raises:
        OSError: It cannot be made.
    """
    make_folder(path)
    if os.name == "posix":
        found = path.stat()
        if found.st_mode & OTHERS and found.st_uid == os.getuid():
            path.chmod(_PRIVATE_FOLDER)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; new ones are for this user alone.

    Raises:
        OSError: It cannot be made.
    """
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    path.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)


def open_private(path: Path, mode: str = "wb") -> IO[bytes]:
    """Open a file to write bytes that only this user can read: new, or there already.

    Args:
        path: The file; its folder must be there.
        mode: ``wb`` or ``ab``, as of `open`.

    Raises:
        OSError: It cannot be opened.
    """
    flags = {"wb": os.O_TRUNC, "ab": os.O_APPEND}[mode]
    return os.fdopen(open_private_descriptor(path, os.O_WRONLY | flags), mode)


def write_private(path: Path, text: str) -> None:
    """Write a text file in one step, for this user alone; a crash leaves the old one.

    Raises:
        OSError: It cannot be written; the old file is whole.
    """
    make_folder(path.parent)
    with replacing(path) as partial, open_private(partial) as stream:
        stream.write(text.encode("utf-8"))


def write_shared(path: Path, text: str) -> None:
    """Write a text file that is the user's own, such as an editor's settings, in one step.

    One that is there keeps its mode, and stays a link if it is one; a new one, and its folder, are
    as the user's other files. Line ends stay as they are given.

    Raises:
        OSError: It cannot be written, or is no regular file; the old file is whole.
    """
    path = Path(os.path.realpath(path))
    mode: int | None = None
    if path.exists():
        with open_file(path) as old:
            mode = stat.S_IMODE(os.fstat(old.fileno()).st_mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
        if mode is not None and os.name == "posix":
            partial.chmod(mode)
