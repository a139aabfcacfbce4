"""What an editor has opened, so that an engine that is started anew can be told of it.

The frames are kept as they came. When the changes of a document outgrow its text they are folded
into it, by the rules of LSP 3.17 ("Text Documents", "Position").
"""

from __future__ import annotations

import json

_MOST_CHANGE_BYTES = 1 << 20
# Width of a character in the units of a position, by `positionEncoding`.
_LAST_OF_ONE_UNIT = {"utf-8": 0x7F, "utf-16": 0xFFFF, "utf-32": 0x10FFFF}


class _Document:
    def __init__(self, opened: bytes) -> None:
        self.opened = opened
        self.changes: list[bytes] = []
        self.change_bytes = 0


class OpenDocuments:
    """The open documents of one client.

    Attributes:
        encoding: Unit of the columns, as the engine has agreed with the client.
    """

    def __init__(self) -> None:
        self._documents: dict[str, _Document] = {}
        self.encoding = "utf-16"

    def note(self, method: str, params: object, body: bytes) -> None:
        """Take a notification about a document."""
        uri = _uri(params)
        if uri is None:
            return
        if method == "textDocument/didOpen":
            self._documents[uri] = _Document(body)
        elif method == "textDocument/didClose":
            self._documents.pop(uri, None)
        elif method == "textDocument/didChange" and (document := self._documents.get(uri)):
            document.changes.append(body)
            document.change_bytes += len(body)
            if document.change_bytes > max(_MOST_CHANGE_BYTES, len(document.opened)):
                self._fold(document)

    def replay(self) -> list[bytes]:
        """The messages that bring another engine to the same state."""
        return [
            body
            for document in self._documents.values()
            for body in (document.opened, *document.changes)
        ]

    def _fold(self, document: _Document) -> None:
        message = json.loads(document.opened)
        item = message["params"]["textDocument"]
        text, last = str(item.get("text")), _LAST_OF_ONE_UNIT.get(self.encoding, 0xFFFF)
        for body in document.changes:
            params = json.loads(body)["params"]
            item["version"] = params["textDocument"].get("version")
            for change in params.get("contentChanges") or ():
                text = _apply(text, change, last)
        item["text"] = text
        document.opened = json.dumps(message).encode()
        document.changes, document.change_bytes = [], 0


def _apply(text: str, change: dict[str, object], last: int) -> str:
    place = change.get("range")
    new = str(change.get("text"))
    if not isinstance(place, dict):
        return new
    start = _offset(text, place["start"], last)
    end = _offset(text, place["end"], last)
    return text[:start] + new + text[max(start, end) :]


def _offset(text: str, position: dict[str, int], last: int) -> int:
    at = 0
    for _ in range(position["line"]):
        at = _next_line(text, at)
        if at < 0:
            return len(text)
    units = position["character"]
    while units > 0 and at < len(text) and text[at] not in "\r\n":
        units -= _units(text[at], last)
        at += 1
    return at


def _next_line(text: str, at: int) -> int:
    """Where the next line begins; lines end at LF, CRLF and CR only. -1 behind the last one."""
    line_feed, carriage_return = text.find("\n", at), text.find("\r", at)
    if carriage_return < 0 or 0 <= line_feed < carriage_return:
        return line_feed + 1 if line_feed >= 0 else -1
    return carriage_return + (2 if line_feed == carriage_return + 1 else 1)


def _units(character: str, last: int) -> int:
    if ord(character) <= last:
        return 1
    return len(character.encode("utf-8", "surrogatepass")) if last == 0x7F else 2


def _uri(params: object) -> str | None:
    document = params.get("textDocument") if isinstance(params, dict) else None
    uri = document.get("uri") if isinstance(document, dict) else None
    return uri if isinstance(uri, str) else None
