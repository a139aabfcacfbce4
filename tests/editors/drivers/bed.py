"""Lean's language server of the bed as a program that an editor can start."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "lean"))

import check
from tests.editors.drivers.editor import Servers


def make_servers(folder: Path, **environ: str) -> Servers:
    """Compile the Lean package and write the program into a folder.

    ``environ`` is added to the variables of the tests of Lean files.
    """
    checker = check.shared_checker()
    assert not checker.check(check.ROOT / "LLMstep.lean")
    program = folder / "lean-server"
    words = [*checker.bed.lean_cmd(), "--server", *checker.bed.OPTS]
    program.write_text(
        f"#!/bin/sh\nLEAN_PATH={shlex.quote(checker.search_path)}\nexport LEAN_PATH\n"
        f"exec {shlex.join(words)}\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return Servers(program, {**check.test_environment(), **environ})
