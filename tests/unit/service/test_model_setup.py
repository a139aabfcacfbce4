from __future__ import annotations

import attrs
import pytest

from llmstep.backends.base import BackendInfo
from llmstep.config import Settings
from llmstep.service.model_setup import find_setup

GOAL = "n : ℕ\n" + "".join(f"h{i} : n ≠ {i}\n" for i in range(100, 400)) + "⊢ n = 0"


@attrs.frozen
class Window:
    """Stands in for a loaded model: a window of so many tokens, one for each character."""

    context_tokens: int

    @property
    def info(self) -> BackendInfo:
        return BackendInfo(backend="none", model="none", context_tokens=self.context_tokens)

    def count_tokens(self, text: str) -> int:
        return len(text)


@pytest.mark.parametrize("length", [0, 100, 300])
def test_prompt_prefix_and_answer_share_the_window(length: int) -> None:
    setup = find_setup(Settings(model="echo", prompt="proofstep"))
    sampling, window = setup.sampling(), 1500
    prefix = "x" * length
    (prompt,) = setup.prompts(Window(window), (GOAL,), None, sampling, prefix)
    used = len(prompt.text) + length + sampling.max_tokens
    # Of the hypotheses as many are left as fit: what stays free is shorter than one of them.
    assert window - 20 < used <= window
