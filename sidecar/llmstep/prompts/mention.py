"""Premises as a prompt shows them: a name, and what it says in a few characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from llmstep.prompts.goal import ELLIPSIS

# A model chooses among few names; more of them cost more than the last ones are worth.
MOST_MENTIONED = 8
# Characters of a conclusion. Its relation and both ends tell most, and eight of them have to leave
# room for the goal.
_LONGEST = 48
_END = 18


@attrs.frozen
class Mention:
    """A premise that a prompt may show.

    Attributes:
        name: Its name as it must be written at the question's place.
        conclusion: What it states; empty if that is not known.
        full: Its full name, where ``name`` is shorter.
    """

    name: str
    conclusion: str = ""
    full: str = ""

    def is_one_of(self, names: Iterable[str]) -> bool:
        """Whether one of these names is its own, short or full."""
        return any(name in (self.name, self.full) for name in names if name)

    @property
    def line(self) -> str:
        """``name : conclusion``, shortened, on one line."""
        says = shorten(self.conclusion)
        return f"{self.name} : {says}" if says else self.name


def shorten(conclusion: str) -> str:
    """A conclusion on one line, its middle left out where it is long.

    It is cut between words where there are some: a part of a symbol says nothing.
    """
    text = " ".join(conclusion.split())
    if len(text) <= _LONGEST:
        return text
    head = _whole_words(text[: _LONGEST - _END], text[_LONGEST - _END])
    tail = _whole_words(text[-_END:][::-1], text[-_END - 1])[::-1]
    return f"{head} {ELLIPSIS} {tail}"


def _whole_words(text: str, following: str) -> str:
    """A text without the word at its end that goes on behind it, if there are others."""
    if following == " ":
        return text.rstrip()
    return text.rpartition(" ")[0].rstrip() or text


def choose_mentions(named: Sequence[str], retrieved: Sequence[Mention]) -> list[Mention]:
    """What a prompt may show, the best first: what the client names, then what was found.

    Behind what was found stands what is known of the names that the client gives.
    """
    chosen: dict[str, Mention] = {}
    says = {mention.full or mention.name: mention for mention in retrieved}
    says |= {mention.name: mention for mention in retrieved}
    first = (attrs.evolve(says.get(name, Mention(name)), name=name) for name in named)
    for mention in (*first, *retrieved):
        if not (mention.is_one_of(chosen) or mention.is_one_of(m.full for m in chosen.values())):
            chosen[mention.name] = mention
    return list(chosen.values())[:MOST_MENTIONED]
