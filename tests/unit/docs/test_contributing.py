"""Follows the recipes of CONTRIBUTING.md to the letter, each in a copy of the repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(
    re.findall(r"^## (Add a .*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL),
)
BLOCK = re.compile(r"(?P<lead>[^\n]+(?:\n[^\n]+)*):\n\n```\w*\n(?P<body>.*?)^```$", re.M | re.S)
LINKED = (".gguf", ".tactics")  # large, and no recipe changes them
LEFT = (".git", ".venv", ".lake", "build", "dist", "runs", "lib", "__pycache__", ".*_cache")


def link_or_copy(source: str, target: str) -> None:
    """Copy a file; a large one becomes a link."""
    if source.endswith(LINKED):
        os.symlink(source, target)
    else:
        shutil.copyfile(source, target)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = tmp_path / "copy"
    shutil.copytree(ROOT, root, copy_function=link_or_copy, ignore=shutil.ignore_patterns(*LEFT))
    return root


def follow(lead: str, body: str, root: Path) -> None:
    """Do what one sentence says with the block under it."""
    if lead.endswith("Try it"):
        try_it(body, root)
    elif match := re.search(r"[Nn]ew file `([^`]+)`$", lead):
        path = root / match[1]
        assert not path.exists()
        path.write_text(body, encoding="utf-8")
    elif match := re.search(
        r"In `([^`]+)`, (?P<how>above|in place of) the line(?P<start> that begins with)? "
        r"(?:`` (?P<ticks>.+?) ``|`(?P<plain>[^`]+)`)$",
        lead.replace("\n", " "),
    ):
        path = root / match[1]
        wanted = match["ticks"] or match["plain"]
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [
            number
            for number, line in enumerate(lines)
            if (line.startswith(wanted) if match["start"] else line.rstrip("\n") == wanted)
        ]
        assert len(found) == 1, f"{len(found)} lines {wanted!r} in {match[1]}"
        lines[found[0] : found[0] + (match["how"] != "above")] = [body]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        raise AssertionError(f"a block that says not what to do with it: {lead!r}")


def try_it(body: str, root: Path) -> None:
    """Run the commands; what stands below each must be in its output, in this order."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(root / "sidecar"),
        "LLMSTEP_HOME": str(root / "home"),
    }
    for command, *expected in (part.splitlines() for part in body.split("$ ")[1:]):
        module, *arguments = shlex.split(command)
        assert module in ("llmstep", "pytest")
        result = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=root,
            env=environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        place = 0
        for line in expected:
            place = result.stdout.find(line, place)
            assert place >= 0, f"{line!r} is not in:\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipe_works_as_it_stands(recipe: str, copy: Path) -> None:
    blocks = list(BLOCK.finditer(RECIPES[recipe]))
    assert blocks
    assert blocks[-1]["lead"].endswith("Try it")
    for block in blocks:
        follow(block["lead"], block["body"], copy)


def test_the_usual_changes_have_a_recipe() -> None:
    for what in ("backend", "model card", "setting", "Lean option", "source"):
        assert f"Add a {what}" in RECIPES
