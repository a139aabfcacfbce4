"""From a bare clone to the first suggestion, beside a plain `pip install` of the same packages.

All begin with nothing but a Python and a package index that is warm (each is done once before
without being counted: `--cold` leaves that out), in a home of their own. No wheel of llama.cpp is
at hand, so that it has to be built; the build in the background is ended as soon as the first
suggestion is there. `--before REVISION` measures an earlier state in the same rounds; it is given
up after `--limit` seconds, since it may compile before it answers.
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
    parser.add_argument("--before", metavar="REVISION", help="an earlier state to compare with")
    parser.add_argument("--limit", type=float, default=1800, help="seconds for the earlier state")
    options = parser.parse_args()
    rounds = options.rounds + (not options.cold)
    measured = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="llmstep-first-") as name:
            row = (*first_suggestion(Path(name) / "now"), plain_install(Path(name) / "plain"))
            counts = options.cold or number
            if counts:
                measured.append(row)
                load = describe_load()
                print("clone to answer {:.1f} s (set-up {:.1f} s), pip {:.1f} s".format(*row), load)
            if counts and options.before:
                old = earlier_suggestion(Path(name) / "before", options.before, options.limit)
                print(f"at {options.before}: {old}", describe_load())
    answer, _, plain = (sum(column) / len(measured) for column in zip(*measured, strict=True))
    print(f"mean {answer:.1f} s, {answer / plain:.2f} times pip's {plain:.1f} s")


def describe_load() -> str:
    """How much the machine had to do in the last minute."""
    return f"(load {os.getloadavg()[0]:.0f})" if hasattr(os, "getloadavg") else ""


def make_environ(folder: Path) -> dict[str, str]:
    """Variables with a home and a cache that are empty."""
    environ = {name: v for name, v in os.environ.items() if not name.startswith("LLMSTEP_")}
    environ |= {"LLMSTEP_HOME": str(folder / "home"), "HOME": str(folder)}
    environ["XDG_CACHE_HOME"] = str(folder / "cache")
    environ.pop("PYTHONPATH", None)
    return environ


def earlier_suggestion(folder: Path, revision: str, limit: float) -> str:
    """Seconds to the first suggestion of an earlier state, or that they were too many."""
    try:
        return f"clone to answer {first_suggestion(folder, revision, limit)[0]:.1f} s"
    except subprocess.TimeoutExpired:
        return f"no answer within {limit:.0f} s"


def first_suggestion(
    folder: Path, revision: str = "HEAD", limit: float | None = None
) -> tuple[float, float]:
    """Seconds from the clone to the first suggestion, and to the end of the set-up."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "checkout", "-q", revision], check=True)
    environ = make_environ(folder)
    begin = time.monotonic()
    try:
        set_up_clone([base_python(), str(clone / "bootstrap.py"), "setup"], environ, limit)
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


def set_up_clone(command: list[str], environ: dict[str, str], limit: float | None) -> None:
    """Run the set-up; one that is given up takes its compilers with it."""
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, start_new_session=os.name == "posix"
    )
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def plain_install(folder: Path) -> float:
    """Seconds of making an environment and installing the sidecar's requirements with pip."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    begin = time.monotonic()
    environment, environ = folder / "environment", make_environ(folder)
    subprocess.run([base_python(), "-m", "venv", str(environment)], check=True, env=environ)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    command = [str(python), "-m", "pip", "install", "-q", *project["dependencies"]]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environ)
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
