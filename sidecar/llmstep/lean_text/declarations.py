"""What a Lean file states: theorems, definitions, fields, constructors; found as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

import attrs

from llmstep.lean_text.attributes import (
    additive_name,
    additive_text,
    read_additive,
    read_simps,
)
from llmstep.lean_text.commands import Command
from llmstep.lean_text.heads import (
    Head,
    drop_comments,
    explicit_names,
    flatten,
    read_head,
    split_groups,
)
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import plain_name
from llmstep.lean_text.members import read_members
from llmstep.lean_text.scope import Scope, base_names, join_name
from llmstep.lean_text.statements import Statement, StatementKind
from llmstep.lean_text.vocabulary import pairs, symbols

_KINDS = cast(
    Mapping[str, StatementKind],
    pairs(
        """
        theorem theorem  lemma lemma  proof_wanted theorem  def def  irreducible_def def
        abbrev abbrev  instance instance  axiom axiom  constant axiom  opaque axiom
        """
    ),
)
_TYPES = symbols("structure class inductive coinductive")
# What declares a name, or has a proof, and is not itself a premise.
_OTHERS = _TYPES | {"example", "alias"}
# What has a proof or a value that steps can be learned from.
PROVED = symbols("theorem lemma example instance def abbrev")
# A longer declaration is data rather than a proof.
_LONGEST = 20_000
_LONGEST_VALUE = 200
_PRIVATE = late_pattern(r"\bprivate\b")
_PROTECTED = late_pattern(r"\bprotected\b")
_LEADS = late_pattern(r"\b(open|variables?|include|omit)\b(?:(?!\sin\b).)*\sin\b", re.DOTALL)
_FIRST_CASE = late_pattern(r"\|\s*((?:(?!=>|\|).)*?)\s*=>\s*([^\n]*)", re.DOTALL)
_TERM = late_pattern(r"(?!by\b|match\b|do\b|fun\b|if\b|let\b|have\b|calc\b)\S")


@attrs.frozen(eq=False)
class Declaration:
    """A statement of the file with its proof.

    Attributes:
        statement: What it states; nameless for an `example`.
        keyword: What it was declared by.
        written: Its name as it is written there.
        types: The names before the colon of each bracket, with the type behind it.
        target: What stands behind its colon, on one line.
        proof: The text behind its ``:=``, comments left out, lines kept; empty if there is none.
        members: Of a structure or an inductive type, its fields and constructors.
        made: What its attributes declare besides.
    """

    statement: Statement
    keyword: str
    written: str
    types: Mapping[str, str]
    target: str
    proof: str
    members: tuple[Statement, ...] = ()
    made: tuple[Statement, ...] = ()

    def statements(self) -> Iterator[Statement]:
        """What of it a proof can name."""
        if self.statement.name and self.keyword in _KINDS:
            yield self.statement
        yield from self.members
        yield from self.made


def read_declaration(text: str, command: Command, scope: Scope, line: int) -> Declaration | None:
    """What a command declares; ``None`` if it declares nothing that a proof could use.

    The scope is what is in force before the command, the line that of its keyword.
    """
    keyword = command.keyword
    if keyword not in _KINDS and keyword not in _OTHERS:
        return None
    head = read_head(text, command)
    if head is None or not (head.name or keyword in ("instance", "example")):
        return None
    lead = text[command.start : command.at]
    scope = enter_leads(scope, lead)
    conclusion = flatten(head.conclusion(text))
    own = flatten(head.binders(text))
    groups = split_groups(own)
    bound = {name for group in groups for name in group.names}
    mentioned = base_names(conclusion).union(*(base_names(group.type) for group in groups))
    used = scope.used_variables(mentioned - bound)
    binders = " ".join((*(group.text for group in used), own)).rstrip()
    name = full_name(head.name, scope.inside)
    short = command.end - command.start <= _LONGEST
    body = text[head.body + len(head.opener) : command.end] if short and head.opener else ""
    statement = Statement(
        name,
        _KINDS.get(keyword, "def"),
        binders,
        conclusion,
        line=line,
        private=_PRIVATE.search(lead) is not None,
        protected=_PROTECTED.search(lead) is not None,
    )
    types = {name: group.type for group in (*used, *groups) for name in group.names}
    if keyword in _TYPES:
        whole = text[head.body : command.end] if short else ""
        members = tuple(read_members(statement, keyword, head.opener, whole))
        return Declaration(statement, keyword, head.name, types, conclusion, "", members)
    proof = drop_comments(body).strip() if head.opener == ":=" and keyword in PROVED else ""
    if statement.kind in ("def", "abbrev") and short:
        applied = f"{head.name} {explicit_names(groups)}".rstrip()
        equation = _equation(head, text, command, applied, body)
        statement = attrs.evolve(statement, conclusion=equation or conclusion)
    made = tuple(_made_by_attributes(statement, lead, body, head)) if keyword in _KINDS else ()
    return Declaration(statement, keyword, head.name, types, conclusion, proof, made=made)


def _made_by_attributes(
    statement: Statement, lead: str, body: str, head: Head
) -> Iterator[Statement]:
    """What the attributes in front of a declaration declare, as far as text tells it."""
    if not statement.name or "@[" not in lead:
        return
    lead = drop_comments(lead)
    every = [statement]
    if "simps" in lead and statement.kind in ("def", "abbrev", "instance"):
        whole = f"where{body}" if head.opener == "where" else ""
        every += _made_by_simps(statement, lead, whole)
    yield from every[1:]
    if "to_additive" in lead and (given := read_additive(lead)) is not None:
        name = additive_name(statement.name, given)
        for made in every:
            if name != statement.name:
                yield attrs.evolve(
                    made,
                    name=name + made.name.removeprefix(statement.name),
                    binders=additive_text(made.binders),
                    conclusion=additive_text(made.conclusion),
                )


def _made_by_simps(statement: Statement, lead: str, body: str) -> Iterator[Statement]:
    applied = f"{statement.name} {explicit_names(split_groups(statement.binders))}".rstrip()
    for end, place, value in read_simps(lead, body):
        left = f"({applied})" if " " in applied and place.startswith(".") else applied
        conclusion = f"{left}{'' if place.startswith('.') else ' '}{place}".rstrip()
        yield attrs.evolve(
            statement,
            name=f"{statement.name}_{end}",
            kind="theorem",
            conclusion=f"{conclusion} = {value}",
        )


def _equation(head: Head, text: str, command: Command, applied: str, body: str) -> str:
    """A definition as an equation, if it is short: by its value, or by its first case."""
    if head.opener == ":=":
        value = flatten(body[: 2 * _LONGEST_VALUE]) if len(body) <= 2 * _LONGEST_VALUE else ""
        if 0 < len(value) <= _LONGEST_VALUE and _TERM.match(value):
            return f"{applied} = {value}"
    elif head.opener == "|" and (
        case := _FIRST_CASE.match(text, head.body, min(command.end, head.body + 400))
    ):
        patterns = " ".join(part.strip() for part in case[1].split(","))
        value = flatten(case[2])
        if patterns and _TERM.match(value):
            patterns = f"({patterns})" if " " in patterns and "," not in case[1] else patterns
            return f"{applied} {patterns} = {value}"
    return ""


def enter_leads(scope: Scope, lead: str) -> Scope:
    """The scope with what `open ... in` and its like say before a declaration."""
    if " in" not in lead and "\nin" not in lead:
        return scope
    for found in _LEADS.finditer(drop_comments(lead)):
        scope = scope.extended(found[1], found[0].removesuffix("in").rstrip())
    return scope


def full_name(written: str, inside: str) -> str:
    """The full name of what is declared by that name inside that namespace."""
    if not written:
        return ""
    if written.startswith("_root_."):
        return plain_name(written)
    return join_name(inside, plain_name(written))
