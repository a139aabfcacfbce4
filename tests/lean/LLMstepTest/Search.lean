import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

set_option llmstep.command "llmstep serve --model echo"
set_option llmstep.batch true
set_option llmstep.search.closers "assumption | a_tactic_nobody_knows | rfl"
set_option llmstep.search.structural false

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

/-! ## What is not done twice -/

-- `intro h`, `intro hp`, `intro H` lead to one goal, whatever it calls the hypothesis: it is asked about once.
set_option llmstep.search.report true in
set_option llmstep.search.closers "" in
example (k_names k_goal : Prop) (f : k_names → k_goal) (_ : k_names) : k_names → k_goal := by
  expect "error", "\"checked\":3,\"expanded\":2," from llmsearch
  exact f

-- When one of two goals is proved, no other proof of it is looked for: only `constructor` and `exact hu` are tried.
set_option llmstep.search.report true in
set_option llmstep.search.closers "" in
example (k_left k_right : Prop) (hu : k_left) (hv : k_right) : k_left ∧ k_right := by
  expect "error", "\"checked\":2," from llmsearch
  exact ⟨hu, hv⟩

/-! ## Steps that the shape asks for -/

set_option llmstep.command "/no/such/program"
set_option llmstep.search.structural true

-- The search goes on without a model, and blames it only if it finds nothing.
example (a b c : Prop) (h : a ∨ b) (f : a → c) (g : b → c) : c ∧ (a ∨ b) := by
  expect "constructor\n", "· rcases h with ha | hb\n", "· exact f ha\n", "· exact g hb\n", "· exact h" but_not "error" from llmsearch
  exact ⟨match h with | .inl x => f x | .inr y => g y, h⟩

example (p : Prop) (hp : p) (q : Prop) : True := by
  have : p ∨ q := by
    expect "exact .inl hp" but_not "error" from llmsearch
    exact .inl hp
  trivial

example (α : Type) (p q : α → Prop) (h : ∃ x, p x ∧ q x) : ∃ x, q x ∧ p x := by
  expect "obtain ⟨x, h⟩ := h\n", "exact ⟨_, ⟨h.2, h.1⟩⟩" but_not "error" from llmsearch
  exact match h with | ⟨x, hx⟩ => ⟨x, hx.2, hx.1⟩

example (α : Type) (r : α → α → Prop) (t : ∀ x y z, r x y → r y z → r x z) (a b c d : α) (h : r a b) (k : r b c) (l : r c d) : r a d := by
  expect "exact t _ _ _ h (t _ _ _ k l)" but_not "error" from llmsearch
  exact t _ _ _ h (t _ _ _ k l)

example (p : Prop) (hp : p) : (h : Nat) → (n : Nat) → p := by
  expect "intro h n\n", "exact hp" but_not "error" from llmsearch
  exact fun _ _ => hp

-- Where nothing else is left, the fault of the sidecar is told as what it is.
example (p q : Prop) (h : p) (k : p → q) : q := by
  have (r : Prop) : r → p := by
    expect "intro hr\n", "exact h" but_not "error" from llmsearch
    exact fun _ => h
  expect "error: llmstep: `/no/such/program", "is not usable" for k_unused from (clear h k; llmsearch)
  exact k h

set_option llmstep.search.structural false
set_option llmstep.command "llmstep serve --model echo"

/-! ## The shape -/

elab "queues" : tactic => do
  let state ← Tactic.saveState
  let node (cost : Float) (choices : Nat) : Node := { state, goals := [], cost, choices }
  let costs (perLength : Bool) := ([node 4 8, node 2 0, node 1 0].foldl (enqueue · · perLength) []).map (toString ·.cost)
  same "a long way of likely steps is not starved" (costs true) [toString (1 : Float), toString (4 : Float), toString (2 : Float)]
  same "or costs are added up" (costs false) [toString (1 : Float), toString (2 : Float), toString (4 : Float)]
example : True := by
  queues
  trivial
#eval show MetaM Unit from do
  let closers := ["rfl", "ring", "positivity", "fun_prop", "omega", "nlinarith", "mine"]
  let (quick, middle, slow) := orderClosers closers .equation
  same "equation: quick" quick ["rfl", "ring", "mine"]
  same "equation: middle" middle ["omega"]
  same "equation: slow" slow ["nlinarith"]
  let (quick, middle, slow) := orderClosers closers .logic
  same "logic" (quick ++ middle ++ slow) ["rfl", "mine", "omega"]
  same "fresh names" (["h", "h1"].map (freshName #["h", "h1"]) ++ [freshName #["p"] "h"]) ["h2", "h11", "h"]

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
example (r s t : Prop) (h : s) : t → r ∨ s := by
  expect "error: llmstep: no proof found, no state is left", "\"outcome\":\"exhausted\"" from llmsearch
  exact fun _ => Or.inr h

/-! ## Limits -/

-- No limit of the depth, no closers, costs added up: best-first search as it was done before there were any.
set_option llmstep.search.depth 0 in
set_option llmstep.search.perLength false in
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

-- At the limit a goal may still be closed, and that is no step deeper.
set_option llmstep.search.depth 1 in
example (r s : Prop) (h : s) : r ∨ s := by
  expect "right\n", "assumption" from llmsearch
  exact Or.inr h

set_option llmstep.search.maxNodes 0 in
example (a b : Prop) : a → b → b ∧ a := by
  expect "error: llmstep: no proof found, llmstep.search.maxNodes is used up", "asked 0 times" from llmsearch
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
