"""The file before the cursor, cut from the top at a declaration boundary to a number of tokens.

What is kept is one piece of the file's end, so that the model reads it as Lean does, under the
lines that are in scope where it begins: imports, ``namespace``, ``section``, ``open``,
``variable``, ``universe``, and the like.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmstep.lean_text.vocabulary import IMPORTS, SCOPED
from llmstep.prompts.goal import CountTokens, fits

if TYPE_CHECKING:
    from llmstep.lean_text.commands import Command

# No real file is longer; of one that is, only the end is read, so that it costs under a second.
_MOST_CHARACTERS = 1_000_000
_SHORT = 2_000


def cut_context(document: str, budget: int, count_tokens: CountTokens) -> str:
    """The end of a document, up to the cursor, under its scope lines, in ``budget`` tokens.

    Tokens are counted of texts of about ``budget`` tokens only.
    """
    if budget <= 0:
        return ""
    document = document.replace("\r\n", "\n")
    sample = document[-max(200, min(4 * budget, 8000)) :]
    characters = budget * len(sample) / max(count_tokens(sample), 1)
    # What is twice as long as the estimate is not counted: that alone would take longest.
    if len(document) <= 2 * characters and fits(document, budget, count_tokens):
        return document
    if len(document) > _MOST_CHARACTERS:
        document = document[document.find("\n", len(document) - _MOST_CHARACTERS) + 1 :]
    from llmstep.lean_text.document import read_document

    commands = read_document(document).commands
    while True:
        begin = _first_that_fits(commands, characters)
        if begin is None:
            return _cut_inside(document, commands, budget, count_tokens)
        scope = _scope_lines(commands, begin)
        head = "\n".join(scope) + "\n\n" if scope else ""
        text = head + document[commands[begin].start :]
        if fits(text, budget, count_tokens):
            return text
        # The estimate was too low; the measured excess says by how much, at least a twentieth.
        characters = min(len(text) * budget / max(count_tokens(text), 1), characters) * 0.95


def _first_that_fits(commands: Sequence[Command], characters: float) -> int | None:
    """Index of a command from which on, with its scope lines, the text is short enough.

    The first such command, but moved on to a coarse grid of offsets where it can be: while the
    file grows at its end the cut then stays where it is for a while, and with it the beginning of
    the prompt, which a backend's KV cache can use again. A short text is not worth it.
    """
    if not commands:
        return None
    total = commands[-1].end
    grid = 1 << int(characters / 8).bit_length() - 1 if characters > _SHORT else 1
    first: int | None = None
    place = 0
    for index, size in enumerate(_scope_sizes(commands)):
        start = commands[index].start
        if size + total - start > characters:
            continue
        if first is None:
            first, place = index, -(-start // grid) * grid
        if start >= place:
            return index
    return first


def _scope_sizes(commands: Sequence[Command]) -> Iterator[int]:
    """For each command the characters of the scope lines before it."""
    frames: list[int] = [0]
    total = 0
    for command in commands:
        yield total
        size = len(command.line) + 1
        if command.frames > 0:
            frames += [size, *[0] * (command.frames - 1)]
            total += size
        elif command.frames < 0:
            total -= sum(frames[max(len(frames) + command.frames, 1) :])
            del frames[max(len(frames) + command.frames, 1) :]
        elif command.keyword in SCOPED or command.keyword in IMPORTS:
            frames[-1] += size
            total += size


def _scope_lines(commands: Sequence[Command], begin: int) -> list[str]:
    from llmstep.lean_text.commands import scope_commands

    return [command.line for command in scope_commands(commands, begin)]


def _cut_inside(
    document: str, commands: Sequence[Command], budget: int, count_tokens: CountTokens
) -> str:
    """The last declaration is too long with its scope: keep its end and what scope fits."""
    last = commands[-1].start if commands else 0
    scope = _scope_lines(commands, len(commands) - 1) if commands else []
    tail = document[last:]
    if not fits(tail, budget, count_tokens):
        tail = keep_end(tail, budget - budget // 4, count_tokens)
    # The innermost lines say most about the names in use; imports and outer lines go first.
    room = budget - count_tokens(tail) - 2
    first = len(scope)
    while first > 0 and len(scope[first - 1]) <= 32 * max(room, 0):
        room -= count_tokens(scope[first - 1]) + 1
        if room < 0:
            break
        first -= 1
    while first < len(scope):
        text = "\n".join(scope[first:]) + "\n\n" + tail
        if fits(text, budget, count_tokens):
            return text
        first += 1
    return tail


def keep_end(text: str, budget: int, count_tokens: CountTokens) -> str:
    """The end of a text in at most ``budget`` tokens, from the start of a line if it can be."""
    length = min(len(text), 32 * max(budget, 0))
    while length > 0:
        end = text[len(text) - length :]
        excess = count_tokens(end) / max(budget, 1)
        if excess <= 1:
            line = end.find("\n") + 1
            whole = length == len(text) or line == 0 or line == len(end)
            return end if whole else end[line:]
        length = min(length - 1, int(length / excess))
    return ""
