"""What is written down in two places is the same in both."""

from __future__ import annotations

import re

import check

from llmstep import __version__

ENVIRONMENT_BOUNDARY = re.compile(r"(?=[A-Z])")


def environment_variable(option: str) -> str:
    words = ENVIRONMENT_BOUNDARY.sub("_", option.removeprefix("llmstep.")).replace(".", "_")
    return f"LLMSTEP_LEAN_{words.upper()}"


def test_the_options_table_is_complete() -> None:
    source = (check.ROOT / "LLMstep" / "Options.lean").read_text(encoding="utf-8")
    table = (check.ROOT / "docs" / "lean.md").read_text(encoding="utf-8")
    declared = dict(re.findall(r"register_option (\S+) : \w+ := \{\s+defValue := (.*)\n", source))
    rows = re.findall(r"^\| `(llmstep\.\S+)` \| (.+?) \| (.+?) \|", table, re.MULTILINE)
    documented = {
        option: re.sub(r"</?code>", '"', default).replace("&#124;", "|").replace("empty", '""')
        for option, default, _ in rows
    }
    assert documented == declared
    for option, _, variable in rows:
        assert environment_variable(option) in variable


def test_the_toolchain_file_names_the_oldest_release() -> None:
    # Lake moves a project to the newest toolchain among its dependencies.
    floor = (check.ROOT / "lean-toolchain").read_text(encoding="utf-8").strip()
    assert floor == "leanprover/lean4:v4.27.0"
    pages = [check.ROOT / "docs" / "lean.md", check.ROOT / "README.md"]
    for page in pages:
        assert "Lean 4.27 or newer" in page.read_text(encoding="utf-8")
        assert "lake update --keep-toolchain llmstep" in page.read_text(encoding="utf-8")
    workflow = (check.ROOT / ".github" / "workflows" / "lean.yml").read_text(encoding="utf-8")
    assert 'lean: ["v4.27.0", ' in workflow


def test_both_sides_have_one_version() -> None:
    source = (check.ROOT / "LLMstep" / "Protocol.lean").read_text(encoding="utf-8")
    assert f'def packageVersion : String := "{__version__}"' in source
