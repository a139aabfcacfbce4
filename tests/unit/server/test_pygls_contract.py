"""The private names of pygls in `server/editor.py`: a release that renames one fails here."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from lsprotocol import types
from lsprotocol.converters import get_converter
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter

from llmstep.server.open_documents import LspWorkspace

ROOT = Path(__file__).parents[3]
EDITOR = (ROOT / "sidecar" / "llmstep" / "server" / "editor.py").read_text(encoding="utf-8")
PRIVATE = sorted(set(re.findall(r"protocol\.(_\w+)|def (_send_data)\b", EDITOR)))
NAMES = sorted({first or second for first, second in PRIVATE})


@pytest.fixture
def protocol() -> LanguageServerProtocol:
    server = LanguageServer("contract", "1", converter_factory=default_converter)
    return server.protocol


def test_these_are_all_the_private_names_in_use() -> None:
    assert NAMES == ["_converter", "_request_futures", "_result_types", "_send_data", "_workspace"]


@pytest.mark.parametrize("name", NAMES)
def test_pygls_still_has_it(protocol: LanguageServerProtocol, name: str) -> None:
    assert hasattr(protocol, name)


def test_a_workspace_still_makes_its_documents_in_one_place() -> None:
    workspace = LspWorkspace(None)
    opened = types.TextDocumentItem("file:///a.lean", "lean4", 1, "a\u2028b\x0cc")
    workspace.put_text_document(opened)
    assert workspace.get_text_document("file:///a.lean").lines == ("a\u2028b\x0cc",)


def test_the_features_can_still_be_looked_up(protocol: LanguageServerProtocol) -> None:
    assert "textDocument/didOpen" in protocol.fm.builtin_features
    assert isinstance(protocol.fm.features, dict)


def test_the_open_requests_are_still_plain_tables(protocol: LanguageServerProtocol) -> None:
    assert protocol._request_futures == {}
    assert protocol._result_types == {}


def test_the_converter_still_writes_plain_json(protocol: LanguageServerProtocol) -> None:
    assert type(protocol._converter) is type(get_converter())


def test_the_next_major_version_is_not_taken_unseen() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (requirement,) = [line for line in project["dependencies"] if line.startswith("pygls")]
    major = int(importlib.metadata.version("pygls").split(".")[0])
    assert requirement == f"pygls>={major}.1,<{major + 1}"
