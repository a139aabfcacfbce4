import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

/-! What a candidate becomes in its place. The tactic `lands` stands where a call would stand, and asks for the text that would
replace it. -/

/-- Check a candidate and compare the text that it would be put in place with; `-` means that there is none. -/
syntax (name := landsTac) "lands " str " as " str : tactic

@[tactic landsTac] def evalLands : Tactic := fun stx => do
  let some candidate := stx[1].isStrLit? | throwError "no text"
  let some wanted := stx[3].isStrLit? | throwError "no text"
  let checked ← checkCandidate candidate {}
  ensure s!"it runs, but {checked.outcome.text}" (!checked.outcome.isFailure)
  let place? ← placeOf? stx
  ensure "the place is found" place?.isSome
  let text? ← replacementText? stx place? checked (crowded := (← getUnsolvedGoals).length > 1)
  same "text" (text?.getD "-") wanted

/-! ## Where the text may stay as it is -/

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  lands "exact ⟨hp, hq⟩" as "exact ⟨hp, hq⟩"
  lands "constructor\n· exact hp\n· exact hq" as "constructor\n  · exact hp\n  · exact hq"
  lands "have h : q ∧ p := by\n  exact ⟨hq, hp⟩" as "have h : q ∧ p := by\n    exact ⟨hq, hp⟩"
  constructor
  · lands "skip; exact hp" as "skip; exact hp"
    exact hp
  · lands "have h := hq\nexact h" as "have h := hq\n    exact h"; exact hq

example (p : Prop) (hp : p) : p := by lands "have h := hp\nexact h" as "have h := hp\n                                      exact h"
                                      exact hp

/-! ## Open ends: what follows must not be taken -/

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  lands "have h : q ∧ p := by exact ⟨hq, hp⟩" as "(have h : q ∧ p := by exact ⟨hq, hp⟩)" <;> skip
  lands "first | exact ⟨hp, hq⟩ | skip" as "(first | exact ⟨hp, hq⟩ | skip)" <;> skip
  lands "constructor <;> first | exact hp | exact hq" as "(constructor <;> first | exact hp | exact hq)" <;> skip
  first | lands "first | exact nope | exact ⟨hp, hq⟩" as "(first | exact nope | exact ⟨hp, hq⟩)" | skip
  first | lands "exact ⟨hp, hq⟩" as "exact ⟨hp, hq⟩" | skip
  lands "exact have h := hp; ⟨h, hq⟩" as "exact have h := hp; ⟨h, hq⟩"; skip
  exact ⟨hp, hq⟩

/-! ## Several lines where one fits, and layouts that depend on the column -/

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  skip; lands "constructor\n· exact hp\n· exact hq" as "(constructor\n         · exact hp\n         · exact hq)"
  skip <;> lands "constructor\n· exact hp\n· exact hq" as "(constructor\n            · exact hp\n            · exact hq)"
  all_goals (lands "constructor\n· exact hp\n· exact hq" as "constructor\n             · exact hp\n             · exact hq")
  try lands "constructor; exact hp; exact hq" as "constructor; exact hp; exact hq"
  first | lands "skip\nexact ⟨hp, hq⟩" as "skip\n          exact ⟨hp, hq⟩" | skip
  exact ⟨hp, hq⟩

-- A comment takes the rest of its line, and what else stands there.
example (p : Prop) (hp : p) : p := by
  lands "exact hp -- done" as "exact hp -- done"
  (lands "exact hp -- done" as "(exact hp -- done\n   )")
  exact hp

/-! ## Where other goals are open -/

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  lands "all_goals exact ⟨hp, hq⟩" as "all_goals exact ⟨hp, hq⟩"
  constructor
  lands "all_goals exact hp" as "focus all_goals exact hp"
  lands "all_goals exact hp" as "(all_goals exact hp)" <;> skip
  lands "exact hp" as "exact hp"
  · lands "all_goals exact hp" as "all_goals exact hp"
    exact hp
  exact hq

/-! ## Where the command begins -/

/-- The first letters of the command that was found. -/
elab "begins " wanted:str : tactic => do
  let some place ← placeOf? (← getRef) | throwError "no place"
  let bytes := place.before.toUTF8
  let found := (String.fromUTF8? (bytes.extract place.command bytes.size)).getD ""
  ensure s!"the command begins with {wanted.getString}: {firstChars 30 found}" (found.startsWith wanted.getString)
  -- However long the file is, no more than the command is parsed.
  ensure "the command is short" (place.before.utf8ByteSize < 300 && place.parsed.stop - place.command < 300)

/-- A comment -/
theorem first_of_all (p : Prop) (hp : p) : p := by
  begins "theorem first"
  exact hp

namespace Inner
  theorem indented (p : Prop)
      (hp : p) : p := by
    begins "theorem indented"
    exact hp
end Inner

set_option llmstep.numSuggestions 3 in
example (p : Prop) (hp : p) : p := by
  have h : p := by
    exact (by begins "example"; exact hp)
  exact h

namespace Other example (p : Prop) (hp : p) : p := by begins "example"; exact hp
end Other

theorem value (p : Prop) (hp : p) : p :=
  have h := hp
  by begins "theorem value"; exact h

-- A tactic that was made by a macro stands where the macro stands.
macro "twice " t:tactic : tactic => `(tactic| (skip; $t))

example (p : Prop) (hp : p) : p := by
  twice lands "have h := hp; exact h" as "(have h := hp; exact h)"
  exact hp

-- ⟨ℝ, 𝕜⟩ before the command: bytes are not characters.
example (𝕜 : Prop) (h𝕜 : 𝕜) : 𝕜 := by
  skip; have ℝ := h𝕜; lands "exact ℝ" as "exact ℝ"
  exact h𝕜
