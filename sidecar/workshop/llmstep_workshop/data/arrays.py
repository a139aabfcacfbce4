"""The elements of one long JSON array, without holding the array in memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from llmstep_workshop.data.rows import open_text
from llmstep_workshop.errors import TrainingDataError

_CHUNK = 1 << 20
# Far more than any theorem with its states; a file that is one broken string ends here.
_LONGEST = 256 << 20
_NEAR_END = 16


def scan_array(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the elements of the JSON array in a file with their indices, counted from 0.

    Memory stays at the size of the largest element.

    Raises:
        TrainingDataError: The file cannot be read, or is no whole JSON array; names the line.
    """
    try:
        with open_text(path) as stream:
            yield from _Scanner(path, stream).scan()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TrainingDataError(
            f"{path}: cannot be read: {error}",
            hint="Check that the path is right and that the file is UTF-8 JSON, plain or gzip.",
        ) from error


class _Scanner:
    """A window on a text that holds an array."""

    def __init__(self, path: Path, stream: IO[str]) -> None:
        self._path = path
        self._stream = stream
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def scan(self) -> Iterator[tuple[int, Any]]:
        decoder = json.JSONDecoder()
        if self._skip_blanks() != "[":
            raise self._error("expected '[': not a JSON array")
        self._at += 1
        index = 0
        while True:
            mark = self._skip_blanks()
            if mark == "]" and not index:
                return
            yield index, self._decode(decoder, index)
            index += 1
            mark = self._skip_blanks()
            if mark == "]":
                return
            if mark != ",":
                raise self._error(f"element {index - 1}: expected ',' or ']' after it")
            self._at += 1

    def _skip_blanks(self) -> str:
        """Move to the next character that is not blank, and return it; empty at the end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._read(_CHUNK):
                return ""

    def _decode(self, decoder: json.JSONDecoder, index: int) -> Any:
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._error(f"element {index}: nested too deeply") from None
            except ValueError as error:
                if not self._may_continue(error) or not self._read(self._room()):
                    raise self._error(f"element {index}: not JSON: {error}") from error
            else:
                self._at = end
                return value

    def _may_continue(self, error: ValueError) -> bool:
        """Whether the element may only have been cut by the window."""
        if self._ended or len(self._text) - self._at > _LONGEST:
            return False
        if not isinstance(error, json.JSONDecodeError):
            return True
        return error.msg.startswith("Unterminated string") or (
            error.pos >= len(self._text) - _NEAR_END
        )

    def _room(self) -> int:
        # Doubling keeps the work linear in the size of an element.
        return max(_CHUNK, len(self._text) - self._at)

    def _read(self, size: int) -> bool:
        more = self._stream.read(size)
        self._ended = not more
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + more
        self._at = 0
        return bool(more)

    def _error(self, complaint: str) -> TrainingDataError:
        line = self._line + self._text.count("\n", 0, self._at)
        return TrainingDataError(
            f"{self._path}:{line}: {complaint}",
            hint="The file may be cut short: fetch it again.",
        )
