"""What a Lean file must import for a row: core Lean alone, or Mathlib.

Told from the words of state and tactic, which is enough for generated rows and a guess for others.
"""

from __future__ import annotations

from typing import Literal

from llmstep.lean_text.lexer import scan_tokens
from llmstep.prompts.goal import parse_goal

Environment = Literal["core", "mathlib"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CORE_TACTICS = _words("""
    ac_rfl all_goals and_intros any_goals apply assumption by by_cases calc case cases change clear
    congr constructor contradiction decide done dsimp erw exact exacts exfalso exists ext fail first
    focus fun_cases fun_induction funext generalize grind have induction infer_instance injection
    injections intro intros left match native_decide next nofun nomatch norm_cast obtain omega
    push_cast rcases refine rename_i repeat revert rewrite rfl right rintro rw rwa show simp
    simp_all simpa skip solve specialize split subst subst_vars suffices symm trivial try unfold
""")
_CORE_SPACES = _words("""
    And Array Bool Char Classical Decidable Dvd Eq Exists False Fin Function Iff Int List Nat Ne Not
    Option Or Prod Sigma String Subsingleton Subtype Sum True Unit
""")
_CORE_WORDS = _words("""
    absurd and_assoc and_comm and_congr and_imp and_left_comm and_self and_true at congr congrArg
    congrFun cons else eq_comm exists_or false false_or fun forall_and id if in inl inr intro left
    mp mpr mt ne_eq nil none not_and not_exists not_false_eq_true not_not_intro not_or only or_assoc
    or_comm or_false or_self or_true propext rec rfl right some succ then true true_and and_false
    false_and true_or using with zero False Not Prop Sort True Type
""")
_CORE_TYPES = _words("""
    Array Bool Char Decidable DecidableEq False Fin Inhabited Int List Nat Option Prod Prop Sort
    String Subtype True Type Unit ℕ ℤ case else end false fun have id if in let match max min none
    not show some then true with
""")
_CORE_FIELDS = _words("""
    1 2 elim elim0 fst imp isLt left length map mp mpr not_left not_right refl resolve_left
    resolve_right right snd symm val
""")
_MATHLIB_SYMBOLS = _words("ℝ ℚ ℂ ⁻¹ | ⊤ ⊥ ∑ ∏ ∩ ∪ ⊆ ⊂ ∅ ∫ √ ⁻¹' '' ⌊ ⌈ ∃!")
# Short, and yet no local name: Mathlib exports it from `Classical`.
_MATHLIB_WORDS = frozenset({"em"})
_ORDERED = ("≤", "<", "∣", "⊆")


def find_environment(state: str, tactic: str) -> Environment:
    """``core`` only if every word is known to be core Lean's or local to the goal."""
    goal = parse_goal(state)
    local = {name for entry in goal.hypotheses for name in entry.names}
    texts = [entry.type for entry in goal.hypotheses] + [goal.target]
    if any(not _is_core_type(text, local) for text in texts):
        return "mathlib"
    return "core" if _is_core_tactic(state, tactic, local) else "mathlib"


def _is_core_type(text: str, local: set[str]) -> bool:
    before = ""
    # One bar is an absolute value, two are Boolean.
    for token in scan_tokens(text.replace("||", "")):
        after_dot, before = before == ".", token.text
        if token.text in _MATHLIB_SYMBOLS:
            return False
        if token.kind != "word" or after_dot:
            continue
        first, _, rest = token.text.partition(".")
        known = first in local or first in _CORE_TYPES or first in _CORE_SPACES
        # An undeclared short word is a bound variable, as in `∀ (x : α), P x`.
        bound = len(first) <= 3 and first[0].islower() and not rest
        universe = first.startswith("u_")
        if not (known or bound or universe):
            return False
    return True


def _is_core_tactic(state: str, tactic: str, local: set[str]) -> bool:
    tokens = [t for t in scan_tokens(tactic) if t.kind not in ("space", "newline", "comment")]
    starts = True
    # In `induction .. with | zero => tac` an arrow begins a tactic, in `fun x => term` it does not.
    branches = tactic.startswith(("induction", "cases", "match"))
    for token in tokens:
        if token.text in _MATHLIB_SYMBOLS - {"|"}:
            return False
        if starts and token.kind == "word":
            if token.text not in _CORE_TACTICS:
                return False
            starts = False
            continue
        arrow = token.text == "=>" and branches
        starts = arrow or token.text in ("<;>", ";", "by", "·") or (starts and token.kind == "open")
        if token.kind == "word" and not _is_core_word(token.text, state, local):
            return False
    return True


def _is_core_word(word: str, state: str, local: set[str]) -> bool:
    first, *fields = word.split(".")
    known = first in _CORE_WORDS and all(field in _CORE_FIELDS for field in fields)
    if first in _CORE_SPACES or known or word in _CORE_TACTICS:
        return True
    if not fields:
        # New names are short and have no underscore; lemmas have one.
        if word in _MATHLIB_WORDS:
            return word in local
        return (
            word in local
            or word.endswith("_ih")
            or len(word) <= 4
            or ("_" not in word and not word[0].isupper())
        )
    ordered = any(symbol in state for symbol in _ORDERED)
    allowed = _CORE_FIELDS if ordered else _CORE_FIELDS | {"trans"}
    return "_" not in first and all(field in allowed for field in fields)
