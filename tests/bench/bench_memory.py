"""Resident memory of a sidecar over 10,000 requests."""

from __future__ import annotations

import sys
import tempfile

from common import load_cases

from llmstep.handshake import SidecarClient

WAIT_S = 600.0
REQUESTS = 10_000
MARKS = (100, 1_000, 5_000, REQUESTS)


def main() -> None:
    cases = load_cases()
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "llmstep", "serve"]
        environ = {"LLMSTEP_HOME": home, "LLMSTEP_MAX_TOKENS": "4"}
        with SidecarClient(command, environ) as sidecar:
            sidecar.initialize(WAIT_S)
            print("built-in model, 17 goals in turn, 2 candidates of at most 4 tokens, no cache")
            for number in range(1, REQUESTS + 1):
                goal, prefix = cases[number % len(cases)]
                # No two goals are alike, so nothing is answered from an earlier one.
                goals = [f"h_{number} : 0 < {number}\n{goal}"]
                params = {"goals": goals, "prefix": prefix, "n": 2}
                sidecar.request("llmstep/suggest", params, WAIT_S)
                if number in MARKS:
                    status = sidecar.request("llmstep/status", {}, WAIT_S)
                    size = status["memory"]["rssBytes"] / 1e6
                    print(f"after {number:>6} requests  {size:7.1f} MB  [300 MB]", flush=True)
            sidecar.shut_down(WAIT_S)


if __name__ == "__main__":
    main()
