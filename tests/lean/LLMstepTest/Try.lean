import LLMstep.Try
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

/-! Not imported by `LLMstepTest`: the option `debug.tactic.try.onlyUserSuggestions` is younger than the oldest Lean we support. -/

set_option llmstep.command "llmstep serve --model echo"
set_option llmstep.batch true

/-- How many tactics are handed to `try?` for the main goal. Nothing may change. -/
elab "hands_over " wanted:num : tactic => do
  let goal ← getMainGoal
  same "number" (← closingTactics goal).size wanted.getNat
  ensure "the goal is as it was" (!(← goal.isAssigned))

-- Off by default, whatever the model would say.
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  hands_over 0
  exact ⟨hp, hq⟩

set_option llmstep.try true

-- Core asks its own tactics first; here they would all succeed.
set_option debug.tactic.try.onlyUserSuggestions true in
example (p q : Prop) (hp : p) (hq : q) (_k_closes : True) : p ∧ q := by
  hands_over 1
  expect "exact ⟨hp, hq⟩" from try?
  exact ⟨hp, hq⟩

-- Trouble is no reason for a message.
example (p : Prop) (hp : p) (_k_error : True) : p := by
  hands_over 0
  exact hp
set_option llmstep.command "/no/such/program" in
example (p : Prop) (hp : p) : p := by
  hands_over 0
  exact hp
