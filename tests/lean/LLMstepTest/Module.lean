module
import LLMstep
public meta import LLMstepTest.Support

/-! The package can be used in a `module`, where most of Mathlib's users are. -/

set_option llmstep.command "llmstep serve --model echo"
set_option llmstep.batch true

theorem inAModule (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  expect "🎉", "exact ⟨hp, hq⟩" for k_closes from llmstep
  exact ⟨hp, hq⟩

theorem circular (p : Prop) (hp : p) : p := by
  expect "🎉", "exact hp" but_not "circular" for k_circular from llmstep
  exact hp
