"""A template with two prompts, through the service: the second question finds both in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llmstep.config import Settings
from llmstep.service.question import Document, SuggestReply, SuggestRequest
from llmstep.service.suggest import SuggestService

pytestmark = pytest.mark.gguf

TEMPLATE = """
[[prompts]]
parts = [{ text = "State:\\n⊢ n + 0 = n\\nNext tactic:\\nsimp\\n\\nState:\\n{state}\\n" }]

[[prompts]]
parts = [{ text = "{context}" }]
requires = ["context"]
continues = true
"""
FILE = "theorem foo (n : ℕ) (hn : 0 < n) : ∃ m, m < n := by\n  exact ⟨0, hn⟩\n\n" * 2


def test_the_second_question_reuses_both_prompts(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    template = tmp_path / "both.toml"
    template.write_text(TEMPLATE, encoding="utf-8")
    service = SuggestService(
        Settings(model=str(tiny_gguf), prompt=str(template), n=2, max_tokens=6, threads=1)
    )

    def ask(goal: str, more: str = "") -> SuggestReply:
        document = Document("file:///Basic.lean", FILE + more)
        return asyncio.run(service.suggest(SuggestRequest((goal,), document=document)))

    first = ask("n : ℕ\n⊢ 0 < n")
    second = ask("n : ℕ\n⊢ n < 1", "theorem bar : p := by\n  ")
    service.close()
    assert first.stats.reused_tokens == 0
    grown = second.stats.prompt_tokens - first.stats.prompt_tokens
    assert grown > 10
    # What is new is the text that was added and the last line of the goal.
    assert second.stats.prompt_tokens - second.stats.reused_tokens < grown + 12
