"""Lean text as tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.lexer import comment_end, plain_name, scan_tokens

LEAN = "abhS01.,:;=()[]{}⟨⟩«»'\"\\-/!? \nαλℕ₁✝⊢·|<>"


def kinds(text: str) -> list[tuple[str, str]]:
    return [(t.kind, t.text) for t in scan_tokens(text) if t.kind not in ("space", "newline")]


@given(st.one_of(st.text(), st.text(alphabet=LEAN)))
def test_tokens_join_to_the_text(text: str) -> None:
    tokens = list(scan_tokens(text))
    assert "".join(token.text for token in tokens) == text
    assert all(token.text == text[token.start : token.end] for token in tokens)


@pytest.mark.parametrize(
    "word", ["h", "h'", "exact?", "Nat.succ_le_iff", "x₁", "𝕜", "ℕ", "«a b».c", "α.β", "ê"]
)
def test_a_name_is_one_word(word: str) -> None:
    assert kinds(word) == [("word", word)]


@pytest.mark.parametrize("symbol", ["λ", "Π", "Σ", "∀", "✝", "⊢", "×"])
def test_symbols_are_no_letters(symbol: str) -> None:
    assert kinds(symbol) == [("symbol", symbol)]


def test_strings_characters_and_comments() -> None:
    text = r"""f "a\"b" '"' '\n' r#"x"y"# -- rest
/- a /- b -/ c -/ f '' s"""
    assert kinds(text) == [
        ("word", "f"),
        ("string", r'"a\"b"'),
        ("char", "'\"'"),
        ("char", r"'\n'"),
        ("string", 'r#"x"y"#'),
        ("comment", "-- rest"),
        ("comment", "/- a /- b -/ c -/"),
        ("word", "f"),
        ("symbol", "''"),
        ("word", "s"),
    ]


@pytest.mark.parametrize("text", ['"abc', "/- a /- b -/", 'r#"x"'])
def test_what_never_closes_is_told(text: str) -> None:
    (token,) = scan_tokens(text)
    assert not token.closed


def test_comment_end_counts_nesting() -> None:
    assert comment_end("/- /- -/ -/ x", 0) == 11
    assert comment_end("/- /- -/", 0) is None


def test_plain_name_drops_guillemets_and_root() -> None:
    assert plain_name("_root_.Foo.«bar baz»") == "Foo.bar baz"
