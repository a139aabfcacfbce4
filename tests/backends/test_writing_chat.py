"""Whole proofs asked of tiny models with a chat template: a Qwen3-shaped GGUF, and HF folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from llmstep.backends import open_backend
from llmstep.backends import transformers as backend_room
from llmstep.backends.base import Backend, BackendOptions, CancelToken
from llmstep.backends.hf_files import read_checkpoint
from llmstep.backends.writing import WritingRequest
from llmstep.errors import ModelFileError
from llmstep.prompts.proof_template import ProofQuestion, build_writing, load_proof_template

from .hf_models import build_model

pytestmark = pytest.mark.hf

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QUESTION = ProofQuestion("theorem t (p : Prop) (h : p) : p := by", state="p : Prop\nh : p\n⊢ p")
KINDS = ("llama", "qwen2", "mistral", "qwen3 gguf")


def kimina(**changes: Any) -> WritingRequest:
    import attrs

    template = load_proof_template("kimina")
    few = attrs.evolve(template, thought_tokens=12, answer_tokens=20, system="", **changes)
    return build_writing(few, QUESTION, n=3, seed=7)


def with_template(folder: Path) -> Path:
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text()) | {"chat_template": CHATML}
    file.write_text(json.dumps(settings))
    return folder


def make_gguf(folder: Path) -> Path:
    """A Qwen3 folder of random weights, converted as a user would."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    pytest.importorskip("gguf", reason="gguf is not installed")
    from tests.unit.workshop.conversion.folders import write_folder

    from llmstep_workshop.conversion.model_description import About
    from llmstep_workshop.conversion.pipeline import convert, plan_conversion

    source = with_template(write_folder(folder / "folder", "qwen3", "qwen2"))
    target = folder / "tiny.gguf"
    plan = plan_conversion(read_checkpoint(source), "F16")
    convert(plan, target, About("tiny", "", "MIT", ""), compare=False)
    return target


@pytest.fixture(scope="module", params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("chat")
    if request.param == "qwen3 gguf":
        options = BackendOptions(path=make_gguf(folder), context_tokens=256)
        opened: Backend = open_backend("llama_cpp", options)
    else:
        path = with_template(build_model(folder / request.param, request.param))
        options = BackendOptions(path=path, threads=1, precision="float32")
        opened = open_backend("transformers", options)
    yield opened
    opened.close()


def write(backend: Any, request: WritingRequest, cancel: CancelToken | None = None):
    told: list[tuple[int, bool, int, str]] = []
    answers, stats = backend.write(
        request, cancel or CancelToken(), lambda *report: told.append(report)
    )
    return answers, stats, told


def test_answers_are_written_and_again_the_same(backend: Any) -> None:
    first, stats, told = write(backend, kimina())
    again, reused, _ = write(backend, kimina())
    assert [answer.text for answer in first] == [answer.text for answer in again]
    assert len({answer.text for answer in first}) > 1
    assert stats.prompt_tokens > 50
    assert reused.reused_tokens > 0
    assert {index for index, *_ in told} == {0, 1, 2}
    for answer in first:
        assert 0 < answer.tokens <= 32 + 20
        assert answer.end in ("end", "budget")


def test_a_thought_that_goes_on_is_closed(backend: Any) -> None:
    answers, _, told = write(backend, kimina(opening="<think>"))
    for answer in answers:
        assert answer.text.startswith("<think>")
        assert answer.text.count("</think>") == 1 or answer.end == "end"
    assert any("</think>" in answer.text for answer in answers)
    thought = answers[0].text.partition("</think>")[0].removeprefix("<think>")
    shown = "".join(text for index, _, _, text in told if index == 0)
    assert not thought.strip() or thought not in shown


def test_a_cancel_gives_back_what_there_is(backend: Any) -> None:
    cancel = CancelToken()
    cancel.cancel()
    answers, _, _ = write(backend, kimina(), cancel)
    assert [answer.end for answer in answers] == ["time"] * 3
    assert write(backend, kimina())[0][0].tokens > 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build_model(tmp_path / "llama", "llama")


def test_a_folder_without_a_chat_template_says_so(folder: Path) -> None:
    backend = open_backend("transformers", BackendOptions(path=folder, precision="float32"))
    with pytest.raises(ModelFileError, match="no chat template") as caught:
        write(backend, kimina())
    assert "proof template that needs none" in caught.value.hint
    backend.close()


def test_with_little_memory_answers_are_written_one_after_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend: Any = open_backend(
        "transformers", BackendOptions(path=with_template(folder), precision="float32")
    )
    together, _, _ = write(backend, kimina())
    assert backend._width(3, 32) == 3
    # Keys and values: 2 layers, 2 heads of 8 numbers, 4 bytes each, twice.
    assert backend._model.bytes_per_token == 2 * 2 * 8 * 4 * 2
    monkeypatch.setattr(backend_room, "free_memory", lambda: 2 * 256 * 70)
    assert (backend._width(3, 32), backend._width(3, 70), backend._width(3, 900)) == (2, 1, 1)
    widths: list[int] = []
    step = backend._write_side_by_side

    def watched(writing: Any, slot: Any, cancel: CancelToken) -> None:
        widths.append(len(writing._writers))
        step(writing, slot, cancel)

    monkeypatch.setattr(backend, "_write_side_by_side", watched)
    apart, _, _ = write(backend, kimina())
    assert widths == [2, 1]
    assert [answer.text for answer in apart] == [answer.text for answer in together]
    backend.close()
