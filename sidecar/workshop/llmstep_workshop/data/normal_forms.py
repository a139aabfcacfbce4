"""Statements in a form that does not depend on names and layout, to find the same one twice.

Two texts have one normal form if they differ only in white space and comments; in the names of
variables, hypotheses and bound variables; in ``ℕ`` against ``Nat`` and the like; in brackets,
coercion arrows, type ascriptions and the types of bound variables; in a quantifier or premise that
stands before the colon in one and after it in the other; in a common namespace (``Real.sqrt``,
``sqrt``). Brackets do not count because Lean's printer leaves out what a source file has: so
``a * (b * c)`` and ``a * b * c`` count as equal, which errs on the side of finding too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.heads import read_head
from llmstep.lean_text.lexer import BRACKETS, scan_tokens
from llmstep.prompts.goal import parse_goal

_SPELLINGS = {
    "Nat": "ℕ", "Int": "ℤ", "Rat": "ℚ", "Real": "ℝ", "Complex": "ℂ", "NNReal": "ℝ≥0",
    "->": "→", "↦": "=>", "λ": "fun", "sqrt": "√", "pi": "π",
}  # fmt: skip
_NAMESPACES = re.compile(r"(?:_root_\.)?(?:(?:Real|Nat|Int|Rat|Complex|Finset|Set|NNReal)\.)+")
_BINDERS = {"∀", "∃", "∃!", "fun", "∑", "∏", "⋃", "⋂", "∫", "⨆", "⨅", "∑'", "∏'", "Σ", "Π"}
# Coercions; and absolute values, which have two spellings.
_SILENT = {"↑", "⇑", "↥", "|", "abs"}
_UNIVERSE = re.compile(r"\b(Type|Sort)\s*(?:\*|_|u_\d+|[uvw]\b|\d+\b|\(max[^)]*\))?")
_DAGGER = re.compile(r"✝([⁰¹²³⁴⁵⁶⁷⁸⁹]*)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_NUMBER_TYPES = {"ℕ", "ℤ", "ℚ", "ℝ", "ℂ"}
_DECLARATIONS = {"theorem", "lemma", "example"}


@attrs.frozen
class TokenStatement:
    """A statement as tokens.

    Attributes:
        name: The theorem's name; empty for a goal or an ``example``.
        binders: What it assumes, in order: a name (empty for none) and the tokens of its type.
        target: The tokens of what it says.
    """

    name: str
    binders: tuple[tuple[str, tuple[str, ...]], ...]
    target: tuple[str, ...]

    def normal_form(self) -> str:
        """The statement's normal form."""
        binders, target = _lift(list(self.binders), list(self.target))
        renaming = _Renaming()
        parts: list[str] = []
        for name, type_ in binders:
            parts.append(" ".join(renaming.apply(type_)))
            if name:
                renaming.declare(name)
        return " ; ".join([*parts, "⊢ " + " ".join(renaming.apply(target))])

    def skeleton(self) -> str:
        """The normal form without what a generator varies within one template.

        All variables have one name, all numerals one, all number types one, and the hypotheses
        stand in alphabetical order.
        """
        form = re.sub(r"\b[vb]\d+\b", "v", self.normal_form())
        form = re.sub(r"(?<![\w.])\d+(?:\.\d+)?", "#", form)
        *binders, target = re.sub(f"[{''.join(_NUMBER_TYPES)}]", "T", form).split(" ; ")
        return " ; ".join([*sorted(binders), target])


def read_goal(state: str) -> TokenStatement:
    """The statement of one goal as Lean prints it."""
    goal = parse_goal(_DAGGER.sub(lambda m: "_x" + m[1].translate(_SUPERSCRIPTS), state))
    binders: list[tuple[str, tuple[str, ...]]] = []
    for hypothesis in goal.hypotheses:
        type_ = _tokenize(hypothesis.type)
        # A source file leaves instances unnamed.
        names = ["" if name.startswith("inst_x") else name for name in hypothesis.names]
        binders += [(name, type_) for name in names or ("",)]
    return TokenStatement("", tuple(binders), _tokenize(re.sub(r"^(?:⊢|\|-)", "", goal.target)))


def scan_statements(source: str) -> Iterator[TokenStatement]:
    """Yield the statements of the theorems, lemmas and examples in the text of a Lean file."""
    for command in split_commands(source):
        if command.keyword not in _DECLARATIONS:
            continue
        head = read_head(source, command)
        if head is None or head.colon >= head.body:
            continue
        binders: list[tuple[str, tuple[str, ...]]] = []
        tokens = _tokenize(head.binders(source))
        at = 0
        while at < len(tokens):
            end = _closing(tokens, at) if tokens[at] in BRACKETS else at
            binders += _split_group(tokens[at : end + 1]) if end > at else []
            at = end + 1
        yield TokenStatement(head.name, tuple(binders), _tokenize(head.conclusion(source)))


def _tokenize(text: str) -> tuple[str, ...]:
    """The tokens that count, in one spelling."""
    found: list[str] = []
    for token in scan_tokens(_UNIVERSE.sub(r"\1", text)):
        if token.kind in ("space", "newline", "comment") or token.text in _SILENT:
            continue
        word = token.text
        if token.kind == "word":
            word = _NAMESPACES.sub("", word) or word
            if word == "in" and "∈" not in found[-3:] and {"∑", "∏"} & set(found[-3:]):
                word = "∈"
        found.append(_SPELLINGS.get(word, word))
    return tuple(found)


def _depth_change(token: str) -> int:
    return (token in BRACKETS) - (token in BRACKETS.values())


def _closing(tokens: Sequence[str], start: int) -> int:
    """Index of the bracket that closes the one at ``start``; the last index if none does."""
    depth = 0
    for at in range(start, len(tokens)):
        depth += _depth_change(tokens[at])
        if depth == 0:
            return at
    return len(tokens) - 1


def _find(tokens: Sequence[str], wanted: str) -> int:
    """Index of the first such token outside of brackets; -1 if there is none."""
    depth = 0
    for at, token in enumerate(tokens):
        if depth == 0 and token == wanted:
            return at
        depth += _depth_change(token)
    return -1


def _split_group(group: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The binders of one bracket such as ``(a b : T)`` or ``[Ring R]``."""
    inner = tuple(group[1:-1])
    colon = _find(inner, ":")
    if colon < 0:
        return [("", inner)]
    default = _find(inner, ":=")
    type_ = inner[colon + 1 : default if default > colon else len(inner)]
    return [(name, type_) for name in inner[:colon]]


def _lift(
    binders: list[tuple[str, tuple[str, ...]]], target: list[str]
) -> tuple[list[tuple[str, tuple[str, ...]]], list[str]]:
    """Move the quantifiers and premises that the target begins with into the binders."""
    while True:
        if target and target[0] == "∀":
            comma = _find(target, ",")
            found = _split_quantifier(target[1:comma]) if comma > 0 else None
            if found is None:
                return binders, target
            binders += found
            target = target[comma + 1 :]
            continue
        arrow = _find(target, "→")
        before = target[:arrow] if arrow > 0 else []
        # A quantifier reaches to the end, and ↔ binds less than →.
        if not before or _BINDERS & set(before) or _find(target, "↔") >= 0:
            return binders, target
        binders.append(("", tuple(before)))
        target = target[arrow + 1 :]


def _split_quantifier(tokens: Sequence[str]) -> list[tuple[str, tuple[str, ...]]] | None:
    """The binders between ``∀`` and its comma; ``None`` if they say more than types."""
    if not tokens:
        return None
    if tokens[0] in BRACKETS:
        found: list[tuple[str, tuple[str, ...]]] = []
        at = 0
        while at < len(tokens):
            if tokens[at] not in BRACKETS:
                return None
            end = _closing(tokens, at)
            found += _split_group(tokens[at : end + 1])
            at = end + 1
        return found
    colon = _find(tokens, ":")
    names = tokens[:colon] if colon >= 0 else tokens
    if not all(re.fullmatch(r"[\w'✝]+", name) for name in names):
        return None
    return [(name, tuple(tokens[colon + 1 :]) if colon >= 0 else ("_",)) for name in names]


class _Renaming:
    """Names by order of appearance: ``v0, v1, ...`` declared, ``b0, b1, ...`` bound."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._declared = 0

    def declare(self, name: str) -> None:
        self._names[name] = f"v{self._declared}"
        self._declared += 1

    def apply(self, tokens: Sequence[str]) -> list[str]:
        """The tokens with new names, without round brackets, ascriptions and binder types."""
        out: list[str] = []
        self._walk(tokens, dict(self._names), out, [0])
        return out

    def _walk(
        self, tokens: Sequence[str], names: dict[str, str], out: list[str], bound: list[int]
    ) -> None:
        at = 0
        while at < len(tokens):
            token = tokens[at]
            if token in _BINDERS:
                out.append(token)
                at = self._bind(tokens, at + 1, names, out, bound)
            elif token in BRACKETS:
                end = _closing(tokens, at)
                inner = tokens[at + 1 : end]
                colon = _find(inner, ":")
                if token == "(" and colon > 0 and not _BINDERS & set(inner[:colon]):
                    inner = inner[:colon]
                shown = token != "("
                out += [token] * shown
                self._walk(inner, dict(names), out, bound)
                out += [BRACKETS[token]] * shown
                at = end + 1
            else:
                out += _rename(token, names)
                at += 1

    def _bind(
        self,
        tokens: Sequence[str],
        at: int,
        names: dict[str, str],
        out: list[str],
        bound: list[int],
    ) -> int:
        """Take up the variables of a binder; returns the index of what ends them."""
        while at < len(tokens) and tokens[at] not in (",", "=>", ":", "∈", "<", ">", "≤", "≥", "≠"):
            if tokens[at] in BRACKETS:
                end = _closing(tokens, at)
                self._bind(tokens[at + 1 : end], 0, names, out, bound)
                at = end
            else:
                names[tokens[at]] = f"b{bound[0]}"
                bound[0] += 1
                out.append(names[tokens[at]])
            at += 1
        if at < len(tokens) and tokens[at] == ":":
            ends = [e for e in (_find(tokens[at:], mark) for mark in (",", "=>")) if e >= 0]
            at = at + min(ends) if ends else len(tokens)
        return at


def _rename(word: str, names: dict[str, str]) -> list[str]:
    if word in names:
        return [names[word]]
    first, dot, rest = word.partition(".")
    if dot and first in names:
        return [f"{names[first]}.{rest}"]
    if word.endswith("!") and word[:-1] in names:
        return [names[word[:-1]], "!"]
    return [word]
