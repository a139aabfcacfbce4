"""Runs benchmarks: `python tests/bench/run.py [start warm ... precision]`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil

HERE = Path(__file__).parent
NAMES = (
    "start",
    "handshake",
    "engine",
    "warm",
    "profile",
    "batch",
    "context",
    "memory",
    "lemmas",
    "models",
    "precision",
    "lean",
    "search",
    "prove",
    "writing",
)


def main() -> int:
    chosen = sys.argv[1:] or list(NAMES)
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical cores, "
        f"Python {platform.python_version()}, load average {load}",
        flush=True,
    )
    failed = 0
    for name in chosen:
        print(f"\n## {name}", flush=True)
        script = HERE / f"bench_{name}.py"
        failed += subprocess.run([sys.executable, str(script)], check=False).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
