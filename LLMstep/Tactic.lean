module
public meta import Lean
public meta import LLMstep.Runs
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

/-- One run of the call at `stx`. `isReported`: Lean reports what this tactic says as soon as it is through. -/
def runLLMstep (stx : Syntax) (prefix' : String) (isReported := false) : TacticM Unit := do
  refuseInBatch "llmstep"
  let place? ← placeOfCall? stx
  let limits ← limitsFromOptions
  let is (what : Place → Bool) : Bool := (place?.map what).getD false
  let unlisted := isReported && is Place.isInMacro
  if let some runs ← earlierRuns? stx then
    runAgain stx runs (is Place.isInLoop) unlisted limits fun scored =>
      showSuggestions stx { scored } (header := s!"Try these, right for all {runs.goals.length + 1} goals:")
  else
    let inquiry ← inquiryFromOptions (← documentAt? stx) prefix'
    -- What closes this goal may not be right for the next one.
    let gathered ← gather { inquiry with stopOnClose := inquiry.stopOnClose && !is Place.mayRunAgain } limits
    let crowded := (← getUnsolvedGoals).length > 1
    let place (s : Scored) : CoreM Scored := placed stx place? crowded s
    let scored ← if is Place.mayRunAgain then gathered.scored.mapM fun s => place s
      else placeBest gathered.scored (← natOption llmstep.numSuggestions) place
    showFirst stx scored unlisted <| showSuggestions stx { gathered with scored }

/-- Tagged as incremental, because Lean hides from other tactics whether they are reported; nothing of a run is reused. -/
@[tactic llmstepTac, incremental] def evalLLMstep : Tactic := fun stx => do
  let isReported := (← readThe Term.Context).tacSnap?.isSome
  let prefix' := (stx[1].getOptional?.bind (·.isStrLit?)).getD ""
  Term.withoutTacticIncrementality true <| runLLMstep stx prefix' isReported

end LLMstep
