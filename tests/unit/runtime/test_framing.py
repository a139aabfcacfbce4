from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.errors import INVALID_REQUEST, PARSE_ERROR
from llmstep.runtime.framing import FrameDecoder, Malformed, encode_frame, parse_json

GOOD: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "llmstep/status", "params": {}}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
messages = st.dictionaries(st.text(), json_values, max_size=4)


def frame(message: Any, ascii_only: bool = False) -> bytes:
    text = json.dumps(message, ensure_ascii=ascii_only)
    return encode_frame(text.encode("utf-8", "surrogatepass"))


def decode(data: bytes, **options: Any) -> list[Any]:
    return FrameDecoder(**options).feed(data)


def errors(found: list[Any]) -> list[tuple[int, str]]:
    return [(item.code, item.message) for item in found if isinstance(item, Malformed)]


@given(st.lists(messages, max_size=5), st.data())
def test_any_chunking_gives_the_same_messages(sent: list[Any], data: st.DataObject) -> None:
    sent = [json.loads(json.dumps(message)) for message in sent]
    stream = b"".join(frame(message, ascii_only=True) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    decoder = FrameDecoder()
    found = []
    for start, end in pairwise([0, *cuts, len(stream)]):
        found += decoder.feed(stream[start:end])
    assert found == sent


@given(st.binary(max_size=300), st.integers(1, 40))
def test_garbage_never_stops_the_decoder(garbage: bytes, step: int) -> None:
    # The garbage may announce a body of up to 18 digits; with this limit it swallows little.
    decoder = FrameDecoder(max_body_bytes=200)
    stream = garbage + frame(GOOD) * 4
    found = []
    for start in range(0, len(stream), step):
        found += decoder.feed(stream[start : start + step])
    found += decoder.feed(b"\n" * 200)
    assert found.count(GOOD) == 4


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Length: 7\r\n",
                b"Content-Length: 150\r\n\r\n",
                b"Content-Length: -5\r\n\r\n",
                b"Content-Length: 99999999999\r\n\r\n",
                b"content-length:",
                b"\r\n",
                b"{}",
                b'"',
                b"[1,2]",
                b"\xff\xfe",
                b"X: y\r\n",
            ]
        ),
        max_size=8,
    ),
    st.integers(1, 40),
)
def test_broken_headers_never_swallow_a_later_frame(pieces: list[bytes], step: int) -> None:
    decoder = FrameDecoder(max_body_bytes=200)
    stream = b"".join(pieces) + b"\r\n" + frame(GOOD) * 4
    found = []
    for start in range(0, len(stream), step):
        found += decoder.feed(stream[start : start + step])
    found += decoder.feed(b"\n" * 200)
    assert found.count(GOOD) == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"hello\r\n", "a header line is not `Name: value`"),
        (b"Content-Type: x\r\n\r\n", "a header block has no Content-Length"),
        (b"Content-Length: -1\r\n\r\n{}", "Content-Length must be a number of bytes, not `-1`"),
        (b"Content-Length: ten\r\n\r\n{}", "Content-Length must be a number of bytes, not `ten`"),
        (b"Content-Length: \r\n\r\n{}", "Content-Length must be a number of bytes, not ``"),
        (
            b"Content-Length: 99999999999\r\n\r\n{}",
            "Content-Length is 99999999999; at most 67108864 is accepted",
        ),
        (b"Content-Length: 5\r\n", "a header block has two Content-Length lines"),
        (b"x" * 9000, "a header block has more than 8192 bytes"),
        (b"X-Long: y\r\n" * 900, "a header block has more than 8192 bytes"),
    ],
)
def test_a_bad_header_is_reported_once_and_left_behind(damage: bytes, message: str) -> None:
    found = decode(damage + frame(GOOD) + frame(GOOD))
    assert errors(found) == [(PARSE_ERROR, message)]
    assert found[1:] == [GOOD, GOOD]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff{}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e}',
        b'{"a": "\n"}',
        b"\xef\xbb\xbf{}",
        b'{"a": ' + b"1" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_is_a_parse_error(body: bytes) -> None:
    found = decode(encode_frame(body) + frame(GOOD))
    assert [code for code, _ in errors(found)] == [PARSE_ERROR]
    assert found[-1] == GOOD


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true", b'[{"id": 1}]'])
def test_json_that_is_no_object_is_an_invalid_request(body: bytes) -> None:
    found = decode(encode_frame(body) + frame(GOOD))
    assert errors(found) == [(INVALID_REQUEST, "the message is not a JSON object")]
    assert found[1:] == [GOOD]


@pytest.mark.parametrize("wrong_by", [-7, -1, 1, 7, 90])
def test_a_wrong_length_costs_only_its_own_frame(wrong_by: int) -> None:
    body = json.dumps(GOOD).encode()
    wrong = b"Content-Length: %d\r\n\r\n%b" % (len(body) + wrong_by, body)
    found = decode(wrong + frame(GOOD) * 3)
    # One byte too many is white space or the next header's first letter: JSON alone decides.
    assert found.count(GOOD) == 3
    assert len(errors(found)) == 1


def test_names_are_read_without_case_and_other_headers_are_passed_over() -> None:
    body = b'{"a": 1}'
    stream = (
        b"content-LENGTH:8\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n"
        + body
    )
    assert decode(stream) == [{"a": 1}]


def test_blank_lines_between_frames_do_no_harm() -> None:
    assert decode(b"\r\n\n" + frame(GOOD) + b"\r\n" + frame(GOOD)) == [GOOD, GOOD]


def test_the_buffer_does_not_keep_what_is_done() -> None:
    decoder = FrameDecoder()
    for _ in range(100):
        decoder.feed(frame(GOOD) * 10)
        decoder.feed(b"garbage\r\n" * 1000)
    assert len(decoder._buffer) <= 64


def test_non_bmp_text_and_escaped_pairs_are_one_character() -> None:
    assert parse_json(b'{"a": "\\ud835\\udd5c"}') == {"a": "𝕜"}
    assert parse_json('{"a": "𝕜"}'.encode()) == {"a": "𝕜"}
