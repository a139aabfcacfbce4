"""The header of a Lean file: what it imports, and where it ends."""

from __future__ import annotations

import attrs

from llmstep.lean_text.lexer import plain_name, scan_tokens

_MODIFIERS = frozenset({"public", "private", "meta"})
_WORDS = _MODIFIERS | {"import", "all"}
# A header longer than this is none.
_LONGEST = 500_000


@attrs.frozen
class Header:
    """What stands above a file's first command.

    Attributes:
        modules: Names of the imported modules, in order.
        end: Offset behind the last import, else behind ``module``; 0 if there is neither.
        is_module: Whether the file is a module, which passes on ``public`` imports alone.
        hidden: The imports that whoever imports this file does not get by that.
        whole: The modules that are imported with all that they keep to themselves.
    """

    modules: tuple[str, ...] = ()
    end: int = 0
    is_module: bool = False
    hidden: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


def read_header(text: str) -> Header:
    """Read the header of a file; nothing behind it is looked at."""
    modules: list[str] = []
    passed_on: set[str] = set()
    whole: set[str] = set()
    end = 0
    is_module = False
    started = False  # inside an import, or the modifiers in front of one
    importing = public = everything = False
    for token in scan_tokens(text[:_LONGEST]):
        if token.kind == "newline":
            started, importing = started and not importing, False
            public = public and started
        elif importing:
            if token.kind == "word" and token.text not in _WORDS:
                modules.append(name := plain_name(token.text))
                passed_on.update({name} if public or not is_module else ())
                whole.update({name} if everything else ())
            everything = token.text == "all" or (everything and token.kind == "space")
            end = token.end if token.kind not in ("space", "comment") else end
        elif token.text in _MODIFIERS:
            started = True
            public = public or token.text == "public"
        elif token.text == "import":
            importing, everything = True, False
        elif not started and token.text in ("module", "prelude"):
            end = token.end
            is_module = is_module or token.text == "module"
        elif token.kind not in ("space", "comment") and token.text != "\ufeff":
            break
    hidden = frozenset(modules) - passed_on
    return Header(tuple(modules), end, is_module, hidden, frozenset(whole))
