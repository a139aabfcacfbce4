"""Lean text inside a document: each block of a book's chapter stands for itself."""

from __future__ import annotations

import re

_DOCUMENT = re.compile(r"^#doc \(", re.MULTILINE)
_BLOCK = re.compile(r"^```(?:lean|save)\b([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def split_texts(text: str) -> list[str]:
    """The Lean texts of a file that know nothing of each other.

    A chapter written in Verso (``#doc``) has many, in fences; those that are meant to fail
    (``+error``) are left out. Any other file is one.
    """
    if not _DOCUMENT.search(text):
        return [text]
    return [found[2] for found in _BLOCK.finditer(text) if "+error" not in found[1]]
