"""What is told from the text is what Lean prints, on lemmas and on random elementary theorems."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import check
import pytest
from click.testing import CliRunner

from llmstep.cli import cli

pytestmark = pytest.mark.leanbed

ROOT = Path(__file__).parents[2]
BED = Path(__file__).parent / "bed" / "leanbed.py"
LEMMAS = ROOT / "models" / "lemmas"
# Lemmas that the generated proofs name and the bed lacks.
HEADER = ROOT / "tests" / "unit" / "workshop" / "data" / "core_logic.lean"


@pytest.fixture
def lean(checker: check.LeanChecker, monkeypatch: pytest.MonkeyPatch) -> str:
    """The bed's Lean as a command."""
    cache = os.environ.get("LEANBED_CACHE") or str(ROOT / "build" / "leanbed")
    monkeypatch.setenv("LEANBED_CACHE", cache)
    return shlex.join([sys.executable, str(BED), "lean", "-Dinterpreter.prefer_native=false"])


def data(*words: object) -> str:
    result = CliRunner().invoke(cli, ["data", *map(str, words)])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_our_lemmas_are_told_as_lean_prints_them(lean: str, tmp_path: Path) -> None:
    printed, told = tmp_path / "printed.jsonl", tmp_path / "told.jsonl"
    data("print", LEMMAS / "Logic.lean", "--lean", lean, "-o", printed)
    data("reconstruct", LEMMAS, "--jobs", 1, "-o", told)
    found = data("twins", told, "--printed", printed, "--show", 5)
    assert "(100.0%)" in found, found
    # The bed knows neither `next` nor `suffices`; all other lemmas are there.
    assert len(printed.read_text("utf-8").splitlines()) > 180
    assert "✝" in printed.read_text("utf-8")


def test_elementary_theorems_are_told_as_lean_prints_them(lean: str, tmp_path: Path) -> None:
    from llmstep_workshop.data.state_printing import write_elementary

    folder = tmp_path / "elementary"
    folder.mkdir()
    (folder / "E.lean").write_text("\n".join(write_elementary(60, 3)), "utf-8")
    printed, told = tmp_path / "printed.jsonl", tmp_path / "told.jsonl"
    data("print", folder / "E.lean", "--header", HEADER, "--lean", lean, "-o", printed)
    data("reconstruct", folder, "--jobs", 1, "-o", told)
    found = data("twins", told, "--printed", printed, "--show", 5)
    assert "(100.0%)" in found, found
    assert len(printed.read_text("utf-8").splitlines()) > 100
