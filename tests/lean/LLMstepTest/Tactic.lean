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

/-! ## Many are checked, few are shown -/

set_option llmstep.finish false in
example (p q : Prop) : p → q → p := by
  expect "intro h\n", "h : p ⊢ q → p", "intro a b", "a : p, b : q ⊢ p" but_not "intro hp", "intro H", "intros", "p q : Prop" for k_intros from llmstep
  exact fun h _ => h

set_option llmstep.finish false in
set_option llmstep.fullGoals true in
example (p q : Prop) : p → q → p := by
  expect "intro h\n", "p q : Prop\n", "h : p\n", "⊢ q → p" for k_intros from llmstep
  exact fun h _ => h

set_option llmstep.stopOnClose false in
set_option llmstep.numSuggestions 2 in
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "🎉", "exact ⟨hp, hq⟩", "🎉", "exact And.intro hp hq" but_not "constructor" for k_short from llmstep
  exact ⟨hp, hq⟩

-- The whole proof, where one that names what it uses leaves what follows at once.
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "🎉", "exact " but_not "apply And.intro", "⊢" for k_apply from llmstep
  exact ⟨hp, hq⟩

/-- Sleeps without using a heartbeat, until it is interrupted. -/
local elab "slumber" : tactic => do
  while true do
    Core.checkInterrupted
    IO.sleep 10

-- What was checked within the budget is shown, and it is said that this is not all.
set_option llmstep.finish false in
set_option llmstep.checkBudgetMs 3000 in
set_option llmstep.candidateTimeoutMs 0 in
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "1 of 3 candidates were checked within 3000 ms", "llmstep.checkBudgetMs", "Try these:", "constructor" but_not "🎉" for k_budget from llmstep
  exact ⟨hp, hq⟩

-- What is dear comes last, however likely it is.
#eval same "cheap" (["exact omega_pos", "intro h", "refine ⟨_, Nat.ring⟩", "apply foo.simp"].map dearness) [0, 0, 0, 0]
#eval same "dear" (["simp [h]", "rw [h]; simp", "omega", "constructor <;> omega", "exact?", "exact by simp_all"].map dearness) [1, 1, 2, 2, 2, 2]

/-! ## False goals -/

example (h : 2 + 2 = 5) : 2 + 2 = 5 := by
  expect "exfalso" but_not "this goal is false" for k_false from llmstep
  exact h

-- A variable tells `echo.json` what to answer: a fact could be contradictory.
elab "told_of_a_false_goal" : tactic => do
  let saved ← Tactic.saveState
  let goal ← mkFreshExprMVar (some (← Tactic.elabTerm (← `(∀ _k_false : Nat, 2 + 2 = 5)) none))
  setGoals [goal.mvarId!]
  evalTactic (← `(tactic| intro k_false))
  expectIn (← captured (evalTactic (← `(tactic| llmstep)))) #["error: llmstep: this goal is false: `decide` proves its negation"] #["Try these"]
  saved.restore

example : True := by
  told_of_a_false_goal
  trivial

/-! ## What the sidecar says besides -/

-- One after the other, so that it is known which of them is told first.
set_option Elab.async false

set_option llmstep.command "python3 tests/lean/misbehaving_sidecar.py notes" in
theorem noted (p : Prop) (hp : p) : p := by
  expect "🎉", "exact hp", "llmstep: the model is missing", "llmstep models pull", "without the hypotheses a, b, c, d, e and 1 more",
    "the setting `nope` is unknown" from llmstep
  exact hp

-- What holds for every question is told once, what holds for this one is told again.
set_option llmstep.command "python3 tests/lean/misbehaving_sidecar.py notes" in
theorem notedAgain (p : Prop) (hp : p) : p := by
  expect "🎉", "exact hp", "llmstep: the model is missing" but_not "`nope`" from llmstep
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
