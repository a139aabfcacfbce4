#!/usr/bin/env python3
"""Compares a tag with the versions of all parts, and prints its notes from the changelog.

    python3 .ci/release_notes.py v2.0.0

The notes are the version's section of CHANGELOG.md. Standard library only.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Where each part keeps its version, and what stands around it.
PLACES = {
    "sidecar/llmstep/__init__.py": r'^__version__ = "([^"]+)"$',
    "sidecar/workshop/llmstep_workshop/__init__.py": r'^__version__ = "([^"]+)"$',
    "LLMstep/Protocol.lean": r'^def packageVersion : String := "([^"]+)"$',
}


def main(arguments: list[str]) -> int:
    """Print the notes of the tag; 1 and the reason where something disagrees."""
    if len(arguments) != 1 or not re.fullmatch(r"v\d+\.\d+\.\d+((a|b|rc)\d+)?", arguments[0]):
        print("usage: release_notes.py vMAJOR.MINOR.PATCH", file=sys.stderr)
        return 2
    version = arguments[0].removeprefix("v")
    wrong = [
        f"{place} says {found}, the tag {version}"
        for place, found in versions(ROOT).items()
        if found != version
    ]
    notes = section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    if not notes:
        wrong.append(f"CHANGELOG.md has no section `## {version} (YYYY-MM-DD)`, or an empty one")
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    print(notes)
    return 0


def versions(root: Path) -> dict[str, str]:
    """The version that each place states; ``nothing`` where none is found."""
    stated: dict[str, str] = {}
    for place, pattern in PLACES.items():
        match = re.search(pattern, (root / place).read_text(encoding="utf-8"), re.MULTILINE)
        stated[place] = match[1] if match else "nothing"
    return stated


def section(changelog: str, version: str) -> str:
    """What stands under a released version's dated heading; empty if there is none."""
    heading = rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)"
    match = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
