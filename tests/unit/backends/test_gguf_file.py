from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmstep.backends.gguf_file import read_gguf_head
from llmstep.errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = {0: "<B", 4: "<I", 6: "<f", 7: "<?", 10: "<Q"}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: int, value: Any) -> bytes:
    packed = text(value) if kind == 8 else struct.pack(FORMATS[kind], value)
    return text(key) + struct.pack("<I", kind) + packed


def array(key: str, item: int, values: list[Any]) -> bytes:
    packed = b"".join(text(v) if item == 8 else struct.pack(FORMATS[item], v) for v in values)
    return text(key) + struct.pack("<IIQ", 9, item, len(values)) + packed


def tensor(name: str, shape: tuple[int, ...], offset: int) -> bytes:
    return (
        text(name)
        + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        + struct.pack("<IQ", 0, offset)
    )


def gguf(entries: list[bytes], tensors: list[bytes] = [], data: int = 0, version: int = 3) -> bytes:  # noqa: B006
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    head += b"".join(entries) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


ENTRIES = [
    entry("general.architecture", 8, "llama"),
    entry("general.name", 8, "ℕ-model"),
    entry("llama.context_length", 4, 1024),
    entry("llama.rope.freq_base", 6, 1e4),
    array("tokenizer.ggml.tokens", 8, ["a", "Ġb", ""]),
    array("tokenizer.ggml.token_type", 4, [1, 2, 3]),
    entry("tokenizer.ggml.add_bos_token", 7, True),
]
TENSORS = [tensor("a", (4, 2), 0), tensor("b", (8,), 32)]
WHOLE = gguf(ENTRIES, TENSORS, data=64)


def test_the_head_tells_name_architecture_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(WHOLE)
    head = read_gguf_head(path)
    assert head.architecture == "llama"
    assert head.metadata["general.name"] == "ℕ-model"
    assert head.metadata["llama.context_length"] == 1024
    assert head.metadata["tokenizer.ggml.add_bos_token"] is True
    assert "tokenizer.ggml.tokens" not in head.metadata
    assert head.size == len(WHOLE)
    assert head.least_size == len(WHOLE) - 32
    assert head.is_causal


def test_an_encoder_says_that_its_attention_is_not_causal(tmp_path: Path) -> None:
    path = tmp_path / "bert.gguf"
    path.write_bytes(
        gguf([entry("general.architecture", 8, "bert"), entry("bert.attention.causal", 7, False)])
    )
    assert not read_gguf_head(path).is_causal


def test_a_file_cut_anywhere_before_its_last_tensor_is_named_short(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    for length in range(4, len(WHOLE) - 32 + 1):
        path.write_bytes(WHOLE[:length])
        with pytest.raises(ModelFileError, match=f"cut short: it has {length} bytes") as caught:
            read_gguf_head(path)
        assert "Fetch the file again" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no model file"),
        (b"", "is empty"),
        (b"GG", "is no GGUF file"),
        (b"PK\x03\x04rest", "is no GGUF file: it begins with b'PK"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (gguf(ENTRIES, version=1), "version 1; known are 2 and 3"),
        (gguf([text("key") + struct.pack("<I", 77)]), "unknown type 77"),
        (gguf([entry("general.alignment", 4, 0)]), "an alignment of 0"),
        (gguf([], [tensor("a", (1,) * 9, 0)], data=64), "a tensor of 9 dimensions"),
        (gguf([text("k") + struct.pack("<IIQ", 9, 8, 2**62)]), "cut short"),
        (gguf([text("k") + struct.pack("<IQ", 8, 2**63)]), "cut short"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 2**63), "cut short"),
    ],
)
def test_a_bad_file_is_named_with_its_cause(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        read_gguf_head(path)
    assert message in caught.value.message
    assert "bad.gguf" in caught.value.message
    assert caught.value.hint


def test_a_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot read the model file"):
        read_gguf_head(tmp_path)


@given(
    place=st.integers(4, len(WHOLE) - 65),
    value=st.binary(min_size=1, max_size=9),
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_is_a_model_file_error_or_nothing(tmp_path: Path, place: int, value: bytes) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(WHOLE[:place] + value + WHOLE[place + len(value) :])
    try:
        complete = read_gguf_head(path).size >= read_gguf_head(path).least_size
    except ModelFileError as error:
        complete = path.name in error.message
    assert complete


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("block_count", 4, 0),
        ("block_count", 4, 2**31 - 1),
        ("embedding_length", 4, 0),
        ("attention.layer_norm_rms_epsilon", 6, float("nan")),
        ("attention.layer_norm_rms_epsilon", 6, 0.0),
        ("rope.freq_base", 6, float("nan")),
        ("rope.freq_base", 6, 0.0),
        ("rope.freq_base", 6, float("inf")),
        ("rope.scaling.factor", 6, float("nan")),
        ("attention.head_count", 4, 2**20),
        ("expert_count", 4, 2**31),
    ],
)
def test_numbers_that_llama_cpp_would_abort_over_are_named(
    tmp_path: Path, key: str, kind: int, value: float
) -> None:
    path = tmp_path / "odd.gguf"
    wrong = entry(f"llama.{key}", kind, value)
    others = [e for e in ENTRIES if f"llama.{key}".encode() not in e]
    path.write_bytes(gguf([*others, wrong], TENSORS, data=64))
    with pytest.raises(ModelFileError, match=rf"is damaged: llama\.{key} is {value}"):
        read_gguf_head(path)
