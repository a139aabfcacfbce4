"""Model cards: what is known of a model, read from a TOML file.

A card says only what a public source says: what is unknown (a revision, a checksum) is left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import attrs

from llmstep.backends import ECHO
from llmstep.errors import ModelFileError
from llmstep.user_files import read_toml

Task = Literal["step", "proof"]


@attrs.frozen
class Score:
    """What somebody has measured of a model.

    Attributes:
        task: Whether it wrote steps for a search, or whole proofs.
        benchmark: What on, e.g. ``miniF2F``; only scores of one benchmark can be compared.
        percent: Share solved, 0 to 100.
        budget: How often it was asked, in words; empty if that was not told.
        source: Page or file that says so.
    """

    task: Task
    benchmark: str
    percent: float
    source: str
    budget: str = ""


@attrs.frozen
class SamplingDefaults:
    """Sampling a card asks for; settings and requests override it."""

    temperature: float = 0.8
    top_p: float = 0.95
    max_tokens: int = 96
    n: int | None = None


@attrs.frozen
class ModelCard:
    """What is known of a model.

    Attributes:
        id: Name to choose it by; ``name`` is shown, ``aliases`` are further names to choose it by.
        backends: Backends that can run it, the preferred one first.
        prompt: Id of its prompt template.
        proof: Id of its template for whole proofs; empty if it writes single steps only.
        licence: SPDX identifier, or the licence's own name.
        source: Page its facts come from.
        architecture: Family, e.g. ``llama``.
        repo: Hugging Face repository, at the commit ``revision``.
        file: Name of the file in the repository; empty for models that are a folder.
        sha256: Its checksum, hexadecimal.
        size_bytes: Its size, if known exactly.
        parameters: Number of weights.
        context_length: Context window it was trained with, in tokens.
        stop: Strings that end a candidate.
        seen_lean: Whether Lean was among what it was trained on.
        notes: What else a user should know.
    """

    id: str
    name: str
    backends: tuple[str, ...]
    prompt: str = "proofstep"
    proof: str = ""
    licence: str = ""
    aliases: tuple[str, ...] = ()
    description: str = ""
    source: str = ""
    homepage: str = ""
    architecture: str = ""
    repo: str = ""
    revision: str | None = None
    file: str = ""
    sha256: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    context_length: int | None = None
    stop: tuple[str, ...] = ()
    sampling: SamplingDefaults = SamplingDefaults()
    seen_lean: bool = False
    scores: tuple[Score, ...] = ()
    notes: str = ""


def read_card(file: Path) -> tuple[ModelCard, tuple[str, ...]]:
    """Read one card.

    Returns:
        The card, and a line for each key that is not known (it does not count).

    Raises:
        ModelFileError: The file cannot be read, or a value is missing or of a wrong kind; names
            the file and the key.
    """
    try:
        values = read_toml(file)
    except (OSError, ValueError) as error:
        raise _wrong(file, "", f"cannot be read: {error}") from None
    sampling = values.get("sampling", {})
    if not isinstance(sampling, dict):
        raise _wrong(file, "sampling", "must be a table")
    odd = _unknown(file, "", values, ModelCard)
    odd += _unknown(file, "sampling.", sampling, SamplingDefaults)
    known = {key: value for key, value in values.items() if key in _CHECKS}
    for key in ("id", "name", "backends"):
        if key not in known:
            raise _wrong(file, key, "is missing")
    checked = {key: _CHECKS[key](file, key, value) for key, value in known.items()}
    numbers: dict[str, Any] = {
        key: (_count if key in ("max_tokens", "n") else _number)(file, f"sampling.{key}", value)
        for key, value in sampling.items()
        if key in attrs.fields_dict(SamplingDefaults)
    }
    name = checked["id"]
    # The id is a folder's name, too.
    is_path = set(name) & set("/\\:") or name in (".", "..") or not name.isprintable()
    if is_path or name in ("", ECHO) or name.endswith(".gguf"):
        raise _wrong(file, "id", f"{name!r} cannot be a model's name")
    if not checked["backends"]:
        raise _wrong(file, "backends", "must name a backend")
    return ModelCard(**checked, sampling=SamplingDefaults(**numbers)), tuple(odd)


def _wrong(file: Path, key: str, problem: str) -> ModelFileError:
    where = f"{file}: key `{key}` " if key else f"{file}: "
    return ModelFileError(
        where + problem,
        hint="Correct the card; `llmstep models info llemma-7b` shows the keys of a good one.",
    )


def _unknown(file: Path, at: str, values: Mapping[str, Any], kind: type) -> list[str]:
    names = list(attrs.fields_dict(kind))
    lines: list[str] = []
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            guess = f"; did you mean `{at}{near[0]}`?" if near else ""
            lines.append(f"{file}: there is no key `{at}{key}`{guess}")
    return lines


def _text(file: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(file, key, "must be text")
    return value


def _texts(file: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong(file, key, "must be a list of texts")
    return tuple(_text(file, f"{key}[{index}]", item) for index, item in enumerate(value))


def _count(file: Path, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise _wrong(file, key, "must be a whole number above 0")
    return value


def _number(file: Path, key: str, value: Any) -> float:
    tops = {"top_p": 1.0, "temperature": 5.0, "percent": 100.0}
    top = tops[key.rpartition(".")[2]]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= top:
        raise _wrong(file, key, f"must be a number from 0 to {top:g}")
    return float(value)


def _sha256(file: Path, key: str, value: Any) -> str:
    text = _text(file, key, value).lower()
    if len(text) != 64 or text.strip("0123456789abcdef"):
        raise _wrong(file, key, "must be 64 hexadecimal digits")
    return text


def _flag(file: Path, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(file, key, "must be true or false")
    return value


def _scores(file: Path, key: str, value: Any) -> tuple[Score, ...]:
    if not isinstance(value, list):
        raise _wrong(file, key, "must be a list of tables")
    return tuple(_score(file, f"{key}[{index}]", item) for index, item in enumerate(value))


def _score(file: Path, key: str, value: Any) -> Score:
    fields = attrs.fields_dict(Score)
    if not isinstance(value, dict):
        raise _wrong(file, key, "must be a table")
    for name in value:
        if name not in fields:
            raise _wrong(file, f"{key}.{name}", f"is not known; known are {', '.join(fields)}")
    for name, field in fields.items():
        if field.default is attrs.NOTHING and name not in value:
            raise _wrong(file, f"{key}.{name}", "is missing")
    if value["task"] not in get_args(Task):
        raise _wrong(file, f"{key}.task", 'must be "step" or "proof"')
    texts = {
        name: _text(file, f"{key}.{name}", value[name])
        for name in ("benchmark", "source", "budget")
        if name in value
    }
    percent = _number(file, f"{key}.percent", value["percent"])
    return Score(task=value["task"], percent=percent, **texts)


def _file_name(file: Path, key: str, value: Any) -> str:
    text = _text(file, key, value)
    if Path(text).name != text or set(text) & set("\\:") or text == "..":
        raise _wrong(file, key, "must be a file name without a folder")
    return text


# What checks a value, by the type of its field; two texts have a form of their own.
_BY_TYPE: dict[object, Callable[[Path, str, Any], Any]] = {
    "str": _text,
    "str | None": _text,
    "tuple[str, ...]": _texts,
    "int | None": _count,
    "bool": _flag,
    "tuple[Score, ...]": _scores,
}
_CHECKS = {
    **{f.name: _BY_TYPE[f.type] for f in attrs.fields(ModelCard) if f.name != "sampling"},
    "file": _file_name,
    "sha256": _sha256,
}
