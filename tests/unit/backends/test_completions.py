from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends.completions import (
    CompletionReader,
    EventReader,
    WireError,
    error_text,
    read_logprobs,
)

KEYS = [
    "choices",
    "text",
    "index",
    "logprobs",
    "finish_reason",
    "usage",
    "error",
    "content",
    "token_logprobs",
    "logprob",
    "prompt_tokens_details",
    "stop_reason",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_candidates_or_a_wire_error(message: Any) -> None:
    reader = CompletionReader("he", "ad", ("\n",))
    try:
        found = list(reader.feed(message))
    except WireError:
        return
    assert all(c.text.startswith("head") and c.logprob <= 0 for c in found)


@given(st.text(min_size=1, max_size=30), st.data())
def test_stop_strings_are_found_wherever_the_text_is_cut(text: str, data: st.DataObject) -> None:
    stop = tuple(data.draw(st.lists(st.text(min_size=1, max_size=3), max_size=3)))
    places = [place for s in stop if (place := text.find(s)) >= 0]
    expected = text[: min(places)] if places else text
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    reader = CompletionReader("", "", stop)
    found = []
    for piece in pieces:
        found += reader.feed({"choices": [{"index": 0, "text": piece}]})
    found += reader.feed({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
    assert len(found) == 1
    # In pieces a longer stop string may be completed later than a shorter one behind it.
    assert text.startswith(found[0].text)
    assert len(found[0].text) >= len(expected)
    assert (found[0].text == text) == (expected == text)


def read_events(data: bytes, cuts: Sequence[int] = ()) -> list[Any]:
    reader = EventReader()
    found: list[Any] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        found += reader.feed(data[start:end])
    return [*found, *reader.close()]


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=8)), max_size=5),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.booleans(),
    st.data(),
)
def test_events_come_through_whatever_ends_their_lines_and_wherever_they_are_cut(
    messages: list[Any], end: bytes, mark: bool, data: st.DataObject
) -> None:
    lines = [b"\xef\xbb\xbf"] if mark else []
    lines += [b": ping" + end, end]
    for message in messages:
        # JSON may hold line ends of other standards as they are.
        text = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
        try:
            text.decode()
        except UnicodeDecodeError:
            text = json.dumps(message).encode()
        lines += [b"event: message" + end, b"data:" + text + end, end]
        lines += [b"event: ping" + end, b"data: no JSON" + end, end]
    lines += [b"data: [DONE]" + end, end, b"data: ignored" + end, end]
    stream = b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assert read_events(stream, cuts) == messages


def test_what_comes_after_the_end_counts_in_no_piece() -> None:
    stream = b"data: [DONE]\n\ndata: ignored\n\n"
    assert read_events(stream, [len(b"data: [DONE]\n\n")]) == []


def test_a_message_over_several_lines_and_one_without_an_end() -> None:
    assert read_events(b'data: {\ndata: "a": 1}\n\n') == [{"a": 1}]
    assert read_events(b'data: {"a": 1}') == [{"a": 1}]


def test_a_stream_that_ends_within_a_message() -> None:
    with pytest.raises(WireError, match="broke off"):
        read_events(b'data: {"choices"')


def test_an_error_event_is_an_error_whatever_its_data() -> None:
    assert read_events(b'event: error\ndata: "out of memory"\n\n') == [{"error": "out of memory"}]


def test_what_is_null_is_absent() -> None:
    reader = CompletionReader("")
    for message in (
        {"choices": None, "usage": None, "error": None},
        {"choices": [None]},
        {"choices": [{"text": "exact ", "index": None, "logprobs": None, "finish_reason": None}]},
        {"choices": [{"text": "h", "index": 0.0}]},
        None,
        "ping",
    ):
        assert list(reader.feed(message)) == []
    last = {"choices": [{"text": None, "finish_reason": "stop"}]}
    assert [c.text for c in reader.feed(last)] == ["exact h"]


@pytest.mark.parametrize("reason", ["eos_token", "end_turn", "done", "tool_calls", 7])
def test_an_end_that_is_not_known_ends_a_candidate(
    reason: object, caplog: pytest.LogCaptureFixture
) -> None:
    reader = CompletionReader("")
    with caplog.at_level("INFO"):
        found = list(reader.feed({"choices": [{"text": "simp", "finish_reason": reason}]}))
    assert [(c.text, c.finish) for c in found] == [("simp", "eos")]
    assert ("is not known" in caplog.text) == (reason not in ("eos_token", "end_turn"))


def test_the_end_of_the_answer_ends_what_was_given_none() -> None:
    reader = CompletionReader("")
    assert list(reader.feed({"choices": [{"text": "simp"}]})) == []
    assert [c.text for c in reader.end()] == ["simp"]
    assert reader.complete


def test_a_filtered_or_aborted_choice_is_no_candidate() -> None:
    for reason in ("content_filter", "abort", "error"):
        reader = CompletionReader("")
        choice = {"index": 0, "text": "exact h", "finish_reason": reason}
        assert list(reader.feed({"choices": [choice]})) == []
        assert reader.complete
        assert reader.broken_off == [reason]


def test_a_stop_reason_tells_stop_strings_from_the_end() -> None:
    reader = CompletionReader("")
    choice = {"index": 0, "text": "simp", "finish_reason": "stop", "stop_reason": "\n"}
    assert [c.finish for c in reader.feed({"choices": [choice]})] == ["stop"]


def test_log_probabilities_that_are_none_or_not_finite_are_left_out() -> None:
    raw = {"token_logprobs": [None, -1.0, float("nan"), float("-inf"), 1e-7, "x"]}
    assert list(read_logprobs(raw)) == [-1.0, 0.0]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"error": {"message": "no such model", "type": "x"}}, "no such model"),
        ({"detail": [{"loc": ["n"], "msg": "too large"}]}, "too large"),
        ({"error": "plain"}, "plain"),
        ({"object": "error", "message": "vLLM's own"}, "vLLM's own"),
        ("a b", "a b"),
        ({"odd": 1}, '{"odd": 1}'),
    ],
)
def test_the_servers_own_words(message: Any, words: str) -> None:
    assert error_text(message) == words
