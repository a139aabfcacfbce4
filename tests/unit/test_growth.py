"""Every reader of the user's text takes time in proportion to it, whatever the text is.

The text is made eight times as long: what is linear takes eight times the work, what is quadratic
64 times. Processor time of the one thread is taken, the least of several runs, and the limit lies
between the two; no time as such is held against a limit.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmstep.backends.completions import EventReader
from llmstep.lean_text.attributes import additive_name, additive_text, read_additive, read_simps
from llmstep.lean_text.blocks import names_of_steps, read_blocks
from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.document import LeanDocument
from llmstep.lean_text.lexer import scan_tokens
from llmstep.lean_text.place import Place
from llmstep.lean_text.proofs import TextGoal, follow_proof, take_step
from llmstep.prompts.context import cut_context
from llmstep.prompts.goal import parse_goal, split_goals, trim_goal
from llmstep.server.open_documents import LspDocument
from llmstep.service.postprocess import extract_tactic
from llmstep.sources.features import goal_features
from llmstep.sources.portfolio import goal_traits, imports_core_only
from llmstep.sources.ranking import normal_form
from llmstep.sources.text_query import text_query
from llmstep.sources.told_goal import tell_goal
from llmstep.user_files import decode_text

SHORT, TIMES = 1_000, 8
# Linear gives 8, quadratic 64.
MOST = 30.0
# Below this many seconds what is measured is the call, not the text.
LEAST = 0.05


# A document that was read before is not read again.
VERSIONS = itertools.count()


def words(text: str) -> int:
    return text.count(" ") + 1


def tell(text: str) -> None:
    document = LeanDocument(text)
    for declaration in document.declarations(last=True)[-1:]:
        declared = text[document.commands[-1].at :]
        tell_goal(declaration, declared, read_blocks(declared))


READERS: dict[str, Callable[[str], Any]] = {
    "goals": split_goals,
    "goal": parse_goal,
    "trimmed goal": lambda text: trim_goal(f"{text}\n⊢ p", 200, words),
    "features": lambda text: goal_features(parse_goal(text)),
    "traits": lambda text: goal_traits(parse_goal(text)),
    "imports": imports_core_only,
    "tokens": lambda text: list(scan_tokens(text)),
    "commands": split_commands,
    "names in scope": lambda text: LeanDocument(f"{text}\ntheorem t : p := by\n").names(),
    "statements": lambda text: LeanDocument(f"{text}\ntheorem t : p := by\n").statements(),
    "declarations": lambda text: LeanDocument(f"{text}\ntheorem t : p := by\n").declarations(),
    "context": lambda text: cut_context(f"-- {next(VERSIONS)}\n{text}", 20, words),
    "candidate": lambda text: extract_tactic(text, ""),
    "additive form": lambda text: (additive_name(text), additive_text(text)),
    "attributes": lambda text: (
        read_additive(f"@[to_additive {text}]"),
        list(read_simps(f"@[simps {text}]", f"where\n  {text}")),
    ),
    "followed proof": lambda text: list(follow_proof((), text, f"by\n  intro x\n  {text}")),
    "introduced": lambda text: take_step(TextGoal((), f"∀ {text}"), "intro x"),
    "open blocks": lambda text: (
        read_blocks(f"theorem t : p := by\n{text}"),
        read_blocks(text, inside=True),
    ),
    "names of steps": lambda text: names_of_steps(
        f"have {text}", read_blocks(f"have {text}", inside=True)
    ),
    "place": lambda text: Place(tuple(text.split("\n")), text.count("\n"), 0).wants(),
    "told goal": lambda text: tell(f"theorem t (h : p) : {text} := by\n  obtain ⟨{text}⟩ := h\n  "),
    "asked for": text_query,
    "normal form": normal_form.__wrapped__,
    "lines of an editor": lambda text: LspDocument("x", text).lines,
    "text of a file": lambda text: decode_text(text.encode("utf-16")),
    "events": lambda text: list(EventReader().feed(text.encode())),
}
PIECES = {
    "one word": "a",
    "blanks": " ",
    "empty lines": "\n",
    "blank lines": "  \n",
    "hypotheses": "h : p\n",
    "colons": "a : ",
    "names": "a b c d e f ",
    "turnstiles": "⊢ p\n\n",
    "headers": "1 goal\n",
    "half headers": "x: unsolved goals ",
    "cases": "case a\n",
    "namespaces": "namespace A\n",
    "dotted namespaces": "namespace A.B.C\n",
    "sections": "section\n",
    "ends": "end\n",
    "opens": "open A B in\n",
    "open names": "open A\n",
    "variables": "variable {a : Type} [Foo a]\n",
    "attributes": "@[simp]\n",
    "nested attributes": "@[a [",
    "theorems": "theorem t : p := by\n  simp\n",
    "open comments": "/- ",
    "nested comments": "/- -/",
    "quotes": '"',
    "escapes": '"\\',
    "ticks": "'\\a",
    "guillemets": "«a»",
    "open guillemets": "«",
    "brackets": "(",
    "both brackets": "()",
    "dots": "a.",
    "arrows": "→ ",
    "tactics": "simp; ",
    "bullets": "· ",
    "nested proofs": "by\n ",
    "nested patterns": "⟨",
    "arms": "| a => ",
    "carriage returns": "\r",
    "events": "data: {}\n\n",
}


def seconds(read: Callable[[str], Any], text: str, runs: int = 3) -> float:
    best = float("inf")
    for _ in range(runs):
        begin = time.thread_time()
        read(text)
        best = min(best, time.thread_time() - begin)
        if best > 1:
            break
    return best


def growths(read: Callable[[str], Any], short: str) -> Iterator[float]:
    """How many times as long the long text takes, measured up to three times."""
    for _ in range(3):
        yield seconds(read, short * TIMES) / max(seconds(read, short), 1e-6)


@pytest.mark.parametrize("kind", READERS)
def test_time_grows_with_the_text_and_not_with_its_square(kind: str) -> None:
    read = READERS[kind]
    slow: list[str] = []
    for name, piece in PIECES.items():
        short = piece * (SHORT // len(piece))
        try:
            long_s = seconds(read, short * TIMES, runs=1)
            if long_s < LEAST:
                continue
            # Other work of the machine can slow one measurement down; a square slows them all.
            if all(growth > MOST for growth in growths(read, short)):
                slow.append(name)
        except ValueError:  # not every text is an event
            continue
    assert not slow
