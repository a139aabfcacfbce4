from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from llmstep import __version__
from llmstep.cli import COMMANDS, INTERRUPTED, LEFT_BEHIND, LazyGroup, cli
from llmstep.commands.workshop import WORKSHOP
from llmstep.errors import LLMStepError

HEAVY = ("attrs", "cattrs", "huggingface_hub", "llama_cpp", "numpy", "pygls", "torch")


def test_the_command_line_imports_nothing_heavy_by_itself() -> None:
    code = f"import sys, llmstep.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_version() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert __version__ in result.output


def test_help_lists_every_command_without_importing_it() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    meanings = {name: meaning for name, (_, meaning) in COMMANDS.items()} | WORKSHOP
    for name, meaning in meanings.items():
        assert f"  {name} " in result.output
        assert meaning in result.output


@pytest.mark.parametrize("name", sorted({**COMMANDS, **WORKSHOP}))
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


@pytest.mark.parametrize("words", [[name] for name in WORKSHOP] + [["models", "convert"]])
def test_without_the_workshop_its_commands_say_how_to_get_it(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())
    result = CliRunner().invoke(cli, [*words, "--steps", "3"])
    assert isinstance(result.exception, LLMStepError)
    assert " ".join(words) in result.exception.message
    assert "sidecar" in result.exception.hint
    assert "workshop" in result.exception.hint


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["sugest"])
    assert result.exit_code == 2
    assert "did you mean `llmstep suggest`" in result.output
    assert "`llmstep --help` lists all" in CliRunner().invoke(cli, ["zzzz"]).output


@pytest.mark.parametrize("name", sorted({**COMMANDS, **WORKSHOP}))
def test_an_interrupt_ends_any_command_with_one_line_and_130(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command(name)
    def busy() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LazyGroup, "get_command", lambda self, ctx, cmd_name: busy)
    result = CliRunner().invoke(cli, [name])
    assert result.exit_code == INTERRUPTED
    line = result.stderr.strip()
    assert line.startswith(f"llmstep {name}: interrupted")
    assert "\n" not in line


def test_what_an_interrupt_leaves_is_told_of_commands_that_exist() -> None:
    assert LEFT_BEHIND.keys() <= {**COMMANDS, **WORKSHOP}.keys()


def test_errors_for_the_user_end_in_one_line_and_its_cure() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmstep", "models", "info", "/no/such.gguf"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("llmstep: ")
    assert "such.gguf" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
