"""Which slot a prompt is answered from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmstep.backends.slots import PromptSlot, PromptSlots
from llmstep.backends.tokens import Opening, Question

EXAMPLES = tuple(range(100, 140))
FILE = tuple(range(200, 260))


def ask(slots: PromptSlots, tokens: tuple[int, ...], source: tuple[int, ...] = ()) -> PromptSlot:
    """What a backend does: choose, and hold the question from then on."""
    question = Question(Opening(tokens), source)
    slot = slots.choose(question)
    slot.source, slot.tokens, slot.logits = source, tokens, np.zeros((1, 3), np.float32)
    assert slot.holds(question)
    return slot


def test_prompts_asked_in_turn_have_a_slot_each() -> None:
    slots = PromptSlots(2)
    for step in range(4):
        assert ask(slots, (*EXAMPLES, 7, step)).index == 0
        assert ask(slots, (*FILE, *range(300, 300 + 9 * step))).index == 1


def test_a_prompt_of_a_new_kind_takes_the_slot_used_longest_ago() -> None:
    slots = PromptSlots(2)
    ask(slots, EXAMPLES)
    ask(slots, FILE)
    ask(slots, EXAMPLES)
    assert ask(slots, (1, 2, 3)).index == 1
    assert ask(slots, FILE).index == 0


def test_what_begins_in_the_same_way_but_loses_most_is_another_kind() -> None:
    slots = PromptSlots(2)
    ask(slots, EXAMPLES)
    assert ask(slots, (*EXAMPLES[:5], *FILE)).index == 1
    assert ask(slots, (*EXAMPLES[:30], 1)).index == 0


def test_an_encoders_text_decides_alone() -> None:
    slots = PromptSlots(2)
    ask(slots, (0, 5, 6), source=EXAMPLES)
    ask(slots, (0, 5, 6), source=FILE)
    slot = slots.choose(Question(Opening((0, 9)), EXAMPLES))
    assert (slot.index, slot.find_common(Question(Opening((0, 9)), EXAMPLES))) == (0, 1)
    assert slot.find_common(Question(Opening((0, 5, 6)), FILE)) == 0


def test_a_prompt_that_was_not_fed_to_its_end_is_not_held() -> None:
    slots = PromptSlots(1)
    slot = ask(slots, EXAMPLES)
    slot.logits = None
    assert not slot.holds(Question(Opening(EXAMPLES)))
    slots.forget()
    assert slot.find_common(Question(Opening(EXAMPLES))) == 0


def test_the_oldest_of_the_others_gives_way_first() -> None:
    slots = PromptSlots(3)
    first, second = ask(slots, EXAMPLES), ask(slots, FILE)
    assert slots.take_oldest(second) is first
    assert slots.take_oldest(first) is second
    first.forget()
    assert slots.take_oldest(second) is None


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), max_size=20))
def test_one_slot_takes_everything(prompts: list[list[int]]) -> None:
    slots = PromptSlots(1)
    assert all(ask(slots, tuple(prompt)).index == 0 for prompt in prompts)
    assert len(slots) == len(list(slots)) == 1
