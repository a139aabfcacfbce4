"""Every setting in one table, and the layers its value may come from.

Order, the first that names a value wins: command-line flag, request field, initialization
options, ``LLMSTEP_*`` environment variable, the user's ``config.toml``, default. A bad value is
reported by name and the next layer is asked; it never stops the server.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from llmstep import environment, paths
from llmstep.first_version import find_leftovers
from llmstep.setting_kinds import (
    choice,
    flag,
    integer,
    name_or_path,
    number,
    one_line,
    place_library,
    place_model,
    place_template,
    some_of,
)
from llmstep.user_files import read_toml

MAX_CANDIDATES = 64
_DISK_PATIENCE_S = 0.5
# Origin of a problem with a variable of the first llmstep.
LEFT_OVER = "environment"
SOURCES = (
    "model",
    "library",
    "file",
    "goal",
    "portfolio",
)
Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]


@attrs.frozen
class Settings:
    """The settings as the program uses them; the table below gives their meaning."""

    model: str = "builtin"
    prompt: str = ""
    proof_prompt: str = ""
    n: int = 8
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 0
    timeout_ms: int = 60_000
    context_tokens: int = 0
    threads: int = 0
    precision: Precision = "auto"
    allow_pickle: bool = False
    sources: tuple[str, ...] = SOURCES
    library: str = "builtin"
    known_names: bool = True
    project: bool = True
    cache: bool = True
    cache_mb: int = 64
    log_level: str = "warning"
    keep_alive: float = 15
    complete_names: bool = True
    inline_steps: bool = False


@attrs.frozen
class Setting:
    """One row of the settings table.

    Attributes:
        name: Key in ``config.toml``; the environment variable is ``LLMSTEP_<NAME>``.
        parse: Turns a TOML, JSON or environment value into the typed one; raises ``ValueError``
            with a message that completes "must be ...".
        meaning: What it does and why the default is what it is.
        place: Of one that may be a path, how it reads from everywhere, given the folder in which it
            was written.
    """

    name: str
    parse: Callable[[Any], Any]
    meaning: str
    place: Callable[[str, str], str] | None = None

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"LLMSTEP_{self.name.upper()}"

    @property
    def default(self) -> Any:
        """The value that holds when no layer names one."""
        return getattr(Settings(), self.name)


@attrs.frozen
class Problem:
    """A value that was not taken: which, from where, and why."""

    name: str
    origin: str
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


@attrs.frozen
class Resolved:
    """Settings with the origin of each value and the problems met on the way."""

    settings: Settings
    origins: Mapping[str, str]
    problems: tuple[Problem, ...] = ()


TABLE: tuple[Setting, ...] = (
    Setting(
        "model",
        name_or_path,
        "model id, or path of a .gguf file; the built-in one needs nothing",
        # Settings are read on the engine's event loop, and a client's folder may lie anywhere.
        functools.partial(place_model, patience_s=_DISK_PATIENCE_S),
    ),
    Setting(
        "prompt",
        one_line,
        "prompt template id; empty takes the one the model's card names",
        place_template,
    ),
    Setting(
        "proof_prompt",
        one_line,
        "template id for whole proofs; empty takes the one the model's card names, if any",
    ),
    Setting(
        "n",
        integer(1, MAX_CANDIDATES),
        "candidates per request; 8 cost little more than 1, as they share the prompt",
    ),
    Setting(
        "temperature",
        number(0, 5),
        "softmax temperature, 0 is beam search; unset takes the model card's",
    ),
    Setting("top_p", number(0, 1, above_low=True), "nucleus mass; unset takes the model card's"),
    Setting(
        "max_tokens",
        integer(1, 4096),
        "most tokens of one candidate; unset takes the model card's",
    ),
    Setting(
        "seed",
        integer(0, 2**63 - 1),
        "seed of the random numbers; fixed, so that the same goal gives the same answer",
    ),
    Setting(
        "timeout_ms",
        integer(1, 3_600_000),
        "longest time for one request in milliseconds; what is finished by then is the answer",
    ),
    Setting(
        "context_tokens",
        integer(0, 1_048_576),
        "context window in tokens; 0 takes the model's own, up to 4096 to bound memory",
    ),
    Setting(
        "threads",
        integer(0, 1024),
        "CPU threads of the model; 0 lets the backend choose: one for the built-in model, up to "
        "all physical cores for larger ones",
    ),
    Setting(
        "precision",
        choice("auto", "float32", "bfloat16", "float16", "int8"),
        "number format of Hugging Face weights; auto takes the smallest that does no harm, `int8` "
        "(CPU) trades a little accuracy for speed and memory",
    ),
    Setting(
        "allow_pickle",
        flag,
        "read weights from a Python pickle, which can run any program: only if you trust it",
    ),
    Setting(
        "sources",
        some_of(*SOURCES),
        "where suggestions come from: `model`, `library` (steps on similar goals, and lemmas, of "
        "Mathlib), `file` (those of the file itself), `goal` (its own hypotheses), "
        "`portfolio` (closers by the goal's shape)",
    ),
    Setting(
        "library",
        name_or_path,
        "index of a library's steps and lemmas, a path; `builtin` is Mathlib's, `llmstep index "
        "build` makes another",
        place_library,
    ),
    Setting(
        "known_names",
        flag,
        "give a candidate of the model up where it names what exists neither near the goal nor in "
        "the library; for models that run here",
    ),
    Setting(
        "project",
        flag,
        "read the Lean project around the file, and its packages, for lemmas; in the background, "
        "as text, at idle priority",
    ),
    Setting("cache", flag, "answer a repeated question from disk"),
    Setting("cache_mb", integer(1, 65_536), "most megabytes the cache may take on disk"),
    Setting(
        "keep_alive",
        number(0, 10_080),
        "minutes that the engine stays without a client, and a model in memory without a question; "
        "15 spans a break between two files",
    ),
    Setting(
        "complete_names",
        flag,
        "complete the names of tactics and lemmas in an editor that has the sidecar attached; off "
        "leaves only `llmstep` itself",
    ),
    Setting(
        "inline_steps",
        flag,
        "propose the next step as grey text in such an editor, where the goal can be told from the "
        "text; off, as Lean has not checked it",
    ),
    Setting(
        "log_level",
        choice("debug", "info", "warning", "error"),
        "debug, info, warning or error; debug shows goals and file text",
    ),
)
BY_NAME: dict[str, Setting] = {row.name: row for row in TABLE}


def _snake_case(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


def read_layer(
    values: Mapping[str, Any], origin: str, folder: str | None = None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Check one layer's values.

    Args:
        values: Setting names (snake_case or camelCase) to raw values.
        origin: Where they come from, for messages.
        folder: The folder of their relative paths; without one these stay as they are.

    Returns:
        The good values by snake_case name, and a problem for each of the others.
    """
    good: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in values.items():
        row = BY_NAME.get(_snake_case(key))
        if row is None:
            problems.append(Problem(key, origin, explain_unknown(key)))
            continue
        try:
            parsed = row.parse(value)
        except ValueError as error:
            message = f"`{key}` must be {error}, not {_shown(value)}"
            problems.append(Problem(row.name, origin, message))
        else:
            good[row.name] = row.place(parsed, folder) if row.place and folder else parsed
    return good, tuple(problems)


def explain_unknown(key: str) -> str:
    """What to say of a setting that there is not."""
    near = difflib.get_close_matches(_snake_case(key.replace("-", "_")), BY_NAME, n=1)
    guess = f"; did you mean `{near[0]}`?" if near else ""
    return f"there is no setting `{key}`{guess}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _read_file(path: Path) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    try:
        values = read_toml(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}, ()
    except (OSError, ValueError) as error:
        return {}, (Problem("", str(path), f"the file cannot be read: {error}"),)
    return read_layer(values, str(path), os.path.dirname(os.path.abspath(path)))


def _read_environment(
    environ: Mapping[str, str], folder: str | None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    good: dict[str, Any] = {}
    problems: list[Problem] = []
    for row in TABLE:
        # An empty variable counts as unset: some launchers cannot remove one.
        if environ.get(row.variable):
            origin = f"environment variable {row.variable}"
            values, bad = read_layer({row.name: environ[row.variable]}, origin, folder)
            good |= values
            problems += bad
    for left in find_leftovers(environ):
        problems.append(Problem(left.name, LEFT_OVER, str(left)))
    return good, tuple(problems)


def resolve(
    flags: Mapping[str, Any] | None = None,
    initialization_options: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    config_path: Path | None = None,
    folder: str | None = None,
    options_folder: str | None = None,
) -> Resolved:
    """Merge all layers into settings.

    A relative path in the user's file is one of that file's folder.

    Args:
        flags: Command-line values; ``None`` values count as not given.
        initialization_options: The client's ``initializationOptions`` less the protocol's own keys.
        environ: Environment variables; the process's by default.
        config_path: The user's file; the platform's by default.
        folder: The folder of relative paths on the command line and in the environment; this
            process's by default.
        options_folder: That of relative paths in the initialization options; ``folder`` by default.
    """
    folder = folder or current_folder()
    path = paths.config_file() if config_path is None else config_path
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    options, from_client = initialization_options or {}, "initialization options"
    layers = (
        (str(path), _read_file(path)),
        ("environment", _read_environment(os.environ if environ is None else environ, folder)),
        (from_client, read_layer(options, from_client, options_folder or folder)),
        ("command line", read_layer(given, "command line", folder)),
    )
    values: dict[str, Any] = {}
    origins = {row.name: "default" for row in TABLE}
    problems: tuple[Problem, ...] = ()
    if home := paths.home_problem():
        problems = (Problem(environment.HOME, f"environment variable {environment.HOME}", home),)
    for origin, (good, bad) in layers:
        problems += bad
        for name, value in good.items():
            values[name] = value
            variable = f" {BY_NAME[name].variable}" if origin == "environment" else ""
            origins[name] = f"{origin}{variable}"
    return Resolved(Settings(**values), origins, problems)


def current_folder() -> str | None:
    """This process's folder; ``None`` if it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None
