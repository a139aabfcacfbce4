import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest
set_option linter.unusedVariables false

/-! What a step becomes when the goals that it leaves follow at once; `-` means that it stays as it is. Nothing may change. -/

elab "finished " candidate:str " is " wanted:str : tactic => do
  let goals ← getGoals
  let heartbeats ← IO.getNumHeartbeats
  let before ← Tactic.saveState
  let goal ← getMainGoal
  let limits : Limits := {}
  let checked ← checkCandidate candidate.getString limits
  ensure s!"it runs, but {checked.outcome.text}" (!checked.outcome.isFailure)
  let finished? ← finish? before goal checked limits
  same "finished" ((finished?.map (·.1.tactic)).getD "-") wanted.getString
  if let some (finished, _) := finished? then
    same "it closes the goal" finished.outcome.text "closes the goal"
    same "it stands for the step" finished.source candidate.getString
  ensure "goals are kept" ((← getGoals) == goals && !(← goal.isAssigned))
  ensure "heartbeats are kept" ((← IO.getNumHeartbeats) - heartbeats < 20000)

example (p q r : Prop) (h : p → q → r) (hp : p) (hq : q) : r := by
  finished "apply h" is "exact h hp hq"
  finished "refine h ?_ ?_" is "exact h hp hq"
  finished "refine h hp ?_" is "exact h hp hq"
  exact h hp hq

-- Only one goal follows.
example (p q r : Prop) (h : p → q → r) (hp : p) : q → r := by
  finished "intro hq" is "-"
  exact h hp
example (q : Prop) : q → q := by
  finished "intro hq" is "exact fun hq => hq"
  exact id
example (p q r : Prop) (h : p → q → r) (hp : p) (hr : r) : r := by
  finished "apply h" is "-"
  exact hr

-- The first hypothesis that fits is not the right one: `r a c` is there for `?b := c`, but `r c d` is not.
example (α : Type) (r : α → α → Prop) (trans : ∀ a b c, r a b → r b c → r a c) (a b c d : α) (hab : r a b) (hb : r b d) (hac : r a c) : r a d := by
  finished "apply trans" is "exact trans a b d hab hb"
  exact trans a b d hab hb

-- A hypothesis without a name is found by its type.
example (p q : Prop) : p → (p → q) → q := by
  intro _ h
  finished "apply h" is "apply h\nassumption"
  apply h
  assumption

-- What is to be rewritten is not written as a term.
example (n m : Nat) (f : Nat → Prop) (h : n = m) (hf : f m) : f n := by
  finished "rw [h]" is "rwa [h]"
  rw [h]
  exact hf

-- Data are not made up.
example (p : Nat → Prop) (h : ∀ n, p n → p 0) (n : Nat) (hn : p n) : p 0 := by
  finished "apply h" is "exact h n hn"
  exact h n hn
example (p : Prop) (h : Nat → p) : p := by
  finished "apply h" is "-"
  exact h 0
