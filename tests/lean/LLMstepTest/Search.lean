import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

set_option llmstep.command "llmstep serve --model echo"
set_option llmstep.batch true
set_option llmstep.search.closers "assumption | a_tactic_nobody_knows | rfl"

/-! ## The queue and the text -/

#eval show MetaM Unit from do
  let ids := [`a, `b, `c, `d, `e].map MVarId.mk
  let step (goal : Nat) (tactic : String) (subgoals : List Nat) : Step :=
    { goal := ids[goal]!, tactic, subgoals := subgoals.map (ids[·]!) }
  let root := ids[0]!
  same "one after the other" (renderProof [step 1 "exact h" [], step 0 "intro h" [1]] root) "intro h\nexact h"
  same "bullets" (renderProof [step 3 "rfl" [], step 2 "simp" [3], step 1 "exact h" [], step 0 "constructor" [1, 2]] root)
    "constructor\n· exact h\n· simp\n  rfl"
  same "goals that were filled in by the way" (renderProof [step 1 "rfl" [], step 0 "apply f" [1, 2]] root) "apply f\nrfl"
  same "several lines" (renderProof [step 2 "a\n  b" [], step 1 "c" [], step 0 "d" [1, 2]] root) "d\n· c\n· a\n    b"

/-! ## Searching -/

example (a b : Prop) : a → b → b ∧ a := by
  expect "intro ha hb\n", "constructor\n", "· assumption\n", "· assumption" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

-- What is found closes the goal at once, and the other goals stay.
example (r s : Prop) (h : s) : (r ∨ s) ∧ s := by
  constructor
  llmsearch
  exact h

example (r s : Prop) (h : s) : r ∨ s := by
  expect "right\n", "assumption" but_not "left" from llmsearch
  exact Or.inr h

example : ∃ n : Nat, n = 3 := by
  expect "apply Exists.intro\n", "rfl" but_not "·" from llmsearch
  exact ⟨3, rfl⟩

-- A closer needs no model.
set_option llmstep.command "/no/such/program" in
example (p : Prop) (hp : p) : p := by
  expect "assumption" but_not "error" from llmsearch
  exact hp

/-! ## Limits -/

set_option llmstep.search.depth 1 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found", "llmstep.search.depth" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.maxNodes 0 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found", "at 0 proof states" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.timeoutMs 0 in
example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: no proof found; 0 tactics" from llmsearch
  exact hp

set_option llmstep.search.maxHeartbeats 1 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩
