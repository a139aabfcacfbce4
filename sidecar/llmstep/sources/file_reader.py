"""One Lean file of a project or package, read for what others can use of it."""

from __future__ import annotations

from collections.abc import Iterator

from llmstep.lean_text.declarations import PROVED, Declaration, Statement, scan_declarations
from llmstep.lean_text.heads import split_groups
from llmstep.lean_text.imports import read_header
from llmstep.lean_text.proofs import split_steps
from llmstep.sources.module_reach import marked_imports
from llmstep.sources.parsed_files import ParsedFile, TakenStep

_LONGEST_STATEMENT = 2_000
_MOST_STEPS = 1


def parse_file(text: str, *, steps: bool) -> ParsedFile:
    """Read a file's text.

    Args:
        text: The text.
        steps: Whether the first steps of its proofs are of use.
    """
    statements: list[Statement] = []
    taken: list[TakenStep] = []
    for declaration in scan_declarations(text):
        statements += (s for s in declaration.statements() if _is_of_use(s))
        if steps and declaration.keyword in PROVED and declaration.proof:
            taken += _first_steps(declaration)
    imports = marked_imports(read_header(text))
    return ParsedFile(imports, tuple(statements), tuple(taken))


def _is_of_use(statement: Statement) -> bool:
    if statement.private or not statement.conclusion:
        return False
    return len(statement.binders) + len(statement.conclusion) <= _LONGEST_STATEMENT


def _first_steps(declaration: Declaration) -> Iterator[TakenStep]:
    """Of a later step the goal is not known."""
    statement = declaration.statement
    for number, step in enumerate(split_steps(declaration.proof)):
        if number >= _MOST_STEPS:
            return
        lines = [
            f"{' '.join(group.names) or 'inst✝'} : {group.type}"
            for group in split_groups(statement.binders)
        ]
        goal = "\n".join((*lines, f"⊢ {declaration.target}"))
        yield TakenStep(goal, step, "" if statement.private else statement.name)
