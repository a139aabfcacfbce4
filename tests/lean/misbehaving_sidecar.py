"""A program that is not the sidecar it should be; its first argument says in which way.

``record=FILE`` notes the methods it is sent.

The scripted answers of a well-behaved sidecar come from the ``echo`` backend of the real one.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message, or ``None`` at the end."""
    length = 0
    while line := stream.readline().strip():
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(stream.read(length)) if length else None


def write_message(message: dict[str, Any]) -> None:
    """Send one message."""
    write_bytes(json.dumps({"jsonrpc": "2.0", **message}).encode())


def write_bytes(body: bytes) -> None:
    """Send one frame."""
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    sys.stdout.buffer.flush()


def greet(message: dict[str, Any], version: int = 1) -> None:
    """Answer ``initialize``."""
    capabilities = {"experimental": {"llmstep": {"protocolVersion": version}}}
    server = {"name": "llmstep", "version": "0.0.1"}
    result = {"capabilities": capabilities, "serverInfo": server}
    write_message({"id": message["id"], "result": result})


def main(mode: str, record: Path | None) -> None:
    """Behave badly until stdin ends; note the methods of all messages in ``record``."""
    if mode == "dies":
        sys.exit("Traceback: no module named llmstep")
    if mode == "chatters":
        print("Loading the model, please wait ...\n", flush=True)
    while message := read_message(sys.stdin.buffer):
        method, number = message["method"], message.get("id")
        if record:
            with record.open("a", encoding="utf-8") as lines:
                lines.write(f"{method}\n")
        if method == "initialize":
            if mode == "silent":
                continue
            if mode == "mismatch":
                hint = {"hint": "upgrade the sidecar: lake run llmstep/setup"}
                error = {"code": -32803, "message": "this sidecar speaks protocol 7", "data": hint}
                write_message({"id": number, "error": error})
                continue
            greet(message, version=2 if mode == "newer" else 1)
            if mode == "deaf":
                time.sleep(3600)
        elif method == "llmstep/suggest":
            if mode == "garbage":
                write_bytes(b'{"id": 2, "result"')
            elif mode == "notes":
                hint = "Get it with `llmstep models pull default`."
                write_message(
                    {
                        "id": number,
                        "result": {
                            "suggestions": [{"tactic": "exact hp", "score": -1}],
                            "partial": {"reason": "the model is missing", "hint": hint},
                            "dropped": ["a", "b", "c", "d", "e", "f"],
                            "warnings": ["the setting `nope` is unknown"],
                        },
                    }
                )
            elif mode == "nonsense":
                write_message({"id": number, "result": {"suggestions": [{"no": "tactic"}]}})
            elif mode == "helpful":
                items = [{"tactic": "exact ⟨hp, hq⟩", "score": -0.1}]
                write_message({"id": number, "result": {"suggestions": items}})
            elif mode == "asks":
                # A request to the client must be answered, or this one waits for ever.
                write_message({"id": "q", "method": "window/showDocument", "params": {}})
                refusal = read_message(sys.stdin.buffer)
                code = refusal["error"]["code"] if refusal else 0
                items = [{"tactic": "exact hp" if code == -32601 else "sorry", "score": -1}]
                write_message({"id": number, "result": {"suggestions": items}})
            elif mode == "leaves":
                print("Traceback: out of memory", file=sys.stderr, flush=True)
                time.sleep(0.05)
                sys.exit(3)


if __name__ == "__main__":
    records = [Path(a.removeprefix("record=")) for a in sys.argv if a.startswith("record=")]
    main(sys.argv[1], records[0] if records else None)
