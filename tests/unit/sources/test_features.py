"""What makes two goals similar."""

from __future__ import annotations

from llmstep.prompts.goal import parse_goal
from llmstep.sources.features import goal_features, hash_feature, text_features


def test_target_and_hypotheses_count_apart() -> None:
    features = goal_features(parse_goal("hp : p\n⊢ q ∧ r"))
    assert features == {
        *("Gq", "G∧", "Gr", "Bq ∧", "B∧ r", "Pq ∧", "P∧ r"),
        *("Hhp", "H:", "Hp"),
    }


def test_neighbours_count_also_without_their_local_names() -> None:
    first = goal_features(parse_goal("a b : ℕ\n⊢ a + b = b + a"))
    second = goal_features(parse_goal("x y : ℕ\n⊢ x + y = y + x"))
    assert {f for f in first & second if f[0] in "BP"} == {"P_ +", "P+ _", "P_ =", "P= _"}


def test_dotted_names_count_by_their_parts() -> None:
    assert {"Ghf", "Gcomp"} <= text_features("", "hf.comp")


def test_the_spelling_of_number_types_makes_no_difference() -> None:
    assert goal_features(parse_goal("n : ℕ\n⊢ (n : ℝ) = 0")) == goal_features(
        parse_goal("n : Nat\n⊢ (n : Real) = 0")
    )


def test_a_printed_goal_has_the_features_of_its_statement() -> None:
    printed = goal_features(parse_goal("p q : Prop\nhp : p\n⊢ p ∨ q"))
    written = text_features("(p q : Prop) (hp : p)", "p ∨ q", ["p", "q", "hp"])
    assert {f for f in printed if f[0] != "H"} == {f for f in written if f[0] != "H"}


def test_the_hash_is_the_same_everywhere() -> None:
    assert hash_feature("G∧") == 0x36099F5E
