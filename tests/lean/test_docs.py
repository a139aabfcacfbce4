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


def test_both_sides_have_one_version() -> None:
    source = (check.ROOT / "LLMstep" / "Protocol.lean").read_text(encoding="utf-8")
    assert f'def packageVersion : String := "{__version__}"' in source
