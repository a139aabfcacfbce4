"""Values in the place of names and terms."""

from __future__ import annotations

import re

from llmstep_workshop.data.reconstruction.printing import print_term
from llmstep_workshop.data.reconstruction.terms import (
    Atom,
    Binding,
    Postfix,
    Raw,
    SetOf,
    Term,
    rebuild,
)


def replace_name(term: Term, name: str, value: Term) -> Term:
    """A term with a value in the place of a name, except where the name is bound again."""
    if isinstance(term, Atom):
        if term.text == name:
            return value
        first, dot, rest = term.text.partition(".")
        if dot and first == name:
            return (
                Atom(f"{value.text}.{rest}")
                if isinstance(value, Atom) and not value.text[0].isdigit()
                else Postfix(value, "." + rest)
            )
        return term
    if isinstance(term, Raw):
        shown = print_term(value)
        shown = shown if isinstance(value, Atom) else f"({shown})"
        pattern = rf"(?<![\w.'«]){re.escape(name)}(?![\w'!?»])"
        return Raw(re.sub(pattern, lambda _: shown, term.text))
    if isinstance(term, Binding) and any(name in group.names for group in term.groups):
        return term
    if isinstance(term, SetOf) and name in term.group.names:
        return term
    return rebuild(term, lambda part: replace_name(part, name, value))


def replace_term(term: Term, old: Term, new: Term) -> Term:
    """A term with another in the place of each part that is equal to ``old``."""
    if term == old:
        return new
    return rebuild(term, lambda part: replace_term(part, old, new))
