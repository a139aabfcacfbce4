"""Folders that cannot be used: each is told by its cause, before anything heavy is loaded."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmstep.backends import hf_library
from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    Sampling,
)
from llmstep.backends.hf_files import check_memory, find_folder, read_checkpoint
from llmstep.backends.transformers import TransformersBackend
from llmstep.errors import BackendUnavailableError, ModelFileError, ModelNotFoundError
from llmstep.paths import install_command

torch = pytest.importorskip("torch", reason="the extra [hf] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")

from tests.backends.hf_models import build_model, train_byte_level  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers  # noqa: E402

from llmstep.backends.hf_tokenizer import TextTokens, open_splitter  # noqa: E402

pytestmark = pytest.mark.hf


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("originals")
    return {kind: build_model(root / kind, kind) for kind in ("llama", "byt5", "t5")}


@pytest.fixture
def llama(originals: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(originals["llama"], tmp_path / "llama")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the backend reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights may take minutes to load: what is known before must be told before."""

    def refuse(*_: object) -> None:
        raise AssertionError("the weights were loaded nevertheless")

    monkeypatch.setattr("llmstep.backends.hf_loader.load_model", refuse)


def open_folder(path: Path | None, *, allow_pickle: bool = False) -> TransformersBackend:
    options = BackendOptions(path=path, threads=1, precision="float32", allow_pickle=allow_pickle)
    return TransformersBackend(options)


def answer(backend: TransformersBackend) -> list[str]:
    found: list[Candidate] = []
    backend.generate(
        GenerationRequest((), "exact ", (), Sampling(3, 6)), CancelToken(), found.append
    )
    return [candidate.text for candidate in found]


def change_json(path: Path, change: Callable[[dict], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_no_folder_is_named() -> None:
    with pytest.raises(ModelNotFoundError, match="none is named"):
        open_folder(None)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        open_folder(tmp_path / "models" / "mine")


@pytest.mark.parametrize("name", ["nobody/nothing-2b", "nobody/nothing-2b@0123abc"])
def test_a_hub_id_that_is_not_in_the_cache(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="does not hold the model nobody/nothing-2b") as e:
        open_folder(Path(name))
    assert "`hf download nobody/nothing-2b" in e.value.hint
    assert ("--revision 0123abc" in e.value.hint) == ("@" in name)


def test_a_hub_id_in_the_cache(
    originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout is that of https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--tiny-llama"
    revision = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(originals["llama"], repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    for name in ("someone/tiny-llama", f"someone/tiny-llama@{revision}"):
        backend = open_folder(Path(name))
        assert backend.info.model == "someone/tiny-llama"
        assert answer(backend)
        backend.close()
    with pytest.raises(ModelNotFoundError, match="does not hold"):
        find_folder(Path("someone/tiny-llama@v2"))


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelFileError, match="is a file") as caught:
        open_folder(file)
    assert "llama.cpp" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no config.json"),
        ("{", "cannot be read"),
        ("[]", "no JSON object"),
        ("{}", "model_type"),
    ],
)
def test_configuration_that_cannot_be_read(llama: Path, content: str | None, message: str) -> None:
    (llama / "config.json").unlink()
    if content is not None:
        (llama / "config.json").write_text(content)
    with pytest.raises(ModelFileError, match=message):
        open_folder(llama)


def test_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelFileError, match="adapter") as caught:
        open_folder(tmp_path)
    assert "Merge" in caught.value.hint


def test_weights_that_are_missing(llama: Path) -> None:
    (llama / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="holds no weights"):
        open_folder(llama)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no safetensors file"),
        (b"\x00" * 64, "no safetensors file"),
        (struct.pack("<Q", 1 << 60) + b"{}", "no safetensors file"),
        (struct.pack("<Q", 8) + b"not json", "header of .* is damaged"),
        (struct.pack("<Q", 4) + b"[17]", "header of .* is damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
    ],
)
def test_weights_that_are_none(llama: Path, content: bytes, message: str) -> None:
    (llama / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        open_folder(llama)


def test_truncated_weights(llama: Path) -> None:
    file = llama / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-100])
    with pytest.raises(ModelFileError, match=rf"truncated: .*{len(data):,}"):
        open_folder(llama)


def test_shards(llama: Path) -> None:
    expected = answer(open_folder(llama))
    model = transformers.AutoModelForCausalLM.from_pretrained(str(llama))
    (llama / "model.safetensors").unlink()
    model.save_pretrained(llama, max_shard_size="60KB")
    shards = sorted(llama.glob("model-*.safetensors"))
    assert len(shards) > 1
    backend = open_folder(llama)
    assert backend.info.parameters == model.num_parameters()
    assert answer(backend) == expected
    backend.close()
    shards[1].unlink()
    with pytest.raises(ModelFileError, match=rf"lacks 1 of its {len(shards)} .*{shards[1].name}"):
        open_folder(llama)
    (llama / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ModelFileError, match="names no weight files"):
        open_folder(llama)


def test_pickle_only_with_leave(llama: Path) -> None:
    expected = answer(open_folder(llama))
    model = transformers.AutoModelForCausalLM.from_pretrained(str(llama))
    torch.save(model.state_dict(), llama / "pytorch_model.bin")
    assert not read_checkpoint(llama).pickled  # safetensors go first
    (llama / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="can run any program") as caught:
        open_folder(llama)
    assert "allow_pickle" in caught.value.hint
    backend = open_folder(llama, allow_pickle=True)
    assert answer(backend) == expected
    backend.close()


def test_a_pickle_that_runs_a_program_is_not_opened(llama: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (llama / "model.safetensors").unlink()
    torch.save({"weight": Bomb()}, llama / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        open_folder(llama, allow_pickle=True)
    assert not (tmp_path / "ran").exists()


def test_missing_tensors_are_not_made_up(llama: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(llama / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, llama / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match=r"lacks 1 of its weights.*layers.1.mlp.up_proj"):
        open_folder(llama)


def test_weights_of_another_shape(llama: Path) -> None:
    change_json(llama / "config.json", lambda c: c.update(intermediate_size=128))
    with pytest.raises(ModelFileError, match="cannot be loaded"):
        open_folder(llama)


@pytest.mark.parametrize("kind", ["llama", "byt5", "t5"])
def test_folder_without_a_tokenizer(originals: dict[str, Path], tmp_path: Path, kind: str) -> None:
    folder = shutil.copytree(originals[kind], tmp_path / kind)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelFileError, match="holds no tokenizer") as caught:
        open_folder(folder)
    assert "tokenizer.json" in caught.value.hint


@pytest.mark.parametrize("content", ["{", "{}", '{"version": "1.0", "model": {"type": "Magic"}}'])
def test_tokenizer_that_cannot_be_read(llama: Path, not_loaded: None, content: str) -> None:
    (llama / "tokenizer.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"tokenizer.json cannot be read"):
        open_folder(llama)


def test_tokenizer_of_another_model(llama: Path, originals: dict[str, Path]) -> None:
    bigger = train_byte_level()
    bigger.add_tokens([f"word{i}" for i in range(40)])
    bigger.save(str(llama / "tokenizer.json"))
    with pytest.raises(ModelFileError, match=r"do not belong together: .*441 .*414 rows"):
        open_folder(llama)
    byte_tokens = (originals["byt5"] / "tokenizer_config.json").read_text()
    (llama / "tokenizer_config.json").write_text(byte_tokens)
    (llama / "tokenizer.json").unlink()
    change_json(llama / "config.json", lambda c: c.update(vocab_size=1000))
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.from_pretrained(str(llama))
    )
    model.save_pretrained(llama)
    with pytest.raises(ModelFileError, match=r"do not belong together: .*384 .*1,000 rows"):
        open_folder(llama)


def test_control_tokens_beyond_the_rows_do_no_harm(llama: Path) -> None:
    expected = answer(open_folder(llama))
    tokenizer = train_byte_level(begin=True)
    tokenizer.add_special_tokens([f"<extra{i}>" for i in range(40)])
    tokenizer.save(str(llama / "tokenizer.json"))
    assert answer(open_folder(llama)) == expected


def test_tokenizer_that_cannot_be_followed(llama: Path) -> None:
    replace = {"type": "Replace", "pattern": {"String": "rw"}, "content": "simp"}
    change_json(llama / "tokenizer.json", lambda t: t.update(normalizer=replace))
    with pytest.raises(ModelFileError, match="'rw at h' becomes 'simp at h'"):
        open_folder(llama)
    change_json(llama / "tokenizer.json", lambda t: t.update(decoder={"type": "Fuse"}))
    with pytest.raises(ModelFileError, match="decodes by Fuse cannot be followed byte by byte"):
        open_folder(llama)


def test_vocabulary_in_the_old_files(llama: Path) -> None:
    """GPT-2's vocab.json and merges.txt, which the library converts."""
    (llama / "tokenizer.json").unlink()
    train_byte_level().model.save(str(llama))
    change_json(
        llama / "tokenizer_config.json", lambda c: c.update(tokenizer_class="GPT2Tokenizer")
    )
    backend = open_folder(llama)
    assert backend.count_tokens("exact ⟨h, ℕ⟩") > 1
    assert all(text.startswith("exact ") for text in answer(backend))
    (llama / "vocab.json").unlink()
    (llama / "tokenizer.model").write_bytes(b"no SentencePiece model")
    with pytest.raises(ModelFileError, match=r"no tokenizer.json and cannot be converted"):
        open_folder(llama)


def test_sentence_piece_with_bytes_for_what_is_rare(tmp_path: Path) -> None:
    """The layout of Llama 2's tokenizer.json."""
    characters = ["▁", "r", "w", "a", "t", "h", "▁r", "▁rw", "at", "▁at"]
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *characters]
    vocabulary = {word: token for token, word in enumerate(words)}
    merges = [("▁", "r"), ("▁r", "w"), ("a", "t"), ("▁", "at")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    tokens = TextTokens(open_splitter(tmp_path), rows=len(words) + 5, ends=[2])
    pieces = tokens.vocabulary.pieces
    spelled = [pieces[token] for token in tokens.encode("rw at ℕ", special=False)]
    assert spelled == [b" rw", b" at", b" ", b"\xe2", b"\x84", b"\x95"]
    assert [token for token, end in enumerate(tokens.vocabulary.ends) if end] == [1, 2]
    assert set(tokens.vocabulary.unusable) == {0, *range(len(words), len(words) + 5)}
    assert tokens.encode("</s>", special=True) == [2]
    assert 2 not in tokens.encode("</s>", special=False)


def test_begin_of_text_by_setting(llama: Path) -> None:
    begin = 0
    change_json(llama / "tokenizer_config.json", lambda c: c.update(bos_token="<|endoftext|>"))
    assert open_folder(llama)._tokens.lead == [begin]
    change_json(llama / "tokenizer_config.json", lambda c: c.update(add_bos_token=False))
    assert open_folder(llama)._tokens.lead == []
    change_json(llama / "tokenizer.json", lambda t: t.update(post_processor=None))
    assert open_folder(llama)._tokens.lead == []
    change_json(
        llama / "tokenizer_config.json",
        lambda c: c.update(add_bos_token=True, bos_token={"content": "<|endoftext|>"}),
    )
    assert open_folder(llama)._tokens.lead == [begin]


def test_model_larger_than_memory(
    llama: Path, not_loaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmstep.backends.transformers.free_memory", lambda: 300_000_000)
    with pytest.raises(ModelFileError, match=r"0 million weights of 4 bytes .* 0\.5 GB; 0\.3 GB"):
        open_folder(llama)


def test_memory_is_counted_in_the_target_format(llama: Path) -> None:
    checkpoint = read_checkpoint(llama)
    room = checkpoint.parameters * 2 + (512 << 20)
    check_memory(checkpoint, 2, room, "memory")
    with pytest.raises(ModelFileError, match="4 bytes"):
        check_memory(checkpoint, 4, room, "memory")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "no-such-model"}, "cannot use the configuration.*'no-such-model'"),
        ({"model_type": "no-such-model", "auto_map": {"AutoModel": "x.y"}}, "never run here"),
        ({"model_type": "vit"}, "another task than writing text"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "another task.*Classification"),
        ({"num_hidden_layers": "two"}, "cannot use the configuration"),
    ],
)
def test_models_that_write_no_text(llama: Path, change: dict[str, object], message: str) -> None:
    change_json(llama / "config.json", lambda c: c.update(change))
    with pytest.raises(ModelFileError, match=message):
        open_folder(llama)


def test_code_in_the_folder_is_not_run(llama: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for name in ("configuration_x", "modeling_x", "tokenization_x"):
        (llama / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\n")
    own = {"AutoConfig": "configuration_x.C", "AutoModelForCausalLM": "modeling_x.M"}
    change_json(llama / "config.json", lambda c: c.update(auto_map=own))
    change_json(
        llama / "tokenizer_config.json",
        lambda c: c.update(auto_map={"AutoTokenizer": ["tokenization_x.T", None]}),
    )
    assert answer(open_folder(llama))  # the library knows the type by itself
    assert not mark.exists()


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_library_that_is_not_installed(
    package: str, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hf_library.load_library.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendUnavailableError, match=package) as caught:
        open_folder(llama)
    assert install_command("hf") in caught.value.hint


def test_library_that_is_too_old(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hf_library.load_library.cache_clear()
    monkeypatch.setattr(sys.modules["transformers"], "__version__", "4.57.1")
    with pytest.raises(BackendUnavailableError, match=r"4\.57\.1 is too old"):
        open_folder(llama)


@pytest.mark.parametrize(
    ("features", "expected"),
    [({"amx_bf16": True}, "bfloat16"), ({"bf16": True}, "bfloat16"), ({"avx2": True}, "float32")],
)
def test_precision_on_a_cpu(
    features: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    for both in (False, True):
        placement = hf_library.choose_placement("auto", encoder_decoder=both)
        assert (placement.device, placement.dtype) == ("cpu", getattr(torch, expected))
    eight = hf_library.choose_placement("int8", encoder_decoder=True)
    assert (eight.device, eight.dtype, eight.int8) == ("cpu", torch.float32, True)
    asked = hf_library.choose_placement("float16", encoder_decoder=True)
    assert (asked.dtype, asked.bytes_per_weight) == (torch.float16, 2)


def test_precision_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    choose = hf_library.choose_placement
    assert choose("auto", encoder_decoder=True) == hf_library.Placement("cuda", torch.bfloat16)
    with pytest.raises(BackendUnavailableError, match=r"on the CPU only.*\(cuda\)"):
        choose("int8", encoder_decoder=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose("auto", encoder_decoder=False).dtype == torch.float16
    assert choose("auto", encoder_decoder=True).dtype == torch.float32
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose("auto", encoder_decoder=False) == hf_library.Placement("mps", torch.float16)
