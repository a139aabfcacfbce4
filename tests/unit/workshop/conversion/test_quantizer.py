from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

from llmstep.backends.hf_files import read_checkpoint
from llmstep.backends.llama_library import load_library
from llmstep_workshop.commands.convert import QUANTS
from llmstep_workshop.conversion.model_description import About
from llmstep_workshop.conversion.quantizer import BITS, quantize_file
from llmstep_workshop.conversion.writer import write_gguf
from llmstep_workshop.errors import ConversionError

pytestmark = pytest.mark.gguf


@pytest.fixture
def source(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    path = tmp_path / "f16.gguf"
    write_gguf(read_checkpoint(make_folder(hidden=256)), path, About("t", "", "", ""), "F16")
    return path


def test_every_choice_of_the_command_is_known() -> None:
    assert tuple(BITS) == QUANTS
    library = load_library()
    for quant in BITS:
        prefix = "LLAMA_FTYPE_ALL_" if quant == "F32" else "LLAMA_FTYPE_MOSTLY_"
        assert hasattr(library, prefix + quant)


@pytest.mark.parametrize("quant", ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"])
def test_fewer_bits_are_smaller(quant: str, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "q.gguf"
    progress: list[tuple[int, int]] = []
    quantize_file(source, target, quant, 1, lambda *at: progress.append(at))
    # The tokenizer's text is a part of this small file.
    assert target.stat().st_size < source.stat().st_size * (BITS[quant] / 16 + 0.25)
    done, total = progress[-1]
    assert done == total


def test_a_failure_is_quoted_and_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    (tmp_path / "q.gguf").write_bytes(b"the old one")
    with pytest.raises(ConversionError, match=r"cannot quantize broken\.gguf to Q8_0: .+"):
        quantize_file(tmp_path / "broken.gguf", tmp_path / "q.gguf", "Q8_0", 1)
    assert (tmp_path / "q.gguf").read_bytes() == b"the old one"
    assert not list(tmp_path.glob(".*partial"))


def test_a_place_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "q.gguf").mkdir()
    with pytest.raises(ConversionError, match=r"q\.gguf"):
        quantize_file(source, tmp_path / "q.gguf", "Q8_0", 1)
