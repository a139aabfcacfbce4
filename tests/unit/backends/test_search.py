from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstep.backends.base import Candidate, NameFilter, Sampling
from llmstep.backends.search import HELD_BEAMS, Search
from llmstep.backends.tokens import Opening, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORDS = ["simp", "ri", "ng", "ring", " at", " h", "a", "t", " ", "\n", "x", "⟨"]
PIECES = [*(word.encode() for word in WORDS), "⟨".encode()[:1], "⟨".encode()[1:], b"</s>"]
END = len(PIECES) - 1
TOKEN = {piece: token for token, piece in enumerate(PIECES)}
VOCABULARY = Vocabulary(PIECES, [token == END for token in range(len(PIECES))])
LOW = -12.0


def run(
    model: Callable[[bytes], dict[bytes | None, float]],
    sampling: Sampling,
    stop: Sequence[str] = (),
    opening: Opening | None = None,
    rounds: int = 1000,
    names: NameFilter | None = None,
) -> tuple[list[Candidate], Search]:
    """Search with a model that gives logits for some next pieces (``None`` is the end)."""
    search = Search(VOCABULARY, opening or Opening((0,)), stop, sampling, names)
    found: list[Candidate] = []
    for _ in range(rounds):
        logits = np.full((len(search.live), len(PIECES)), LOW, dtype=np.float32)
        for row, beam in enumerate(search.live):
            for piece, value in model(beam.data).items():
                logits[row, END if piece is None else TOKEN[piece]] = value
        width = search.width(sampling.n)
        found += search.advance(logits)
        assert len(search.live) <= width
        if not search.live:
            return found, search
    raise AssertionError("the search does not end")


def chaotic(data: bytes) -> dict[bytes | None, float]:
    """Every text has its own random next-token distribution."""
    rng = np.random.default_rng(int.from_bytes(data[-12:], "little") + len(data))
    return dict(zip([*PIECES[:-1], None], rng.normal(0, 2, len(PIECES)).tolist(), strict=True))


def spelled(word: str) -> Callable[[bytes], dict[bytes | None, float]]:
    """A model that writes one text, token by token as given with ``|`` between, and ends."""
    tokens = [part.encode() for part in word.split("|")]
    steps: dict[bytes, bytes | None] = {}
    for i in range(len(tokens) + 1):
        steps[b"".join(tokens[:i])] = tokens[i] if i < len(tokens) else None
    return lambda data: {steps[data]: 8.0} if data in steps else {}


GREEDY = Sampling(n=1, temperature=0.0, max_tokens=20)


@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    temperature=st.sampled_from([0.0, 0.7, 1.3]),
    top_p=st.sampled_from([0.8, 1.0]),
    max_tokens=st.integers(1, 12),
    prefix=st.sampled_from(["", "r", "ring", "simp a", "⟨", " "]),
)
@settings(max_examples=80, deadline=None)
def test_candidates_are_distinct_whole_and_start_with_the_prefix(
    n: int, seed: int, temperature: float, top_p: float, max_tokens: int, prefix: str
) -> None:
    sampling = Sampling(n, max_tokens, temperature, top_p, seed)
    opening = Opening((0,), required=prefix.encode())
    found, search = run(chaotic, sampling, stop=("\n", "x a"), opening=opening)
    texts = [c.text for c in found]
    assert len(set(texts)) == len(texts)
    for candidate in found:
        assert candidate.text.startswith(prefix)
        assert "\n" not in candidate.text
        assert "x a" not in candidate.text
        assert candidate.text.strip()
        assert candidate.logprob < 0
        assert 1 <= candidate.tokens <= max_tokens
        if candidate.finish == "length":
            assert candidate.tokens == max_tokens
    assert search.generated >= len(found)
    assert run(chaotic, sampling, stop=("\n", "x a"), opening=opening)[0] == found


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_logprob_is_the_models_own(seed: int) -> None:
    """Checked along the texts that have one spelling in this vocabulary."""
    words: list[bytes | None] = [b"simp", b"x", b"\n", None]
    token_of = {word: END if word is None else TOKEN[word] for word in words}

    def model(data: bytes) -> dict[bytes | None, float]:
        rng = np.random.default_rng([seed, len(data)])
        return dict(zip(words, rng.normal(0, 1, len(words)).tolist(), strict=True))

    found, _ = run(model, Sampling(n=6, max_tokens=6, temperature=0.7, top_p=0.9, seed=seed))
    for candidate in found:
        data, total = b"", 0.0
        steps: list[bytes | None] = []
        rest = candidate.text
        while rest:
            word = next(w for w in ("simp", "x", "\n") if rest.startswith(w))
            steps.append(word.encode())
            rest = rest[len(word) :]
        if candidate.finish == "eos":
            steps.append(None)
        assert len(steps) == candidate.tokens
        for step in steps:
            logits = np.full(len(PIECES), LOW)
            for word, value in model(data).items():
                logits[token_of[word]] = value
            total += logits[token_of[step]] - np.log(np.exp(logits).sum())
            data += step or b""
        assert candidate.logprob == pytest.approx(total, abs=1e-4)
        assert candidate.mean_logprob == pytest.approx(total / candidate.tokens, abs=1e-4)


def test_a_text_ends_at_the_end_token() -> None:
    found, _ = run(spelled("simp| at| h"), GREEDY)
    assert [(c.text, c.tokens, c.finish) for c in found] == [("simp at h", 4, "eos")]


@pytest.mark.parametrize(
    ("written", "stop", "text"),
    [
        ("simp|\n|x", "\n", "simp"),
        ("ri|ng| at|x", "ng a", "ri"),  # across three tokens
        ("simp| at|\n|\n|x", "\n\n", "simp at"),
        ("simp| |a|t| |h|x", "missing", None),
    ],
)
def test_a_stop_string_ends_a_text_also_across_tokens(
    written: str, stop: str, text: str | None
) -> None:
    if text is None:
        found, _ = run(spelled("simp| |a|t"), GREEDY, stop=[stop])
        assert [(c.text, c.finish) for c in found] == [("simp at", "eos")]
        return
    found, _ = run(spelled(written), GREEDY, stop=[stop])
    assert [(c.text, c.finish) for c in found] == [(text, "stop")]


def test_the_first_of_several_stop_strings_counts() -> None:
    found, _ = run(spelled("simp| at| h|x"), GREEDY, stop=[" h", " at h", ""])
    assert found[0].text == "simp"


def test_a_stop_string_inside_the_prefix_does_not_stop() -> None:
    opening = Opening((0,), required=b"simp\nx", head=b"", skip=0)
    found, _ = run(spelled("simp|\n|x| at|\n"), GREEDY, stop=["\n"], opening=opening)
    assert [c.text for c in found] == ["simp\nx at"]


def test_the_token_limit_ends_a_text() -> None:
    found, _ = run(lambda _: {b"x": 9.0}, attrs.evolve(GREEDY, max_tokens=5))
    assert [(c.text, c.tokens, c.finish) for c in found] == [("xxxxx", 5, "length")]


def test_a_limit_inside_the_prefix_gives_no_candidate() -> None:
    found, _ = run(
        lambda _: {}, attrs.evolve(GREEDY, max_tokens=2), opening=Opening((0,), required=b"xxxx")
    )
    assert found == []


def test_two_spellings_of_a_text_are_one_candidate() -> None:
    def model(data: bytes) -> dict[bytes | None, float]:
        if not data:
            return {b"ring": 5.0, b"ri": 5.0, b"simp": 4.0}
        return {b"ng": 9.0} if data == b"ri" else {None: 9.0}

    for seed in range(20):
        found, _ = run(model, Sampling(n=4, max_tokens=3, top_p=0.95, seed=seed))
        assert sorted(c.text for c in found) == ["ring", "simp"]


def test_live_doubles_are_cut_off_at_once() -> None:
    def model(data: bytes) -> dict[bytes | None, float]:
        return {b"a": 3.0, b"t": 3.0, b" at": 3.0, b" ": 3.0}

    search = Search(VOCABULARY, Opening((0,)), (), Sampling(n=8, max_tokens=5, top_p=0.999))
    for _ in range(4):
        logits = np.full((len(search.live), len(PIECES)), LOW, dtype=np.float32)
        for row, beam in enumerate(search.live):
            for piece, value in model(beam.data).items():
                logits[row, TOKEN[piece or b"x"]] = value
        search.advance(logits)
        data = [beam.data for beam in search.live]
        assert len(set(data)) == len(data)


@pytest.mark.parametrize("required", ["ring", "ri", "r"])
def test_every_spelling_of_the_prefix_is_open(required: str) -> None:
    def model(data: bytes) -> dict[bytes | None, float]:
        return {
            b"": {b"ring": 2.0, b"ri": 2.0, b"simp": 6.0},
            b"ri": {b"ng": 4.0, b"x": 4.0},
            b"ring": {None: 4.0, b" at": 4.0},
        }.get(data, {None: 9.0})

    found, _ = run(
        model,
        Sampling(n=8, max_tokens=8, seed=1),
        opening=Opening((0,), required=required.encode()),
    )
    texts = {c.text for c in found}
    assert {"ring", "ring at"} <= texts
    assert ("rix" in texts) == (required != "ring")
    assert "simp" not in texts


def test_an_unlikely_spelling_loses_against_the_usual_one() -> None:
    """After `ri` only `ng` can follow, but the model would hardly ever write it there."""

    def model(data: bytes) -> dict[bytes | None, float]:
        if data == b"":
            return {b"ri": 5.0, b"ring": 3.0}
        if data == b"ri":
            return {b"x": 9.0, b"ng": -12.0}
        return {None: 3.0, b" at": 3.0, b" h": 3.0, b"x": 3.0} if len(data) < 12 else {None: 9.0}

    opening = Opening((0,), required=b"ring")
    for seed in range(20):
        found, _ = run(model, Sampling(n=4, max_tokens=9, seed=seed), opening=opening)
        assert len(found) >= 4
        # The usual spelling of `ring` alone has two tokens, the split one three.
        assert all(c.tokens == 2 for c in found if c.text == "ring")


def test_prefix_in_the_prompt_opens_the_text() -> None:
    opening = Opening((0,), required=b"ng", head=b"ri", skip=0)
    found, _ = run(spelled("ng| at"), GREEDY, opening=opening)
    assert [c.text for c in found] == ["ring at"]


def test_empty_and_blank_texts_are_no_candidates() -> None:
    found, _ = run(lambda d: {None: 6.0, b" ": 6.0} if len(d) < 3 else {None: 9.0}, Sampling(n=4))
    assert found == []


def test_a_broken_character_at_the_end_is_cut() -> None:
    half = "⟨".encode()[:1]
    found, _ = run(
        lambda d: {b"simp": 9.0} if not d else ({half: 9.0} if d == b"simp" else {None: 9.0}),
        GREEDY,
    )
    assert [c.text for c in found] == ["simp"]


def test_a_step_that_would_break_utf8_is_passed_over() -> None:
    half = "⟨".encode()[:1]

    def model(data: bytes) -> dict[bytes | None, float]:
        return {b"": {b"simp": 9.0}, b"simp": {half: 9.0}}.get(data, {b"x": 9.0, None: 0.0})

    found, _ = run(model, GREEDY)
    assert [(c.text, c.finish) for c in found] == [("simp", "eos")]


def test_weakest_beams_can_be_given_up_until_none_is_left() -> None:
    search = Search(VOCABULARY, Opening((0,)), (), Sampling(n=6, top_p=1.0))
    search.advance(np.zeros((1, len(PIECES)), dtype=np.float32))
    before = len(search.live)
    assert before >= 5
    best = search.live[0]
    sizes = []
    while search.live:
        assert search.live[0] == best
        assert len(search.nodes.token) == len(search.live)
        search.drop_weakest()
        sizes.append(len(search.live))
    assert sizes[0] == before // 2
    assert sizes[-1] == 0


def test_width_bounds_the_beams() -> None:
    assert Search.width(8) == 8 + HELD_BEAMS


def test_few_beams_that_still_spell_the_prefix_live_besides_the_others() -> None:
    pieces = [b"a" * length for length in range(1, 12)]
    vocabulary = Vocabulary([*pieces, b"</s>"], [False] * len(pieces) + [True])
    opening = Opening((0,), required=b"a" * 40)
    search = Search(vocabulary, opening, (), Sampling(n=2, temperature=0.0))
    for _ in range(3):
        search.advance(np.zeros((len(search.live), len(pieces) + 1), dtype=np.float32))
        assert len(search.live) == HELD_BEAMS
        assert all(beam.required for beam in search.live)


@pytest.mark.parametrize("stop", [" at", "simp", "at h", "p at h"])
def test_a_stop_string_that_begins_in_the_prefix_stops_nothing(stop: str) -> None:
    opening = Opening((0,), required=b"simp at")
    found, _ = run(spelled("simp| at| h| at|x"), GREEDY, (stop,), opening)
    # It counts where it stands behind the prefix.
    wanted = ("simp at h", "stop") if stop == " at" else ("simp at h atx", "eos")
    assert [(c.text, c.finish) for c in found] == [wanted]


class Refusing:
    """Refuses texts with a word in them, and finished ones that end in another."""

    def __init__(self, word: str, ending: str = "\0") -> None:
        self.word = word
        self.ending = ending
        self.asked: list[tuple[str, bool]] = []

    def admits(self, text: str, *, finished: bool) -> bool:
        self.asked.append((text, finished))
        return self.word not in text and not (finished and text.endswith(self.ending))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 8), temperature=st.sampled_from([0.0, 0.9]))
@settings(max_examples=30, deadline=None)
def test_no_candidate_has_a_name_that_is_refused(seed: int, n: int, temperature: float) -> None:
    names = Refusing("ring", "h")
    sampling = Sampling(n, 6, temperature, 1.0, seed)
    found, _ = run(chaotic, sampling, names=names)
    assert not any("ring" in c.text for c in found)
    assert not any(c.text.endswith("h") for c in found if c.finish == "eos")
    # It is asked about no beam again that it has refused.
    assert not any("ring" in text[:-4] for text, _ in names.asked)


def test_the_place_of_one_that_is_given_up_goes_to_the_next() -> None:
    def model(data: bytes) -> dict[bytes | None, float]:
        steps: dict[bytes, dict[bytes | None, float]] = {
            b"": {b"simp": 5.0, b"ring": 4.0},
            b"simp": {b" at": 9.0},
        }
        return steps.get(data, {None: 9.0})

    assert [c.text for c in run(model, GREEDY)[0]] == ["simp at"]
    assert [c.text for c in run(model, GREEDY, names=Refusing("simp at"))[0]] != ["simp at"]
    two = attrs.evolve(GREEDY, n=2)
    assert [c.text for c in run(model, two, names=Refusing("simp"))[0]][:1] == ["ring"]


def test_what_has_to_be_spelled_first_is_never_refused() -> None:
    opening = Opening((0,), required=b"ring")
    found, _ = run(spelled("ri|ng"), GREEDY, opening=opening, names=Refusing("ri", "\0"))
    assert found == []  # behind the prefix it is asked
    found, _ = run(spelled("ri|ng| at"), GREEDY, opening=opening, names=Refusing("ringx"))
    assert [c.text for c in found] == ["ring at"]


@given(seed=st.integers(0, 10**6), share=st.floats(0.001, 1.0))
@settings(max_examples=30)
def test_only_what_is_less_likely_than_the_share_is_given_up(seed: int, share: float) -> None:
    # So many candidates are wanted that none has to make room for another.
    sampling = Sampling(n=400, max_tokens=2, temperature=0.9, top_p=1.0, seed=seed)
    whole, long = run(chaotic, sampling)
    some, search = run(chaotic, attrs.evolve(sampling, least_share=share))
    bound = share * sum(np.exp(c.logprob) for c in whole)
    likely = {c.text for c in whole if np.exp(c.logprob) > bound}
    assert likely <= {c.text for c in some} <= {c.text for c in whole}
    assert search.generated <= long.generated


def test_a_long_tail_of_unlikely_tokens_is_not_followed() -> None:
    def model(data: bytes) -> dict[bytes | None, float]:
        return {None: 9.0} if data == b"ring" else {b"ring": 6.0, b"x": 0.0, b"a": -9.0}

    sampling = Sampling(n=2, max_tokens=50, temperature=0.0)
    whole, long = run(model, sampling)
    some, short = run(model, attrs.evolve(sampling, least_share=0.01))
    assert [c.text for c in some] == [whole[0].text] == ["ring"]
    assert len(whole) == 2
    assert short.generated < long.generated
