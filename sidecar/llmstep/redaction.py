"""Keeping keys out of messages: a server may repeat in its error text what it was sent."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

HIDDEN = "***"
# A shorter one is a stand-in ("EMPTY", "none") and part of ordinary words.
_LEAST_CHARACTERS = 6


def hide_secrets(text: str, secrets: Iterable[str | None]) -> str:
    """The text with each secret replaced: as it is, as in a URL, and as JSON may write it."""
    known = {secret for secret in secrets if secret and len(secret) >= _LEAST_CHARACTERS}
    forms = {form for s in known for form in (s, quote(s, safe=""), s.replace("/", "\\/"))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def shorten(text: str, most: int = 300) -> str:
    """The text on one line, cut; to be called after `hide_secrets`, which looks for whole ones."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."
