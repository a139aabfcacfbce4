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

-- A closer may decide too early what the other goals are about; the model is asked all the same.
set_option llmstep.search.closers "exact (rfl : (4 : Nat) = 4)" in
set_option llmstep.search.depth 4 in
example : ∃ n : Nat, n = n ∧ n = 3 := by
  expect "apply Exists.intro\n", "constructor\n", "rfl\n", "rfl" but_not "error", "4" from llmsearch
  exact ⟨3, rfl, rfl⟩

/-! ## Tactics that tell what to write -/

macro "find_it?" : tactic => `(tactic| assumption)

run_cmd Elab.Command.liftTermElabM do
  let suggests (text : String) : CoreM Bool := do
    let .ok (stx, _) := parseTactic (← getEnv) text | throwError "does not parse: {text}"
    return suggestsText stx
  ensure "by name" (← suggests "find_it?")
  ensure "inside" (← suggests "constructor <;> find_it?")
  ensure "a hole is none" (!(← suggests "refine ?_") && !(← suggests "exact some? x") && !(← suggests "assumption"))

set_option llmstep.search.closers "find_it?" in
example (p : Prop) (hp : p) : p := by
  expect "exact hp" but_not "find_it?", "error" from llmsearch
  exact hp

set_option llmstep.search.closers "find_it?" in
example (a b : Prop) : a → b → b ∧ a := by
  expect "intro ha hb\n", "constructor\n", "· exact hb\n", "· exact ha" but_not "find_it?" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

-- What has been found has no name to be written: it is not used.
set_option llmstep.search.closers "find_it?" in
example (p : Prop) : p → p := by
  intro
  expect "assumption" but_not "find_it?", "error" from llmsearch
  assumption

/-! ## The report -/

set_option llmstep.search.report true in
example (a b : Prop) : a → b → b ∧ a := by
  expect "llmsearch: {\"checked\":", "\"expanded\":3", "\"ms\":", "\"outcome\":\"proof\"",
    "\"proof\":\"intro ha hb\\nconstructor\\n· assumption\\n· assumption\"}" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.report true in
set_option llmstep.search.maxNodes 1 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found", "\nllmsearch: {\"checked\":", "\"expanded\":1", "\"outcome\":\"maxNodes\"", "\"proof\":null}"
    from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.report true in
set_option llmstep.search.depth 1 in
example (r s : Prop) (h : s) : r ∨ s := by
  expect "error: llmstep: no proof found, no state is left", "\"outcome\":\"exhausted\"" from llmsearch
  exact Or.inr h

/-! ## Limits -/

-- No limit of the depth, no closers: best-first search as it was done before there were any.
set_option llmstep.search.depth 0 in
set_option llmstep.search.closers "" in
example (a b : Prop) : a → b → b ∧ a := by
  expect "intro ha hb\n", "constructor\n", "· assumption\n", "· assumption" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.depth 1 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found", "llmstep.search.depth" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.maxNodes 0 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found, llmstep.search.maxNodes is used up", "at 0 proof states" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩

set_option llmstep.search.timeoutMs 0 in
example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: no proof found, llmstep.search.timeoutMs is used up; 0 tactics" from llmsearch
  exact hp

set_option llmstep.search.maxHeartbeats 1 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found" from llmsearch
  intro ha hb
  exact ⟨hb, ha⟩
