"""Speaks like ``lean --json FILE``.

A tactic that holds ``bad`` fails, a state that holds ``odd`` is not understood, ``/-`` swallows the
rest of the file, ``boom`` kills the process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def report(line: int, text: str, severity: str = "error") -> None:
    """Print one message as Lean does."""
    position = {"line": line, "column": 0}
    message = {"severity": severity, "pos": position, "endPos": None, "data": text, "caption": ""}
    print(json.dumps(message))


def main(file: Path) -> int:
    """Answer for a file."""
    failed = False
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if "boom" in line:
            os.abort()
        if "/-" in line:
            report(number, "unterminated comment")
            return 1
        if "exact True.intro" in line or "bad" in line:
            report(number, "Type mismatch\nmore of it")
            failed = True
        if "odd" in line:
            report(number, "unexpected token")
            failed = True
        if line.startswith("import ") and "Absent" in line:
            report(number, "unknown module prefix 'Absent'")
            failed = True
        if "all_goals sorry" in line:
            report(number, "declaration uses 'sorry'", "warning")
    print("not a message")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))
