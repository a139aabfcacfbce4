from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from llmstep.config import TABLE, Settings, read_layer, resolve


def write_config(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_table_covers_every_field_of_the_settings() -> None:
    fields = set(Settings.__annotations__)
    assert {row.name for row in TABLE} == fields
    assert all(len(row.meaning) > 20 for row in TABLE)


def test_defaults_hold_when_no_layer_names_a_value(tmp_path: Path) -> None:
    resolved = resolve(environ={}, config_path=tmp_path / "none.toml")
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"default"}
    assert resolved.problems == ()


def test_layers_win_in_their_order(tmp_path: Path) -> None:
    path = write_config(tmp_path, 'n = 2\nmodel = "file"\nseed = 2\nthreads = 2\n')
    environ = {"LLMSTEP_N": "3", "LLMSTEP_SEED": "3", "LLMSTEP_THREADS": "3"}
    resolved = resolve({"n": 5, "seed": None}, {"n": 4, "seed": 4}, environ, path)
    assert resolved.settings.n == 5
    assert resolved.settings.seed == 4
    assert resolved.settings.threads == 3
    assert resolved.settings.model == "file"
    assert resolved.origins["n"] == "command line"
    assert resolved.origins["seed"] == "initialization options"
    assert resolved.origins["threads"] == "environment LLMSTEP_THREADS"
    assert resolved.origins["model"] == str(path)


def test_camel_case_names_are_accepted() -> None:
    good, bad = read_layer({"timeoutMs": 5, "topP": 0.5}, "x")
    assert good == {"timeout_ms": 5, "top_p": 0.5}
    assert bad == ()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n", 0, "from 1 to 64"),
        ("n", 10_000, "from 1 to 64"),
        ("n", True, "from 1 to 64"),
        ("n", "many", "from 1 to 64"),
        ("timeout_ms", -1, "from 1"),
        ("top_p", 0, "above 0"),
        ("temperature", float("nan"), "from 0 to 5"),
        ("temperature", [1], "from 0 to 5"),
        ("cache", "perhaps", "true or false"),
        ("log_level", "loud", "one of debug"),
        ("model", "  ", "not empty"),
        ("model", 7, "text"),
    ],
)
def test_a_bad_value_is_reported_by_name_and_falls_back(
    name: str, value: object, words: str, tmp_path: Path
) -> None:
    resolved = resolve({name: value}, environ={}, config_path=tmp_path / "none.toml")
    assert resolved.settings == Settings()
    (problem,) = resolved.problems
    assert problem.name == name
    assert words in str(problem)
    assert "command line" in str(problem)


def test_a_bad_value_leaves_the_next_layer_in_force(tmp_path: Path) -> None:
    path = write_config(tmp_path, "n = 3\n")
    resolved = resolve(environ={"LLMSTEP_N": "x"}, config_path=path)
    assert resolved.settings.n == 3
    assert "LLMSTEP_N" in str(resolved.problems[0])


def test_an_unknown_name_gets_a_guess(tmp_path: Path) -> None:
    path = write_config(tmp_path, "temprature = 1\nn = 4\n")
    resolved = resolve(environ={}, config_path=path)
    assert resolved.settings.n == 4
    assert "did you mean `temperature`?" in str(resolved.problems[0])


@pytest.mark.parametrize("text", ["n = ", "\x00", "[[", "n = 1\nn = 2"])
def test_a_damaged_file_is_reported_and_skipped(text: str, tmp_path: Path) -> None:
    resolved = resolve(environ={}, config_path=write_config(tmp_path, text))
    assert resolved.settings == Settings()
    assert "cannot be read" in str(resolved.problems[0])


def test_an_empty_environment_variable_counts_as_unset(tmp_path: Path) -> None:
    resolved = resolve(environ={"LLMSTEP_N": ""}, config_path=tmp_path / "none")
    assert resolved.settings.n == Settings().n
    assert resolved.problems == ()


# What may be a path, by setting, and how it reads from everywhere.
PLACED = [
    ("model", "proofs.gguf", "{}/proofs.gguf"),
    ("model", "models/proofs.GGUF", "{}/models/proofs.GGUF"),
    ("model", "../proofs.gguf", "{}/../proofs.gguf"),
    ("model", "./folder", "{}/folder"),
    ("model", "owner/here", "{}/owner/here"),
    ("model", "folder", "{}/folder"),
    ("model", "builtin", "builtin"),
    ("model", "owner/name", "owner/name"),
    ("model", "owner/name@main", "owner/name@main"),
    ("model", "openai:qwen/coder", "openai:qwen/coder"),
    ("model", "~/proofs.gguf", "~/proofs.gguf"),
    ("model", "/models/proofs.gguf", "/models/proofs.gguf"),
    ("library", "mine.tactics", "{}/mine.tactics"),
    ("library", "builtin", "builtin"),
    ("prompt", "prompts/mine.toml", "{}/prompts/mine.toml"),
    ("prompt", "proofstep", "proofstep"),
    ("proof_prompt", "kimina", "kimina"),
]


@pytest.mark.parametrize("layer", ["file", "environment", "options", "flags"])
@pytest.mark.parametrize(("name", "written", "wanted"), PLACED)
def test_a_relative_path_is_one_of_the_folder_it_was_written_in(
    name: str, written: str, wanted: str, layer: str, tmp_path: Path
) -> None:
    own, client, project = (tmp_path / folder for folder in ("config", "client", "project"))
    for folder in (own, client, project):
        (folder / "owner" / "here").mkdir(parents=True)
        (folder / "folder").mkdir()
        (folder / "folder" / "config.json").write_text("{}")
        (folder / "builtin").mkdir()
    file = write_config(own, f"{name} = '{written}'\n" if layer == "file" else "")
    resolved = resolve(
        {name: written} if layer == "flags" else None,
        {name: written} if layer == "options" else None,
        {f"LLMSTEP_{name.upper()}": written} if layer == "environment" else {},
        file,
        folder=str(client),
        options_folder=str(project),
    )
    folder = {"file": own, "options": project}.get(layer, client)
    expected = os.path.normpath(wanted.format(folder)) if "{}" in wanted else wanted
    assert getattr(resolved.settings, name) == expected
    assert resolved.problems == ()


def test_a_path_given_here_is_one_of_this_processs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resolved = resolve({"model": "proofs.gguf"}, environ={}, config_path=tmp_path / "none.toml")
    assert resolved.settings.model == str(tmp_path / "proofs.gguf")


def test_a_disk_that_does_not_answer_holds_up_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, exists, waited = threading.Event(), os.path.exists, list[str]()

    def hang(path: str) -> bool:
        if not str(path).startswith("/dead"):
            return exists(path)
        if not answer.wait(20):
            waited.append(path)
        return False

    monkeypatch.setattr(os.path, "exists", hang)
    try:
        for name in ("owner/name", "qwen"):
            options = {"model": name}
            resolved = resolve(
                None, options, {}, tmp_path / "none.toml", options_folder="/dead/project"
            )
            assert resolved.settings.model == name
            assert waited == []
    finally:
        answer.set()
