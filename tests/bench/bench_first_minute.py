"""From a bare clone to the first suggestion, beside a plain `pip install` of the same packages.

Both begin with nothing but a Python and a package index that is warm (each is done once before
without being counted: `--cold` leaves that out). No wheel of llama.cpp is at hand, so that it has
to be built; the build in the background is ended as soon as the first suggestion is there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llmstep.install import background

ROOT = Path(__file__).parents[2]
GOAL = "n : Nat\n⊢ n + 0 = n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="count the first round too")
    options = parser.parse_args()
    rounds = options.rounds + (not options.cold)
    measured = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="llmstep-first-") as name:
            row = (*first_suggestion(Path(name)), plain_install(Path(name)))
        if options.cold or number:
            measured.append(row)
            print("clone to answer {:.1f} s (set-up {:.1f} s), pip {:.1f} s".format(*row))
    answer, _, plain = (sum(column) / len(measured) for column in zip(*measured, strict=True))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"mean {answer:.1f} s, {answer / plain:.2f} times pip's {plain:.1f} s; load {load:.1f}")


def first_suggestion(folder: Path) -> tuple[float, float]:
    """Seconds from the clone to the first suggestion, and to the end of the set-up."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    environ = {**os.environ, "LLMSTEP_HOME": str(folder / "home"), "HOME": str(folder)}
    environ["XDG_CACHE_HOME"] = str(folder / "cache")
    environ.pop("PYTHONPATH", None)
    begin = time.monotonic()
    quiet = {"env": environ, "check": True, "stdout": subprocess.DEVNULL}
    try:
        subprocess.run([base_python(), str(clone / "bootstrap.py"), "setup"], **quiet)
        set_up = time.monotonic() - begin
        llmstep = clone / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "llmstep"
        shown = subprocess.run(
            [str(llmstep), "suggest", GOAL], env=environ, check=True, capture_output=True, text=True
        )
        answer = time.monotonic() - begin
    finally:
        end_build(clone / ".venv")
    assert shown.stdout.strip(), shown.stderr
    return answer, set_up


def plain_install(folder: Path) -> float:
    """Seconds of making an environment and installing the sidecar's requirements with pip."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    begin = time.monotonic()
    environment = folder / "plain"
    subprocess.run([base_python(), "-m", "venv", str(environment)], check=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [str(python), "-m", "pip", "install", "-q", *project["dependencies"]]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin


def base_python() -> str:
    """The Python that the environment of the benchmark was made from."""
    return shutil.which("python3", path=str(Path(sys.base_prefix) / "bin")) or sys.executable


def end_build(prefix: Path) -> None:
    """End a build in the background and the compilers below it."""
    build = background.read_build(prefix)
    if build is not None and build.state == "running":
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(build.pid, signal.SIGINT)
                time.sleep(1)
                os.killpg(build.pid, signal.SIGKILL)
            else:
                os.kill(build.pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
