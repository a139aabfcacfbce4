"""A sidecar that writes proofs from a script: ``proving_sidecar.py script=FILE record=FILE``.

The script is a list with one entry per question for a proof; the last one answers all further
questions. An entry has

* ``proof``, ``stop``: the answer; a list of proofs for several;
* ``think``: tokens of thought that are told before, ``stream``: pieces of text that are told;
* ``hang``: nothing comes any more; ``die``: the process ends; ``error``: an error answer;
  ``steps``: single tactics.

``record`` gets the params of each question, and the method of every other message, a line each.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from misbehaving_sidecar import greet, read_message, write_message


def tell(token: str, value: dict[str, Any]) -> None:
    """Send progress of the first proof."""
    write_message(
        {"method": "$/progress", "params": {"token": token, "value": {"proof": 0, **value}}}
    )


def answer(entry: dict[str, Any], number: int, token: str) -> None:
    """Answer one question as the script says."""
    tokens = entry.get("think", 0)
    if tokens:
        tell(token, {"stage": "thinking", "tokens": tokens})
    for piece in entry.get("stream", []):
        tokens += 1
        tell(token, {"stage": "writing", "tokens": tokens, "text": piece})
        time.sleep(0.02)
    if entry.get("hang"):
        return
    if entry.get("die"):
        print("Traceback: out of memory", file=sys.stderr, flush=True)
        sys.exit(3)
    if "error" in entry:
        write_message({"id": number, "error": entry["error"]})
        return
    proofs = entry.get("proof", [])
    proofs = [proofs] if isinstance(proofs, str) else proofs
    found = [{"proof": p, "score": -0.5, "stop": entry.get("stop", "end")} for p in proofs]
    found += [{"tactic": step, "score": -0.5} for step in entry.get("steps", [])]
    write_message(
        {"id": number, "result": {"suggestions": found, "model": "scripted", "cached": False}}
    )


def main(script: list[dict[str, Any]], record: Path) -> None:
    """Answer until stdin ends."""
    asked = 0
    while message := read_message(sys.stdin.buffer):
        method, params = message["method"], message.get("params", {})
        line = json.dumps(params) if method == "llmstep/suggest" else method
        with record.open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")
        if method == "initialize":
            greet(message)
        elif method == "llmstep/suggest" and params.get("mode") == "proof":
            # Counted over all processes: one that dies is started again.
            state = record.with_suffix(".count")
            asked = int(state.read_text()) if state.exists() else 0
            state.write_text(str(asked + 1))
            answer(script[min(asked, len(script) - 1)], message["id"], params["partialResultToken"])
        elif method == "llmstep/suggest":
            write_message({"id": message["id"], "result": {"suggestions": [], "model": "scripted"}})


if __name__ == "__main__":
    words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    main(json.loads(Path(words["script"]).read_text(encoding="utf-8")), Path(words["record"]))
