"""docs/gpu.md and the Colab notebook: what they say is what the program knows."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from llmstep.backends.completion_client import _MOST_TRIES, _OPTIONAL_FIELDS
from llmstep.backends.endpoint import KEY_VARIABLES
from llmstep.environment import OPENAI_MODEL, OPENAI_URL
from llmstep.server import address, http

DOCS = Path(__file__).parents[3] / "docs"
NOTEBOOK = json.loads((DOCS / "llmstep_colab.ipynb").read_text(encoding="utf-8"))
TEXT = (DOCS / "gpu.md").read_text(encoding="utf-8")


def test_variables_and_limits_are_those_of_the_program() -> None:
    for name in (OPENAI_URL, OPENAI_MODEL, *KEY_VARIABLES, *_OPTIONAL_FIELDS):
        assert f"`{name}`" in TEXT
    assert f"up to {_MOST_TRIES} times" in TEXT
    assert f"{address.DEFAULT_HOST}:{address.DEFAULT_PORT}" in TEXT
    assert f"more than {http._MOST_CONNECTIONS} connections" in TEXT
    statuses = {int(number) for number in re.findall(r"^\| ([45]\d\d)", TEXT, re.MULTILINE)}
    assert statuses >= {400, 403, 411, 422, 500, 503, 504}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert target.startswith("https://") or (DOCS / target).is_file()


def test_the_notebook_is_one() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert all(cell["outputs"] == [] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code")


@pytest.mark.parametrize(
    "cell", [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
)
def test_its_cells_are_python(cell: dict[str, list[str]]) -> None:
    lines = "".join(cell["source"]).splitlines()
    ast.parse("\n".join("pass" if line.startswith(("%", "!")) else line for line in lines))


def test_it_prints_the_variables_and_keeps_no_key() -> None:
    text = json.dumps(NOTEBOOK)
    assert OPENAI_URL in text
    assert KEY_VARIABLES[0] in text
    assert "secrets.token_urlsafe" in text
    assert not re.search(r"sk-[A-Za-z0-9]{8}", text)
