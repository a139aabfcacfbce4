module
public meta import Lean
public meta import LLMstep.Search
public meta import LLMstep.Stages
public meta import LLMstep.Runs
public meta section
open Lean Meta Elab Tactic

/-!
# The tactic `llmsearch`

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmsearch     -- Try this: exact ⟨hp, hq⟩
```
-/
namespace LLMstep

/-- `llmsearch` looks for a whole proof of the main goal: it takes the steps that the goal's shape asks for, asks the model for others, checks
them, goes on from those that run, and shows the proof it finds as one `Try this`. See the options `llmstep.search.*` for its limits. -/
syntax (name := llmsearchTac) "llmsearch" : tactic

/-- The closers of the option that this file knows. -/
def knownClosers : CoreM (List String) := do
  let env ← getEnv
  let all := ((← stringOption llmstep.search.closers).splitOn " | ").map trimmed
  return all.filter fun closer => !closer.isEmpty && (parseTactic env closer).toOption.isSome

def searchLimits : CoreM SearchLimits := do
  return {
    depth := ← natOption llmstep.search.depth, width := ← natOption llmstep.search.width
    maxNodes := ← natOption llmstep.search.maxNodes, structural := ← boolOption llmstep.search.structural
    perLength := ← boolOption llmstep.search.perLength
    deadline := (← IO.monoMsNow) + (← natOption llmstep.search.timeoutMs)
    heartbeats := (← natOption llmstep.search.maxHeartbeats) * 1000, check := ← limitsFromOptions }

/-- How a search ended, as one line for programs: `llmsearch: {"outcome": .., "proof": .., "expanded": .., "checked": .., "ms": ..}`.
The outcome is `proof`, `exhausted`, the limit that was reached, `failed`, or `blockFails`. -/
private def reportLine (progress : Progress) (started : Nat) (outcome : String) (proof? : Option String) : BaseIO String := do
  let ms := (← IO.monoMsNow) - started
  let json := Json.mkObj [
    ("outcome", Json.str outcome), ("proof", (proof?.map Json.str).getD Json.null),
    ("expanded", toJson progress.expanded), ("checked", toJson progress.checked), ("ms", toJson ms)]
  return s!"llmsearch: {json.compress}"

/-- Throw `message`; with the option `llmstep.search.report`, the report stands behind it. A message that was logged before an
exception would be lost. -/
private def giveUp {α : Type} (progress : Progress) (started : Nat) (outcome : String) (proof? : Option String) (message : String) :
    TacticM α := do
  let report ← if ← boolOption llmstep.search.report then pure s!"\n{← reportLine progress started outcome proof?}" else pure ""
  throwError "{message}{report}"

/-- Throw what a search that found nothing has to say. -/
private def giveUpSearch {α : Type} (found : Found) (started : Nat) : TacticM α := do
  let sofar := found.progress
  if let some (proof, why) := sofar.blockFails? then
    giveUp sofar started "blockFails" (some proof) s!"llmstep: a proof was found, but as one block it {why}:\n{proof}"
  let noProof (outcome why : String) : TacticM α :=
    giveUp sofar started outcome none s!"llmstep: no proof found, {why}; {sofar.checked} tactics were checked, and the model was asked \
      {sofar.expanded} times. The options llmstep.search.depth, llmstep.search.width, llmstep.search.maxNodes and \
      llmstep.search.timeoutMs set the limits."
  match found.ending with
  | .failed why => giveUp sofar started "failed" none why
  | .limit option => noProof option s!"llmstep.search.{option} is used up"
  | _ => noProof "exhausted" "no state is left to go on from"

/-- How far a search is, for its user. -/
def searchText (progress : Progress) (started : Nat) : BaseIO String := do
  let seconds := ((← IO.monoMsNow) - started) / 1000
  let goals := if progress.open' == 1 then "1 goal" else s!"{progress.open'} goals"
  return s!"llmsearch: {seconds} s, {progress.checked} tactics checked, {progress.expanded} questions to the model; \
    the best state has {goals}, the first of them\n⊢ {progress.goal}"

/-- Put the block in place of the call's goal: run it here, where the rest of the proof goes on. -/
def runBlock (goal : MVarId) (tactic : String) : TacticM Unit := do
  let others := (← getGoals).filter (· != goal)
  setGoals [goal]
  -- It was checked with the limits of the search.
  let checked ← checkCandidate tactic {}
  let (.closes, some after) := (checked.outcome, checked.after?)
    | throwError "llmstep: the proof ran when it was checked, but not here: it {checked.outcome.text}:\n{tactic}"
  let messages ← Core.getMessageLog
  after.restore
  setGoals others
  Core.setMessageLog messages

def startSearch (stx : Syntax) : TacticM Unit := do
  refuseInBatch "llmsearch"
  discard <| placeOfCall? stx
  let started ← IO.monoMsNow
  let limits ← searchLimits
  let inquiry := { ← inquiryFromOptions (← documentAt? stx) "" with n := limits.width }
  let goal ← getMainGoal
  let closers ← knownClosers
  let isCrowded := (← getUnsolvedGoals).length > 1
  let show' (checked : Checked) : TacticM Unit := do
    showProof stx goal checked isCrowded fun text =>
      Lean.Meta.Tactic.TryThis.addSuggestion stx { suggestion := .string text } (header := "Try this:")
  if let some checked ← knownProof? stx then
    startJob fun _ => return do
      show' checked
      runBlock goal checked.tactic
  else startJob fun sofar => do
    let found ← search goal limits inquiry closers (report := fun progress => do sofar.set (← searchText progress started))
    return do
      let .proof _ checked := found.ending | giveUpSearch found started
      show' checked
      if ← boolOption llmstep.search.report then logInfoAt stx (← reportLine found.progress started "proof" (some checked.tactic))
      runBlock goal checked.tactic

/-- The first step of `llmsearch`. -/
syntax (name := llmsearchStart) "llmsearch_start" : tactic

elab_rules : tactic
  | `(tactic| llmsearch_start) => do startSearch (← getRef)

macro_rules
  | `(tactic| llmsearch) => `(tactic| (
    llmsearch_start; llmstep_wait 2000; llmstep_wait 3000; llmstep_wait 5000; llmstep_wait 10000; llmstep_wait 20000
    llmstep_wait 40000; llmstep_wait 80000; llmstep_end))

end LLMstep
