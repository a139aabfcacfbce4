"""docs/protocol.md shows the goldens, and its client runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_example_is_a_golden() -> None:
    goldens = {
        path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "contract").glob("*.json")
    }
    examples = blocks("json")
    assert len(examples) >= 12
    assert [text for text in examples if text not in goldens] == []


def test_every_kind_of_message_is_shown() -> None:
    shown = {json.loads(text).get("method") for text in blocks("json")}
    methods = {
        json.loads(path.read_text(encoding="utf-8")).get("method")
        for path in (ROOT / "tests" / "contract").glob("*.json")
    }
    assert methods - shown == {"initialized"}  # in the text and in the client


def test_the_client_runs(tmp_path: Path) -> None:
    (program,) = blocks("python")
    assert 25 <= len([line for line in program.splitlines() if line.strip()]) <= 32
    program = program.replace(
        '["llmstep", "serve"]', f'[{sys.executable!r}, "-m", "llmstep", "serve"]'
    )
    environ = {**os.environ, "LLMSTEP_HOME": str(tmp_path), "LLMSTEP_MODEL": "echo"}
    environ["LLMSTEP_SOURCES"] = "model"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program], capture_output=True, env=environ, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert b"-0.500  rfl" in done.stdout
