from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmstep.handshake import PROTOCOL_VERSION, HandshakeError, converse

# A sidecar in a few lines; SUGGEST and the like are replaced by what a test wants to go wrong.
SERVER = """
import json, os, sys, time

def read():
    length = 0
    while (line := sys.stdin.buffer.readline()) not in (b"\\r\\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return json.loads(sys.stdin.buffer.read(length)) if length else None

def write(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    header = b"Content-Type: application/vscode-jsonrpc\\r\\nContent-Length: %d\\r\\n\\r\\n"
    sys.stdout.buffer.write(header % len(body) + body)
    sys.stdout.buffer.flush()

def suggest(message):
    # What the server says on its own must not be taken for the reply.
    write({"method": "window/logMessage", "params": {"type": 4, "message": "hello"}})
    goal = message["params"]["goals"][0]
    assert os.environ["LLMSTEP_CACHE"] == "false"
    return {"result": {"suggestions": [{"tactic": "exact " + goal, "score": -0.1}], "model": "m"}}

def initialize(message):
    assert message["params"]["initializationOptions"]["protocolVersion"] == 1
    return {"result": {"capabilities": {}, "serverInfo": {"name": "llmstep", "version": "9.9"}}}

def shutdown(message):
    return {"result": None}

#REPLACEMENT

while (message := read()) is not None:
    if message["method"] == "exit":
        sys.exit(0)
    if "id" in message:
        handler = {"initialize": initialize, "llmstep/suggest": suggest, "shutdown": shutdown}
        write({"id": message["id"], **handler[message["method"]](message)})
"""


@pytest.fixture
def sidecar(tmp_path: Path):
    def make(replacement: str = "") -> list[str]:
        script = tmp_path / "server.py"
        script.write_text(SERVER.replace("#REPLACEMENT", replacement), encoding="utf-8")
        return [sys.executable, str(script)]

    return make


def test_a_whole_conversation(sidecar):
    talk = converse(sidecar(), "⊢ 𝕜")
    assert (talk.model, talk.suggestions) == ("m", ("exact ⊢ 𝕜",))
    assert talk.start_ms > 0
    assert talk.suggest_ms > 0


def test_the_version_of_the_wire_is_the_servers():
    from llmstep.server import messages

    assert messages.PROTOCOL_VERSION == PROTOCOL_VERSION


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        ("sys.exit('no such model')", "ended before .*no such model"),
        ("print('stray output', flush=True)", "not a frame"),
        ("def suggest(m): os._exit(3)", "ended before it replied to llmstep/suggest"),
        ("def suggest(m): return {'result': {'suggestions': [{}], 'model': 'm'}}", "lacks a field"),
        ("def shutdown(m): write({'id': m['id'], 'result': None}); os._exit(4)", "exit code 4"),
    ],
)
def test_what_goes_wrong_is_said(sidecar, replacement, message):
    with pytest.raises(HandshakeError, match=message):
        converse(sidecar(replacement), "⊢ True")


@pytest.mark.parametrize("method", ["initialize", "suggest", "shutdown"])
def test_silence_is_given_up(sidecar, method):
    # On a machine too busy to start a process in time an earlier reply may be the missing one.
    with pytest.raises(HandshakeError, match=r"no reply to [\w/]+ within 3 s"):
        converse(sidecar(f"def {method}(m): time.sleep(600)"), "⊢ True", timeout_s=3)


def test_an_error_reply_brings_the_servers_own_hint(sidecar):
    replacement = (
        "def initialize(m): return {'error': {'code': -32803, 'message': 'other version',"
        " 'data': {'hint': 'upgrade it'}}}"
    )
    with pytest.raises(HandshakeError, match="initialize failed: other version") as caught:
        converse(sidecar(replacement), "⊢ True")
    assert caught.value.hint == "upgrade it"


def test_a_command_that_does_not_exist(tmp_path: Path):
    with pytest.raises(HandshakeError, match="cannot be started"):
        converse([str(tmp_path / "llmstep")], "⊢ True")
