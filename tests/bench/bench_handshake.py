"""From spawning a process to its answer to `initialize`: Lean's client, an editor, plain pygls.

The three take turns, so that whatever else the machine does hits all alike: the ratios count.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

ROUNDS = 15
PLAIN = """
from pygls.lsp.server import LanguageServer
from lsprotocol import types
server = LanguageServer("plain", "1")
@server.feature(types.TEXT_DOCUMENT_COMPLETION)
def complete(params): return None
server.start_io()
"""
SIDECAR = [sys.executable, "-m", "llmstep", "serve", "--model", "echo"]
EDITOR_CAPABILITIES = {"textDocument": {"completion": {}}, "window": {"workDoneProgress": True}}


def main() -> None:
    lean_options = {"protocolVersion": 1, "client": "llmstep"}
    ways = {
        "the sidecar, to Lean": (SIDECAR, {}, lean_options),
        "a plain pygls server": ([sys.executable, "-c", PLAIN], EDITOR_CAPABILITIES, None),
        "the sidecar, to an editor": (SIDECAR, EDITOR_CAPABILITIES, None),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (command, capabilities, options) in ways.items():
            taken[name].append(shake_hands(command, capabilities, options))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"{name:<28} {median * 1000:8.0f} ms   {median / first:5.2f}")


def shake_hands(command: Sequence[str], capabilities: dict, options: dict | None) -> float:
    """Seconds from spawning to the reply; the process is ended afterwards."""
    params = {"processId": os.getpid(), "rootUri": None, "capabilities": capabilities}
    if options is not None:
        params["initializationOptions"] = options
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    process.stdin.flush()
    reply = read_frame(process.stdout)
    seconds = time.perf_counter() - begin
    process.kill()
    process.wait()
    assert json.loads(reply).get("id") == 1, reply
    return seconds


def read_frame(stream) -> bytes:
    """One message's body."""
    length = 0
    while (line := stream.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return stream.read(length)


if __name__ == "__main__":
    main()
