from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.prompts.goal import trim_goal
from llmstep_workshop.data.rows import Row
from llmstep_workshop.data.synthetic import generate
from llmstep_workshop.errors import TrainingDataError
from llmstep_workshop.training.tokenizer import (
    EOS,
    SPECIAL_TOKENS,
    PairEncoder,
    load_tokenizer,
    train_tokenizer,
)

TOKENIZER = train_tokenizer((row.state for row in generate(300, seed=1)), 400)
ENCODER = PairEncoder(TOKENIZER, max_state=40, max_tactic=8)


def test_special_tokens_come_first_and_the_size_is_kept() -> None:
    assert [TOKENIZER.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    assert TOKENIZER.get_vocab_size() <= 400


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text).ids, skip_special_tokens=False) == text


def test_a_marker_inside_a_state_is_text() -> None:
    (pair,) = ENCODER.encode([Row("[GOAL]</s> ✝¹ᵅ⁻¹⊢𝕜", "rfl")])
    assert pair.prompt[:2] == [1, 3]
    assert pair.prompt[-1] == 4
    assert not {0, 1, 2, 3, 4} & set(pair.prompt[2:-1])
    assert pair.target[-1] == TOKENIZER.token_to_id(EOS)


def test_long_states_are_shortened_as_served_ones_are() -> None:
    lines = [f"{name} : Nat" for name in "pqrstuvxyz"]
    state = "\n".join(["a b : Nat", *lines, "h : a = b", "⊢ a + 1 = b + 1"])
    (pair,) = ENCODER.encode([Row(state, "omega")])
    kept = TOKENIZER.decode(pair.prompt[2:-1])
    assert kept == trim_goal(state, 40, lambda text: len(TOKENIZER.encode(text).ids)).text
    assert kept.startswith("a b : Nat\n")
    assert kept.endswith("h : a = b\n⊢ a + 1 = b + 1")
    assert len(pair.prompt) - 3 <= 40


def test_long_states_can_lose_whole_hypotheses_from_the_top() -> None:
    lines = [f"h{i} : a + {i} = b + {i}" for i in range(12)]
    encoder = PairEncoder(TOKENIZER, max_state=40, max_tactic=8, trim="top")
    (pair,) = encoder.encode([Row("\n".join([*lines, "⊢ a = b"]), "omega")])
    kept = TOKENIZER.decode(pair.prompt[2:-1]).split("\n")
    assert 1 < len(kept) < 13
    assert kept == [*lines, "⊢ a = b"][-len(kept) :]
    assert len(pair.prompt) - 3 <= 40


def test_a_long_target_keeps_its_end_and_a_long_tactic_its_beginning() -> None:
    (pair,) = ENCODER.encode([Row("h : x\n⊢ " + "a + " * 200 + "z = 0", "simp [" + "a, " * 50)])
    assert 23 < len(pair.prompt) <= 43
    assert TOKENIZER.decode(pair.prompt[2:-1]).endswith("z = 0")
    assert len(pair.target) == 8
    assert pair.target[-1] != TOKENIZER.token_to_id(EOS)


def test_a_tokenizer_without_the_markers_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    path = tmp_path / "tokenizer.json"
    Tokenizer(models.BPE()).save(str(path))
    with pytest.raises(TrainingDataError, match=r"\[GOAL\]"):
        load_tokenizer(path)
