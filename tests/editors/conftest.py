"""Lean's server of the bed, the editors, and what they were seen to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lean"))

import check
from tests.editors.drivers.bed import make_servers
from tests.editors.drivers.editor import Editor, EditorMissingError, Observe, Servers
from tests.editors.drivers.emacs import EmacsEglot, EmacsLspMode
from tests.editors.drivers.neovim import Neovim
from tests.editors.drivers.vscode import VSCodeClient

ROOT = check.ROOT
EDITORS = (VSCodeClient, Neovim, EmacsEglot, EmacsLspMode)
KEPT = json.loads((ROOT / "tests" / "editors" / "observed.json").read_text(encoding="utf-8"))
OBSERVED = ROOT / "build" / "editors" / "observed.json"


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Servers:
    """Lean's language server with the package compiled, and the scripted sidecar."""
    if reason := check.why_not():
        pytest.skip(reason)
    return make_servers(tmp_path_factory.mktemp("servers"), LLMSTEP_MODEL="echo")


@pytest.fixture(scope="module", params=EDITORS, ids=lambda editor: editor.name)
def editor(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Editor]:
    """One editor for all scenarios of a file, or why it is not here."""
    try:
        editor = request.param(servers, tmp_path_factory.mktemp("editor"))
    except EditorMissingError as missing:
        pytest.skip(str(missing))
    yield editor
    editor.close()


@pytest.fixture(scope="session")
def observations() -> Iterator[dict[str, dict[str, str]]]:
    """What was seen in this run, editor by editor; written down at its end."""
    seen: dict[str, dict[str, str]] = {}
    yield seen
    OBSERVED.parent.mkdir(parents=True, exist_ok=True)
    OBSERVED.write_text(json.dumps(seen, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.fixture
def observe(editor: Editor, observations: dict[str, dict[str, str]]) -> Observe:
    """Notes one capability of the editor, by a row of the table in docs/editors.md.

    Of a version that the table is about, it must be the table's.
    """

    def note(row: str, value: bool | str = True) -> None:
        text = value if isinstance(value, str) else ("yes" if value else "no")
        observations.setdefault(editor.name, {"version": editor.version})[row] = text
        told = KEPT.get(editor.name, {})
        if told.get("version") == editor.version:
            assert told.get(row) == text, "run: python docs/editor_table.py --take"

    return note
