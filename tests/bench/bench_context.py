"""A 4,000-token file asked again after about 20 new tokens, against the first time it is asked.

The built-in weights with a longer window, the whole file in the prompt, one candidate of one
token: the time of a request is the time to the first token.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from common import builtin_path, copy_with_window, median_ms

from llmstep.backends.base import BackendOptions
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.handshake import SidecarClient

WAIT_S = 600.0
TOKENS = 4000
ROUNDS = 5


def build_file(count_tokens) -> str:
    text, number = "import Mathlib\n\n", 0
    while count_tokens(text) < TOKENS:
        number += 1
        text += (
            f"theorem step_{number} (a b c : ℕ) (h : a ≤ b) : a + {number} * c ≤ b + {number} * c "
            ":= by\n  exact Nat.add_le_add_right h _\n\n"
        )
    return text


def main() -> None:
    backend = LlamaCppBackend(BackendOptions(path=builtin_path()))
    text = build_file(backend.count_tokens)
    addition = "theorem more (a b : ℕ) : a = b := by\n  "
    print(
        f"file of {backend.count_tokens(text)} tokens, then {backend.count_tokens(addition)} more; "
        f"{ROUNDS} rounds, medians"
    )
    backend.close()
    cold: list[float] = []
    again: list[float] = []
    reused = 0
    with tempfile.TemporaryDirectory() as folder:
        model = copy_with_window(Path(folder) / "wide.gguf", 8192)
        environ = {
            "LLMSTEP_HOME": folder,
            "LLMSTEP_PROMPT": "llemma-file",
            "LLMSTEP_CONTEXT_TOKENS": "8192",
            "LLMSTEP_MAX_TOKENS": "1",
        }
        command = [sys.executable, "-m", "llmstep", "serve", "--model", str(model)]
        with SidecarClient(command, environ) as sidecar:
            sidecar.initialize(WAIT_S)

            def ask(content: str) -> tuple[float, int]:
                document = {"uri": "file:///A.lean", "textBefore": content}
                params = {"goals": ["⊢ True"], "prefix": "", "n": 1, "document": document}
                begin = time.perf_counter()
                reply = sidecar.request("llmstep/suggest", params, WAIT_S)
                return time.perf_counter() - begin, reply["stats"]["reusedTokens"]

            for round_ in range(ROUNDS):
                ask(f"-- another file {round_}\n")
                cold.append(ask(f"-- round {round_}\n{text}")[0])
                seconds, reused = ask(f"-- round {round_}\n{text}{addition}")
                again.append(seconds)
            sidecar.shut_down(WAIT_S)
    ratio = median_ms(cold) / median_ms(again)
    print(f"first time                 {median_ms(cold):8.1f} ms to the first token")
    print(f"again, {reused} tokens reused {median_ms(again):8.1f} ms   {ratio:.1f}x shorter  [10x]")


if __name__ == "__main__":
    main()
