module
public meta import Lean
public meta import LLMstep.Suggest
public meta section
open Lean Meta Elab Tactic

/-!
# The tactic `llmstep`

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmstep ""          -- any next step
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmstep "exact"     -- a next step that begins with `exact`
```
-/
namespace LLMstep

/-- `llmstep` asks a language model on this machine for the next tactic, checks each answer in Lean and shows those that run as
`Try these`. `llmstep "exact"` asks for tactics that begin with `exact`. The goal stays as it is until you take a suggestion. -/
syntax (name := llmstepTac) "llmstep" (ppSpace str)? : tactic

/-- The options of one call of `llmstep` at `stx`. -/
def inquiryAt (stx : Syntax) (prefix' : String) : CoreM Inquiry := do
  return {
    prefix', n := ← natOption llmstep.numSuggestions, timeoutMs := ← natOption llmstep.timeoutMs
    document? := ← documentAt? stx, stopOnClose := ← boolOption llmstep.stopOnClose }

def runLLMstep (stx : Syntax) (prefix' : String) : TacticM Unit := do
  refuseInBatch "llmstep"
  let place? ← placeOf? stx
  if let some place := place? then
    if place.isUnfinished then throwError "llmstep: the line of this call cannot be read yet; nothing was asked"
  let gathered ← gather (← inquiryAt stx prefix') (← limitsFromOptions)
  showSuggestions stx place? gathered (crowded := (← getUnsolvedGoals).length > 1)

elab_rules : tactic
  | `(tactic| llmstep) => do runLLMstep (← getRef) ""
  | `(tactic| llmstep $pre:str) => do runLLMstep (← getRef) pre.getString

end LLMstep
