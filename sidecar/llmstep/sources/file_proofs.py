"""The proofs of the user's own file: what is stated, and the steps it was proved by.

The file is read as text, as in `prompts.context`; nothing here needs it to be correct Lean. A
declaration is parsed once: a file is mostly the same from one question to the next.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import attrs

from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.lexer import BRACKETS, Token, scan_tokens
from llmstep.sources.features import text_features
from llmstep.sources.hypothesis_roles import name_roles
from llmstep.sources.steps import mark_step

PROVED = frozenset({"theorem", "lemma", "example", "instance", "def", "abbrev"})
# Longer lines are seldom of use elsewhere, and a longer declaration is data rather than a proof.
_LONGEST_STEP = 120
_LONGEST_DECLARATION = 20_000
_MOST_DECLARATIONS = 1000
_LEADS = re.compile(r"(?:[·.]\s+|(?:case|next|\|)[^=\n]*=>\s*|<;>\s*|\(|\{\s*)+")
# The line after one of these is the rest of a term.
_CONTINUED = (":=", ",", "<|", "|>", "↦", "(", "⟨", "=", "≤", "<", "calc")


@attrs.frozen(eq=False)
class Declaration:
    """One declaration of the file.

    Attributes:
        features: Of its statement, comparable with those of a goal.
        steps: The tactics of its proof in order, local names marked; a proof by a short term is
            the step ``exact`` of it.
    """

    features: frozenset[str]
    steps: tuple[str, ...]


def read_declarations(text_before: str) -> list[Declaration]:
    """The declarations with at least one step before the one that the text ends in."""
    commands = [command for command in split_commands(text_before) if command.keyword in PROVED]
    declarations = [
        _read_declaration(text_before[command.start : command.end], command.keyword)
        for command in commands[:-1][-_MOST_DECLARATIONS:]
        if command.end - command.start <= _LONGEST_DECLARATION
    ]
    return [declaration for declaration in declarations if declaration.steps]


@functools.lru_cache(maxsize=4 * _MOST_DECLARATIONS)
def _read_declaration(text: str, keyword: str) -> Declaration:
    tokens = [token for token in scan_tokens(text) if token.kind != "comment"]
    start = next((i for i, t in enumerate(tokens) if t.text == keyword), -1) + 1
    tokens = tokens[start:]
    if keyword != "example":
        tokens = tokens[_name_length(tokens) :]
    colon, assign = _split(tokens)
    given = "".join(token.text for token in tokens[:colon])
    target = "".join(token.text for token in tokens[colon + 1 : assign])
    types = _bound_types(tokens[:colon])
    roles = name_roles(types, [target, given])
    proof = "".join(token.text for token in tokens[assign + 1 :])
    steps = tuple(mark_step(step, roles) for step in _steps(proof))
    return Declaration(text_features(given, target, types), steps)


def _name_length(tokens: list[Token]) -> int:
    """How many tokens the declaration's name takes, with the blanks before it."""
    for index, token in enumerate(tokens):
        if token.kind == "word":
            return index + 1
        if token.kind not in ("space", "newline"):
            return index
    return 0


def _split(tokens: list[Token]) -> tuple[int, int]:
    """Places of the colon before the target and of the ``:=`` behind it, outside brackets."""
    depth, colon = 0, None
    for index, token in enumerate(tokens):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.text == ":" and colon is None:
            colon = index
        elif depth == 0 and token.text in (":=", "where", "|"):
            return (index if colon is None else colon), index
    return (len(tokens) if colon is None else colon), len(tokens)


def _bound_types(binders: list[Token]) -> dict[str, str]:
    """The names before the colon of each bracket, with the type behind it."""
    types: dict[str, str] = {}
    names: list[str] = []
    depth, start = 0, None
    for index, token in enumerate(binders):
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 1 and token.kind == "open":
            names, start = [], None
        elif depth == 1 and token.text == ":" and start is None:
            start = index + 1
        elif depth == 1 and start is None and token.kind == "word":
            names.append(token.text)
        elif depth == 0 and token.kind == "close":
            printed = "".join(part.text for part in binders[start:index]) if start else ""
            types |= dict.fromkeys(names, printed)
    return types


def _steps(proof: str) -> Iterator[str]:
    proof = proof.strip()
    if not proof.startswith("by"):
        if 0 < len(proof) <= _LONGEST_STEP and "\n" not in proof and _balanced(proof):
            yield "rfl" if proof == "rfl" else f"exact {proof}"
        return
    continues = False
    for line in proof[2:].split("\n"):
        step = _LEADS.sub("", line.strip(), count=1)
        if 0 < len(step) <= _LONGEST_STEP and not continues and _balanced(step):
            yield step
        continues = step.endswith(_CONTINUED)


def _balanced(step: str) -> bool:
    open_brackets: list[str] = []
    for token in scan_tokens(step):
        if token.kind == "open":
            open_brackets.append(BRACKETS[token.text])
        elif token.kind == "close" and (not open_brackets or open_brackets.pop() != token.text):
            return False
    return not open_brackets
