"""Writing one setting into ``config.toml``; comments and all other lines stay as they are."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from llmstep.config import BY_NAME, current_folder, explain_unknown, read_layer
from llmstep.errors import ConfigError
from llmstep.user_files import TextError, decode_text, read_file, write_private

_TABLE_HEADER = re.compile(r"^\s*\[")


def write_setting(path: Path, key: str, value: str | None) -> None:
    """Set a setting in a file that need not exist, or take it out for ``None``.

    In the name a dash counts as an underscore. The value is as in the environment, a path as seen
    from the current folder.

    Raises:
        ConfigError: There is no such setting, the value is none for it, or the file is no TOML or
            cannot be written.
    """
    name = key.replace("-", "_")
    if name not in BY_NAME:
        raise ConfigError(explain_unknown(key))
    line = None
    if value is not None:
        values, problems = read_layer({name: value}, "", current_folder())
        if problems:
            raise ConfigError(problems[0].message)
        line = f"{name} = {_toml(values[name])}\n"
    try:
        text = decode_text(read_file(path)) if path.exists() else ""
        tomllib.loads(text)
        changed = _replace(text, name, line)
        # What is written must say what was meant, whatever the file looked like before.
        tomllib.loads(changed)
        write_private(path, changed)
    except (tomllib.TOMLDecodeError, TextError) as error:
        raise ConfigError(
            f"{path} is no valid TOML, and is left as it is: {error}",
            hint="Correct the place it names, or delete the file: every setting has a default.",
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def _replace(text: str, name: str, line: str | None) -> str:
    """The text with the setting's line replaced, added, or taken out."""
    lines = text.splitlines(keepends=True)
    end = next((i for i, row in enumerate(lines) if _TABLE_HEADER.match(row)), len(lines))
    assigned = re.compile(rf"""^\s*(?:{name}|"{name}"|'{name}')\s*=""")
    for start in range(end):
        if not assigned.match(lines[start]):
            continue
        stop = start + 1
        while stop < end and not _is_whole("".join(lines[start:stop])):
            stop += 1  # a list over several lines
        return "".join([*lines[:start], *([line] if line else []), *lines[stop:]])
    if line is None:
        return text
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], line, *lines[end:]])


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _toml(value: Any) -> str:
    """A typed value as TOML; its strings, numbers and lists are written as JSON writes them."""
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)
