"""What the pages say of things that are measured or written down elsewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CARD = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tracked_files() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_pre_commit_lets_every_file_through_that_is_there() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}
    limit = hooks["check-added-large-files"]
    most = int(limit["args"][0].removeprefix("--maxkb=")) * 1024
    refused = [
        path.relative_to(ROOT).as_posix()
        for path in tracked_files()
        if path.is_file()
        and path.stat().st_size > most
        and not re.search(limit["exclude"], path.relative_to(ROOT).as_posix())
    ]
    assert refused == []


def test_the_readme_quotes_the_cards_figures_for_genuine_states() -> None:
    served = CARD.split("What a user is served")[1]
    row = re.search(
        r"^\| real_dev \| 417 \| [\d.]+ \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|", served, re.M
    )
    assert row is not None
    exact, first_word = (f"{float(figure):.2f}" for figure in row.groups())
    sentence = re.search(
        r"real_dev.*?in ([\d.]+) of the cases.*?first word in ([\d.]+)", README, re.S
    )
    assert sentence is not None
    assert sentence.groups() == (exact, first_word)


def test_no_page_says_that_threads_are_the_physical_cores() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "sidecar").rglob("*.py")]
    wrong = [path for path in pages if "0 takes the physical cores" in path.read_text("utf-8")]
    assert wrong == []
