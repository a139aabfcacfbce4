"""Names of hypotheses and variables at a place of a proof, as far as the text tells."""

from __future__ import annotations

from collections.abc import Iterator

from llmstep.lean_text.blocks import BlockPlace
from llmstep.lean_text.lexer import scan_tokens
from llmstep.lean_text.vocabulary import BINDING_TACTICS, NAMING_TACTICS, PATTERN_TACTICS

_LONGEST_STEP = 2_000


def names_of_steps(text: str, place: BlockPlace) -> list[str]:
    """What the steps above a place, in the blocks that are open there, call new things.

    Args:
        text: What the blocks were read from.
        place: The open blocks.

    Returns:
        The names, the latest first.
    """
    found: dict[str, None] = {}
    for block in place.blocks:
        spans = [*block.steps, *([(block.step, len(text))] if block.step >= 0 else [])]
        for begin, end in spans:
            for name in _new_names(text[begin : min(end, begin + _LONGEST_STEP)]):
                found.pop(name, None)
                found[name] = None
    return list(reversed(found))


def _new_names(step: str) -> Iterator[str]:
    head = ""
    naming, nameless = False, True
    for token in scan_tokens(step):
        if token.kind in ("space", "newline", "comment"):
            continue
        text = token.text
        if not head:
            head = text
            naming = head in BINDING_TACTICS or head in NAMING_TACTICS
            if naming or head in PATTERN_TACTICS:
                continue
            return
        if text == "with" and head in PATTERN_TACTICS:
            naming = True
        elif text in (":", ":=", "=>", "from"):
            if head == "have" and nameless and text != "=>":
                yield "this"
            naming = False
            if head not in PATTERN_TACTICS:
                return
        elif naming and token.kind == "word" and "." not in text and text != "rfl":
            nameless = False
            yield text
