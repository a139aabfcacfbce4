from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from llmstep_workshop.commands.data import data
from llmstep_workshop.data.cleaning import Cleaner
from llmstep_workshop.data.readers import FORMATS
from llmstep_workshop.data.synthetic import GROUPS

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
LINES = re.findall(r"^llmstep data (\w+) ([^#\n]*)", PAGE, re.M)


@pytest.mark.parametrize(("name", "words"), LINES)
def test_a_command_of_the_page_is_understood(name: str, words: str) -> None:
    command = data.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words.split() if word.startswith("-")} <= known


def test_every_option_and_command_it_names_exists() -> None:
    options = {
        option
        for command in data.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= options
    assert {name for name, _ in LINES} == set(data.commands)


def test_every_rule_format_and_family_is_on_the_page() -> None:
    for rule in Cleaner(bindings=False).rules():
        assert f"| `{rule}` |" in PAGE
    for name in FORMATS:
        assert f"| `{name}` |" in PAGE
    for maker in GROUPS["extended"]:
        assert f"`{maker.__name__}`" in PAGE
    assert len(GROUPS["basic"]) == 17
