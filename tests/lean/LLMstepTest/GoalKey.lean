import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

/-! Which steps lead to the same goals, and which to none that are new. -/

/-- What a step leads to. -/
def keyAfter (candidate : String) : TacticM (Option GoalKey) := do
  match (← checkCandidate candidate {}).outcome with
  | .runs _ key => return some key
  | .closes => return none
  | .fails why => throwError "{candidate} fails: {why}"

elab "same_goals " a:str ", " b:str : tactic => do
  ensure s!"{a.getString} and {b.getString} lead to the same" ((← keyAfter a.getString) == (← keyAfter b.getString))
elab "other_goals " a:str ", " b:str : tactic => do
  ensure s!"{a.getString} and {b.getString} lead elsewhere" ((← keyAfter a.getString) != (← keyAfter b.getString))
elab "idle " candidate:str : tactic => do
  let checked ← checkCandidate candidate.getString {}
  ensure s!"{candidate.getString} {checked.outcome.text}" (contains checked.outcome.text "changes nothing")
elab "counts " candidate:str : tactic => do
  let checked ← checkCandidate candidate.getString {}
  ensure s!"{candidate.getString} {checked.outcome.text}" (!checked.outcome.isFailure)

example (p q : Prop) : p → q → p := by
  same_goals "intro h", "intro hp"
  same_goals "intro _", "intro H"
  same_goals "intros", "intro a b"
  other_goals "intro h", "intro a b"
  same_goals "intro a b", "intro x; intro y"
  intro h _
  exact h

example (f : Nat → Prop) (h : ∀ n, f n) : (∀ n, f n) ∧ ∀ m, f m := by
  same_goals "constructor", "refine And.intro ?_ ?_"
  exact ⟨h, h⟩

-- Names that a metavariable has by chance do not count, the goals do.
example (f : Nat → Prop) (h : f 3) : ∃ n, f n := by
  same_goals "apply Exists.intro", "apply @Exists.intro Nat f"
  exact Exists.intro 3 h

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  idle "skip"
  idle "let a : Nat := 3 * 2"
  idle "have a : Nat := 3"
  idle "have h := hp"
  idle "have : True := True.intro"
  idle "have h : p := by exact hp"
  counts "have h : q ∧ p := And.intro hq hp"
  exact ⟨hp, hq⟩

-- A name is of use to the user who asked for it.
example (p q : Prop) : p → q → p := by
  intro _ _
  counts "rename_i h _"
  assumption

/-! ## False goals -/

elab "lost " candidate:str : tactic => do
  same "outcome" (← checkCandidate candidate.getString {}).outcome.text s!"fails: {lostGoal}"

example : 2 + 2 = 5 → True := by
  intro h
  counts "exfalso"     -- the hypothesis is contradictory
  trivial
example (p : Prop) (_n : Nat) : p → p := by
  lost "exfalso"
  exact id
example (x : Fin 0) : False ∨ x = x := by
  counts "exfalso"     -- so may be what the variable is of
  exact .inr rfl
