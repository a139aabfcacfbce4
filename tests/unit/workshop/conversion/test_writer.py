from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file, save_file

from llmstep.backends.hf_files import read_checkpoint
from llmstep.errors import ModelFileError
from llmstep_workshop.conversion import writer
from llmstep_workshop.conversion.model_description import About, describe_checkpoint
from llmstep_workshop.conversion.writer import write_gguf
from llmstep_workshop.errors import ConversionError

ABOUT = About("tiny", "a test model", "MIT", "nobody", "https://example.org")


def value(reader: GGUFReader, key: str) -> object:
    field = reader.get_field(key)
    return None if field is None else field.contents()


def test_the_file_describes_itself(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    checkpoint = read_checkpoint(make_folder("qwen3", "qwen2"))
    done: list[tuple[int, int]] = []
    size = write_gguf(checkpoint, tmp_path / "a.gguf", ABOUT, "F16", lambda *at: done.append(at))
    assert size == (tmp_path / "a.gguf").stat().st_size
    assert done[-1] == (checkpoint.parameters, checkpoint.parameters)
    reader = GGUFReader(tmp_path / "a.gguf")
    expected = {
        "general.architecture": "qwen3",
        "general.name": "tiny",
        "general.license": "MIT",
        "general.author": "nobody",
        "general.url": "https://example.org",
        "general.file_type": gguf.LlamaFileType.MOSTLY_F16,
        "qwen3.block_count": 2,
        "qwen3.context_length": 256,
        "qwen3.attention.key_length": 32,
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.add_bos_token": False,
    }
    assert {key: value(reader, key) for key in expected} == expected
    kinds = {tensor.name: tensor.tensor_type for tensor in reader.tensors}
    assert kinds["blk.0.attn_q.weight"] == gguf.GGMLQuantizationType.F16
    assert kinds["blk.0.attn_q_norm.weight"] == gguf.GGMLQuantizationType.F32


def test_the_chat_template_comes_along(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder("qwen3", "qwen2")
    source = "{% for m in messages %}{{ m.content }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(source)
    write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "F16")
    assert value(GGUFReader(tmp_path / "a.gguf"), "tokenizer.chat_template") == source


def test_a_converted_prover_writes_proofs_as_its_folder_does(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """A tiny Qwen3, the architecture of Kimina: the conversation, token by token, greedily."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from llmstep.backends import open_backend
    from llmstep.backends.base import BackendOptions, CancelToken
    from llmstep.backends.writing import Message, WritingRequest

    folder = make_folder("qwen3", "qwen2")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    )
    write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "F32")
    request = WritingRequest(
        messages=(Message("user", "exact h.symm"),),
        thought=("<think>", "</think>"),
        answer_tokens=12,
        temperature=0,
        fenced=False,
    )
    answers = []
    for name, path in (("transformers", folder), ("llama_cpp", tmp_path / "a.gguf")):
        backend = open_backend(name, BackendOptions(path=path, precision="float32"))
        written, stats = backend.write(request, CancelToken(), lambda *_: None)
        backend.close()
        assert stats.prompt_tokens > 5
        answers.append(written[0])
    assert answers[0].tokens == answers[1].tokens > 0
    assert answers[0].text == answers[1].text
    assert answers[0].logprob == pytest.approx(answers[1].logprob, abs=0.02)


def test_a_hub_snapshot_tells_owner_and_licence(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    place = tmp_path / "models--someone--prover-1b" / "snapshots" / "abc"
    place.parent.mkdir(parents=True)
    make_folder().rename(place)
    (place / "README.md").write_text(
        "---\ntags: [x]\nlicense: 'apache-2.0' # as is\n---\n# Prover\n"
    )
    about = describe_checkpoint(read_checkpoint(place))
    url = "https://huggingface.co/someone/prover-1b"
    assert about == About("prover-1b", "", "apache-2.0", "someone", url)
    assert describe_checkpoint(read_checkpoint(place), "MIT").licence == "MIT"
    for text in ("license: mit", "---\nlicense: [a: b\n---\n", "---\nlicense: [mit]\n---\n"):
        (place / "README.md").write_text(text)
        assert describe_checkpoint(read_checkpoint(place)).licence == ""


def test_8_bits_are_close_to_the_originals(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder()
    write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "Q8_0")
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "a.gguf").tensors}
    down = tensors["blk.0.ffn_down.weight"]
    assert down.tensor_type == gguf.GGMLQuantizationType.Q8_0
    restored = gguf.quants.dequantize(down.data, down.tensor_type)
    original = load_file(folder / "model.safetensors")[
        "model.layers.0.mlp.down_proj.weight"
    ].numpy()
    assert np.abs(restored - original).max() <= np.abs(original).max() / 127


def test_rows_that_are_no_blocks_stay_in_16_bits() -> None:
    assert writer.choose_kind((8, 64), "Q8_0") == gguf.GGMLQuantizationType.Q8_0
    assert writer.choose_kind((8, 48), "Q8_0") == gguf.GGMLQuantizationType.F16
    assert writer.choose_kind((64,), "Q8_0") == gguf.GGMLQuantizationType.F32


def test_numbers_beyond_16_bits_need_bfloat16(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder()
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(
        ConversionError, match=r"layers\.1\.mlp\.up_proj.* beyond the range"
    ) as caught:
        write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "F16")
    assert "BF16" in caught.value.hint
    assert not list(tmp_path.glob("a.gguf*"))
    write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "BF16")


def test_damaged_weights_leave_nothing(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder()
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"][3] = torch.nan
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(
        ConversionError, match=r"model\.norm\.weight holds values that are no numbers"
    ):
        write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "F16")
    assert not list(tmp_path.glob("a.gguf*"))


def test_a_folder_without_tokenizer(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match="holds no tokenizer"):
        write_gguf(read_checkpoint(folder), tmp_path / "a.gguf", ABOUT, "F16")


def test_a_missing_shard(make_folder: Callable[..., Path]) -> None:
    folder = make_folder(shard="50KB")
    next(folder.glob("model-00002-*.safetensors")).unlink()
    with pytest.raises(ModelFileError, match="lacks 1 of its"):
        read_checkpoint(folder)


def test_a_full_disk_leaves_the_previous_file(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.gguf"
    target.write_bytes(b"the old one")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", fail)
    with pytest.raises(ConversionError, match="No space left"):
        write_gguf(read_checkpoint(make_folder()), target, ABOUT, "F16")
    assert target.read_bytes() == b"the old one"
    assert not list(tmp_path.glob(".*partial"))


def test_one_tensor_at_a_time_is_in_memory(
    make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    checkpoint = read_checkpoint(make_folder(hidden=256))
    largest = 4 * 512 * 256
    tracemalloc.start()
    try:
        write_gguf(checkpoint, tmp_path / "warm.gguf", ABOUT, "F16")  # imports are counted here
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        write_gguf(checkpoint, tmp_path / "a.gguf", ABOUT, "F16")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A tensor in 32 bits, copies of it on the way, and the tokenizer; the model has 4.5 MB.
    assert peak - before < 4 * largest < 4 * checkpoint.parameters
