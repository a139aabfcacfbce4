from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.lean_text.statements import Statement
from llmstep.sources.index_writer import write_index

STATEMENTS = [
    Statement("Nat.add_comm", "theorem", "(n m : ℕ)", "n + m = m + n", "Init.Nat"),
    Statement("Nat.mul_comm", "theorem", "(n m : ℕ)", "n * m = m * n", "Init.Nat"),
]


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_index(tmp_path / "i", [], STATEMENTS, fewest_rows=1)
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMSTEP_LIBRARY", str(tmp_path / "i"))
    monkeypatch.chdir(tmp_path)


def test_words_find_lemmas_with_their_statements() -> None:
    done = CliRunner().invoke(cli, ["search", "multiplication is commutative", "-k", "1"])
    assert done.exit_code == 0
    assert done.stdout == "Nat.mul_comm  (library: Init.Nat)\n    (n m : ℕ) : n * m = m * n\n"


def test_a_goal_gets_steps_and_json_is_what_the_wire_says() -> None:
    arguments = ["search", "x y : ℕ\n|- x + y = y + x", "-k", "1", "--json"]
    done = CliRunner().invoke(cli, arguments)
    (lemma,) = map(json.loads, done.stdout.splitlines())
    assert lemma["name"] == "Nat.add_comm"
    assert "add_comm" in lemma["step"]


def test_a_file_counts_with_its_own_lemmas_and_what_it_opens(tmp_path: Path) -> None:
    file = tmp_path / "A.lean"
    file.write_text(
        "import Init\nopen Nat\ntheorem zorp_comm : zorp a b = zorp b a := sorry\nexample : p := by"
    )
    done = CliRunner().invoke(cli, ["search", "zorp comm", "--context", str(file), "-k", "2"])
    assert done.stdout.startswith("zorp_comm  (file: this file)\n")
    done = CliRunner().invoke(cli, ["search", "add_comm", "--context", str(file), "-k", "1"])
    assert done.stdout.startswith("add_comm  (library: Init.Nat)\n")


def test_the_project_around_is_searched(tmp_path: Path) -> None:
    (tmp_path / "lakefile.toml").write_text('name = "p"\n[[lean_lib]]\nname = "P"\n')
    (tmp_path / "P.lean").write_text("theorem quux_assoc : quux (quux a b) c = d := sorry\n")
    done = CliRunner().invoke(cli, ["search", "quux assoc", "-k", "1", "--wait", "100"])
    assert done.stdout.startswith("quux_assoc  (project: P)\n")


def test_nothing_is_told_and_a_wrong_question_is_refused() -> None:
    done = CliRunner().invoke(cli, ["search", "Unheard.of"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "Nothing was found." in done.stderr
    done = CliRunner().invoke(cli, ["search", " "])
    assert done.exit_code != 0
