"""Reads terms from text, by the precedences of their operators.

Lean's grammar can be extended, so no reading of text is right for all of it. What this one does not
know becomes `Raw`, the text with single blanks.
"""

from __future__ import annotations

import functools
import re

import attrs

from llmstep.lean_text.lexer import BRACKETS, Token, scan_tokens
from llmstep_workshop.data.reconstruction.operators import (
    BIG,
    INFIX,
    PREFIX,
    RELATIONS,
    binding_power,
)
from llmstep_workshop.data.reconstruction.terms import (
    Around,
    Atom,
    Binding,
    Bound,
    Bracketed,
    Conditional,
    Index,
    Infix,
    Postfix,
    Prefix,
    Raw,
    SetOf,
    Term,
    Typed,
    apply,
    parts,
    rebuild,
)

_POSTFIX = frozenset(("⁻¹", "ᶜ", "ˣ", "ᵀ", "ᴴ", "ᵒᵖ", "ᵒᵈ", "ᵐᵒᵖ", "!"))
_CONSTANTS = frozenset("⊤⊥∅∞·")
_NUMBER_TYPE = re.compile(r"ℝ≥0∞|ℝ≥0|ℕ∞|ℕ\+|ℚ≥0")
# An arrow or a relation with something directly behind it is a notation of its own: ``→ₗ[R]``.
_GLUED = re.compile(r"(?<=\s)(?P<base>[→≃↪=≤<≡≅])(?![\s<>=])(?:[^\s\[\]()]|\[[^\[\]]*\])+(?=\s)")
_QUANTIFIERS = frozenset(("∀", "∃", "∃!"))
_SYMBOLS = sorted(
    {*INFIX, *_POSTFIX, "∃!", "<$>", ">>=", "<*>", ">>", "×ˢ", "..", ":=", "∑'", "∏'"},
    key=len,
    reverse=True,
)
_RESERVED = frozenset(
    ("let", "have", "show", "match", "do", "from", "then", "else", "with", "in", "at", "where",
     "if", "calc", "suffices", "haveI", "letI", "nomatch", "by", "fun", "λ", "using")
)  # fmt: skip
# What is longer, or nests deeper, is no statement to learn from, and trees are walked recursively.
_DEEPEST = 60
_MOST_TOKENS = 400
_DOT = Atom("·")


class _UnknownFormError(Exception):
    """The text has a form that is not known here."""


@functools.lru_cache(maxsize=8192)
def read_term(text: str) -> Term:
    """The tree of a term; `Raw` if its form is not known."""
    try:
        reader = _Reader(text)
        if reader.is_long():
            raise _UnknownFormError
        term = reader.term(0)
        if reader.token() is not None:
            raise _UnknownFormError
    except (_UnknownFormError, RecursionError):
        return Raw(" ".join(text.split()))
    return term


def _merge_symbols(text: str) -> list[Token]:
    """The tokens without blanks and comments, signs of several characters as one."""
    found: list[Token] = []
    behind = 0
    for token in scan_tokens(text):
        if token.start < behind or token.kind in ("space", "newline", "comment"):
            continue
        if token.kind == "word" and (named := _NUMBER_TYPE.match(text, token.start)):
            token = attrs.evolve(token, text=named[0])
        elif token.kind == "symbol" and (glued := _GLUED.match(text, token.start)):
            token = attrs.evolve(token, text=glued[0])
        elif token.kind == "symbol":
            symbol = next((s for s in _SYMBOLS if text.startswith(s, token.start)), token.text)
            if len(symbol) > len(token.text):
                token = attrs.evolve(token, text=symbol)
        found.append(token)
        behind = token.end
    return found


class _Reader:
    """Reads one term from its tokens, by the precedences of its operators."""

    def __init__(self, text: str) -> None:
        self._tokens = _merge_symbols(text)
        self._at = 0
        self._depth = 0

    def is_long(self) -> bool:
        """Whether there are more tokens than any statement has."""
        return len(self._tokens) > _MOST_TOKENS

    def token(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _is(self, *texts: str) -> bool:
        token = self.token()
        return token is not None and token.text in texts

    def _take(self, text: str | None = None) -> str:
        token = self.token()
        if token is None or (text is not None and token.text != text):
            raise _UnknownFormError
        self._at += 1
        return token.text

    def _adjacent(self) -> bool:
        """Whether no blank stands before the next token."""
        token = self.token()
        return token is not None and self._at > 0 and self._tokens[self._at - 1].end == token.start

    def term(self, least: int) -> Term:
        """A term whose outermost operator binds at least as tightly as that."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _UnknownFormError
        left = self._operand()
        while (token := self.token()) is not None:
            if token.text in ("<|", "$") and least <= 10:
                self._take()
                left = apply(left, self.term(10))
                continue
            if token.text == "|>." and least <= 10:
                self._take()
                left = Postfix(left, "." + self._take())
                continue
            power = binding_power(token.text) if token.kind == "symbol" else None
            if power is None or power[0] < least:
                break
            operator = self._take()
            left = Infix(operator, left, self.term(power[2]))
        self._depth -= 1
        return left

    def _operand(self) -> Term:
        token = self.token()
        if token is None:
            raise _UnknownFormError
        if token.text in PREFIX:
            operator = self._take()
            return Prefix(operator, self.term(PREFIX[operator][1]))
        if token.text in _QUANTIFIERS or token.text in BIG or token.text in ("fun", "λ"):
            return self._binding()
        if token.text == "if":
            return self._conditional()
        function = self._atom()
        arguments: list[Term] = []
        while (token := self.token()) is not None:
            if token.text in ("fun", "λ"):
                arguments.append(self._binding())
            elif token.text in ("¬", "↑", "⇑") or (token.text == "by"):
                arguments.append(self._operand() if token.text != "by" else self._proof())
            elif self._starts_atom(token):
                arguments.append(self._atom())
            else:
                break
        return apply(function, *arguments)

    def _conditional(self) -> Term:
        self._take()
        condition = self.term(0)
        self._take("then")
        yes = self.term(0)
        self._take("else")
        return Conditional(condition, yes, self.term(0))

    @staticmethod
    def _starts_atom(token: Token) -> bool:
        if token.kind in ("word", "number", "string", "char", "open"):
            return token.text not in _RESERVED
        return token.text in _CONSTANTS

    def _proof(self) -> Term:
        """A proof by tactics, which Lean prints as dots; it ends where its bracket does."""
        depth = 0
        while (token := self.token()) is not None:
            if depth == 0 and (token.kind == "close" or token.text == ","):
                break
            depth += (token.kind == "open") - (token.kind == "close")
            self._at += 1
        return Atom("⋯")

    def _atom(self) -> Term:
        token = self.token()
        if token is None:
            raise _UnknownFormError
        if token.kind == "open":
            found = self._bracket(token.text)
        elif token.text in ("|", "‖"):
            mark = self._take()
            found = Around(mark, self.term(0))
            self._take(mark)
        elif token.text == "?" or token.text in _RESERVED:
            if token.text == "by":
                return self._proof()
            if token.text != "?":
                raise _UnknownFormError
            self._take()
            found = Atom("?" + self._take())
        elif token.kind in ("word", "number", "string", "char") or token.text in _CONSTANTS:
            found = Atom(self._take())
            if found.text in ("Type", "Sort") and self._is("*") and self._adjacent():
                self._take()
                found = Atom(found.text + "*")
        elif token.text == "." and (following := self._following()) and following.kind == "word":
            self._take()
            found = Atom("." + self._take())
        else:
            raise _UnknownFormError
        return self._behind(found)

    def _following(self) -> Token | None:
        at = self._at + 1
        return self._tokens[at] if at < len(self._tokens) else None

    def _behind(self, found: Term) -> Term:
        """Fields, indices and signs that stand directly behind a term."""
        while self._adjacent() and (token := self.token()) is not None:
            if token.text == "." and (field := self._following()) and field.start == token.end:
                if field.kind not in ("word", "number"):
                    raise _UnknownFormError
                self._take()
                for part in self._take().split("."):
                    found = Postfix(found, "." + part)
            elif token.text == "[":
                self._take()
                found = Index(found, self.term(0))
                self._take("]")
            elif token.text == "^" and (field := self._following()) and field.text == "[":
                if field.start != token.end:
                    break
                self._take()
                self._take()
                found = Index(found, self.term(0), "^[")
                self._take("]")
            elif token.text in _POSTFIX:
                found = Postfix(found, self._take())
            else:
                break
        return found

    def _bracket(self, bracket: str) -> Term:
        close = BRACKETS[bracket]
        self._take()
        if bracket == "{" and (found := self._set()) is not None:
            return found
        items: list[Term] = []
        while not self._is(close):
            items.append(self.term(0))
            if self._is(":") and bracket == "(" and len(items) == 1:
                self._take()
                typed = Typed(items[0], self.term(0))
                self._take(close)
                return typed
            if not self._is(close):
                self._take(",")
        self._take()
        if bracket == "(" and len(items) == 1:
            return _close_dots(items[0])
        if bracket not in "(⟨[{":
            raise _UnknownFormError
        return Bracketed(bracket, tuple(items))

    def _set(self) -> Term | None:
        """A set by a condition; ``None`` if the braces hold something else."""
        start = self._at
        token = self.token()
        if token is None or token.kind != "word":
            return None
        name = self._take()
        group = Bound((name,))
        if self._is(":"):
            self._take()
            group = Bound((name,), self.term(0))
        elif (relation := self.token()) is not None and relation.text in RELATIONS:
            self._take()
            group = Bound((name,), None, "(", relation.text, self.term(51))
        if not self._is("|"):
            self._at = start
            return None
        self._take()
        body = self.term(0)
        self._take("}")
        return SetOf(group, body)

    def _binding(self) -> Term:
        sign = self._take().replace("λ", "fun")
        groups: list[Bound] = []
        end = ("=>", "↦") if sign == "fun" else (",",)
        while not self._is(*end):
            groups.append(self._group())
        self._take()
        if not groups:
            raise _UnknownFormError
        # What is summed up binds tighter than any relation.
        return Binding(sign, tuple(groups), self.term(BIG.get(sign, 0)))

    def _group(self) -> Bound:
        token = self.token()
        if token is None:
            raise _UnknownFormError
        if token.kind == "open" and token.text in "({[⦃":
            bracket = self._take()
            group = self._names(bracket)
            self._take(BRACKETS[bracket])
            return group
        return self._names("(")

    def _names(self, bracket: str) -> Bound:
        start = self._at
        names: list[str] = []
        while (token := self.token()) is not None and token.kind == "word":
            if token.text in _RESERVED:
                raise _UnknownFormError
            names.append(self._take())
        if self._is(":"):
            self._take()
            return Bound(tuple(names), self.term(0), bracket)
        if bracket == "[":
            self._at = start
            return Bound((), self.term(0), bracket)
        if not names:
            raise _UnknownFormError
        if (token := self.token()) is not None and token.text in RELATIONS:
            self._take()
            return Bound(tuple(names), None, bracket, token.text, self.term(51))
        return Bound(tuple(names), None, bracket)


def _close_dots(term: Term) -> Term:
    """The function that ``(· + 1)`` stands for, with the names that Lean gives its arguments."""
    dots = sum(part == _DOT for part in parts(term))
    if dots == 0 or term == _DOT:
        return term
    names = iter([f"x{at}" for at in range(1, dots + 1)] if dots > 1 else ["x"])
    found: list[str] = []

    def fill(part: Term) -> Term:
        if part == _DOT:
            found.append(next(names))
            return Atom(found[-1])
        return rebuild(part, fill)

    body = fill(term)
    return Binding("fun", (Bound(tuple(found)),), body)
