"""Names that a step may mention at one place, asked while the model is still writing.

A small model has seen more names than it can hold, and half of the lemma names that it writes exist
nowhere. Here a name is followed as it is written: as soon as nothing that is known goes on so, the
candidate is given up, and its place goes to one that can run. What is known is what is near: the
premises found for the goal, the names in steps on similar goals, in the file and in the goal. A
name that is finished may also be any other of the library.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN, begins_with, plain_name
from llmstep.lean_text.vocabulary import NEED_ARGUMENT, OPEN_WORDS, SEQUENCE_WORDS, symbols
from llmstep.sources.portfolio import MATHLIB_TACTICS
from llmstep.sources.steps import endings

# Shorter words without a dot or an underscore are variables and hypotheses as a rule.
_SHORTEST_NAME = 5
# What hypotheses are called, and next to nothing else.
_HYPOTHESIS = late_pattern(r"(?:h[a-z]?|ih)[₀-₉0-9]*'*")
# What a name's place is told from: so much of the text before it, however long a prefix is.
_LOOKED_BACK = 300
_WORD = late_pattern(rf"(?<![\w.'✝]){WORD_PATTERN}\.?")
# Behind one of these, and at the beginning, stands the name of a tactic.
_TACTIC_FOLLOWS = late_pattern(r"(?:^|[;·|\n]|<;>|=>|\bby|\bdo|\btry|\bfirst|\bthen)\s*\(?\s*$")
# Behind one of these stand names that the step itself introduces: patterns up to `:=`, ...
_PATTERN_FOLLOWS = late_pattern(
    r"(?:^|[\s;(·])(?:intros?|rintro|obtain|choose|ext|funext|next|case'?|rename_i|by_contra!?"
    r"|with|generalizing)\s(?:(?!:=|=>).)*$"
)
# ... and bound variables and facts up to their type or value.
_BINDER_FOLLOWS = late_pattern(
    r"(?:^|[\s;(·⟨])(?:fun|λ|∃!?|∀|have|haveI|let|letI|set|suffices|generalize|by_cases|wlog)\s"
    r"(?:(?!:|=>|↦|,).)*$"
)
_KEYWORDS = OPEN_WORDS | NEED_ARGUMENT | SEQUENCE_WORDS | MATHLIB_TACTICS
_KEYWORDS |= symbols(
    """
    using only config motive decide disch discharger arith contextual assumption constructor
    trivial infer_instance inferInstance Type Prop simp simpa dsimp omega norm_num split symm
    trans rfl True False false simp_all left right exists subst_vars inter union
    """
)


class KnownNames:
    """The names that a step may mention at one place: near, local, common (sorted) or known ones.

    Those that are banned it may not. What the user wrote, the first `given` characters of every
    step, is not judged.
    """

    def __init__(
        self,
        near: Iterable[str],
        local: Collection[str],
        common: Sequence[str] = (),
        knows: Callable[[str], bool] = lambda _: False,
        given: int = 0,
        banned: Iterable[str] = (),
    ) -> None:
        self._banned = frozenset(plain_name(name.strip()) for name in banned) - {""}
        self._local = frozenset(local)
        self._knows = knows
        self._given = given
        self._near = frozenset(ending for name in near for ending in endings(name))
        self._near |= _KEYWORDS | self._local
        # Sorted lists are all the trie that is needed: what begins alike lies together.
        self._lists: tuple[Sequence[str], ...] = (sorted(self._near), common)
        self._judged: dict[tuple[str, bool], bool] = {}

    def admits(self, text: str, *, finished: bool) -> bool:
        """Whether a step that begins with this text, or is all of it, can name only what exists."""
        introduced: set[str] = set()
        for match in _WORD.finditer(text):
            word, start = match[0], match.start()
            base = word.partition(".")[0]
            if start >= self._given and base not in introduced:
                open_ended = match.end() == len(text) and not finished
                if not self._is_admitted(word, open_ended) and not _is_free(text, start):
                    return False
            introduced.add(base)
        return True

    def _is_admitted(self, word: str, open_ended: bool) -> bool:
        key = (word, open_ended)
        judged = self._judged.get(key)
        if judged is None:
            judged = self._judged[key] = self._judge(word, open_ended)
        return judged

    def _judge(self, word: str, open_ended: bool) -> bool:
        name = word.rstrip(".")
        base = name.partition(".")[0]
        complete = not open_ended or name != word
        if complete and begins_with(name, self._banned):
            return False
        if base in self._local:
            return True
        if _HYPOTHESIS.fullmatch(base):
            # It may still become another name; else it is a hypothesis that is not there.
            return open_ended and name == word and (name == "h" or self._goes_on(name))
        if _is_short(name) or (_is_short(base) and base[0].islower()):
            return True
        if open_ended and self._goes_on(word):
            return True
        # Behind a dot may stand a field or a theorem about what the name proves: `foo.2`.
        return complete and self._exists(name)

    def _exists(self, name: str) -> bool:
        if name in self._near or self._knows(name.removeprefix("_root_.")):
            return True
        return any(_holds(names, name) for names in self._lists)

    def _goes_on(self, name: str) -> bool:
        """Whether something that is known begins so."""
        for names in self._lists:
            place = bisect_left(names, name)
            if place < len(names) and names[place].startswith(name):
                return True
        return False


def _is_short(name: str) -> bool:
    """Whether it looks like the name of a variable or a hypothesis."""
    return len(name) < _SHORTEST_NAME and "_" not in name.strip("_") and "." not in name


def _holds(names: Sequence[str], name: str) -> bool:
    place = bisect_left(names, name)
    return place < len(names) and names[place] == name


def _is_free(text: str, start: int) -> bool:
    """Whether what stands there is a tactic's name, or one that the step introduces."""
    before = text[max(0, start - _LOOKED_BACK) : start]
    return any(
        pattern.search(before) for pattern in (_TACTIC_FOLLOWS, _PATTERN_FOLLOWS, _BINDER_FOLLOWS)
    )
