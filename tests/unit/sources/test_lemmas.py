from __future__ import annotations

import attrs

from llmstep.lean_text.statements import Statement
from llmstep.prompts.goal import parse_goal
from llmstep.sources.goal_view import view_goal
from llmstep.sources.lemmas import Lemmas
from llmstep.sources.mixing import LEMMA_FEATURES, load_mixing
from llmstep.sources.premises import Premise


def test_a_step_of_the_model_that_names_a_lemma_speaks_for_it() -> None:
    view = view_goal(parse_goal("a b : ℕ\n⊢ a + b = b + a"))
    names = ("Nat.add_comm", "Nat.mul_comm")
    premises = [
        Premise(Statement(name, "theorem", "(a b : ℕ)", "a = b"), 1.0, {}) for name in names
    ]
    weights = dict.fromkeys(LEMMA_FEATURES, 0.0) | {"model_log_mass": 1.0}
    mixing = attrs.evolve(load_mixing(), lemma_weights=weights)
    lemmas = Lemmas(premises, view, {}, lambda _: 0, {}, mixing)
    assert lemmas.ranked() == list(names)
    before = {name: lemmas.log_odds(name) for name in names}
    lemmas.add_model_vote("Nat.mul_comm", 0.5)
    assert lemmas.log_odds("Nat.mul_comm") > before["Nat.mul_comm"]
    assert lemmas.log_odds("Nat.add_comm") == before["Nat.add_comm"]
    assert lemmas.ranked() == ["Nat.mul_comm", "Nat.add_comm"]
