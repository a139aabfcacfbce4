"""What a model wrote, cut down to exactly one tactic, or the reason why there is none.

The cut is lexical: a tactic ends at the first line break outside all brackets whose next line is
neither indented deeper than the tactic nor a continuation of it (``| inl h => …``, ``_ = c``,
``<;> …``, or anything after a line that ends in ``by``, ``=>``, ``:=``, an operator …). Whether
the text is a tactic that works is Lean's to say; what is dropped here is what Lean need not see,
what would stop the checking, and what would prove nothing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence

import attrs

from llmstep.lean_text.lexer import BRACKETS, Token, begins_with, plain_name, scan_tokens
from llmstep.lean_text.vocabulary import (
    JOINING_SYMBOLS,
    JOINING_WORDS,
    NEED_ARGUMENT,
    OPEN_SYMBOLS,
    OPEN_WORDS,
    SEQUENCE_SYMBOLS,
    SEQUENCE_WORDS,
    UNSOUND_NAMES,
    UNSOUND_WORDS,
    UNWANTED_WORDS,
)


class Reason(enum.Enum):
    """Why a candidate was dropped."""

    PREFIX_LOST = "does not start with the prefix"
    EMPTY = "holds no tactic"
    CONTROL = "holds a control character or a broken one"
    UNBALANCED = "has a bracket, string or comment that does not match"
    INCOMPLETE = "ends where more must follow"
    TRUNCATED = "ran into the token limit"
    UNSOUND = "leaves the proof open or rests on more than Lean's kernel"
    UNWANTED = "searches, runs code, or asks for suggestions itself"
    BANNED = "mentions a banned name"


@attrs.frozen
class Verdict:
    """The tactic, or why there is none: exactly one of ``tactic`` and ``reason`` is ``None``.

    Attributes:
        tactic: One tactic that starts with the prefix. Its lines are indented as if its first
            character stood in column 0.
        reason: Why the candidate was dropped.
    """

    tactic: str | None
    reason: Reason | None = None


# Left over by chat templates, other prompts, or a model that goes on to the next example.
MARKERS = (
    "```",
    "[/TAC]",
    "[TAC]",
    "[STATE]",
    "[CTX]",
    "[GOAL]",
    "[PROOFSTEP]",
    "[PAD]",
    "</s>",
    "<s>",
    "<pad>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<|fim_",
    "<|file_sep|>",
    "<|repo_name|>",
)


# C0, C1, DEL, byte-order mark, bidirectional controls (they can hide what a line says), the
# replacement character of broken UTF-8, and lone surrogates. Lean's own files hold no tabs.
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffd\ud800-\udfff]"
)
_SILENT = ("space", "newline", "comment")


def has_control(text: str) -> bool:
    """Whether a text holds a character that no tactic may hold."""
    return _CONTROL.search(text) is not None


def extract_tactic(
    text: str,
    prefix: str = "",
    *,
    banned: Iterable[str] = (),
    stop: Sequence[str] = (),
    column: int = 0,
    truncated: bool = False,
) -> Verdict:
    """Cut a candidate to one tactic.

    Args:
        text: The candidate, prefix included.
        prefix: Characters the tactic must start with. It is kept as it is: cuts are made only
            after it, so a prefix that holds several tactics stays whole.
        banned: Names no tactic may mention, written from the root. A name counts as mentioned when
            an identifier, or a dotted beginning of one, equals it: ``foo`` bans ``foo`` and
            ``foo.symm``, but not ``foo'``, nor what cannot mean it: ``h.foo`` and ``Bar.foo`` are
            other names. Words in strings and comments do not count. Guillemets and ``_root_.``
            are ignored.
        stop: Further strings that end the tactic.
        column: Column at which the first character of ``text`` stands (prompts that continue a
            file): later lines up to this column do not belong to the tactic.
        truncated: Whether the model was stopped by the token limit. Then a tactic counts only if
            something after it shows that it was finished.

    Returns:
        The tactic, or why there is none. Extracting again from a returned tactic (column 0)
        returns the same.
    """
    if not text.startswith(prefix):
        return Verdict(None, Reason.PREFIX_LOST)
    rest, finished = _cut_markers(text[len(prefix) :].replace("\r\n", "\n"), prefix, stop)
    if has_control(rest):
        return Verdict(None, Reason.CONTROL)
    text = prefix + rest
    tokens = list(scan_tokens(text))
    if not prefix.strip():
        tokens = _skip_lead(tokens)
    if not tokens:
        return Verdict(None, Reason.EMPTY)
    base = _base_column(tokens, text, column)
    kept = _take_one(tokens, len(prefix), base, text)
    if kept is None:
        return Verdict(None, Reason.UNBALANCED)
    if all(token.kind in _SILENT for token in kept):
        return Verdict(None, Reason.EMPTY)
    if (reason := _inspect(kept, tuple(banned))) is not None:
        return Verdict(None, reason)
    if truncated and not (finished or kept[-1].end < tokens[-1].end):
        return Verdict(None, Reason.TRUNCATED)
    return Verdict(_render(kept, prefix, text, base))


def _cut_markers(rest: str, prefix: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Cut at the first marker; a code fence in front of the whole answer is taken off."""
    if not prefix and (fence := re.match(r"\s*```\w*[^\S\n]*\n", rest)):
        rest = rest[fence.end() :]
    places = [at for mark in (*MARKERS, *stop) if mark and (at := rest.find(mark)) >= 0]
    return (rest[: min(places)], True) if places else (rest, False)


def _skip_lead(tokens: list[Token]) -> list[Token]:
    """Drop blanks and comments before the first word."""
    for index, token in enumerate(tokens):
        if token.kind not in _SILENT or not token.closed:
            return tokens[index:]
    return []


def _base_column(tokens: list[Token], text: str, column: int) -> int:
    line = text.rfind("\n", 0, tokens[0].start) + 1
    # Blanks between the prompt and the tactic on the same line do not move its base: what the
    # model indents, it indents against the line, not against the tactic.
    return tokens[0].start - line if line else column


def _take_one(tokens: list[Token], keep: int, base: int, text: str) -> list[Token] | None:
    """The tokens of the first tactic; ``None`` if its brackets do not match.

    Args:
        tokens: All tokens, the first one significant.
        keep: Length of the prefix: no cut before it.
        base: Column of the tactic.
        text: The text of the tokens.
    """
    brackets: list[str] = []
    previous: Token | None = None
    sequence = False
    last = -1
    for index, token in enumerate(tokens):
        free = not brackets and token.start >= keep
        if token.kind == "newline":
            if free and not _goes_on(previous, tokens, index, base, text):
                break
            continue
        if not token.closed:
            return None
        if token.kind in _SILENT:
            continue
        if token.kind == "open":
            brackets.append(BRACKETS[token.text])
        elif token.kind == "close":
            if not brackets and free:
                break
            if not brackets or brackets.pop() != token.text:
                return None
        elif token.text == ";" and free and not sequence:
            break
        elif not brackets:
            # The first word is the tactic's own: `have h : p := q; exact h` is two tactics.
            opens = token.text in SEQUENCE_WORDS and (
                previous is not None or token.text not in ("have", "let", "haveI", "letI", "show")
            )
            sequence = sequence or opens or token.text in SEQUENCE_SYMBOLS
        previous, last = token, index
    # A comment that begins in the prefix stays: half of it might read as something else.
    last = max(last, next((i for i, t in enumerate(tokens) if t.start < keep < t.end), last))
    return None if brackets else tokens[: last + 1]


def _goes_on(previous: Token | None, tokens: list[Token], index: int, base: int, text: str) -> bool:
    """Whether the line after the line break at ``index`` belongs to the same tactic."""
    following = next((t for t in tokens[index:] if t.kind not in _SILENT), None)
    if following is None:
        return False
    line = text.rfind("\n", 0, following.start) + 1
    column = following.start - line
    if text[line : following.start].strip():
        # A comment stands before it on its line; the comment's column decides.
        column = len(text[line : following.start]) - len(text[line : following.start].lstrip())
    if column > base:
        return True
    if column < base or previous is None:
        return False
    if following.text in (JOINING_WORDS if following.kind == "word" else JOINING_SYMBOLS):
        return True
    return _is_open(previous)


def _is_open(token: Token) -> bool:
    return token.text in (OPEN_WORDS if token.kind == "word" else OPEN_SYMBOLS)


def _inspect(tokens: list[Token], banned: tuple[str, ...]) -> Reason | None:
    """Why the tactic is not to be shown, or ``None``."""
    loud = [token for token in tokens if token.kind not in _SILENT]
    if _is_open(loud[-1]) or (len(loud) == 1 and loud[0].text in NEED_ARGUMENT):
        return Reason.INCOMPLETE
    forbidden = frozenset(plain_name(name.strip()) for name in banned) - {""}
    for index, token in enumerate(loud):
        if token.kind != "word":
            continue
        word = token.text
        if word in UNSOUND_WORDS or _mentions(word, UNSOUND_NAMES):
            return Reason.UNSOUND
        if word == "native" and _is_option(loud, index):
            return Reason.UNSOUND
        if word in UNWANTED_WORDS:
            return Reason.UNWANTED
        if begins_with(word, forbidden) and not _is_field(loud, index):
            return Reason.BANNED
    return None


def _is_option(tokens: list[Token], index: int) -> bool:
    """Whether the word is set as an option: ``decide +native``, ``decide (native := true)``."""
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    return before == "+" or after == ":="


def _is_field(tokens: list[Token], index: int) -> bool:
    """Whether the word is a field of what stands before it: ``(h x).symm``, ``h.1.symm``."""
    before = tokens[index - 1] if index else None
    return before is not None and before.text.endswith(".") and before.end == tokens[index].start


def _mentions(word: str, names: frozenset[str]) -> bool:
    parts = plain_name(word).split(".")
    return any(
        ".".join(parts[begin:end]) in names
        for begin in range(len(parts))
        for end in range(begin + 1, len(parts) + 1)
    )


def _render(tokens: list[Token], prefix: str, text: str, base: int) -> str:
    """The tactic's text, its later lines moved left by the tactic's column.

    A prefix of several lines sets the columns itself; nothing is moved under it.
    """
    if "\n" in prefix:
        return prefix + text[len(prefix) : max(tokens[-1].end, len(prefix))].rstrip()
    pieces = [prefix]
    after_break = False
    for token in tokens:
        shown = token.text
        if token.start < len(prefix):
            shown = text[len(prefix) : token.end] if token.end > len(prefix) else ""
        elif after_break and token.kind == "space":
            shown = shown[min(base, len(shown)) :]
        pieces.append(shown)
        after_break = token.kind == "newline"
    found = "".join(pieces)
    return prefix + found[len(prefix) :].rstrip()
