"""The LSP base protocol: byte stream to JSON-RPC messages and back, whatever the stream holds.

Source of the format: Language Server Protocol 3.17, "Base Protocol". pygls's own reader loses
step after a wrong ``Content-Length`` and answers nothing; this one reports the damage and goes on
at the next header.
"""

from __future__ import annotations

import json
import re
from collections import namedtuple

from llmstep.errors import INVALID_REQUEST, PARSE_ERROR

TYPE_CHECKING = False  # `typing` costs more than everything else in here
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeGuard

MAX_BODY_BYTES = 64 << 20
_MAX_HEADER_BYTES = 8 << 10

_HEADER_LINE = re.compile(rb"([!-9;-~]+):[ \t]*(.*?)[ \t]*\r?\n", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,18}")
# What counts as the start of a frame while searching for one. Bounded in length, so that a match
# that is cut in two by a chunk's end is found again when the next chunk arrives.
_FRAME_START = re.compile(rb"content-length:[ \t]{0,8}[0-9]{1,18}[ \t]{0,8}\r?\n", re.IGNORECASE)
_FRAME_START_BYTES = 64


# The light front reads frames, too: attrs alone would double what it costs to start.
class Malformed(namedtuple("_Malformed", ("code", "message", "hint"))):
    """Something that is no JSON-RPC message, and the error that answers it (with a null id).

    Attributes:
        code: ``PARSE_ERROR`` or ``INVALID_REQUEST``.
        message: What is wrong with it.
        hint: What to send instead.
    """

    __slots__ = ()


Incoming = dict[str, "Any"] | Malformed


class FrameDecoder:
    """Turns a byte stream, cut anywhere, into messages.

    After damage (no or an impossible ``Content-Length``, a body that is no JSON) it searches for
    the next header, first in the bytes it took for the body: a length that is too great swallows
    the frames that follow, and so they are found again. One stretch of damage is reported once.
    """

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._position = 0  # everything before it is done with
        self._block = 0  # where the header block began
        self._found: list[tuple[Incoming, bytes]] = []  # what this chunk has completed
        self._length: int | None = None  # Content-Length of the block so far
        self._in_body = False
        self._searching = False

    def feed(self, chunk: bytes) -> list[Incoming]:
        """Take the next bytes; return what they complete, in order."""
        return [message for message, _ in self.feed_with_bodies(chunk)]

    def feed_with_bodies(self, chunk: bytes) -> list[tuple[Incoming, bytes]]:
        """As `feed`; beside each message stand the bytes that it came as (none of a bad one)."""
        self._buffer += chunk
        self._found = []
        while self._advance():
            pass
        done = self._block if not (self._in_body or self._searching) else self._position
        if done:
            del self._buffer[:done]
            self._position -= done
            self._block -= done
        return self._found

    def _advance(self) -> bool:
        """Make one step; ``False`` when more bytes are needed for the next one."""
        if self._searching:
            return self._search()
        return self._take_body() if self._in_body else self._take_header_line()

    def _search(self) -> bool:
        match = _FRAME_START.search(self._buffer, self._position)
        if match is None:
            self._position = max(self._position, len(self._buffer) - _FRAME_START_BYTES)
            return False
        self._searching = False
        self._start_block(match.start())
        return True

    def _take_header_line(self) -> bool:
        end = self._buffer.find(b"\n", self._position) + 1
        if (end or len(self._buffer)) - self._block > _MAX_HEADER_BYTES:
            self._refuse_header(f"a header block has more than {_MAX_HEADER_BYTES} bytes")
            self._search_from(self._block + 1)
            return True
        if not end:
            return False
        line = bytes(self._buffer[self._position : end])
        if not line.strip(b"\r\n"):
            self._end_block(end)
            return True
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            self._refuse_header("a header line is not `Name: value`")
            self._search_from(self._position + 1)
        elif match[1].lower() == b"content-length":
            self._take_length(match[2], end)
        else:
            self._position = end
        return True

    def _take_length(self, value: bytes, end: int) -> None:
        problem = None
        if self._length is not None:
            # The first one is a frame that was broken off; the second begins a new one.
            self._refuse_header("a header block has two Content-Length lines")
            self._start_block(self._position)
        if not _LENGTH.fullmatch(value):
            shown = value[:40].decode("ascii", "replace")
            problem = f"Content-Length must be a number of bytes, not `{shown}`"
        elif int(value) > self._max_body_bytes:
            problem = f"Content-Length is {int(value)}; at most {self._max_body_bytes} is accepted"
        if problem is not None:
            self._refuse_header(problem)
            self._search_from(self._position + 1)
            return
        self._length = int(value)
        self._position = end

    def _end_block(self, end: int) -> None:
        if self._length is not None:
            self._position = end
            self._in_body = True
        elif self._position == self._block:
            self._start_block(end)  # a blank line between two frames does no harm
        else:
            self._refuse_header("a header block has no Content-Length")
            self._search_from(self._block + 1)

    def _take_body(self) -> bool:
        assert self._length is not None
        end = self._position + self._length
        if len(self._buffer) < end:
            return False
        body = bytes(self._buffer[self._position : end])
        try:
            value = parse_json(body)
        except ValueError as error:
            self._refuse(
                PARSE_ERROR,
                f"the message is not JSON: {error}",
                "Send one JSON object in UTF-8 per frame, its length in bytes.",
            )
            self._search_from(self._position)
            return True
        self._start_block(end)
        if isinstance(value, dict):
            self._found.append((value, body))
        else:
            self._refuse(
                INVALID_REQUEST,
                "the message is not a JSON object",
                "Send one object with jsonrpc, id, method and params; there are no batches.",
            )
        return True

    def _refuse(self, code: int, message: str, hint: str) -> None:
        self._found.append((Malformed(code, message, hint), b""))

    def _refuse_header(self, problem: str) -> None:
        self._refuse(PARSE_ERROR, problem, "Send `Content-Length: <bytes>\\r\\n\\r\\n<JSON>`.")

    def _start_block(self, position: int) -> None:
        self._position = self._block = position
        self._length = None
        self._in_body = False

    def _search_from(self, position: int) -> None:
        self._start_block(position)
        self._searching = True


def parse_json(body: bytes | bytearray) -> Any:
    """Read one JSON text in strict UTF-8.

    Raises:
        ValueError: It is not JSON; ``NaN`` and ``Infinity`` are not, nor is what is nested so
            deeply that no message can mean it.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def dump(message: object) -> bytes:
    """A message as JSON in UTF-8; half a surrogate pair, say in an id, is escaped.

    Raises:
        ValueError: It holds NaN or Infinity, which are no JSON.
    """
    try:
        text = json.dumps(message, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii")


def is_id(value: object) -> TypeGuard[int | str]:
    """Whether a value can be the id of a request."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def encode_frame(body: bytes) -> bytes:
    """Put the header before a message."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
