from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmstep.config import Settings
from llmstep.errors import InvalidParamsError, PromptTooLongError
from llmstep.prompts.template import load_template
from llmstep_workshop.evaluation import likelihood
from llmstep_workshop.evaluation.likelihood import HuggingFaceMeter, LlamaMeter, open_meter

STATE, TACTIC = "n : ℕ\n⊢ n + 0 = n", "simp"
CPU = Settings(precision="float32", threads=1)


def test_a_scripted_model_cannot_tell() -> None:
    assert open_meter(Settings(model="echo")) is None


def test_surprise_is_the_negative_log_of_the_softmax() -> None:
    logits = np.array([1000.0, 1001.0, 998.0], dtype=np.float32)
    expected = -np.log(np.exp([0, 1, -2]) / np.exp([0, 1, -2]).sum())
    for token in range(3):
        assert likelihood._surprise(logits, token) == pytest.approx(expected[token])


@pytest.mark.gguf
def test_the_built_in_model_prefers_what_fits() -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    meter = open_meter(Settings(model="builtin", threads=1))
    assert isinstance(meter, LlamaMeter)
    try:
        fitting = meter.measure("p q : Prop\nhp : p\n⊢ p", "exact hp")
        absurd = meter.measure("p q : Prop\nhp : p\n⊢ p", "zzz ∘ 17 qqq")
        assert fitting.nll / fitting.tokens < 1 < absurd.nll / absurd.tokens
        assert meter.measure("p q : Prop\nhp : p\n⊢ p", "exact hp") == fitting
        # A state longer than the window is trimmed as in a suggestion.
        long = "\n".join(f"h{i} : a{i} = b{i}" for i in range(500)) + "\n⊢ p"
        assert meter.measure(long, "exact hp").tokens == fitting.tokens
    finally:
        meter.close()


@pytest.mark.hf
@pytest.mark.parametrize("kind", ["neox", "llama", "jamba", "byt5"])
def test_transformers_agrees_with_its_own_loss(kind: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra [hf] is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")
    from tests.backends.hf_models import build_model

    from llmstep.backends.hf_tokenizer import TextTokens, open_splitter

    folder = build_model(tmp_path / kind, kind)
    name = "byt5" if kind == "byt5" else "proofstep-plain"
    meter = HuggingFaceMeter(folder, load_template(name), 240, CPU)
    try:
        found = meter.measure(STATE, TACTIC)
        assert meter.measure("⊢ True", TACTIC) != found
        assert meter.measure(STATE, TACTIC).nll == pytest.approx(found.nll, abs=1e-4)
    finally:
        meter.close()
    auto = "AutoModelForSeq2SeqLM" if kind == "byt5" else "AutoModelForCausalLM"
    model = getattr(transformers, auto).from_pretrained(folder).eval()
    end = model.config.eos_token_id
    tokens = TextTokens(open_splitter(folder), model.get_output_embeddings().weight.shape[0], [end])
    target = [*tokens.encode(TACTIC, special=False), end]
    if kind == "byt5":
        prompt = [*tokens.encode(STATE, special=False), *tokens.trail]
        inputs = {"input_ids": torch.tensor([prompt]), "labels": torch.tensor([target])}
    else:
        text = f"[GOAL]{STATE}[PROOFSTEP]"
        prompt = [*tokens.lead, *tokens.encode(text, special=False)]
        labels = [-100] * len(prompt) + target
        inputs = {"input_ids": torch.tensor([prompt + target]), "labels": torch.tensor([labels])}
    with torch.inference_mode():
        loss = float(model(**inputs).loss)
    assert found.tokens == len(target)
    assert found.nll / found.tokens == pytest.approx(loss, abs=2e-3)


@pytest.mark.hf
def test_the_text_of_the_file_counts_where_the_template_has_a_place(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra [hf] is not installed")
    from tests.backends.hf_models import build_model

    meter = HuggingFaceMeter(
        build_model(tmp_path / "neox", "neox"), load_template("llemma-file"), 240, CPU
    )
    try:
        one, other = (meter.measure(STATE, TACTIC, text) for text in ("a :=", "theorem b :="))
        assert one.tokens == other.tokens
        assert one.nll != other.nll
        with pytest.raises(InvalidParamsError, match="text of the file"):
            meter.measure(STATE, TACTIC)
    finally:
        meter.close()


@pytest.mark.hf
def test_a_stop_string_ends_the_tactic_where_the_template_has_one(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra [hf] is not installed")
    from tests.backends.hf_models import build_model

    folder = build_model(tmp_path / "neox", "neox")
    template = load_template("proofstep-plain")
    plain = HuggingFaceMeter(folder, template, 240, CPU)
    stopped = HuggingFaceMeter(folder, template, 240, CPU, stops=("\n---",))
    try:
        longer = stopped.measure(STATE, TACTIC)
        assert longer.tokens > plain.measure(STATE, TACTIC).tokens
        with pytest.raises(PromptTooLongError):
            HuggingFaceMeter(folder, template, 100, CPU).measure(STATE, TACTIC)
    finally:
        plain.close()
        stopped.close()


@pytest.mark.hf
@pytest.mark.parametrize("kind", ["neox", "byt5"])
def test_the_command_scores_a_folder(kind: str, tmp_path: Path, scripted: Path) -> None:
    pytest.importorskip("torch", reason="the extra [hf] is not installed")
    from click.testing import CliRunner
    from tests.backends.hf_models import build_model

    from llmstep.cli import cli

    folder = build_model(tmp_path / kind, kind)
    words = ["eval", str(scripted), "--model", str(folder), "-n", "2", "--threads", "1", "--json"]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["rows"], record["failures"]) == (4, 0)
    assert record["nll"] > 1
    assert record["median_ms"] > 0
