import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

set_option llmstep.search.closers "assumption | rfl"

/-! ## The parts of a block -/

def partsOf (text : String) : CoreM (List String) := do
  return (blockItems (← getEnv) text).toList.map fun item => s!"{item.line}{if item.why?.isSome then "!" else ""} {item.text}"

#eval show CoreM Unit from do
  same "one by one" (← partsOf "intro h\nconstructor\n· exact h\n  rfl\nskip; skip") ["1 intro h", "2 constructor", "3 · exact h\n  rfl", "5 skip", "5 skip"]
  same "a line that does not parse" (← partsOf "intro h\nsplit,\nexact h") ["1 intro h", "2! split,", "3 exact h"]
  same "inside a bullet" (← partsOf "constructor\n· exact )\n· rfl") ["1 constructor", "2! · exact )", "3 · rfl"]
  same "a case that does not parse" (← partsOf "cases h with\n| inl a => exact )\n| inr b => rfl\nrfl")
    ["1! cases h with\n| inl a => exact )\n| inr b => rfl", "4 rfl"]
  same "tabs, blank lines" (← partsOf "\n\tintro h\n\n\texact h\n") ["2 intro h", "4 exact h"]
  same "nothing" (← partsOf " \n") []

/-! ## Mending -/

/-- `mended "proof" to "block"` closes the goal as `mend` does, and fails unless the block is this one. -/
elab "mended " proof:str " to " wanted:str : tactic => do
  let mending ← mendingWith ((← IO.monoMsNow) + 60000) 2000 {}
  let found ← mend mending proof.getString
  let some checked := found.checked? | throwError "nothing runs: {(found.faults.map (·.text)).toList}"
  same "the block" checked.tactic wanted.getString
  let (.closes, some after) := (checked.outcome, checked.after?) | throwError checked.outcome.text
  after.restore

/-- `stuck_at "proof" with "block"`: what runs, when the goal stays open. -/
elab "stuck_at " proof:str " with " wanted:str : tactic => do
  let mending ← mendingWith ((← IO.monoMsNow) + 60000) 0 {}
  let found ← mend mending proof.getString
  same "the block" ((found.checked?.map (·.tactic)).getD "") wanted.getString
  if let some checked := found.checked? then
    if let .closes := checked.outcome then throwError "it closes the goal"

section
variable (p q r : Prop) (hp : p) (hq : q)
include hp hq

example : p ∧ q := by mended "constructor\n· exact no_name\n· exact hq" to "constructor\n· exact hp\n· exact hq"
example : p ∧ q := by mended "constructor\n· exact hp" to "constructor\n· exact hp\nexact hq"
example : p ∧ q := by mended "exact ⟨hp, hq⟩\nexact hp" to "exact ⟨hp, hq⟩"
example : p ∧ q := by mended "constructor\n· exact hq\n· exact hp" to "constructor\n· exact hp\n· exact hq"
example : p ∧ q := by mended "constructor\n· linarith\n· exact hq" to "constructor\n· exact hp\n· exact hq"
example : p ∧ q := by mended "constructor\n   · exact hp\n· exact hq" to "constructor\n· exact hp\n· exact hq"
example : p ∧ q := by mended "have h : r := by aesop\nexact ⟨hp, hq⟩" to "exact ⟨hp, hq⟩"
example : p ∧ q := by mended "have h : p := no_name\nexact ⟨h, hq⟩" to "have h : p := by\n  exact hp\nexact ⟨h, hq⟩"
example : p ∧ q := by mended "split,\n{ exact hp },\n{ exact hq }" to "exact ⟨hp, hq⟩"
example : r → p ∧ q := by mended "intro a b c\nexact ⟨hp, hq⟩" to "intro a\nexact ⟨hp, hq⟩"
example : p ∧ q := by
  stuck_at "sorry" with ""
  stuck_at "constructor\n· exact hp\n· sorry" with "constructor\n· exact hp"
  stuck_at "exact ⟨hp, by admit⟩" with ""
  exact ⟨hp, hq⟩
end

theorem itself (p : Nat → Prop) (z : p 0) (s : ∀ n, p n → p (n + 1)) : ∀ n, p n := by
  stuck_at "exact itself p z s" with ""
  stuck_at "intro n\nexact itself p z s n" with "intro n"
  mended "intro n\ninduction n with\n| zero => exact z\n| succ n ih =>\n  aply s\n  exact ih" to
    "intro n\ninduction n with\n| zero =>\n  exact z\n| succ n ih =>\n  exact s _ ih"
