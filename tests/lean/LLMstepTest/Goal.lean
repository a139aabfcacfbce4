import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

/-- The texts of all goals, as the model gets them. -/
elab "goals_are " wanted:str,+ : tactic => do
  same "goals" (← goalTexts (← getUnsolvedGoals)) (wanted.getElems.map (·.getString))

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  goals_are "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
  constructor
  goals_are "case left\np q : Prop\nhp : p\nhq : q\n⊢ p", "case right\np q : Prop\nhp : p\nhq : q\n⊢ q"
  · goals_are "case left\np q : Prop\nhp : p\nhq : q\n⊢ p"
    exact hp
  · exact hq

-- The user's display settings do not reach the model.
set_option pp.all true in
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  goals_are "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
  exact ⟨hp, hq⟩

-- Inaccessible names are shown, the theorem itself is not.
theorem shown (p q : Prop) : p → q → p := by
  intro h _
  goals_are "p q : Prop\nh : p\na✝ : q\n⊢ p"
  exact h

example (𝕜 : Prop) («ℝ≥0∞ x» : 𝕜) : 𝕜 := by
  goals_are "𝕜 : Prop\n«ℝ≥0∞ x» : 𝕜\n⊢ 𝕜"
  exact «ℝ≥0∞ x»

/-! ## Where the call stands -/

elab "standing_at " wanted:num : tactic => do
  let stx ← getRef
  let before ← textBefore stx
  ensure "the text before the call" (before.endsWith (← linePrefix stx) && contains before "import LLMstep\n")
  ensure "not the call itself" (!((trimmed before).endsWith "standing_at"))
  same "column" (← columnOf stx) wanted.getNat
  ensure "uri" ((← documentUri).startsWith "file:///" && (← documentUri).endsWith "Goal.lean")

theorem placed (p : Prop) (𝕜 : p) : p ∧ p := by
  standing_at 2
  constructor
  · standing_at 4; exact 𝕜
  · (skip; standing_at 11); exact 𝕜

/-! ## Its name -/

elab "named " wanted:ident : tactic => do
  same "declaration" ((← declarationName?).getD .anonymous) wanted.getId

theorem placed.again (p : Prop) (hp : p) : p := by
  named placed.again
  exact hp
namespace Space
theorem inside (p : Prop) (hp : p) : p := by
  named Space.inside
  exact hp
private theorem hidden (p : Prop) (hp : p) : p := by
  named Space.hidden
  exact hp
end Space
