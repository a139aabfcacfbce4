"""The kinds of values that settings have.

Each reads a TOML, JSON or environment value; of one that it does not take it raises a
``ValueError`` whose message completes "must be ...".

A relative path is one of the folder in which it was written. The last functions say, of a setting
that may be a path, how it reads from everywhere.
"""

from __future__ import annotations

import ntpath
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

N = TypeVar("N", int, float)


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Whole numbers of a range, both ends included; text is read as in the environment."""
    wanted = f"a whole number from {low} to {high}"
    return _some(int, wanted, lambda value: low <= value <= high)


def number(low: float, high: float, *, above_low: bool = False) -> Callable[[Any], float]:
    """Numbers of a range; ``above_low`` leaves its lower end out."""
    wanted = f"a number {'above' if above_low else 'from'} {low:g} to {high:g}"
    return _some(
        float, wanted, lambda value: low <= value <= high and not (above_low and value == low)
    )


def _some(kind: type[N], wanted: str, fits: Callable[[Any], bool]) -> Callable[[Any], N]:
    def parse(value: Any) -> N:
        if isinstance(value, str):
            try:
                value = kind(value.strip())
            except ValueError:
                raise ValueError(wanted) from None
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or not fits(value):
            raise ValueError(wanted)
        return kind(value)

    return parse


def flag(value: Any) -> bool:
    """True or false, also as the words that people write for them."""
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise ValueError("true or false")


def one_line(value: Any) -> str:
    """One line of text; it may be empty."""
    if not isinstance(value, str) or any(c < " " or c == "\x7f" for c in value):
        # TOML reads "C:\\new\\tab" in double quotes with a line break and a tab in it.
        raise ValueError("text on one line (in TOML, a path with \\ stands in single quotes)")
    return value


def name_or_path(value: Any) -> str:
    """A name or a path."""
    if not one_line(value).strip():
        raise ValueError("a name or a path, not empty")
    return value.strip()


def choice(*words: str) -> Callable[[Any], str]:
    """One of some words."""

    def parse(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value.lower()

    return parse


def some_of(*words: str) -> Callable[[Any], tuple[str, ...]]:
    """Some of these words, in their own order; text separates them by commas."""
    wanted = f"one or more of {', '.join(words)}, separated by commas"

    def parse(value: Any) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) for p in parts):
            raise ValueError(wanted)
        found = {part.strip().lower() for part in parts} - {""}
        if not found or not found <= set(words):
            raise ValueError(wanted)
        return tuple(word for word in words if word in found)

    return parse


def place_model(name: str, folder: str, patience_s: float | None = None) -> str:
    """A model's name, or the path of one: ``owner/name`` is a path where there is such a folder.

    With patience a disk that does not answer so soon holds no such folder.
    """
    path = _join(folder, name)
    if path == name or name.lower().endswith(".gguf") or name.startswith("."):
        return path
    # A folder that bears a model's name by chance is none; that of a model has its description.
    is_plain = os.path.basename(name) == name
    wanted = os.path.join(path, "config.json") if is_plain else path
    there = os.path.exists(wanted) if patience_s is None else _answers(wanted, patience_s)
    return path if there else name


def _answers(path: str, patience_s: float) -> bool:
    found: list[bool] = []
    look = threading.Thread(target=lambda: found.append(os.path.exists(path)), daemon=True)
    try:
        look.start()
    except RuntimeError:  # the system gives no more threads
        return os.path.exists(path)
    look.join(patience_s)
    return found == [True]


def place_template(name: str, folder: str) -> str:
    """A template's id, or the path of a ``.toml`` file."""
    return _join(folder, name) if name.endswith(".toml") else name


def place_library(name: str, folder: str) -> str:
    """``builtin``, or the path of an index."""
    return name if name == "builtin" else _join(folder, name)


def _join(folder: str, name: str) -> str:
    if name.startswith("~") or ntpath.isabs(name):
        return name
    return os.path.normpath(os.path.join(folder, name))
