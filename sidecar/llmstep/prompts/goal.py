"""Pretty-printed goals: their parts, and trimming to a number of tokens.

The layout is that of ``Lean.Meta.ppGoal``: an optional ``case tag`` line, one entry per hypothesis
(several names of one type share it), and ``⊢ target``. Lines that start with a blank continue the
entry above them. A local definition reads ``x : T := v``; ``conv`` goals show ``|`` for ``⊢``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import attrs

from llmstep.errors import PromptTooLongError
from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN

CountTokens = Callable[[str], int]

ELLIPSIS = "…"

_COUNT = late_pattern(r"\d{1,6} goals?:?")
# Blanks beyond the space that editors and web pages put in its place, all of one column; and what
# has no width at all: a byte order mark, a zero-width space or joiner at the edge of a copy.
_CLEANED = {
    **dict.fromkeys(
        map(ord, "\t\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"), " "
    ),
    **dict.fromkeys(range(0x2000, 0x200B), " "),
    **dict.fromkeys((0x200B, 0x2060, 0xFEFF), ""),
}
_TURNSTILE = late_pattern(r"(?:⊢|\|-|\|)(?=\s|$)")
_NAMES = late_pattern(r"([^\s()\[\]{}⟨⟩,:=]+(?: [^\s()\[\]{}⟨⟩,:=]+)*) :(?:=|\s|$)")
_WORD = late_pattern(WORD_PATTERN)
_RELATION = late_pattern(r"[=≠<>≤≥∈∉⊆⊂∣↔∧∨¬∃≃≡≈∥⟂]|\bTrue\b|\bFalse\b|∀")
_SORT = late_pattern(r"\s*(?:Type|Sort|Prop)\b[^→]*$")
_PROOF_NAME = late_pattern(r"(?:h|H|ih|this|key|eq)[^a-zA-Z]*$|h[A-Za-z]{0,3}['₀-₉0-9✝]*$")


@attrs.frozen
class Hypothesis:
    """One entry of the local context.

    Attributes:
        names: The names it declares; empty if the line has another layout.
        text: The whole entry, its continuation lines included.
    """

    names: tuple[str, ...]
    text: str

    @property
    def type(self) -> str:
        """The text after the names."""
        return self.text.partition(" :")[2] if self.names else self.text


@attrs.frozen
class Goal:
    """One goal.

    Attributes:
        case: The ``case tag`` line, or empty.
        hypotheses: The local context in printed order.
        target: The text from the turnstile on; empty if there is none.
    """

    case: str
    hypotheses: tuple[Hypothesis, ...]
    target: str

    def render(self) -> str:
        """The goal in Lean's layout."""
        lines = [self.case, *(hypothesis.text for hypothesis in self.hypotheses), self.target]
        return "\n".join(line for line in lines if line)


@attrs.frozen
class TrimmedGoal:
    """A goal that fits.

    Attributes:
        text: The goal in Lean's layout.
        dropped: Names of the hypotheses left out, in printed order; ``case`` stands for the case
            line and ``⊢`` for a target that was cut in the middle.
    """

    text: str
    dropped: tuple[str, ...] = ()


def split_goals(text: str) -> list[str]:
    """Split a printed tactic state into its goals (Lean separates them by blank lines).

    A line such as ``2 goals`` or ``error: unsolved goals`` before them, as it comes along with a
    copy from the infoview or a message, is none of them.
    """
    lines = clean_text(text).strip("\n").split("\n")
    kept = [line for line in lines[:-1] if not _is_header(line)] + lines[-1:]
    goals: list[list[str]] = [[]]
    complete, printed = False, "⊢" in text
    blank: list[str] = []
    for line in kept:
        if not line.strip():
            blank.append(line)
            continue
        if line[0] == " " or not printed:
            goals[-1] += blank
        elif blank and complete:
            # Only a target ends a goal: a blank line inside a hypothesis does not.
            goals.append([])
            complete = False
        blank = []
        goals[-1].append(line)
        complete = complete or "⊢" in line
    return ["\n".join(goal).rstrip() for goal in goals if goal]


def clean_text(text: str) -> str:
    """A goal as Lean prints it, from what was pasted or sent.

    Lines end in LF, every blank is a space, and characters without width are gone: to the models
    and the library, `x : ℕ` with a no-break space in it would be another goal.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_CLEANED)


def _is_header(line: str) -> bool:
    """Whether a line is ``2 goals`` or ``error: unsolved goals``; read once, however long it is."""
    words = line.strip()
    if _COUNT.fullmatch(words):
        return True
    before = words.removesuffix(":").removesuffix("unsolved goals")
    return before != words.removesuffix(":") and (not before or before.endswith(": "))


def parse_goal(text: str) -> Goal:
    """Split one printed goal into case line, hypotheses and target.

    Any text parses: without a turnstile the whole of it is the target.
    """
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    entries: list[list[str]] = []
    for line in lines:
        if entries and _continues(line, entries[-1][0]):
            entries[-1].append(line)
        else:
            entries.append([line])
    if not any(_TURNSTILE.match(entry[0]) for entry in entries):
        return Goal("", (), "\n".join(lines))
    case = ""
    if entries[0][0].startswith("case "):
        case = "\n".join(entries.pop(0))
    target = "\n".join(entries.pop())
    return Goal(case, tuple(_parse_hypothesis("\n".join(entry)) for entry in entries), target)


def _continues(line: str, entry: str) -> bool:
    if _TURNSTILE.match(entry) or line[0].isspace():
        return True
    # Some tools strip the indentation that Lean prints; what declares no name continues too.
    return not (entry.startswith("case ") or _TURNSTILE.match(line) or _NAMES.match(line))


def _parse_hypothesis(text: str) -> Hypothesis:
    match = _NAMES.match(text)
    return Hypothesis(tuple(match[1].split()) if match else (), text)


def trim_goal(text: str, budget: int, count_tokens: CountTokens) -> TrimmedGoal:
    """Make a goal fit into ``budget`` tokens; one that fits is returned as it is.

    The target stays, cut in the middle only when it alone is too long. Of the hypotheses those
    stay first that say something about the target or declare what it mentions, then other
    propositions, then other variables and types, then instances; within each group those nearer
    to the target first. Hypotheses stay whole.

    Tokens are counted of texts of about ``budget`` tokens only, however long the goal is.

    Raises:
        PromptTooLongError: Not even an abbreviated target fits.
    """
    text = text.replace("\r\n", "\n").strip("\n")
    if fits(text, budget, count_tokens):
        return TrimmedGoal(text)
    goal = parse_goal(text)
    if not fits(goal.target, budget, count_tokens):
        target = _cut_middle(goal.target, budget, count_tokens)
        names = [name for hypothesis in goal.hypotheses for name in hypothesis.names]
        return TrimmedGoal(target, (*(["case"] if goal.case else []), *names, "⊢"))
    # A hypothesis takes more than one token, so no more than these can stay.
    order = _by_importance(goal, budget)
    rate = _tokens_per_character(text, budget, count_tokens)
    room = float(budget - count_tokens(goal.target))
    while True:
        kept = _select(goal, order, room, rate)
        result = _pick(goal, kept)
        excess = 0 if fits(result, budget, count_tokens) else count_tokens(result) - budget
        if excess <= 0:
            return TrimmedGoal(result, _missing(goal, kept))
        # The estimate was too low: take off what is too much, and at least a twentieth.
        room -= max(excess, room * 0.05, 1.0)


def fits(text: str, budget: int, count_tokens: CountTokens) -> bool:
    """Whether a text has at most ``budget`` tokens, asking the tokenizer only when it must.

    A token has at least one byte, so few bytes surely fit. Far more than 32 characters per token
    surely do not: only runs of one character reach that, and cutting those loses nothing.
    """
    if len(text) * 4 <= budget or len(text.encode("utf-8", "replace")) <= budget:
        return True
    if len(text) > 32 * max(budget, 1):
        return False
    return count_tokens(text) <= budget


def _tokens_per_character(text: str, budget: int, count_tokens: CountTokens) -> float:
    # The end of a goal is the part that stays, so it is the part to measure.
    sample = text[-max(200, min(4 * budget, 8000)) :]
    return max(count_tokens(sample), 1) / len(sample)


def _select(goal: Goal, order: Sequence[int], room: float, rate: float) -> set[int]:
    """Indices of the hypotheses that fit, most important first; -1 stands for the case line."""
    kept: set[int] = set()
    for index in order:
        entry = goal.case if index < 0 else goal.hypotheses[index].text
        # One token more for the line break.
        cost = math.ceil(len(entry) * rate) + 1
        if cost <= room:
            kept.add(index)
            room -= cost
    return kept


def _pick(goal: Goal, kept: set[int]) -> str:
    case = goal.case if -1 in kept else ""
    hypotheses = tuple(h for index, h in enumerate(goal.hypotheses) if index in kept)
    return Goal(case, hypotheses, goal.target).render()


def _missing(goal: Goal, kept: set[int]) -> tuple[str, ...]:
    gone = [h for index, h in enumerate(goal.hypotheses) if index not in kept]
    names = [name for h in gone for name in h.names or (h.text[:20],)]
    return (*(["case"] if goal.case and -1 not in kept else []), *names)


def _by_importance(goal: Goal, nearest: int) -> list[int]:
    """Indices of the nearest hypotheses (-1: the case line), the most important first."""
    wanted = set(_words(goal.target))
    first = max(len(goal.hypotheses) - nearest, 0)
    ranked: list[tuple[int, int]] = []
    for index, hypothesis in enumerate(goal.hypotheses[first:], first):
        ranked.append((_rank(hypothesis, wanted), -index))
    order = [-negative for _, negative in sorted(ranked)]
    if goal.case:
        # A case tag says where the goal comes from; it goes before the proof's own facts do.
        facts = sum(1 for rank, _ in ranked if rank <= 1)
        order.insert(facts, -1)
    return order


def _rank(hypothesis: Hypothesis, wanted: set[str]) -> int:
    if any(name.startswith("inst") for name in hypothesis.names):
        return 4
    declares = any(name in wanted for name in hypothesis.names)
    if _SORT.match(hypothesis.type):
        return 2 if declares else 3
    proposition = bool(_RELATION.search(hypothesis.type)) or any(
        _PROOF_NAME.match(name) for name in hypothesis.names
    )
    if declares or (proposition and not wanted.isdisjoint(_words(hypothesis.type))):
        return 0
    return 1 if proposition else 3


def _words(text: str) -> Iterable[str]:
    # A field such as `h.1` or `s.Nonempty` mentions `h` and `s`.
    for word in _WORD.findall(text):
        yield word
        if "." in word:
            yield word.partition(".")[0]


def _cut_middle(text: str, budget: int, count_tokens: CountTokens) -> str:
    """Keep the beginning and the end of a text with an ellipsis between them."""
    length = min(len(text) - 1, 32 * max(budget, 1))
    while length > 0:
        head, tail = (length + 1) // 2, length // 2
        middle = text[:head].rstrip() + f" {ELLIPSIS} "
        short = middle + text[len(text) - tail :].lstrip() if tail else middle.rstrip()
        excess = count_tokens(short) / max(budget, 1)
        if excess <= 1:
            return short
        length = min(length - 1, int(length / excess))
    raise PromptTooLongError(
        f"the goal's target does not fit into the {max(budget, 0)} tokens that are left for it",
        hint="Shorten the prefix or raise `context_tokens`.",
    )
