"""Prompts for whole proofs, as TOML files.

``models/prompts/proof/<id>.toml`` (or the user's ``prompts/proof``) says how a family of models is
asked for a proof, and to mend one. Keys:

- ``id``, ``description``.
- ``chat``: whether the prompt is a conversation, written by the model's own chat template (default
  true); otherwise ``user`` is the text to continue.
- ``system``, ``user``: the turns of the first question. Fields: ``{statement}`` (the theorem up to
  ``by``), ``{file}`` (the file before it), ``{state}`` (the goal as Lean prints it), ``{hint}``.
- ``repair``: what is said after an attempt that failed: another turn of the user, or, without a
  conversation, the whole prompt. Besides the fields above: ``{attempt}``, ``{error}``, ``{goals}``.
- ``hint``: how the user's words stand in the prompt (``{hint}``); nothing where there are none.
- ``opening``: what the answer is made to begin with.
- ``continues``: the answer goes on where the statement ends, without a fence of its own.
- ``fenced``: ``"first"`` (the answer is over where its first block closes) or ``"last"``.
- ``thought``: the marks around a thought; ``thought_tokens``, ``answer_tokens``: most tokens.
- ``stop``, ``temperature``, ``top_p``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from llmstep import paths
from llmstep.backends.base import PromptPart
from llmstep.backends.writing import FENCE, Message, WritingRequest
from llmstep.errors import ConfigError
from llmstep.prompts.template_file import check_keys, split_fields
from llmstep.user_files import read_toml

_FIELDS = ("statement", "file", "state", "hint")
_REPAIR_FIELDS = (*_FIELDS, "attempt", "error", "goals")


@attrs.frozen
class ProofTemplate:
    """A family's prompts; see the module's text for the meaning of the fields."""

    id: str
    user: str
    repair: str
    description: str = ""
    chat: bool = True
    system: str = ""
    hint: str = "{hint}\n"
    opening: str = ""
    continues: bool = False
    fenced: Literal["first", "last"] = "first"
    thought: tuple[str, str] = ("", "")
    thought_tokens: int = 0
    answer_tokens: int = 2048
    stop: tuple[str, ...] = ()
    temperature: float = 0.6
    top_p: float = 0.95

    @property
    def most_tokens(self) -> int:
        """Most tokens of one answer, thought included."""
        return self.thought_tokens + self.answer_tokens


@attrs.frozen
class ProofQuestion:
    """What a proof's prompt is made from.

    Attributes:
        statement: The theorem up to ``by``.
        file: The file before it, with a blank line at its end; may be empty.
        state: The goal as Lean prints it.
        hint: The user's words.
        attempt: What was tried: the block, Lean's error, the goals there; ``None`` at first.
    """

    statement: str
    file: str = ""
    state: str = ""
    hint: str = ""
    attempt: tuple[str, str, tuple[str, ...]] | None = None


def load_proof_template(name: str) -> ProofTemplate:
    """Read the template of that id.

    Raises:
        ConfigError: There is none, or its file is wrong; names the file and the key.
    """
    for folder in _folders():
        file = folder / f"{name}.toml"
        if file.is_file():
            return _read(file)
    known = sorted({file.stem for folder in _folders() for file in folder.glob("*.toml")})
    raise ConfigError(
        f"there is no proof template {name!r}", hint=f"Write one of: {', '.join(known)}."
    )


def build_writing(
    template: ProofTemplate, question: ProofQuestion, *, n: int, seed: int
) -> WritingRequest:
    """The request a backend can answer."""
    values = {
        "statement": question.statement,
        "file": question.file,
        "state": question.state,
        "hint": _fill(template.hint, {"hint": question.hint}) if question.hint else "",
    }
    messages: list[Message] = []
    prompt: tuple[PromptPart, ...] = ()
    if question.attempt is not None:
        text, error, goals = question.attempt
        values |= {"attempt": text, "error": error, "goals": _show_goals(goals)}
    if template.chat:
        if template.system:
            messages.append(Message("system", template.system))
        messages.append(Message("user", _fill(template.user, values).strip()))
        if question.attempt is not None:
            block = f"{question.statement}\n{textwrap.indent(question.attempt[0], '  ')}"
            messages.append(Message("assistant", f"{FENCE}lean4\n{block}\n{FENCE}"))
            messages.append(Message("user", _fill(template.repair, values).strip()))
    else:
        whole = template.user if question.attempt is None else template.repair
        prompt = (PromptPart(_fill(whole, values)),)
    return WritingRequest(
        messages=tuple(messages),
        prompt=prompt,
        opening=template.opening,
        thought=template.thought,
        closing=f"\n{template.thought[1]}\n\n{FENCE}lean4\n" if template.thought[1] else "",
        thought_tokens=template.thought_tokens,
        answer_tokens=template.answer_tokens,
        fenced=template.fenced == "first" and not template.continues,
        stop=template.stop,
        n=n,
        temperature=template.temperature,
        top_p=template.top_p,
        seed=seed,
    )


def _folders() -> list[Path]:
    return [paths.data_dir() / "prompts" / "proof", paths.models_dir() / "prompts" / "proof"]


def _fill(text: str, values: Mapping[str, str]) -> str:
    # Not str.format: what is put in may itself hold braces and is not looked at again.
    return text.format_map(values)


def _show_goals(goals: tuple[str, ...]) -> str:
    if not goals:
        return ""
    shown = "\n\n".join(goals)
    return f"\nThe goals there:\n\n{FENCE}\n{shown}\n{FENCE}\n"


def _read(file: Path) -> ProofTemplate:
    try:
        values = read_toml(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
    check_keys(file, "", values, [field.name for field in attrs.fields(ProofTemplate)])
    for key in ("user", "repair"):
        if not isinstance(values.get(key), str):
            raise ConfigError(f"{file}: key `{key}`: must be text")
    values.setdefault("id", file.stem)
    split_fields(file, "user", values["user"], _FIELDS)
    split_fields(file, "repair", values["repair"], _REPAIR_FIELDS)
    split_fields(file, "hint", values.get("hint", ""), ("hint",))
    for key in ("thought", "stop"):
        if key in values:
            values[key] = tuple(values[key])
    if len(values.get("thought", ("", ""))) != 2:
        raise ConfigError(f"{file}: key `thought`: must hold the two marks around a thought")
    if values.get("fenced", "first") not in ("first", "last"):
        raise ConfigError(f'{file}: key `fenced`: must be "first" or "last"')
    try:
        return ProofTemplate(**values)
    except TypeError as error:
        raise ConfigError(f"{file}: {error}") from None
