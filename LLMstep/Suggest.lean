module
public meta import Lean
public meta import LLMstep.Ask
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

/-- Indent all lines but the first, so that text that goes to column `column` keeps its shape. -/
def indentTo (column : Nat) (text : String) : String :=
  match text.splitOn "\n" with
  | [] => text
  | first :: rest =>
    let pad := String.join (List.replicate column " ")
    "\n".intercalate (first :: rest.map fun line => if isBlank line then "" else pad ++ line)

/-- What may stand before a whole sequence of tactics on its line. -/
def sequenceOpeners : List String := ["by", "·", ".", "=>", "{", ";", "do"]

/-- Whether a sequence may replace a tactic that stands after `before` on its line: behind `<;>` or `first |`, only the sequence's
first tactic would. -/
def sequenceFits (before : String) : Bool :=
  let before := trimmed before
  before.isEmpty || sequenceOpeners.any fun opener => before.endsWith opener

/-- The text that replaces `stx`. -/
def replacementText (stx : Syntax) (tactic : String) (isSequence : Bool) : CoreM String := do
  let column ← columnOf stx
  if isSequence && !sequenceFits (← linePrefix stx) then
    return s!"({indentTo (column + 1) tactic})"
  return indentTo column tactic

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

/-- Show the candidates in place of `stx`. Throws if none is worth showing. -/
def showSuggestions (stx : Syntax) (gathered : Gathered) : CoreM Unit := do
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
    let text ← replacementText stx s.checked.tactic s.checked.isSequence
    match s.checked.outcome with
    | .runs goals => suggestions := suggestions.push { suggestion := .string text, postInfo? := some (remainingText goals) }
    | _ => suggestions := suggestions.push { suggestion := .string text, preInfo? := some "🎉 " }
  Lean.Meta.Tactic.TryThis.addSuggestions stx suggestions (header := "Try these:")
  let failures := failureLines scored
  if showFailed && !failures.isEmpty then logInfoAt stx m!"llmstep: these candidates fail here:{failures}"

end LLMstep
