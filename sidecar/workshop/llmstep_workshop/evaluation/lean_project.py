"""A Lake project that can import llmstep, in which whole files are run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from llmstep_workshop.errors import LeanProjectError, LeanRunError
from llmstep_workshop.lean_runner import LeanRun, LeanRunner

_CHECK_SECONDS = 600.0


class LeanProject:
    """A folder with a lakefile, in which `lake env lean` runs.

    Safe to use from several threads.

    Raises:
        LeanProjectError: The folder is no Lake project, or there is no ``lake`` on the PATH.
    """

    def __init__(self, root: Path) -> None:
        if not any((root / name).is_file() for name in ("lakefile.lean", "lakefile.toml")):
            raise LeanProjectError(
                f"{root} is no Lake project: it has no lakefile",
                hint="Give the folder that holds lakefile.lean or lakefile.toml.",
            )
        lake = shutil.which("lake")
        if lake is None:
            raise LeanProjectError(
                "there is no `lake` on the PATH",
                hint="Install Lean (https://lean-lang.org/install) and open a new terminal.",
            )
        self._root = root.resolve()
        self._lean = LeanRunner((lake, "env", "lean"), self._root)

    def require_llmstep(self, environment: Mapping[str, str]) -> None:
        """Make sure that a file of the project can import llmstep.

        Raises:
            LeanProjectError: It cannot; the message is Lean's or lake's.
        """
        run = self.run("import LLMstep\n", "Check", _CHECK_SECONDS, environment)
        if run.code != 0:
            why = "it took too long" if run.timed_out else run.first_error() or run.output
            raise LeanProjectError(f"{self._root}: `import LLMstep` does not work: {why}")

    def run(self, text: str, name: str, seconds: float, environment: Mapping[str, str]) -> LeanRun:
        """Run a file; see :meth:`llmstep_workshop.lean_runner.LeanRunner.run`.

        Raises:
            LeanProjectError: lake cannot be started, or the project was stopped.
        """
        try:
            return self._lean.run(text, name, seconds, environment)
        except LeanRunError as error:
            raise LeanProjectError(error.message, hint=error.hint) from error

    def stop(self) -> None:
        """Kill all that runs, and start nothing more."""
        self._lean.stop()
