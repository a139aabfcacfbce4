from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmstep.cli import cli
from llmstep.commands.suggest import format_suggestion
from llmstep.errors import InvalidParamsError
from llmstep.sources.ranking import Suggestion

GOAL = "p : Prop\nh : p\n⊢ p"
RULES = [
    {"prefix": "exact", "candidates": [{"tactic": "exact h", "score": -0.25}]},
    {"goal": "⊢ nothing", "candidates": []},
    {
        "candidates": [
            {"tactic": "simp", "score": -2},
            {"tactic": "assumption", "score": -0.5},
        ]
    },
]


@pytest.fixture(autouse=True)
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(RULES), encoding="utf-8")
    monkeypatch.setenv("LLMSTEP_ECHO_SCRIPT", str(path))
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    monkeypatch.setenv("LLMSTEP_MODEL", "echo")
    monkeypatch.setenv("LLMSTEP_SOURCES", "model")


def run(*arguments: str, stdin: str | bytes | None = None):
    return CliRunner().invoke(cli, ["suggest", *arguments], input=stdin)


def tactics(output: str) -> list[str]:
    return [json.loads(line)["tactic"] for line in output.splitlines()]


def test_a_goal_as_an_argument() -> None:
    result = run(GOAL)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"  -0.500  {'model':23}  assumption",
        f"  -2.000  {'model':23}  simp",
    ]
    assert "Not checked by Lean" in result.stderr


def test_the_columns_are_those_of_the_demo() -> None:
    of_demo = CliRunner().invoke(cli, ["demo", "--model", "echo"]).stdout
    for line in run(GOAL).stdout.splitlines():
        assert f"   {line}\n" in of_demo


def test_a_statement_is_turned_into_its_goal_and_this_is_said() -> None:
    result = run("theorem t (p : Prop) (h : p) : p := by sorry")
    assert result.exit_code == 0
    assert "taken for the goal that `t` states:\np : Prop\nh : p\n⊢ p\n" in result.stderr
    assert "assumption" in result.stdout


def test_an_ascii_turnstile_is_one() -> None:
    assert run("p : Prop\nh : p\n|- p").stdout == run(GOAL).stdout


@pytest.mark.parametrize("text", ["hello", "simp [foo]", "h : p"])
def test_what_is_no_goal_is_refused_with_an_example(text: str) -> None:
    result = run(text)
    assert isinstance(result.exception, InvalidParamsError)
    assert "⊢ n ≠ 0" in result.exception.hint
    assert result.stdout == ""


def test_what_hardly_ever_runs_is_cut(tmp_path: Path) -> None:
    rules = [{"candidates": [{"tactic": "simp", "score": -1}, {"tactic": "omega", "score": -30}]}]
    (tmp_path / "script.json").write_text(json.dumps(rules), encoding="utf-8")
    assert "omega" not in run(GOAL).stdout
    # A program decides by itself.
    assert tactics(run("--json", GOAL).stdout) == ["simp", "omega"]


def test_the_best_one_is_shown_however_unlikely(tmp_path: Path) -> None:
    rules = [{"candidates": [{"tactic": "omega", "score": -30}]}]
    (tmp_path / "script.json").write_text(json.dumps(rules), encoding="utf-8")
    assert "omega" in run(GOAL).stdout


def test_a_tactic_of_several_lines_is_shown_whole_or_marked() -> None:
    suggestion = Suggestion("constructor\n· simp", -1.0, ("model", "file"))
    whole = format_suggestion(suggestion)
    columns = f"  -1.000  {'model+file':23}  "
    assert whole == f"{columns}constructor\n{' ' * len(columns)}· simp"
    assert format_suggestion(suggestion, 6) == f"{columns}const… …"


def test_those_who_come_from_2023_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_HOST", "https://04fa.ngrok.io")
    result = run(GOAL)
    assert result.exit_code == 0
    assert "https://04fa.ngrok.io" in result.stderr
    assert "LLMSTEP_OPENAI_BASE_URL" in result.stderr


def test_a_goal_on_stdin_as_json() -> None:
    result = run("--json", stdin=GOAL)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [{key: line[key] for key in ("tactic", "score", "origin")} for line in lines] == [
        {"tactic": "assumption", "score": -0.5, "origin": ["model"]},
        {"tactic": "simp", "score": -2.0, "origin": ["model"]},
    ]
    assert {line["model"] for line in lines} == {"echo"}
    assert {line["cached"] for line in lines} == {False}
    assert all(line["stats"]["generated_tokens"] == 2 for line in lines)
    again = json.loads(run("--json", stdin=GOAL).stdout.splitlines()[0])
    assert again["cached"] is True


def test_a_goal_from_a_file_with_a_prefix_and_context(tmp_path: Path) -> None:
    goal, context = tmp_path / "goal.txt", tmp_path / "A.lean"
    goal.write_text(GOAL, encoding="utf-8")
    context.write_text("theorem t : p := by\n  ", encoding="utf-8")
    options = ["--goal-file", str(goal), "--prefix", "exact", "--context", str(context)]
    assert tactics(run("--json", *options).stdout) == ["exact h"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_goal_that_a_windows_program_wrote(tmp_path: Path, encoding: str, end: str) -> None:
    data = GOAL.replace("\n", end).replace(" ", "\u00a0").encode(encoding)
    (tmp_path / "goal.txt").write_bytes(data)
    (tmp_path / "echo.json").write_text(
        json.dumps([{"goal": GOAL, "candidates": [{"tactic": "exact h", "score": -1}]}])
    )
    environ = {"LLMSTEP_ECHO_SCRIPT": str(tmp_path / "echo.json")}
    for result in (
        CliRunner().invoke(cli, ["suggest", "--json"], input=data, env=environ),
        CliRunner().invoke(
            cli, ["suggest", "--json", "--goal-file", str(tmp_path / "goal.txt")], env=environ
        ),
    ):
        assert tactics(result.stdout) == ["exact h"]


def test_text_of_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    bad = b"h : \xff\n\xe2\x8a\xa2 p"
    (tmp_path / "bad.txt").write_bytes(bad)
    for result, name in (
        (run(stdin=bad), "standard input"),
        (run("--goal-file", str(tmp_path / "bad.txt")), "bad.txt"),
        (run(GOAL, "--context", str(tmp_path / "bad.txt")), "bad.txt"),
    ):
        assert isinstance(result.exception, InvalidParamsError)
        assert name in result.exception.message
        assert "0xff in line 1" in result.exception.message
        assert "UTF-8" in result.exception.hint


@pytest.mark.parametrize("arguments", [["x\udcff : Nat\n⊢ x = x"], [GOAL, "--prefix", "ex\udcff"]])
def test_an_argument_that_is_no_utf8_is_refused_by_name(arguments: list[str]) -> None:
    """What Python makes of a stray byte in an argument is half a surrogate pair."""
    error = run(*arguments).exception
    assert isinstance(error, InvalidParamsError)
    assert "no valid Unicode at character" in error.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["  "], "the goal is empty"),
        ([GOAL, "-n", "0"], "`n` must be a whole number from 1 to 64"),
        ([GOAL, "--goal-file", __file__], "not both"),
        (["--goal-file", "/no/such/file"], "does not exist"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_no_suggestion_is_told() -> None:
    result = run("⊢ nothing")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "no suggestion" in result.stderr


def test_a_setting_that_is_not_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_THREADS", "many")
    result = run(GOAL)
    assert result.exit_code == 0
    assert "LLMSTEP_THREADS" in result.stderr


def test_of_several_goals_the_first_is_the_main_one(tmp_path: Path) -> None:
    # Its prompt template shows the model the main goal only.
    rules = [
        {"goal": "⊢ q", "candidates": [{"tactic": "other", "score": -1}]},
        {"goal": "⊢ p", "candidates": [{"tactic": "main", "score": -1}]},
    ]
    (tmp_path / "script.json").write_text(json.dumps(rules), encoding="utf-8")
    result = run("--json", stdin="2 goals\ncase a\nh : r\n⊢ p\n\ncase b\n⊢ q\n")
    assert tactics(result.stdout) == ["main"]
