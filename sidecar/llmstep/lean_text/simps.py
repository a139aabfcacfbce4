"""What ``simps`` makes of a definition: an equation for each field of the structure it gives.

The rule is that of the attribute where the text shows it: fields that the attribute names, or that
the definition gives behind its ``where``. The values of ``toFun`` and ``invFun`` are those of the
function and of its inverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN

_ATTRIBUTE = late_pattern(
    rf"\bsimps[!?]*\s*(?P<options>(?:\([^()]*\)\s*|[-+]\w+\s*)*)"
    rf"(?P<fields>(?:{WORD_PATTERN}\s*)*)(?=[,\])]|$)"
)
_LISTS = late_pattern(r"@\[([^\]]*)\]")
_FIELD = late_pattern(
    rf"^(?P<indent>[ \t]+)(?P<name>{WORD_PATTERN})(?P<arguments>(?:[ \t]+{WORD_PATTERN}|[ \t]+_)*)"
    r"[ \t]*:=[ \t]*(?P<value>[^\n]*)",
    re.MULTILINE,
)
_FUNCTION = late_pattern(rf"fun ((?:{WORD_PATTERN} ?)+)(?:=>|↦) (.*)")
_CALLED = {"toFun": "apply", "invFun": "symm_apply", "carrier": "coe"}
# What these say is a proposition.
_PROOFS = late_pattern(
    r"(?:map_|.*_(?:mem|mem'|inv|inv'|comp|id)$|.*_(?:smul|add|mul)'?$|prop|comm)"
)
_LONGEST_VALUE = 120


def read_simps(lead: str, body: str) -> Iterator[tuple[str, str, str]]:
    """The equations that the attribute makes, as far as the text tells what they say.

    Args:
        lead: What stands in front of the definition's keyword.
        body: The definition from its ``where`` on; empty if it has none.

    Yields:
        What is added to the definition's name; what it is applied to, such as ``x`` or ``.obj X``;
        its value.
    """
    attributes = " , ".join(found[1] for found in _LISTS.finditer(lead))
    attribute = _ATTRIBUTE.search(attributes)
    if attribute is None:
        return
    named = attribute["fields"].split()
    for end, applied, value in _read_fields(body):
        if not named or end in named:
            yield end, applied, value


def _read_fields(body: str) -> Iterator[tuple[str, str, str]]:
    if not body.startswith("where"):
        return
    found = list(_FIELD.finditer(body))
    indent = len(found[0]["indent"]) if found else 0
    for field in found:
        name, arguments, value = field["name"], field["arguments"].strip(), field["value"].strip()
        if len(field["indent"]) != indent or value.startswith("by") or _PROOFS.match(name):
            continue
        if not arguments and (function := _FUNCTION.fullmatch(value)):
            arguments, value = function[1].strip(), function[2].strip()
        if not value or len(value) > _LONGEST_VALUE or "_" in arguments.split():
            continue
        prefix = ".symm " if name == "invFun" else "" if name in _CALLED else f".{name} "
        end = _CALLED.get(name) or name.replace(".", "_")
        yield end, f"{prefix}{arguments}".strip(), value
