from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmstep_workshop.data import arrays
from llmstep_workshop.errors import TrainingDataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    elements=st.lists(OBJECTS, max_size=6),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    window=st.integers(1, 40),
)
def test_any_window_gives_the_elements(
    tmp_path_factory: pytest.TempPathFactory,
    elements: list[dict[str, Any]],
    indent: int | None,
    ascii_only: bool,
    window: int,
) -> None:
    path = tmp_path_factory.mktemp("array") / "a.json"
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "_CHUNK", window)
        assert list(arrays.scan_array(path)) == list(enumerate(elements))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"a\.json:1: expected '\['"),
        ('{"a": 1}', r"expected '\['"),
        ('[{"a": 1},\n {"a": nope}]', r"a\.json:2: element 1: not JSON"),
        ('[{"a": 1} {"a": 2}]', "element 0: expected ',' or ']'"),
        ('[{"a": "cut', "element 0: not JSON"),
        ('[{"a": 1}', "element 0: expected ',' or ']'"),
        ('[{"a": 1},', "element 1: not JSON"),
        ("[1,]", "element 1: not JSON"),
    ],
)
@pytest.mark.parametrize("window", [3, 1 << 20])
def test_what_is_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str, window: int
) -> None:
    monkeypatch.setattr(arrays, "_CHUNK", window)
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(TrainingDataError, match=complaint):
        list(arrays.scan_array(path))


def test_a_broken_file_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_CHUNK", 64)
    path = tmp_path / "a.json"
    path.write_text('[{"a": wrong ' + "x" * 100_000)
    reads: list[int] = []
    original = arrays._Scanner._read

    def count(self: Any, size: int) -> bool:
        reads.append(size)
        return original(self, size)

    monkeypatch.setattr(arrays._Scanner, "_read", count)
    with pytest.raises(TrainingDataError, match="element 0"):
        list(arrays.scan_array(path))
    assert sum(reads) < 1000


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    torn = tmp_path / "torn.json.gz"
    torn.write_bytes(gzip.compress(b"[" + b"1," * 5000)[:40])
    for path in (torn, tmp_path / "absent.json"):
        with pytest.raises(TrainingDataError, match="cannot be read"):
            list(arrays.scan_array(path))
