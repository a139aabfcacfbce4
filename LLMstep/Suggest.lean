module
public meta import Lean
public meta import LLMstep.Ask
public meta import LLMstep.Place
public meta import LLMstep.Change
public meta section
open Lean Meta Elab Tactic

/-!
# Showing the suggestions

Everything goes through `Lean.Meta.Tactic.TryThis`, so the infoview, the code actions and every editor show the same: candidates
that close the goal first (🎉), the shortest of them at the head, then those that run, with the targets that remain and what is new. Menus of code
actions show no more than a title, so 🎉 and the number of goals stand there, too.

```
Try these:
  [apply] 🎉 exact ⟨hp, hq⟩
  [apply] constructor
    case left ⊢ p
    case right ⊢ q
```
-/
namespace LLMstep

/-- Whether a step that was finished is, as a proof, one that the model has written itself. -/
private def isRepeated (scored : Array Scored) (s : Scored) : Bool :=
  match s.checked.isFinished, s.checked.proof? with
  | true, some proof => scored.any fun other => !other.checked.isFinished && other.checked.proof? == some proof
  | _, _ => false

/-- The candidates worth showing: those that close the goal, the shortest first, then those that run; of several that lead to the same goals, the
one the model likes best. -/
def worthShowing (scored : Array Scored) : Array Scored := Id.run do
  let mut closing : Array (Nat × Nat × Scored) := #[]
  let mut running : Array Scored := #[]
  let mut texts : Array String := #[]
  let mut keys : Array GoalKey := #[]
  for s in scored do
    if texts.contains s.checked.tactic || isRepeated scored s then continue
    match s.checked.outcome with
    | .closes => closing := closing.push (s.checked.tactic.length, closing.size, s)
    | .runs _ key =>
      if keys.contains key then continue
      keys := keys.push key
      running := running.push s
    | .fails _ => continue
    texts := texts.push s.checked.tactic
  let shortest := closing.qsort fun (n, i, _) (m, j, _) => n < m || (n == m && i < j)
  return shortest.map (·.2.2) ++ running

/-- Those of `worthShowing` that are shown: at most `count`, and beside a candidate that has closed the goal at once only a few. -/
def choose (gathered : Gathered) (count : Nat) : Array Scored :=
  let shown := worthShowing gathered.scored
  shown.extract 0 (if gathered.closedAtOnce then min count (alternatives + 1) else count)

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

/-- The candidates with `place` done for those that will be shown, `count` at most: it takes as long as a check. -/
def placeBest (scored : Array Scored) (count : Nat) (place : Scored → CoreM Scored) : CoreM (Array Scored) := do
  let mut out := scored.filter (·.checked.outcome.isFailure)
  let mut found := 0
  for s in worthShowing scored do
    let s ← if found < count then place s else pure s
    unless s.checked.outcome.isFailure do found := found + 1
    out := out.push s
  return out

/-- What the sidecar says besides, a paragraph each. -/
def noteLines (notes : Array Note) : String :=
  String.join (notes.toList.map fun note => s!"\nllmstep: {note.text}")

/-- Longest title of a code action, in characters; editors cut longer ones, and what stands at the end is what tells them apart. -/
def titleLength : Nat := 80

/-- How many goals a candidate leaves of all it was run on. -/
def goalsLeft (s : Scored) : Nat :=
  let count (checked : Checked) : Nat :=
    match checked.outcome with
    | .runs goals _ => goals.length
    | _ => 0
  s.earlier.foldl (fun n (_, checked) => n + count checked) (count s.checked)

/-- The title of a suggestion in a menu: its first line, then what it does. -/
def actionTitleOf (s : Scored) (text : String) : String :=
  let kind := match goalsLeft s with
    | 0 => " (🎉 closes the goal)"
    | 1 => " (1 goal left)"
    | n => s!" ({n} goals left)"
  let lines := text.splitOn "\n"
  let line := lines.head?.getD text
  let short := if line.length > titleLength || lines.length > 1 then trimmedEnd (firstChars titleLength line) ++ " …" else line
  s!"Try this: {short}{kind}"

/-- What a check has left of a goal, as text. -/
private def leftText (start : MVarId) (checked : Checked) (whole : Bool) : TacticM String := do
  let (.runs goals _, some after) := (checked.outcome, checked.after?) | return ""
  let saved ← Tactic.saveState
  after.restore
  try return "\n" ++ (← changesText start goals whole) finally saved.restore

/-- A suggestion with what it leaves below it. -/
private def suggestionOf (goal : MVarId) (whole : Bool) (s : Scored) : TacticM Lean.Meta.Tactic.TryThis.Suggestion := do
  let title := some (actionTitleOf s)
  if goalsLeft s == 0 then return { suggestion := .string s.text, preInfo? := some "🎉 ", toCodeActionTitle? := title }
  let mut left := ""
  for (start, checked) in s.earlier.reverse do left := left ++ (← leftText start checked whole)
  left := left ++ (← leftText goal s.checked whole)
  return { suggestion := .string s.text, postInfo? := some left, toCodeActionTitle? := title }

/-- Why nothing can be shown. -/
def nothingText (gathered : Gathered) (showFailed : Bool) : String :=
  let scored := gathered.scored
  let said := noteLines gathered.notes
  if let some why := gathered.falsehood? then s!"llmstep: this goal is false: {why}.{said}"
  else if scored.isEmpty && gathered.unchecked == 0 then
    s!"llmstep: the model has no suggestion for this goal. Try another prefix.{said}"
  else
    let reasons := if showFailed then s!":{failureLines scored}" else ". `set_option llmstep.showFailed true` shows why."
    let rest := if gathered.unchecked == 0 then "" else s!"; {gathered.unchecked} more were not checked in time (llmstep.checkBudgetMs)"
    s!"llmstep: none of the candidates runs here ({scored.size} tried{rest}){reasons}{said}"

/-- Show the candidates, which are `placed`, in place of `stx`. Throws if none is worth showing. -/
def showSuggestions (stx : Syntax) (gathered : Gathered) (header := "Try these:") : TacticM Unit := do
  let showFailed ← boolOption llmstep.showFailed
  let shown := choose gathered (← natOption llmstep.numSuggestions)
  if shown.isEmpty || gathered.falsehood?.isSome then throwError "{nothingText gathered showFailed}"
  let goal ← getMainGoal
  let whole ← boolOption llmstep.fullGoals
  let suggestions ← shown.mapM (suggestionOf goal whole)
  let all := gathered.scored.size + gathered.unchecked
  let budget ← natOption llmstep.checkBudgetMs
  let header := if gathered.unchecked == 0 then header
    else s!"{gathered.scored.size} of {all} candidates were checked within {budget} ms (llmstep.checkBudgetMs). {header}"
  Lean.Meta.Tactic.TryThis.addSuggestions stx suggestions (header := header)
  let failures := failureLines gathered.scored
  if showFailed && !failures.isEmpty then logInfoAt stx m!"llmstep: these candidates fail here:{failures}"
  unless gathered.notes.isEmpty do
    let text := trimmed (noteLines gathered.notes)
    if gathered.notes.any (·.isWarning) then logWarningAt stx m!"{text}" else logInfoAt stx m!"{text}"

end LLMstep
