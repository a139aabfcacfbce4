"""What docs/architecture.md says of files, functions and rooms is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
HOPS = re.findall(r"^\| \d+ \| .* \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
FILES = sorted(set(re.findall(r"`([\w./-]+\.(?:py|lean|md|toml))`", PAGE)))
ROOMS = {
    "sidecar/llmstep": ("backends", "commands", "lean_text", "prompts", "server", "service"),
    "sidecar/workshop/llmstep_workshop": ("commands", "conversion", "data", "evaluation"),
}


def names_of_python(path: Path) -> set[str]:
    """Functions and ``Class.method`` of a module."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            parts = (ast.FunctionDef, ast.AsyncFunctionDef)
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, parts)}
    return names


def test_the_way_of_a_suggestion_has_its_hops() -> None:
    numbers = [int(n) for n in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, len(HOPS) + 1))
    assert len(HOPS) >= 15


@pytest.mark.parametrize(("file", "function"), HOPS)
def test_each_hop_exists(file: str, function: str) -> None:
    path = ROOT / file
    if path.suffix == ".py":
        assert function in names_of_python(path)
    else:
        declared = rf"^(?:partial )?(?:def|elab|theorem|structure) {re.escape(function)}\b"
        assert re.search(declared, path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("file", FILES)
def test_each_file_it_names_exists(file: str) -> None:
    assert (ROOT / file).exists() or (ROOT / "docs" / file).exists()


@pytest.mark.parametrize("house", ROOMS)
def test_no_room_is_left_out_of_the_picture(house: str) -> None:
    rooms = {path.parent.name for path in (ROOT / house).glob("*/__init__.py")}
    assert rooms >= set(ROOMS[house])
    picture = PAGE.split("## The houses")[1].split("## What may import what")[0]
    assert {room for room in rooms if not re.search(rf"\b{room}\b", picture)} == set()


def test_the_threads_it_names_are_started_under_these_names() -> None:
    section = PAGE.split("## Threads of the sidecar")[1].split("\n## ")[0]
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "sidecar" / "llmstep").rglob("*.py")
    )
    named = re.findall(r"^\| `(llmstep-[\w-]+)`", section, re.MULTILINE)
    assert named
    assert [name for name in named if f'"{name}"' not in source] == []
