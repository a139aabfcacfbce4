"""Prompt templates as TOML files.

A template file ``models/prompts/<id>.toml`` holds ``id``, ``description`` and either ``parts``
(one prompt), or ``[[prompts]]`` (several), or ``use`` (ids of other templates). Several prompts
are all sampled and their candidates merged by score. Keys of a prompt:

- ``parts``: list of ``{text, special}``. ``text`` may hold the fields ``{state}``, ``{context}``
  (the file before the cursor), ``{shots}`` and ``{premises}``; ``{{`` and ``}}`` stand for braces.
  ``special`` text may become control tokens and therefore holds no field: what stands in the
  user's file can never forge a marker.
- ``shot`` and ``shots``: how a worked example reads (``{state}``, ``{tactic}``), and the examples.
- ``premises``: how premises read: ``{names}`` are the names that the request gives, joined by
  commas; ``{statements}`` up to eight premises, those that the request names and then those that
  the sources find, each on a line as ``name : conclusion``, shortened. The field is empty where
  there are none, so that the prompt then is what it was without it.
- ``premises_share``: the part of the prompt's room that they may take (default an eighth).
- ``goals``: ``"main"`` (default) or ``"all"``.
- ``requires``: fields without which the prompt is left out, e.g. ``["context"]``.
- ``continues``: whether the answer continues the file's text at the cursor (default false).
- ``stop``: strings that end a candidate.

The prefix is no field: the backend holds every candidate to it.
"""

from __future__ import annotations

import difflib
import hashlib
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from llmstep import paths
from llmstep.errors import ConfigError
from llmstep.user_files import parse_toml, read_file

FIELDS = ("state", "context", "shots", "premises")


@attrs.frozen
class Shot:
    """One worked example."""

    state: str
    tactic: str


@attrs.frozen
class PromptTemplate:
    """One prompt of a template; see the module's text for the meaning of the fields.

    Attributes:
        pieces: Literal text and field names in order, as ``(text, field, special)``: the text,
            then the field's value if ``field`` is not empty.
    """

    name: str
    pieces: tuple[tuple[str, str, bool], ...]
    shot: str = ""
    shots: tuple[Shot, ...] = ()
    premises: str = "{names}"
    premises_share: float = 0.125
    goals: Literal["main", "all"] = "main"
    requires: tuple[str, ...] = ()
    continues: bool = False
    stop: tuple[str, ...] = ()

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields it uses."""
        return frozenset(field for _, field, _ in self.pieces if field)

    @property
    def states_premises(self) -> bool:
        """Whether it shows what premises say, not just names that the request gives."""
        return "premises" in self.fields and "{statements}" in self.premises


@attrs.frozen
class Template:
    """A template file.

    Attributes:
        id: Its name.
        description: One line for the user.
        prompts: The prompts to sample.
        digest: SHA-256 (hexadecimal) of all that decides how prompts read.
    """

    id: str
    description: str
    prompts: tuple[PromptTemplate, ...]
    digest: str


def template_folders() -> list[Path]:
    """Where templates lie: the user's folder, then those that come with the package."""
    return [paths.data_dir() / "prompts", paths.models_dir() / "prompts"]


def list_templates() -> list[str]:
    """Ids of all templates, sorted."""
    return sorted({file.stem for folder in template_folders() for file in folder.glob("*.toml")})


def load_template(name: str) -> Template:
    """Read the template of that id, or the one at that path if it ends in ``.toml``.

    Raises:
        ConfigError: There is none, or its file is wrong; names the file and the key.
    """
    if name.endswith(".toml"):
        return _read(paths.expand(name), ())
    found = _locate(name)
    if found is not None:
        return _read(found, ())
    known = list_templates()
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"there is no prompt template {name!r}{guess}",
        hint=f"Write one of: {', '.join(known)}; or the path of a .toml file.",
    )


def _locate(name: str) -> Path | None:
    places = (folder / f"{name}.toml" for folder in template_folders())
    return next((place for place in places if place.is_file()), None)


def _read(file: Path, above: tuple[Path, ...]) -> Template:
    try:
        raw = read_file(file)
        values = parse_toml(raw)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
    check_keys(file, "", values, ("id", "description", "use", "prompts", *_PROMPT_KEYS))
    name = _text(file, "id", values.get("id", file.stem))
    description = _text(file, "description", values.get("description", ""))
    forms = [key for key in ("use", "prompts", "parts") if key in values]
    if len(forms) != 1:
        raise ConfigError(f"{file}: needs exactly one of `parts`, `prompts` and `use`")
    digest = hashlib.sha256(raw)
    prompts: list[PromptTemplate] = []
    if forms == ["use"]:
        if file in above:
            raise ConfigError(f"{file}: key `use`: the template uses itself")
        for other in _texts(file, "use", values["use"]):
            used = _read(_locate(other) or file.with_name(f"{other}.toml"), (*above, file))
            prompts += used.prompts
            digest.update(used.digest.encode())
    elif forms == ["prompts"]:
        for index, entry in enumerate(_list(file, "prompts", values["prompts"])):
            key = f"prompts[{index}]"
            if not isinstance(entry, dict):
                raise ConfigError(f"{file}: key `{key}`: must be a table")
            check_keys(file, key, entry, ("name", *_PROMPT_KEYS))
            prompts.append(_prompt(file, key, entry, f"{name}-{index + 1}"))
    else:
        prompts.append(_prompt(file, "", values, name))
    return Template(name, description, tuple(prompts), digest.hexdigest())


_PROMPT_KEYS = (
    *("parts", "shot", "shots", "premises", "premises_share"),
    *("goals", "requires", "continues", "stop"),
)


def _prompt(file: Path, at: str, values: Mapping[str, Any], name: str) -> PromptTemplate:
    def key(rest: str) -> str:
        return f"{at}.{rest}" if at else rest

    pieces: list[tuple[str, str, bool]] = []
    for index, part in enumerate(_list(file, key("parts"), values.get("parts"))):
        where = key(f"parts[{index}]")
        if not isinstance(part, dict):
            raise ConfigError(f"{file}: key `{where}`: must be a table with `text`")
        check_keys(file, where, part, ("text", "special"))
        special = _flag(file, f"{where}.special", part.get("special", False))
        text = _text(file, f"{where}.text", part.get("text"))
        for literal, field in split_fields(file, f"{where}.text", text, FIELDS):
            if special and field:
                raise ConfigError(f"{file}: key `{where}`: special text cannot hold a field")
            pieces.append((literal, field, special))
    shots = tuple(
        _shot(file, key(f"shots[{index}]"), shot)
        for index, shot in enumerate(_list(file, key("shots"), values.get("shots", [])))
    )
    shot = _text(file, key("shot"), values.get("shot", ""))
    split_fields(file, key("shot"), shot, ("state", "tactic"))
    premises = _text(file, key("premises"), values.get("premises", "{names}"))
    split_fields(file, key("premises"), premises, ("names", "statements"))
    share = values.get("premises_share", 0.125)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
        raise ConfigError(f"{file}: key `{key('premises_share')}`: must be a number from 0 to 1")
    goals = values.get("goals", "main")
    if goals not in ("main", "all"):
        raise ConfigError(f'{file}: key `{key("goals")}`: must be "main" or "all"')
    requires = _texts(file, key("requires"), values.get("requires", []))
    if unknown := [field for field in requires if field not in FIELDS]:
        raise ConfigError(f"{file}: key `{key('requires')}`: there is no field {unknown[0]!r}")
    continues = _flag(file, key("continues"), values.get("continues", False))
    stop = _texts(file, key("stop"), values.get("stop", []))
    label = _text(file, key("name"), values.get("name", name))
    return PromptTemplate(
        label, tuple(pieces), shot, shots, premises, share, goals, requires, continues, stop
    )


def _shot(file: Path, key: str, value: Any) -> Shot:
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: key `{key}`: must be a table with `state` and `tactic`")
    check_keys(file, key, value, ("state", "tactic"))
    return Shot(
        _text(file, f"{key}.state", value.get("state")),
        _text(file, f"{key}.tactic", value.get("tactic")),
    )


def split_fields(file: Path, key: str, text: str, allowed: Sequence[str]) -> list[tuple[str, str]]:
    """A text's literal parts, each with the field behind it; empty if there is none.

    Raises:
        ConfigError: A field is not among those allowed; names the file and the key.
    """
    try:
        found = [(literal, field) for literal, field, _, _ in string.Formatter().parse(text)]
    except ValueError as error:
        raise ConfigError(f"{file}: key `{key}`: {error}") from None
    for _, field in found:
        if field is not None and field not in allowed:
            known = ", ".join(f"{{{name}}}" for name in allowed)
            raise ConfigError(
                f"{file}: key `{key}`: there is no field {{{field}}}; the fields are {known}"
            )
    return [(literal, field or "") for literal, field in found]


def check_keys(file: Path, at: str, values: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Refuse a key that is not among those allowed, and name what looks like it.

    Raises:
        ConfigError: There is one; names the file and the key.
    """
    for key in values:
        if key not in allowed:
            path = f"{at}.{key}" if at else key
            near = difflib.get_close_matches(key, allowed, n=1)
            guess = f"; did you mean `{near[0]}`?" if near else ""
            raise ConfigError(f"{file}: there is no key `{path}`{guess}")


def _text(file: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{file}: key `{key}`: must be text")
    return value


def _flag(file: Path, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{file}: key `{key}`: must be true or false")
    return value


def _list(file: Path, key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{file}: key `{key}`: must be a list")
    return value


def _texts(file: Path, key: str, value: Any) -> tuple[str, ...]:
    return tuple(_text(file, f"{key}[{i}]", item) for i, item in enumerate(_list(file, key, value)))
