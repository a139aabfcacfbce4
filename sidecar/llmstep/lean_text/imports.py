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
    """

    modules: tuple[str, ...] = ()
    end: int = 0


def read_header(text: str) -> Header:
    """Read the header of a file; nothing behind it is looked at."""
    modules: list[str] = []
    end = 0
    started = False  # inside an import, or the modifiers in front of one
    importing = False
    for token in scan_tokens(text[:_LONGEST]):
        if token.kind == "newline":
            started, importing = started and not importing, False
        elif importing:
            if token.kind == "word" and token.text not in _WORDS:
                modules.append(plain_name(token.text))
            end = token.end if token.kind not in ("space", "comment") else end
        elif token.text in _MODIFIERS:
            started = True
        elif token.text == "import":
            importing = True
        elif not started and token.text in ("module", "prelude"):
            end = token.end
        elif token.kind not in ("space", "comment") and token.text != "\ufeff":
            break
    return Header(tuple(modules), end)


def add_import(text: str, module: str) -> str:
    """The file with one more import, behind those it has."""
    end = read_header(text).end
    return f"{text[:end]}\nimport {module}{text[end:]}" if end else f"import {module}\n{text}"
