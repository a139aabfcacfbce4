"""Names that several rooms share are constants of one owner, in the sidecar and the workshop."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from llmstep.backends import BACKENDS
from llmstep.config import TABLE

SIDECAR = Path(__file__).parents[2] / "sidecar"
_VARIABLE = re.compile(r"LLMSTEP_[A-Z_]+")
# Where a library or an extra is meant that is called as a backend is.
_LIBRARY_NAMES = {
    "llmstep/runtime/identity.py",
    "llmstep/install/checkout.py",
    "llmstep/install/probe.py",
    "llmstep/backends/exchange.py",
    "llmstep/backends/llama_library.py",
    "llmstep/service/catalog.py",
    "llmstep/commands/status.py",
    "llmstep_workshop/commands/convert.py",
}


def _strings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _places(wanted: re.Pattern[str]) -> dict[str, set[str]]:
    places: dict[str, set[str]] = defaultdict(set)
    for path in SIDECAR.rglob("*.py"):
        name = path.relative_to(SIDECAR).as_posix().removeprefix("workshop/")
        for text in _strings(path):
            if wanted.fullmatch(text):
                places[text].add(name)
    return places


def test_an_environment_variable_is_written_down_once() -> None:
    places = _places(_VARIABLE)
    for row in TABLE:
        places.pop(row.variable, None)  # those of the settings follow from the table
    assert {"LLMSTEP_HOME", "LLMSTEP_OPENAI_", "LLMSTEP_IN_PROCESS"} <= set(places)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_backend_is_named_by_its_constant() -> None:
    places = _places(re.compile("|".join(BACKENDS)))
    assert set(places) == set(BACKENDS)
    for name, found in places.items():
        assert found - _LIBRARY_NAMES == {"llmstep/backends/__init__.py"}, name
