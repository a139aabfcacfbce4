from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [hf] is not installed")
transformers = pytest.importorskip("transformers", reason="the extra [hf] is not installed")

from tests.backends.hf_models import build_model  # noqa: E402

from llmstep.backends.hf_model import HuggingFaceModel  # noqa: E402

pytestmark = pytest.mark.hf


def test_a_fused_activation_is_the_same_function(tmp_path: Path) -> None:
    library: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        build_model(tmp_path, "byt5")
    ).eval()
    names = [type(module).__name__ for module in library.modules()]
    assert names.count("NewGELUActivation") == 4  # two layers on each side
    tokens = torch.arange(3, 40)[None]
    with torch.no_grad():
        before = library.get_encoder()(input_ids=tokens).last_hidden_state
        model = HuggingFaceModel(library)
        after = library.get_encoder()(input_ids=tokens).last_hidden_state
    assert "NewGELUActivation" not in {type(module).__name__ for module in library.modules()}
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)
    model.close()
