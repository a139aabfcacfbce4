module
public meta import Lean
public meta import LLMstep.Ask
public meta import LLMstep.Place
public meta section
open Lean Meta Elab Tactic

/-!
# Showing the suggestions

Everything goes through `Lean.Meta.Tactic.TryThis`, so the infoview, the code actions and every editor show the same: candidates
that close the goal first (🎉), then those that run, with the goals that remain.

```
Try these:
  [apply] 🎉 exact ⟨hp, hq⟩
  [apply] constructor
  case left
  ...
```
-/
namespace LLMstep

/-- Remaining goals as they stand below a suggestion. -/
def remainingText (goals : Array String) : String :=
  "\n" ++ "\n\n".intercalate goals.toList

/-- The candidates worth showing: those that close the goal, then those that run; of several that lead to the same goals, the
one the model likes best. -/
def worthShowing (scored : Array Scored) : Array Scored := Id.run do
  let mut closing := #[]
  let mut running := #[]
  let mut texts : Array String := #[]
  let mut goalsSeen : Array String := #[]
  for s in scored do
    if texts.contains s.checked.tactic then continue
    match s.checked.outcome with
    | .closes => closing := closing.push s
    | .runs goals =>
      let key := "\n\n".intercalate goals.toList
      if goalsSeen.contains key then continue
      goalsSeen := goalsSeen.push key
      running := running.push s
    | .fails _ => continue
    texts := texts.push s.checked.tactic
  return closing ++ running

def failureLines (scored : Array Scored) : String := Id.run do
  let mut lines := ""
  for s in scored do
    if let .fails why := s.checked.outcome then
      lines := lines ++ s!"\n  {s.checked.tactic.replace "\n" "\n  "}\n    {why.replace "\n" "\n    "}"
  return lines

/-- The candidate with the text that would be put in place of `stx`; one that cannot be put there fails. -/
def placed (stx : Syntax) (place? : Option Place) (crowded : Bool) (s : Scored) : CoreM Scored := do
  if s.checked.outcome.isFailure then return s
  match ← replacementText? stx place? s.checked crowded with
  | some text => return { s with text }
  | none => return { s with checked := { s.checked with outcome := .fails "runs, but would be read as something else in this place" } }

/-- Show the candidates, which are `placed`, in place of `stx`. Throws if none is worth showing. -/
def showSuggestions (stx : Syntax) (gathered : Gathered) (header := "Try these:") : CoreM Unit := do
  let scored := gathered.scored
  let shown := worthShowing scored
  let showFailed ← boolOption llmstep.showFailed
  if shown.isEmpty then
    if scored.isEmpty then
      throwError "llmstep: the model has no suggestion for this goal. Try another prefix."
    let reasons := if showFailed then s!":{failureLines scored}"
      else ". `set_option llmstep.showFailed true` shows why."
    throwError "llmstep: none of the candidates runs here ({scored.size} tried){reasons}"
  let mut suggestions : Array Lean.Meta.Tactic.TryThis.Suggestion := #[]
  for s in shown do
    match s.checked.outcome with
    | .runs goals => suggestions := suggestions.push { suggestion := .string s.text, postInfo? := some (remainingText goals) }
    | _ => suggestions := suggestions.push { suggestion := .string s.text, preInfo? := some "🎉 " }
  Lean.Meta.Tactic.TryThis.addSuggestions stx suggestions (header := header)
  let failures := failureLines scored
  if showFailed && !failures.isEmpty then logInfoAt stx m!"llmstep: these candidates fail here:{failures}"

end LLMstep
