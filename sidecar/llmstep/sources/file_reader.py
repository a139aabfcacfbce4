"""One Lean file of a project or package, read for what others can use of it."""

from __future__ import annotations

from collections.abc import Iterator

from llmstep.lean_text.declarations import PROVED, Declaration, scan_declarations
from llmstep.lean_text.followed_proofs import follow_proof
from llmstep.lean_text.heads import split_groups
from llmstep.lean_text.imports import read_header
from llmstep.lean_text.statements import Statement
from llmstep.sources.module_reach import marked_imports
from llmstep.sources.parsed_files import ParsedFile, TakenStep

_LONGEST_STATEMENT = 2_000


def parse_file(text: str, *, steps: bool) -> ParsedFile:
    """Read a file's text.

    Args:
        text: The text.
        steps: Whether the steps of its proofs are of use.
    """
    statements: list[Statement] = []
    taken: list[TakenStep] = []
    for declaration in scan_declarations(text):
        statements += (s for s in declaration.statements() if _is_of_use(s))
        if steps and declaration.keyword in PROVED and declaration.proof:
            taken += _taken_steps(declaration)
    imports = marked_imports(read_header(text))
    return ParsedFile(imports, tuple(statements), tuple(taken))


def _is_of_use(statement: Statement) -> bool:
    if statement.private or not statement.conclusion:
        return False
    return len(statement.binders) + len(statement.conclusion) <= _LONGEST_STATEMENT


def _taken_steps(declaration: Declaration) -> Iterator[TakenStep]:
    """The steps of a proof whose goals the text tells."""
    statement = declaration.statement
    groups = split_groups(statement.binders)
    name = "" if statement.private else statement.name
    for goal, step in follow_proof(groups, declaration.target, declaration.proof):
        yield TakenStep(str(goal), step, name)
