from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from llmstep.config import resolve
from llmstep.config_file import write_setting
from llmstep.errors import ConfigError

OLD = """# mine
n = 4  # few
sources = [
  "model",
  "file",
]

[tool]
n = 9
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "config.toml"
    path.parent.mkdir()
    path.write_text(OLD, encoding="utf-8")
    return path


def test_a_line_is_replaced_and_the_rest_is_as_it_was(file: Path) -> None:
    write_setting(file, "n", "12")
    assert file.read_text(encoding="utf-8") == OLD.replace("n = 4  # few\n", "n = 12\n", 1)


def test_a_list_over_several_lines_is_one_setting(file: Path) -> None:
    write_setting(file, "sources", "model,portfolio")
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    assert values["sources"] == ["model", "portfolio"]
    assert values["tool"] == {"n": 9}
    assert "# mine" in file.read_text(encoding="utf-8")


def test_a_new_setting_stands_before_the_first_table(file: Path) -> None:
    write_setting(file, "log-level", "info")
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    assert values["log_level"] == "info"
    assert "log_level" not in values["tool"]


def test_a_line_is_taken_out(file: Path) -> None:
    write_setting(file, "n", None)
    assert "n" not in tomllib.loads(file.read_text(encoding="utf-8"))
    write_setting(file, "seed", None)  # was not there


def test_there_need_be_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.toml"
    write_setting(path, "model", "C:\\models\\ein Modell.gguf")
    resolved = resolve(environ={}, config_path=path)
    assert resolved.settings.model == "C:\\models\\ein Modell.gguf"
    assert resolved.problems == ()
    assert os.listdir(path.parent) == ["b.toml"]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("modle", "x", "did you mean `model`"),
        ("n", "many", "a whole number"),
        ("sources", "models", "one or more of"),
    ],
)
def test_what_would_not_be_taken_is_not_written(file: Path, key, value, words) -> None:
    with pytest.raises(ConfigError, match=words):
        write_setting(file, key, value)
    assert file.read_text(encoding="utf-8") == OLD


def test_a_file_that_is_no_toml_is_left_alone(file: Path) -> None:
    file.write_text("model = C:\\x", encoding="utf-8")
    with pytest.raises(ConfigError, match="is left as it is"):
        write_setting(file, "n", "3")
    assert file.read_text(encoding="utf-8") == "model = C:\\x"


def test_a_mark_of_windows_editors_is_no_obstacle(file: Path) -> None:
    file.write_text("n = 4\n", encoding="utf-8-sig")
    write_setting(file, "n", "5")
    assert file.read_bytes() == b"n = 5\n"


def test_a_path_is_written_as_it_is_seen_from_here(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    write_setting(file, "model", "proofs.gguf")
    write_setting(file, "library", "builtin")
    resolved = resolve(environ={}, config_path=file)
    assert resolved.settings.model == str(tmp_path / "proofs.gguf")
    assert resolved.settings.library == "builtin"
