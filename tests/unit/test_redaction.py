"""Keys stay out of messages."""

from __future__ import annotations

import json
from urllib.parse import quote

from llmstep.redaction import HIDDEN, hide_secrets, shorten

KEY = "sk-pro/j+Ab=c"


def test_a_key_is_hidden_in_every_form() -> None:
    for form in (KEY, f"Bearer {KEY}", quote(KEY, safe=""), json.dumps(KEY).replace("/", "\\/")):
        shown = hide_secrets(f"refused: {form}!", (KEY, None, ""))
        assert "Ab" not in shown
        assert HIDDEN in shown


def test_a_stand_in_is_a_word_like_any_other() -> None:
    assert hide_secrets("the list is EMPTY, none", ("EMPTY", "none")) == "the list is EMPTY, none"


def test_a_key_is_hidden_before_the_text_is_cut() -> None:
    words = shorten(hide_secrets("x" * 290 + KEY, (KEY,)))
    assert "sk-" not in words
