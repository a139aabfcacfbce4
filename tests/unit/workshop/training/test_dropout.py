from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.backends.hf_models import build_model
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from llmstep_workshop.training.dropout import apply_dropout

IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


def load(folder: Path, kind: str):
    build_model(folder, kind)
    factory = AutoModelForSeq2SeqLM if kind == "byt5" else AutoModelForCausalLM
    return factory.from_pretrained(str(folder))


def run(model, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    options = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=IDS, **options).logits


@pytest.mark.parametrize("kind", ["llama", "neox", "byt5"])
def test_a_rate_drops_while_training_and_only_then(tmp_path: Path, kind: str) -> None:
    model = load(tmp_path, kind)
    model.eval()
    plain = run(model, 0)
    apply_dropout(model, 0.4)
    assert torch.equal(run(model, 0), plain)
    model.train()
    assert torch.equal(run(model, 1), run(model, 1))
    assert not torch.equal(run(model, 1), run(model, 2))
    assert not torch.allclose(run(model, 1), plain)


def test_a_rate_of_nought_switches_the_models_own_off(tmp_path: Path) -> None:
    model = load(tmp_path, "byt5").train()
    assert not torch.equal(run(model, 1), run(model, 2))
    apply_dropout(model, None)
    assert not torch.equal(run(model, 1), run(model, 2))
    apply_dropout(model, 0.0)
    assert torch.equal(run(model, 1), run(model, 2))
    assert torch.allclose(run(model, 1), run(model.eval(), 1), atol=1e-6)
