"""A goal while a proof is followed: its hypotheses, target and tag, and how Lean lays them out.

The layout is that of ``Lean.Meta.ppGoal``: neighbours of one type share a line, names that cannot
be written bear a dagger (``Lean.LocalContext.sanitizeNames``), local definitions show their value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from llmstep_workshop.data.reconstruction.known_types import KnownTypes
from llmstep_workshop.data.reconstruction.printing import print_term
from llmstep_workshop.data.reconstruction.substitution import (
    replace_name,
)
from llmstep_workshop.data.reconstruction.terms import (
    Atom,
    Raw,
    Term,
    names_in,
)

_DAGGER = "✝"
_BINDING = re.compile(r"\b(?:let|have|show|match|by|do|from|set_option|open)\b|:=|‹|✝")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@attrs.frozen
class LocalEntry:
    """One entry of the local context.

    Attributes:
        name: Its name; one that cannot be written has a dagger and a number of its own behind it.
        type: Its type.
        value: What a local definition stands for.
    """

    name: str
    type: Term
    value: Term | None = None

    @property
    def hidden(self) -> bool:
        """Whether its name cannot be written, as that of an instance."""
        return _DAGGER in self.name

    def mentions(self, name: str) -> bool:
        """Whether its type or value speaks of a name."""
        return name in names_in(self.type) or (
            self.value is not None and name in names_in(self.value)
        )

    def replaced(self, name: str, value: Term) -> LocalEntry:
        """With a value in the place of a name."""
        changed = None if self.value is None else replace_name(self.value, name, value)
        return attrs.evolve(self, type=replace_name(self.type, name, value), value=changed)


@attrs.frozen
class GoalState:
    """One goal.

    Attributes:
        hypotheses: The local context in its order.
        target: What is to be proved; ``None`` once a step has changed it in a way that the text
            does not tell.
        tag: The tag of its ``case`` line; empty for none.
        types: What is known of the names besides the hypotheses.
    """

    hypotheses: tuple[LocalEntry, ...]
    target: Term | None
    tag: str = ""
    types: KnownTypes = attrs.field(factory=KnownTypes, eq=False)

    def known(self) -> KnownTypes:
        """The types of all names."""
        return self.types.having({h.name: h.type for h in self.hypotheses})

    def find(self, name: str) -> LocalEntry | None:
        """The hypothesis that a name means."""
        for hypothesis in reversed(self.hypotheses):
            if hypothesis.name == name:
                return hypothesis
        return None

    def fresh(self, name: str) -> str:
        """A name that is shown as this one with a dagger."""
        numbers = (h.name.partition(_DAGGER)[2] for h in self.hypotheses)
        return f"{name}{_DAGGER}{max((int(n) for n in numbers if n), default=0) + 1}"

    def renamed(self, old: str, new: str) -> GoalState:
        """With another name for a hypothesis, wherever it is mentioned."""
        changed = tuple(
            attrs.evolve(h, name=new) if h.name == old else h.replaced(old, Atom(new))
            for h in self.hypotheses
        )
        target = None if self.target is None else replace_name(self.target, old, Atom(new))
        return attrs.evolve(self, hypotheses=changed, target=target)

    def adding(self, hypothesis: LocalEntry) -> GoalState:
        """With one more hypothesis at the end; an older one of its name can be written no more."""
        goal = self
        if goal.find(hypothesis.name) is not None:
            goal = goal.renamed(hypothesis.name, goal.fresh(hypothesis.name))
        return attrs.evolve(goal, hypotheses=(*goal.hypotheses, hypothesis))

    def without(self, *names: str) -> GoalState:
        """Without the hypotheses of these names."""
        gone = [found for name in names if (found := self.find(name)) is not None]
        kept = tuple(h for h in self.hypotheses if not any(h is one for one in gone))
        return attrs.evolve(self, hypotheses=kept)

    def to(self, target: Term | None) -> GoalState:
        """With another target."""
        return attrs.evolve(self, target=target)

    def tagged(self, *parts: str) -> GoalState:
        """With some more components of its tag."""
        return attrs.evolve(self, tag=".".join(part for part in (self.tag, *parts) if part))

    def untagged(self) -> GoalState:
        """Without a ``case`` line."""
        return attrs.evolve(self, tag="")

    def is_understood(self) -> bool:
        """Whether it is known, and no part of it binds names in a way that is not understood."""
        if self.target is None:
            return False
        said = (self.target, *(h.type for h in self.hypotheses))
        return not any(isinstance(t, Raw) and _BINDING.search(t.text) for t in said)

    def render(self) -> str:
        """The goal as Lean prints it."""
        names = _print_names(self.hypotheses)
        lines: list[tuple[list[str], str, bool]] = []
        for hypothesis in self.hypotheses:
            type_ = print_term(_show_hidden(hypothesis.type, names))
            defined = hypothesis.value is not None
            if lines and not defined and not lines[-1][2] and lines[-1][1] == type_:
                lines[-1][0].append(names[hypothesis.name])
                continue
            if hypothesis.value is not None:
                type_ += f" := {print_term(_show_hidden(hypothesis.value, names))}"
            lines.append(([names[hypothesis.name]], type_, defined))
        shown = [f"case {self.tag}"] if self.tag else []
        shown += [f"{' '.join(named)} : {type_}" for named, type_, _ in lines]
        target = Raw("?") if self.target is None else self.target
        shown.append(f"⊢ {print_term(_show_hidden(target, names))}")
        return "\n".join(shown)


def _show_hidden(term: Term, names: Mapping[str, str]) -> Term:
    """A term with names as they are shown."""
    for name in names_in(term):
        if _DAGGER in name and name in names:
            term = replace_name(term, name, Atom(names[name]))
    return term


def _print_names(hypotheses: Sequence[LocalEntry]) -> dict[str, str]:
    """How each name is shown: daggers of one name are counted from the end."""
    daggers: Counter[str] = Counter()
    names: dict[str, str] = {}
    for hypothesis in reversed(hypotheses):
        shown, dagger, _ = hypothesis.name.partition(_DAGGER)
        if dagger:
            count = daggers[shown]
            daggers[shown] += 1
            shown += dagger + (str(count).translate(_SUPERSCRIPTS) if count else "")
        names[hypothesis.name] = shown
    return names
