"""Goals that Lean prints: a file with `trace_state` before each step, and the rows that come of it.

The file's theorems are the user's, or elementary ones with proofs that a small prover found. What
Lean says at the line of a `trace_state` is the state before the step behind it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.declarations import PROVED
from llmstep.lean_text.heads import drop_comments, read_head
from llmstep.prompts.goal import split_goals
from llmstep_workshop.data.families.goals import Case
from llmstep_workshop.data.families.traces import propositional, quantified
from llmstep_workshop.data.records import Record
from llmstep_workshop.data.synthetic import place_template
from llmstep_workshop.errors import LeanCheckError
from llmstep_workshop.lean_runner import LeanRun, LeanRunner

TRACE = "trace_state"
_LEAD = re.compile(r"(?:[·.]\s+|(?:\||case\b|next\b)[^=\n]*=>\s*)*")
_OPENS = re.compile(r"(?:\bby|=>|\bwith|^[·.])$")
_WITH = re.compile(r"\s+with$")
# Printed by name where a library lacks the notation; a stand-in library may.
_UNNOTATED = re.compile(r"\bExists fun\b|\bNat\.zero\b|sorry|✝.*_@|\?m\.")


@attrs.frozen
class TracedStep:
    """A step and where its state will be told.

    Attributes:
        line: The line of its `trace_state`, from 1 on.
        tactic: The step on one line; empty if it goes on in the next line.
        declaration: The theorem.
        lines: First and last line of the theorem's command.
    """

    line: int
    tactic: str
    declaration: str
    lines: tuple[int, int]


@attrs.frozen
class TracedFile:
    """A Lean text whose steps are told, and the steps."""

    text: str
    steps: tuple[TracedStep, ...]


def trace_steps(text: str) -> TracedFile:
    """The text with `trace_state` before each step of its proofs by tactics."""
    out: list[str] = []
    steps: list[TracedStep] = []
    at = 0
    for command in split_commands(text):
        out += text[at : command.start].splitlines()
        at = command.end
        head = read_head(text, command) if command.keyword in PROVED else None
        body = text[command.start : command.end]
        proof = drop_comments(text[head.body : command.end]) if head else ""
        found = re.match(r":=\s*by\s*\n", proof)
        if head is None or found is None:
            out += body.splitlines()
            continue
        first = len(out) + 1
        out += text[command.start : head.body].splitlines()
        out[-1] = f"{out[-1].rstrip()} := by"
        traced = list(_trace_block(proof[found.end() :].splitlines(), len(out)))
        last = len(out) + sum(len(lines) for lines, _ in traced)
        name = head.name or command.keyword
        for lines, step in traced:
            out += lines
            if step is not None:
                steps.append(attrs.evolve(step, declaration=name, lines=(first, last)))
    out += text[at:].splitlines()
    return TracedFile("\n".join(out) + "\n", tuple(steps))


def _trace_block(
    lines: Sequence[str], written: int
) -> Iterator[tuple[list[str], TracedStep | None]]:
    """The lines of a proof, each with the step that begins in it."""
    columns: list[int] = []
    opened = True
    for at, line in enumerate(lines):
        text = line.strip()
        column = len(line) - len(line.lstrip())
        while columns and columns[-1] > column:
            columns.pop()
        lead = _LEAD.match(text)
        prefix = lead[0] if lead else ""
        rest = text[len(prefix) :]
        begins = opened or bool(prefix) or (bool(columns) and columns[-1] == column)
        if not text or not begins or not rest:
            opened = (opened and not text) or bool(_OPENS.search(text))
            written += 1
            yield [line], None
            continue
        inner = column + len(prefix)
        if prefix:
            columns.append(column)
        columns.append(inner)
        opened = bool(_OPENS.search(rest))
        tactic = _WITH.sub("", rest)
        following = next((later for later in lines[at + 1 :] if later.strip()), "")
        deeper = len(following) - len(following.lstrip()) > inner
        whole = not _OPENS.search(tactic) and (opened or not deeper)
        step = TracedStep(written + 1, tactic if whole else "", "", (0, 0))
        written += 2
        yield [" " * column + prefix + TRACE, " " * inner + rest], step


def read_states(traced: TracedFile, run: LeanRun, file: str, src: str) -> list[Record]:
    """The rows of a file that Lean has run; a theorem with an error gives none."""
    wrong = [line for line, _ in run.errors()]
    told = {m.line: m.text for m in reversed(run.messages) if m.severity == "information"}
    rows: list[Record] = []
    for step in traced.steps:
        first, last = step.lines
        if not step.tactic or any(first <= line <= last for line in wrong):
            continue
        goal = split_goals(told.get(step.line, ""))[0]
        if "⊢" in goal and not _UNNOTATED.search(goal):
            rows.append(Record(goal, step.tactic, "printed", step.declaration, file, src))
    return rows


def print_states(
    text: str, file: str, src: str, runner: LeanRunner, seconds: float, header: str = ""
) -> list[Record]:
    """The rows of a Lean text, its states printed by Lean.

    Args:
        text: The text, whose proofs are run.
        file: Its name, for the rows.
        src: Name of the corpus.
        runner: Runs Lean.
        seconds: Longest time for the file.
        header: Lean text that stands in front of it.

    Raises:
        LeanCheckError: Lean takes longer, or ends without having read the file.
    """
    traced = trace_steps(f"{header.rstrip()}\n{text}" if header else text)
    run = runner.run(traced.text, "States", seconds)
    if run.timed_out:
        raise LeanCheckError(f"{file}: Lean took more than {seconds:g} s")
    if run.code not in (0, 1):
        raise LeanCheckError(f"{file}: Lean ended with {run.code}: {run.output or 'no message'}")
    return read_states(traced, run, file, src)


def write_elementary(theorems: int, seed: int) -> list[str]:
    """Elementary theorems with their proofs as Lean text; equal arguments give equal theorems.

    A name that a proof does not use is not given, so that Lean's own stands there with a dagger.
    """
    rng = random.Random(f"elementary {seed}")
    written: list[str] = []
    seen: set[str] = set()
    tries = 0
    while len(written) < theorems and tries < 50 * theorems:
        tries += 1
        cases = rng.choice((propositional, quantified))(rng)
        # Of what Lean's core does not define itself, the tags are those of a stand-in.
        if not cases or any(tactics[0].startswith("by_cases") for _, tactics in cases):
            continue
        state = cases[0][0].render(rng)
        # What a validation set of generated rows may hold is left out.
        if state in seen or place_template(state) != "train":
            continue
        seen.add(state)
        written.append(_write_theorem(f"elementary_{len(written) + 1}", cases, rng))
    return written


def _write_theorem(name: str, cases: list[Case], rng: random.Random) -> str:
    goal = cases[0][0]
    binders = " ".join(f"({names} : {type_})" for names, type_ in goal.hypotheses)
    steps = [tactics[0] for _, tactics in cases]
    shown: list[str] = []
    for at, step in enumerate(steps):
        later = " ".join(steps[at + 1 :])
        shown.append(_hide_unused(step, later) if rng.random() < 0.5 else step)
    universes = sorted(set(re.findall(r"\bType (u\w*)", binders)))
    named = f"{name}.{{{', '.join(universes)}}}" if universes else name
    head = f"theorem {named} {binders} : {goal.target} := by"
    # Core Lean has no ℕ.
    return "\n".join([head, *(f"  {step}" for step in shown), ""]).replace("ℕ", "Nat")


def _hide_unused(step: str, later: str) -> str:
    """A pattern with ``_`` for the names that no later step mentions."""
    found = re.match(r"(?:obtain|rcases|rintro)\b.*?(⟨.*⟩)", step)
    if found is None or not re.search(r"\bexact\b|\bapply\b", later):
        return step
    if re.search(r"\b(?:assumption|contradiction|simp|tauto)\b", later):
        return step

    def hide(name: re.Match[str]) -> str:
        used = re.search(rf"(?<![\w.']){re.escape(name[0])}(?![\w'₀-₉])", later)
        return name[0] if used or name[0] == "rfl" else "_"

    return step.replace(found[1], re.sub(r"[^\W\d][\w'₀-₉]*", hide, found[1]))
