"""Which rows are worth learning from.

The rules are those of the data that the built-in model was made of; each can be set or switched
off.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

import attrs

from llmstep.lean_text.lexer import BRACKETS, scan_tokens
from llmstep_workshop.data.records import Record

_UNPROVED = frozenset({"sorry", "admit", "stop", "native_decide"})
_BINDING = re.compile(r"(?<![\w.])(?:let|have|match)(?![\w'])")


@attrs.define
class Cleaner:
    """Drops rows by rules, and counts how many each rule dropped.

    Attributes:
        max_tactic: Most characters of a tactic.
        max_state: Most characters of a state.
        multi_line: Keep tactics of several lines.
        bindings: Keep goals with ``let``, ``have`` or ``match`` in them.
        duplicates: Keep rows whose state and tactic, white space apart, were seen before.
        dropped: Rows dropped, by rule; grows while rows pass.
    """

    max_tactic: int = 140
    max_state: int = 1500
    multi_line: bool = False
    bindings: bool = True
    duplicates: bool = False
    dropped: Counter[str] = attrs.field(factory=Counter)
    _seen: set[bytes] = attrs.field(factory=set, init=False, repr=False)

    def rules(self) -> dict[str, str]:
        """The rules in the order they are tried: name and meaning."""
        rules = {
            "no-goal": "the state has no ⊢",
            "long-tactic": f"the tactic has more than {self.max_tactic} characters",
            "long-state": f"the state has more than {self.max_state} characters",
            "unproved": "the tactic has sorry, admit, stop or native_decide",
            "comment": "the tactic has a comment",
            "brackets": "brackets or quotes of the tactic or the state do not match",
        }
        if not self.multi_line:
            rules["lines"] = "the tactic has more than one line"
        if not self.bindings:
            rules["binding"] = "the goal has let, have or match"
        if not self.duplicates:
            rules["duplicate"] = "state and tactic, white space apart, were there before"
        return rules

    def clean(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the rows that pass every rule."""
        for record in records:
            rule = self.find_fault(record)
            if rule:
                self.dropped[rule] += 1
            else:
                yield record

    def find_fault(self, record: Record) -> str:
        """The first rule a row breaks, or the empty string; remembers the row as seen."""
        if "⊢" not in record.state:
            return "no-goal"
        if len(record.tactic) > self.max_tactic:
            return "long-tactic"
        if len(record.state) > self.max_state:
            return "long-state"
        tokens = list(scan_tokens(record.tactic))
        if any(token.kind == "word" and token.text in _UNPROVED for token in tokens):
            return "unproved"
        if any(token.kind == "comment" for token in tokens):
            return "comment"
        if not (is_balanced(record.tactic) and is_balanced(record.state)):
            return "brackets"
        if not self.multi_line and "\n" in record.tactic:
            return "lines"
        if not self.bindings and _BINDING.search(record.state):
            return "binding"
        if self.duplicates:
            return ""
        key = fingerprint(record.state, record.tactic)
        if key in self._seen:
            return "duplicate"
        self._seen.add(key)
        return ""


def is_balanced(text: str) -> bool:
    """Whether every bracket and quote outside of strings and comments is closed, in order."""
    waiting: list[str] = []
    for token in scan_tokens(text):
        if not token.closed:
            return False
        if token.kind == "open":
            waiting.append(BRACKETS[token.text])
        elif token.kind == "close" and (not waiting or waiting.pop() != token.text):
            return False
    return not waiting


def fingerprint(*texts: str) -> bytes:
    """16 bytes that are equal for texts that differ in white space only."""
    joined = "\0".join(" ".join(text.split()) for text in texts)
    return hashlib.blake2b(joined.encode("utf-8", "replace"), digest_size=16).digest()
