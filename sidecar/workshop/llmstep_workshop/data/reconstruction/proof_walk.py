"""The steps of a proof, each with the goal that it is taken on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from llmstep.lean_text.lexer import scan_tokens
from llmstep.lean_text.vocabulary import symbols
from llmstep_workshop.data.reconstruction.case_splits import ConstructorGoal, split_cases
from llmstep_workshop.data.reconstruction.effects import follow, rename_hidden
from llmstep_workshop.data.reconstruction.known_types import elaborate
from llmstep_workshop.data.reconstruction.layout import (
    SourceLine,
    SourceStep,
    read_proof,
    split_steps,
)
from llmstep_workshop.data.reconstruction.patterns import NAME, take_apart
from llmstep_workshop.data.reconstruction.proof_terms import proved_by
from llmstep_workshop.data.reconstruction.states import GoalState, LocalEntry
from llmstep_workshop.data.reconstruction.term_reader import (
    read_term,
)
from llmstep_workshop.data.reconstruction.terms import (
    Atom,
    Infix,
    Raw,
    Term,
)

_BULLET = re.compile(r"[·.](?:\s+|$)")
_CASE = re.compile(r"case ([\w.'✝]+)((?: [\w'_₀-₉]+)*) =>")
_NEXT = re.compile(r"next((?: [\w'_₀-₉]+)*) =>")
_SPLIT = re.compile(r"(cases|induction) (.+?)(?: generalizing ([\w' ]+))?(?: with\b.*)?$")
_PRIMED = re.compile(r"(cases|induction)' ([\w'.]+)(?: with ([\w'_ ]+))?$")
_MATCH = re.compile(r"match ([\w'.]+) with\b")
_ALTERNATIVE = re.compile(r"\| @?([\w.]+)((?: [\w'_₀-₉✝]+)*) =>\s*")
_PATTERN = re.compile(r"\| ([^=|]+(?:\|[^=|]+)*?) =>\s*")
_WITH, _BY, _INTRO_BAR = re.compile(r"with\b"), re.compile(r"by\b"), re.compile(r"\|")
_STATED = frozenset(("have", "suffices", "obtain", "replace", "show"))
# What may close several goals, or none: the text does not tell what is left.
_OPAQUE = symbols(
    """
    all_goals any_goals repeat iterate try first case' on_goal pick_goal swap rotate_left conv
    rotate_right set lift wlog choose filter_upwards interval_cases fin_cases split nth_rewrite
    """
)
_DEEPEST = 12
_NO_TERM = re.compile(r"^(?:fun\b|λ|calc\b|\|)|\b(?:by|match|let|have|show)\b|\?_")
_LONGEST_HAVE = 110
_LONGEST_TERM = 100


@attrs.frozen
class WalkedStep:
    """One step of a proof.

    Attributes:
        state: The goal as Lean prints it, as far as the text tells.
        tactic: The step on one line.
        kind: How it stands in the file: ``tac``, ``term``, ``have``, ``have-term``, ``calc``,
            ``calc-term``, ``ind`` or ``other``.
    """

    state: str
    tactic: str
    kind: str


def walk_proof(goal: GoalState, proof: str) -> list[WalkedStep]:
    """The steps of a proof whose goals the text tells, in order.

    Args:
        goal: The goal before the first step.
        proof: What stands behind ``:=``, comments left out.
    """
    walk = _Walk()
    if _BY.match(proof):
        walk.block(read_proof(proof), goal, 0)
    else:
        walk.term(goal, " ".join(proof.split()), "term")
    return walk.steps


class _Walk:
    """Follows a proof and keeps its steps."""

    def __init__(self) -> None:
        self.steps: list[WalkedStep] = []

    def keep(self, goal: GoalState, tactic: str, kind: str) -> None:
        """A step, if its goal is known."""
        if goal.is_understood():
            self.steps.append(WalkedStep(goal.render(), tactic, kind))

    def term(self, goal: GoalState, term: str, kind: str) -> None:
        """A proof by a term, as the step `exact`."""
        if 0 < len(term) <= _LONGEST_TERM and not _NO_TERM.search(term):
            self.keep(goal, "rfl" if term == "rfl" else f"exact {term}", kind)

    def block(self, lines: Sequence[SourceLine], goal: GoalState, depth: int) -> None:
        """The steps of a block that proves one goal."""
        goals = [goal]
        if depth > _DEEPEST:
            return
        steps = split_steps(lines)
        for at, step in enumerate(steps):
            if not goals:
                return
            if (bullet := _BULLET.match(step.lines[0].text)) is not None:
                self.block(step.behind(bullet.end()), goals.pop(0), depth + 1)
                continue
            if (braced := step.braced()) is not None:
                self.block(braced, goals.pop(0), depth + 1)
                continue
            left = self.one(step, goals, depth, last=at == len(steps) - 1)
            if left is None:
                return
            goals = left

    def one(
        self, step: SourceStep, goals: list[GoalState], depth: int, *, last: bool
    ) -> list[GoalState] | None:
        """The goals behind one step; ``None`` if the text does not tell."""
        text, goal, others = step.text, goals[0], goals[1:]
        head = text.partition(" ")[0]
        if (found := _CASE.match(text)) is not None:
            return self._named_case(found, step, goals, depth)
        if (found := _NEXT.match(text)) is not None:
            inner = rename_hidden(goal.untagged(), found[1].split())
            self.block(step.nested(re.compile("=>")) or (), inner, depth + 1)
            return others
        if head == "calc":
            self._calc(step, goal, depth)
            return others
        if head in ("match", "intro") and "=>" in text and "|" in text:
            self._match(step, goal, depth)
            return others
        if (stated := _split_stated(text)) is not None and head in _STATED:
            after = self._stated(step, stated, goal, depth)
            return None if after is None else [*after, *others]
        if head in ("cases", "induction"):
            after = self._split(step, goal, depth)
            return None if after is None else [*after, *others]
        if (found := _PRIMED.match(text)) is not None:
            self.keep(goal, text, "ind")
            after = _split_primed(found, goal)
            return None if after is None else [*after, *others]
        if "=>" in text and len(step.lines) > 1:
            return None
        self.keep(goal, text, "other" if head in _OPAQUE else "tac")
        if head in _OPAQUE:
            return None
        after = follow(text, goal)
        if after is None:
            return None
        if last and after and after[0].target is None:
            after = after[1:]
        return [*after, *others]

    def _named_case(
        self, found: re.Match[str], step: SourceStep, goals: list[GoalState], depth: int
    ) -> list[GoalState] | None:
        tag = found[1]
        for goal in goals:
            if goal.tag == tag or goal.tag.endswith(f".{tag}"):
                inner = rename_hidden(goal.untagged(), found[2].split())
                self.block(step.nested(re.compile("=>")) or (), inner, depth + 1)
                return [other for other in goals if other is not goal]
        return None

    def _stated(
        self, step: SourceStep, stated: _Stated, goal: GoalState, depth: int
    ) -> list[GoalState] | None:
        """`have`, `suffices`, `obtain` and `show` with what they state and its proof."""
        said = elaborate(read_term(stated.type), goal.known())
        inner = goal.untagged()
        short = len(step.text) <= _LONGEST_HAVE and len(step.lines) <= 2
        if stated.keyword == "show":
            if stated.sign not in ("by", "from"):
                return self._plain(step.text, goal)
            self.keep(goal, step.text, "tac") if short else None
            self._prove(step, stated, inner.to(said), depth)
            return []
        if short or stated.sign == "":
            self.keep(goal, step.text, "have")
        if stated.sign == "" or isinstance(said, Raw):
            return None
        if stated.keyword == "replace":
            goal = goal.without(stated.pattern)
        after = _with_proof(goal, stated.pattern, said)
        if stated.keyword == "suffices":
            within = _with_proof(inner, stated.pattern, said)
            if within is not None and len(within) == 1:
                self._prove(step, stated, within[0], depth)
            return [goal.to(said)]
        self._prove(step, stated, inner.to(said), depth)
        return after

    def _plain(self, text: str, goal: GoalState) -> list[GoalState] | None:
        self.keep(goal, text, "tac")
        return follow(text, goal)

    def _prove(self, step: SourceStep, stated: _Stated, goal: GoalState, depth: int) -> None:
        if stated.proof.startswith("by") or stated.sign == "by":
            self.block(step.nested(_BY) or (), goal, depth + 1)
        else:
            self.term(goal, stated.proof, "have-term")

    def _calc(self, step: SourceStep, goal: GoalState, depth: int) -> None:
        lines = step.behind(len("calc"))
        groups: list[list[SourceLine]] = []
        for line in lines:
            if line.text.startswith("_") or not groups:
                groups.append([line])
            else:
                groups[-1].append(line)
        before: Term | None = None
        for group in groups:
            part = SourceStep(tuple(group))
            said, sign, proof = _cut(part.text, (":=",))
            relation = elaborate(read_term(said), goal.known())
            if not sign and before is None:
                before = relation
                continue
            if not isinstance(relation, Infix):
                return
            if relation.left == Atom("_"):
                if before is None:
                    return
                relation = attrs.evolve(relation, left=before)
            before = relation.right
            inner = goal.untagged().to(elaborate(relation, goal.known()))
            if proof.startswith("by"):
                self.block(part.nested(_BY) or (), inner, depth + 1)
            elif proof == "rfl":
                self.keep(inner, "rfl", "calc")
            else:
                self.term(inner, proof, "calc-term")

    def _match(self, step: SourceStep, goal: GoalState, depth: int) -> None:
        found = _MATCH.match(step.text)
        lines = step.nested(_WITH if found else _INTRO_BAR)
        if lines is None:
            return
        if found is None:
            lines = (attrs.evolve(lines[0], text="| " + lines[0].text), *lines[1:])
            introduced = follow("intro", goal)
            if introduced is None:
                return
            old = introduced[0].hypotheses[-1]
            goal = introduced[0].without(old.name)
            name = goal.fresh("x")
            goal, type_ = goal.adding(LocalEntry(name, old.type)), old.type
        else:
            proved = proved_by(read_term(found[1]), goal)
            if proved is None:
                return
            type_ = proved
        for alternative in _alternatives(lines):
            given = _PATTERN.match(alternative.lines[0].text)
            if given is None:
                continue
            inner = take_apart(goal.untagged(), given[1], type_, "h")
            if inner is not None and len(inner) == 1:
                self.block(alternative.behind(given.end()), inner[0], depth + 1)

    def _split(self, step: SourceStep, goal: GoalState, depth: int) -> list[GoalState] | None:
        text = step.text
        found = _SPLIT.match(text)
        if found is None:
            return None
        head = text.partition(" with ")[0].removesuffix(" with")
        self.keep(goal, head, "ind")
        if " using " in head or " : " in head:
            return None
        cases = split_cases(
            goal,
            found[2],
            induction=found[1] == "induction",
            generalizing=(found[3] or "").split(),
        )
        if cases is None:
            return None if head == text else []
        if head == text:
            return [case.goal for case in cases]
        for alternative in _alternatives(step.nested(_WITH) or ()):
            given = _ALTERNATIVE.match(alternative.lines[0].text)
            case = _find_case(cases, given[1]) if given else None
            if given and case:
                inner = case.named(given[2].split())
                self.block(alternative.behind(given.end()), inner, depth + 1)
        return []


def _find_case(cases: Sequence[ConstructorGoal], name: str) -> ConstructorGoal | None:
    constructor = name.rpartition(".")[2]
    return next((case for case in cases if case.constructor == constructor), None)


def _split_primed(found: re.Match[str], goal: GoalState) -> list[GoalState] | None:
    """`cases'` and `induction'`: names for the fields of all constructors in one row."""
    cases = split_cases(goal, found[2], induction=found[1] == "induction")
    if cases is None:
        return None
    names = (found[3] or "").split()
    goals: list[GoalState] = []
    for case in cases:
        goals.append(case.named(names[: len(case.fields)]))
        names = names[len(case.fields) :]
    return goals


def _with_proof(goal: GoalState, pattern: str, said: Term) -> list[GoalState] | None:
    """The goals once something is proved and named, or taken apart."""
    if not pattern or NAME.fullmatch(pattern):
        return [goal.adding(LocalEntry(pattern or "this", said))]
    return take_apart(goal, pattern, said, "h")


def _alternatives(lines: Sequence[SourceLine]) -> Iterator[SourceStep]:
    """The alternatives of a `with`, each from its bar on."""
    group: list[SourceLine] = []
    column = min((line.column for line in lines if line.text.startswith("|")), default=0)
    for line in lines:
        for part in _split_bars(line) if line.column <= column else (line,):
            if part.text.startswith("|") and group and line.column <= column:
                yield SourceStep(tuple(group))
                group = []
            group.append(part)
    if group:
        yield SourceStep(tuple(group))


def _split_bars(line: SourceLine) -> Iterator[SourceLine]:
    """A line that holds several alternatives, cut in front of each."""
    if line.text.count("=>") < 2 or not line.text.startswith("|"):
        yield line
        return
    starts = [found.start() for found in re.finditer(r"\| @?[\w.]+[^|=]*=>", line.text)]
    if not starts:
        yield line
        return
    for start, end in zip(starts, [*starts[1:], len(line.text)], strict=True):
        yield SourceLine(line.column + start, line.text[start:end].strip())


@attrs.frozen
class _Stated:
    """The parts of ``have pattern : type := proof``; `sign` is what stands before the proof."""

    keyword: str
    pattern: str
    type: str
    sign: str
    proof: str


def _split_stated(text: str) -> _Stated | None:
    """The parts of a step that states something; ``None`` if it states nothing."""
    keyword, _, rest = text.partition(" ")
    if keyword not in _STATED:
        return None
    pattern = ""
    if keyword != "show":
        pattern, colon, rest = _cut(rest, (":", ":="))
        if colon != ":" or re.search(r"[\w'] [({\[⦃]|[\w'] [\w']", pattern):
            return None
    said, sign, proof = _cut(rest, (":=", "by", "from"))
    return _Stated(keyword, pattern.strip(), said.strip(), sign, proof.strip())


def _cut(text: str, marks: Sequence[str]) -> tuple[str, str, str]:
    """A text before and behind the first of some marks outside of brackets."""
    depth = 0
    for token in scan_tokens(text):
        if depth == 0 and token.text in marks:
            return text[: token.start].strip(), token.text, text[token.end :].strip()
        depth += (token.kind == "open") - (token.kind == "close")
    return text.strip(), "", ""
