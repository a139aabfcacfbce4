from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends.tokens import (
    MOST_HEALED_BYTES,
    MOST_HEALED_TOKENS,
    Opening,
    Vocabulary,
    plan_opening,
)

BYTES = [bytes([b]) for b in range(256)]
WORDS = [b" ex", b" exact", b"ex", b"exact", b" h", b"hx", b" hx", b"act", "⟨".encode(), b"\n  "]
END = len(BYTES) + len(WORDS)
VOCABULARY = Vocabulary([*BYTES, *WORDS, b"</s>", b""], [False] * END + [True, False])


def tokenize(text: bytes) -> list[int]:
    """The longest match, from the left."""
    tokens = []
    while text:
        token = max(
            (t for t, p in enumerate(VOCABULARY.pieces) if p and text.startswith(p)),
            key=lambda t: len(VOCABULARY.pieces[t]),
        )
        tokens.append(token)
        text = text[len(VOCABULARY.pieces[token]) :]
    return tokens


def spell(tokens: tuple[int, ...] | list[int]) -> bytes:
    return b"".join(VOCABULARY.pieces[t] for t in tokens)


texts = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["exact", " exact", " h", "x", "⟨", "𝕜", "\n  ", " "])).map("".join),
)


def test_tokens_without_text_are_unusable_unless_they_end_a_text() -> None:
    assert VOCABULARY.pieces[END] == b""
    assert VOCABULARY.unusable.tolist() == [END + 1]
    assert np.flatnonzero(VOCABULARY.ends).tolist() == [END]


@given(st.one_of(st.binary(min_size=1, max_size=6), st.sampled_from(WORDS)))
def test_spelling_finds_all_tokens_that_fit(required: bytes) -> None:
    pieces = VOCABULARY.pieces
    allowed = VOCABULARY.spelling(required)
    assert set(allowed.extending.tolist()) == {
        t for t, p in enumerate(pieces) if p.startswith(required)
    }
    assert set(allowed.partial.tolist()) == {
        t for t, p in enumerate(pieces) if p and p != required and required.startswith(p)
    }


def test_tokens_of_the_same_bytes_are_all_found() -> None:
    twins = Vocabulary([b"a", b"ab", b"a", b"ab", b"b"], [False] * 5)
    allowed = twins.spelling(b"ab")
    assert sorted(allowed.extending.tolist()) == [1, 3]
    assert sorted(allowed.partial.tolist()) == [0, 2]


@given(before=texts, prefix=texts)
def test_what_is_taken_back_is_required_and_nothing_is_lost(before: str, prefix: str) -> None:
    text = (before + prefix).encode()
    tail = tokenize(text)
    opening = plan_opening(VOCABULARY, [END], tail, text, prefix.encode())
    kept = opening.tokens[1:]
    assert opening.tokens[0] == END
    assert spell(kept) + opening.required == text
    assert len(tail) - len(kept) <= MOST_HEALED_TOKENS
    if prefix:
        assert opening.required
    if len(tail) - len(kept) > 1:
        assert len(opening.required) <= MOST_HEALED_BYTES
    # Whatever is generated after the required bytes, the text starts with the prefix.
    assert opening.read(opening.required + b"abc") == prefix + "abc"
    assert opening.read(opening.required) == prefix


@given(before=texts, prefix=texts)
def test_without_healing_all_is_fed(before: str, prefix: str) -> None:
    text = (before + prefix).encode()
    tail = tokenize(text)
    opening = plan_opening(VOCABULARY, [], tail, text, prefix.encode(), heal=False)
    assert opening.tokens == tuple(tail)
    assert opening.required == b""
    assert opening.read(b" rfl") == prefix + " rfl"


def test_the_last_word_is_taken_back_whole() -> None:
    text = b"simp exact hxhx"
    opening = plan_opening(VOCABULARY, [], tokenize(text), text, b"hxhx")
    assert opening.required == b" hxhx"
    assert opening.head == b""
    assert opening.skip == 1
    assert opening.read(b" hxhx.symm") == "hxhx.symm"


@pytest.mark.parametrize(
    ("before", "prefix", "required"),
    [
        (b"p[PROOFSTEP]", b"", b""),
        (b"p[PROOFSTEP]", b"hx", b"hx"),
        (b"by\n ", b"", b" "),
        (b"by ", b"hx", b" hx"),
    ],
)
def test_of_the_prompt_only_blanks_are_taken_back(
    before: bytes, prefix: bytes, required: bytes
) -> None:
    text = before + prefix
    opening = plan_opening(VOCABULARY, [END], tokenize(text), text, prefix)
    assert opening.required == required
    assert spell(opening.tokens[1:]) + required == text


def test_nothing_before_a_control_token_is_taken_back() -> None:
    opening = plan_opening(VOCABULARY, [65, END], [], b"", b"")
    assert opening.tokens == (65, END)
    assert opening.required == b""


def test_the_model_is_always_fed_something() -> None:
    assert plan_opening(VOCABULARY, [], [65], b"A", b"A").tokens == (65,)
    opening = plan_opening(VOCABULARY, [END], [65], b"A", b"A")
    assert (opening.tokens, opening.required) == ((END,), b"A")


def test_a_space_that_the_tokenizer_put_before_is_not_part_of_the_text() -> None:
    spaced = tokenize(b" exact")
    opening = plan_opening(VOCABULARY, [END], spaced, b"exact", b"exact")
    assert opening.required == b" exact"
    assert opening.read(b" exact hx") == "exact hx"


def test_a_tokenizer_that_changes_characters_is_left_alone() -> None:
    lowered = tokenize(b"exact")
    opening = plan_opening(VOCABULARY, [END], lowered, b"EXACT", b"EXACT")
    assert opening.required == b""
    assert opening.read(b" hx") == "EXACT hx"


@pytest.mark.parametrize(
    ("generated", "text"),
    [
        ("⟨h⟩".encode(), "⟨h⟩"),
        ("⟨h⟩".encode()[:-1], "⟨h"),
        (b"a\xff\xfeb", None),
        (b"\xe2\x9fa", None),
        (b"\xe2\x9f", ""),
        (b"", ""),
    ],
)
def test_a_text_ends_before_a_cut_character_and_is_none_if_it_is_no_utf8(
    generated: bytes, text: str | None
) -> None:
    assert Opening((1,)).read(generated) == text
