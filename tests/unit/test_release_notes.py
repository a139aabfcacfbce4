from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import yaml

from llmstep import __version__

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "release_notes.py"


@pytest.fixture
def script(tmp_path: Path, monkeypatch):
    spec = importlib.util.spec_from_file_location("release_notes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for place in module.PLACES:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## Unreleased\n- soon\n\n## {__version__} (2026-12-01)\n\n- A\n- B\n\n"
        "## 1.0.0 (2023-10-01)\n- old\n"
    )
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_the_notes_are_the_versions_own_section(script, capsys) -> None:
    assert script.main([f"v{__version__}"]) == 0
    assert capsys.readouterr().out == "- A\n- B\n"


def test_a_tag_of_another_version_is_refused_with_every_place(script, capsys) -> None:
    assert script.main(["v9.9.9"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(script.PLACES) + 1
    assert lines[-1].startswith("CHANGELOG.md has no section")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_part_left_behind_is_named(script, capsys, place: int) -> None:
    name = list(script.PLACES)[place]
    path = script.ROOT / name
    path.write_text(path.read_text().replace(f'"{__version__}"', '"0.0.1"'))
    assert script.main([f"v{__version__}"]) == 1
    assert capsys.readouterr().err.startswith(f"{name} says 0.0.1")


def test_a_version_without_a_date_is_not_released(script, capsys) -> None:
    path = script.ROOT / "CHANGELOG.md"
    path.write_text(path.read_text().replace(" (2026-12-01)", ""))
    assert script.main([f"v{__version__}"]) == 1
    assert "CHANGELOG" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["2.0.0"], ["v2"], ["v2.0.0", "x"]])
def test_anything_but_one_tag_is_a_usage_error(script, arguments) -> None:
    assert script.main(arguments) == 2


def test_all_parts_have_one_version_today(script) -> None:
    assert set(script.versions(ROOT).values()) == {__version__}


def test_the_workflow_builds_what_the_page_says() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as true
    steps = [str(step.get("run")) for job in workflow["jobs"].values() for step in job["steps"]]
    page = (ROOT / "RELEASING.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ +(python \S.*)$", page, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert any(command.removesuffix(" v2.1.0") in step for step in steps), command
    # Only the job that publishes may write, and only after the checks.
    publish = workflow["jobs"]["publish"]
    assert set(publish["needs"]) == {"build", "checks"}
    assert workflow["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"contents": "write", "id-token": "write"}
