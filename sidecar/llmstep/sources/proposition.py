"""The outer form of a proposition, read as text: what it assumes, its relation, its two sides.

Lean's grammar can be extended, so no reading of text is right for all of it; this one knows the
operators of Lean and Mathlib with their precedences, and takes what it does not know for part of a
term. `Proposition` says what is found out; nothing here fails.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import BRACKETS
from llmstep.lean_text.vocabulary import symbols

_TOKEN = late_pattern(
    r"[^\W\d][\w'!?✝]*(?:(?<=\w)\.\d+)?|\d+|⁻¹'|⁻¹|''|×ˢ|∀ᵐ|∀ᶠ|∃ᶠ|∃!|∑'|∏'|∫⁻|=ᵐ|≤ᵐ|=ᶠ|≤ᶠ|::|\+\+|:=|=>|"
    r"<\||\|>|→[^\s\w]?|≃[^\s\w]?|[^\w\s]|\w"
)
_VARIABLE = late_pattern(r"[^\W\d_](?:ᵢ|ⱼ|['✝₀-₉\d])*|_")
OPEN = frozenset(BRACKETS)
CLOSE = frozenset(BRACKETS.values())
RELATIONS = symbols("= ≠ ≤ < ≥ > ∈ ∉ ⊆ ⊂ ∣ ≡ =ᵐ ≤ᵐ =ᶠ ≤ᶠ ≈ ≃ ≅ ~ ≪ ⊢ ⋖ ⩿ ⊇ ∥ ≼ ≺")
# These bind tighter than any relation; behind `fun` all belongs to the function.
BIG = symbols("∑ ∏ ∫ ∫⁻ ⋃ ⋂ ⨆ ⨅ ∑' ∏' ⨁ ⨂")
BINDERS = symbols("∀ ∃ ∃! ∀ᵐ ∀ᶠ ∃ᶠ")
_FUNCTION = symbols("fun λ")
# Operators of terms, the loosest first; those of one row bind alike.
_OPERATORS = tuple(
    map(
        symbols,
        ("<| $", "|>", r"+ - ∪ \ ++ ⊕ ∆", ":: ⊔", "⊓ ∩ ⊗", "* / % ≫ ⊙", "•", "^", "⁻¹' '' ×ˢ", "∘"),
    )
)


@attrs.frozen
class Proposition:
    """A proposition, seen from outside.

    Attributes:
        assumptions: What stands before the arrows, binders of ``∀`` left out, in order.
        bound: Names that its outer ``∀`` bind.
        conclusion: What remains behind ``∀`` and the arrows.
        relation: The symbol between the two sides, or the connective (``↔ ∧ ∨``), or ``∃`` or
            ``¬``; empty for an application such as ``Continuous f``.
        left: Its left side; what is said where there is no relation.
        right: Its right side; empty if there is none.
    """

    assumptions: tuple[str, ...]
    bound: tuple[str, ...]
    conclusion: str
    relation: str
    left: str
    right: str

    @property
    def left_head(self) -> str:
        """Outermost symbol of the left side."""
        return head_of(self.left)

    @property
    def right_head(self) -> str:
        """Outermost symbol of the right side."""
        return head_of(self.right)


def is_variable(word: str) -> bool:
    """Whether a word is one letter with digits or primes, as variables are named."""
    return _VARIABLE.fullmatch(word) is not None


def tokens_of(text: str) -> list[str]:
    """The words and symbols of a text; dotted names fall into their components."""
    return _TOKEN.findall(text)


@functools.lru_cache(maxsize=4096)
def read_proposition(text: str) -> Proposition:
    """Read the outer form of a proposition."""
    tokens = _spans(text)
    assumptions: list[str] = []
    bound: list[str] = []
    while True:
        if tokens and tokens[0][0] == "∀":
            comma = _find(tokens, {","})
            if comma < 0:
                break
            bound += [word for word, _, _ in _bound(tokens[1:comma])]
            tokens = tokens[comma + 1 :]
            continue
        arrow = _find(tokens, {"→"})
        iff = _find(tokens, {"↔"})
        if arrow > 0 and iff < 0 and tokens[0][0] not in BINDERS:
            assumptions.append(_text(text, tokens[:arrow]))
            tokens = tokens[arrow + 1 :]
            continue
        inner = _unwrap(tokens)
        if len(inner) == len(tokens):
            break
        tokens = inner
    conclusion = _text(text, tokens)
    relation, left, right = _relate(text, tokens)
    return Proposition(tuple(assumptions), tuple(bound), conclusion, relation, left, right)


@functools.lru_cache(maxsize=8192)
def head_of(term: str) -> str:
    """The outermost symbol of a term: an operator, or the last component of what is applied."""
    tokens = _unwrap(_spans(term))
    if not tokens:
        return ""
    if tokens[0][0] in BIG or tokens[0][0] in BINDERS or tokens[0][0] in _FUNCTION:
        return tokens[0][0]
    for row in _rows_in(tokens):
        at = _find(tokens, row, last=True)
        if at > 0:
            return tokens[at][0]
    first = 0
    while first < len(tokens) - 1 and tokens[first][0] in ("↑", "⇑", "-", "@", "¬", "√"):
        if tokens[first][0] in ("-", "¬", "√"):
            return tokens[first][0]
        first += 1
    end = first
    if tokens[first][0] in OPEN:
        closing = _closing(tokens, first)
        dotted = closing + 2 < len(tokens) and tokens[closing + 1][0] == "."
        if dotted and tokens[closing][2] == tokens[closing + 1][1]:
            return tokens[closing + 2][0]
        return (
            tokens[first][0]
            if tokens[first][0] != "("
            else head_of(term[tokens[first][2] : tokens[closing][1]])
            if closing > first
            else "("
        )
    while (
        end + 2 < len(tokens)
        and tokens[end + 1][0] == "."
        and (tokens[end][2] == tokens[end + 1][1] == tokens[end + 2][1] - 1)
    ):
        end += 2
    # `x⁻¹`, `sᶜ`: what is written behind its argument.
    if len(tokens) == end + 2 and tokens[-1][0] in ("⁻¹", "ᶜ", "!", "ˣ", "ᵒᵖ"):
        return tokens[-1][0]
    return tokens[end][0]


@functools.lru_cache(maxsize=8192)
def split_term(term: str) -> tuple[str, tuple[str, ...]]:
    """The outermost symbol of a term and what it is applied to.

    Sums over a range, functions and what is in brackets of its own kind stay whole, as arguments
    of their symbol.
    """
    tokens = _unwrap(_spans(term))
    if not tokens:
        return "", ()
    head = head_of(term)
    if tokens[0][0] in BIG or tokens[0][0] in BINDERS or tokens[0][0] in _FUNCTION:
        return head, (_text(term, tokens[1:]),)
    for row in _rows_in(tokens):
        at = _find(tokens, row, last=True)
        if at > 0:
            return head, (_text(term, tokens[:at]), _text(term, tokens[at + 1 :]))
    atoms = _atoms(term, tokens)
    if len(atoms) == 1 and atoms[0] == head:
        return head, ()
    base = atoms[0].rpartition(".")[0]
    owner = (base,) if base and head != atoms[0] and (base[0].islower() or base[0] in "(_") else ()
    return head, (*owner, *atoms[1:])


def _atoms(term: str, tokens: Sequence[Span]) -> list[str]:
    """The parts of an application: split at the blanks outside brackets."""
    atoms: list[str] = []
    depth, begin = 0, 0
    for index, (token, _, end) in enumerate(tokens):
        depth += (token in OPEN) - (token in CLOSE)
        following = tokens[index + 1][1] if index + 1 < len(tokens) else end + 1
        if depth == 0 and following > end:
            atoms.append(_text(term, tokens[begin : index + 1]))
            begin = index + 1
    return atoms or [_text(term, tokens)]


Span = tuple[str, int, int]


def _spans(text: str) -> list[Span]:
    return [(m[0], m.start(), m.end()) for m in _TOKEN.finditer(text)]


def _text(text: str, tokens: Sequence[Span]) -> str:
    return text[tokens[0][1] : tokens[-1][2]] if tokens else ""


def _find(tokens: Sequence[Span], wanted: frozenset[str] | set[str], last: bool = False) -> int:
    """Place of the first (or last) wanted token outside brackets; -1 if there is none.

    What stands behind ``∃ x,`` or ``fun x =>`` belongs to it, so the search ends there; what a
    ``∑ x ∈ s,`` binds is passed over.
    """
    depth, found, binding = 0, -1, False
    for index, (token, _, _) in enumerate(tokens):
        if token in OPEN:
            depth += 1
        elif token in CLOSE:
            depth -= 1
        elif depth == 0:
            if binding:
                binding = token != ","
            elif token in wanted:
                if not last:
                    return index
                found = index
            elif token in BIG:
                binding = True
            elif token in _FUNCTION or (token in BINDERS and index > 0):
                return found
    return found


def _rows_in(tokens: Sequence[Span]) -> Iterator[frozenset[str]]:
    """The rows of operators of which some stand in a term, the loosest first."""
    present = {token for token, _, _ in tokens}
    return (row for row in _OPERATORS if not row.isdisjoint(present))


def _unwrap(tokens: list[Span]) -> list[Span]:
    while len(tokens) > 2 and tokens[0][0] == "(" and _closing(tokens, 0) == len(tokens) - 1:
        inner = tokens[1:-1]
        colon = _find(inner, {":"})
        tokens = inner[:colon] if colon > 0 else inner
    return tokens


def _closing(tokens: Sequence[Span], begin: int) -> int:
    depth = 0
    for index in range(begin, len(tokens)):
        depth += (tokens[index][0] in OPEN) - (tokens[index][0] in CLOSE)
        if depth == 0:
            return index
    return -1


def _bound(tokens: Sequence[Span]) -> Iterator[Span]:
    """The names in front of a binder's colon or relation."""
    reading = True
    for token in tokens:
        if token[0] in OPEN or token[0] in CLOSE:
            reading = True
        elif token[0] == ":" or token[0] in RELATIONS:
            reading = False
        elif reading and (token[0][0].isalpha() or token[0] == "_"):
            yield token


def _relate(text: str, tokens: list[Span]) -> tuple[str, str, str]:
    if not tokens:
        return "", "", ""
    first = tokens[0][0]
    if first in BINDERS:
        comma = _find(tokens[1:], {","}) + 1
        return (
            first,
            _text(text, tokens[1:comma]) if comma else "",
            _text(text, tokens[comma + 1 :]),
        )
    for connectives in ({"↔"}, {"→"}, {"∨"}, {"∧"}):
        at = _find(tokens, connectives)
        if at > 0:
            return tokens[at][0], _text(text, tokens[:at]), _text(text, tokens[at + 1 :])
    if first == "¬":
        return "¬", _text(text, tokens[1:]), ""
    at = _find(tokens, RELATIONS)
    if at > 0:
        return tokens[at][0], _text(text, tokens[:at]), _text(text, tokens[at + 1 :])
    return "", _text(text, tokens), ""
