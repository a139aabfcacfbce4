import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

set_option llmstep.command "llmstep serve --model echo"

/-! ## Outside an editor -/

example (p : Prop) (hp : p) : p := by
  expect "works in an editor only", "llmstep.batch" from llmstep ""
  expect "works in an editor only" from llmsearch
  exact hp

set_option llmstep.batch true

/-! ## What is shown -/

theorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "🎉", "exact ⟨hp, hq⟩", "constructor", "case left", "case right" but_not "exact hp\n" for k_closes from llmstep
  expect "🎉", "exact ⟨hp, hq⟩", "constructor", "case left" but_not "nope", "skip", "apply And.intro" for k_all_kinds from llmstep
  expect "🎉", "constructor" but_not "skip" from llmstep
  expect "constructor" from llmstep ""
  constructor
  · expect "🎉", "exact hp" but_not "case right" for k_streams from llmstep
    exact hp
  · exact hq

-- The goals, the messages and the proof state stay as they are.
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "🎉" for k_closes from llmstep
  exact ⟨hp, hq⟩

/-! ## What is not shown -/

example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: none of the candidates runs here (1 tried)", "llmstep.showFailed" for k_invalid from llmstep
  expect "error: llmstep: the model has no suggestion" for k_nothing from llmstep
  expect "🎉", "exact hp" but_not "skip" for k_injection from llmstep
  expect "error: llmstep:" but_not "🎉" for k_sorry from llmstep
  exact hp

set_option llmstep.showFailed true in
example (p : Prop) (hp : p) : p := by
  expect "none of the candidates runs here (1 tried)", "exact nope", "nope" for k_invalid from llmstep
  expect "🎉", "exact hp", "these candidates fail here", "repeat skip" for k_loops from llmstep
  exact hp

theorem circular (p : Prop) (hp : p) : p := by
  expect "🎉", "exact hp" but_not "circular" for k_circular from llmstep
  exact hp

-- `h.left` is `And.left`: it cannot mean this theorem.
theorem left (p q : Prop) (h : p ∧ q) : p := by
  expect "🎉", "exact h.left" for k_own_name from llmstep "exact h."
  exact h.1

/-! ## Several lines -/

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
    expect "🎉", "refine And.intro\n", "hp\n", "hq" for k_lines from llmstep
    exact ⟨hp, hq⟩

/-- Show a sequence of tactics as a search does, and check its text. -/
elab "sequence_becomes " wanted:str : tactic => do
  let stx ← getRef
  let checked ← checkCandidate "constructor\n· exact hp\n· exact hq" {}
  ensure "a sequence" checked.isSequence
  let place? ← placeOf? stx
  ensure "the place is found" place?.isSome
  same "text" ((← replacementText? stx place? checked).getD "") wanted.getString
  let scored ← placed stx place? (crowded := false) { checked, score := 0, place := 0 }
  expectIn (← captured (showSuggestions stx { scored := #[scored] })) #["🎉", "constructor"]

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  sequence_becomes "constructor\n  · exact hp\n  · exact hq"
  skip; sequence_becomes "(constructor\n         · exact hp\n         · exact hq)"
  (skip <;> sequence_becomes "(constructor\n             · exact hp\n             · exact hq)")
  exact ⟨hp, hq⟩

/-! ## Unicode -/

example (𝕜 : Prop) (𝕜ℝ : 𝕜) («ℝ≥0∞ 𝕜» : 𝕜) : 𝕜 ∧ 𝕜 := by
  constructor; exact «ℝ≥0∞ 𝕜»
  expect "🎉", "exact «ℝ≥0∞ 𝕜»" from llmstep "exact «"
  exact 𝕜ℝ

/-! ## Streaming and time -/

-- The second candidate closes the goal too, but nobody waits for it.
example (p : Prop) (hp : p) : p := by
  expect "🎉", "exact hp" but_not "assumption" for k_streams from llmstep
  exact hp

set_option llmstep.stopOnClose false in
example (p : Prop) (hp : p) : p := by
  expect "🎉", "exact hp", "🎉", "assumption" for k_both from llmstep
  exact hp

-- What has arrived in time is shown.
set_option llmstep.timeoutMs 4000 in
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "constructor", "case left" but_not "exact ⟨hp, hq⟩" for k_late from llmstep
  exact ⟨hp, hq⟩

set_option llmstep.timeoutMs 300 in
example (p : Prop) (hp : p) : p := by
  expect "error: llmstep:", "ime" for k_hang from llmstep
  exact hp

/-! ## Another model: here the sidecar itself would take the built-in one -/

set_option llmstep.command "llmstep serve" in
set_option llmstep.model "echo" in
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "🎉", "exact ⟨hp, hq⟩", "constructor" for k_closes from llmstep
  exact ⟨hp, hq⟩

set_option llmstep.command "llmstep serve" in
set_option llmstep.model "no-such-model" in
example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: there is no model 'no-such-model'", "llmstep models list" from llmstep
  exact hp

/-! ## Trouble -/

example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: ", "the model failed", "llmstep doctor" for k_error from llmstep
  expect "🎉", "exact hp" from llmstep ""
  exact hp

set_option llmstep.command "python3 tests/lean/misbehaving_sidecar.py nonsense" in
example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: the sidecar's answer cannot be read" from llmstep ""
  exact hp

set_option llmstep.command "/no/such/program" in
example (p : Prop) (hp : p) : p := by
  expect "error: llmstep: `/no/such/program serve`", "does not exist", "lake run llmstep/setup" from llmstep ""
  exact hp
