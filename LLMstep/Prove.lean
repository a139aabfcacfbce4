module
public meta import Lean
public meta import LLMstep.Mend
public meta import LLMstep.SearchTactic
public meta section
open Lean Meta Elab Tactic

/-!
# The tactic `llmprove`

Asks for a whole proof, runs it, mends what almost runs, tells the model what Lean said, and asks again. A model that writes single steps has no
proof to give; then `llmsearch` is tried in its place, and the message says which models would have one.

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmprove "split the conjunction"
```
-/
namespace LLMstep

/-- `llmprove` asks the model for a whole proof of the main goal, runs it, closes small gaps by itself, tells the model what Lean said to the rest,
and asks again. It shows the proof as one `Try this`, or the longest part of one that runs, with the goals it leaves.
`llmprove "by induction on n"` gives the model a hint. See the options `llmstep.prove.*`. -/
syntax (name := llmproveTac) "llmprove" (ppSpace str)? : tactic

/-- The settings of one call. `deadline`, `started` as in `IO.monoMsNow`. `report`: whether a program reads how it ends. -/
structure ProveSettings where
  rounds : Nat
  deadline : Nat
  gapMs : Nat
  model? : Option String
  hint? : Option String
  document? : Option Document
  check : Limits
  started : Nat
  report : Bool

/-- What one call has come to. `best?`: the longest part that ran. `said`: what Lean said last. `failure?`: why the model was not asked on.
`tokens`: what the model has generated, thoughts included. -/
structure Proving where
  round : Nat := 0
  closed? : Option Checked := none
  best? : Option Checked := none
  attempt? : Option Attempt := none
  said : String := ""
  mended : Bool := false
  tokens : Nat := 0
  failure? : Option RpcError := none

/-- The sidecar cannot know that it was not asked for steps. -/
private def oldSidecar : RpcError := {
  code := -32603, message := "the sidecar answered with single steps: it does not know how to write whole proofs"
  hint? := some "Upgrade it with `lake run llmstep/setup`, then restart the file.", reason? := some "noProofMode" }

/-- How a call ended, as one line for programs: `llmprove: {"outcome": .., "proof": .., "rounds": .., "tokens": .., "mended": .., "ms": ..}`.
The outcome is `proof`, `rounds` or `timeoutMs` (that were used up), or why the model could not be asked. -/
private def reportLine (settings : ProveSettings) (state : Proving) : BaseIO String := do
  let now ← IO.monoMsNow
  let outcome := match state.closed?, state.failure? with
    | some _, _ => "proof"
    | none, some e => if now ≥ settings.deadline then "timeoutMs" else e.message
    | none, none => if state.round < settings.rounds then "timeoutMs" else "rounds"
  let json := Json.mkObj [
    ("outcome", Json.str outcome), ("proof", (state.closed?.map (Json.str ·.tactic)).getD Json.null), ("rounds", toJson state.round),
    ("tokens", toJson state.tokens), ("mended", toJson state.mended), ("ms", toJson (now - settings.started))]
  return s!"llmprove: {json.compress}"

/-- Lines of the proof being written that are shown. -/
private def linesShown : Nat := 3

/-- How far it is, for its user. -/
private def progressText (settings : ProveSettings) (state : Proving) (written : Written) : BaseIO String := do
  let seconds := ((← IO.monoMsNow) - settings.started) / 1000
  let stage := if written.tokens == 0 then "waiting for the model" else s!"{written.stage}, {written.tokens} tokens"
  let lines := (written.text.splitOn "\n").filter (!isBlank ·)
  let shown := (lines.drop (lines.length - min linesShown lines.length)).map ("\n  " ++ ·)
  let said := if state.said.isEmpty then "" else s!"\nLean said to the last proof: {state.said}"
  return s!"llmprove: {seconds} s, round {state.round} of {settings.rounds}, {stage}{String.join shown}{said}"

/-- Ask for proofs, following `tell` while they are written. What there is, and the tokens it took. -/
private def askProofs (settings : ProveSettings) (state : Proving) (tell : Written → BaseIO Unit) :
    TacticM (Except RpcError (Array Candidate × Nat)) := do
  let goals ← goalTexts (← getUnsolvedGoals)
  let banned := (← declarationName?).toArray.map toString
  let timeoutMs := max 1 (settings.deadline - (← IO.monoMsNow))
  let params (token : String) : Json := SuggestParams.json {
    goals, prefix' := "", document? := settings.document?, n? := some 1, timeoutMs? := some timeoutMs, banned
    model? := settings.model?, partialResultToken? := some token, mode? := some "proof", hint? := settings.hint?
    attempt? := state.attempt? }
  let asking ← startAsking "llmstep/suggest" params (settings.deadline + graceMs)
  try
    let mut proofs := #[]
    repeat
      let ended ← asking.hasEnded
      proofs := proofs ++ (← asking.take)
      if ended then break
      tell (← (← asking.written.get))
      asking.await ((← IO.monoMsNow) + 200)
    match ← IO.wait asking.ended with
    | .error e => return .error { code := 0, message := toString e }
    | .ok (.error e) => return .error e
    | .ok (.ok none) => return .error { code := 0, message := s!"the time is over (llmstep.prove.timeoutMs): no proof was complete" }
    | .ok (.ok (some answer)) =>
      if proofs.any (!·.isProof) then return .error oldSidecar
      return .ok (proofs, answer.tokens)
  finally asking.withdraw

/-- Which of two blocks that run has come farther. -/
private def farther (a? : Option Checked) (b : Checked) : Option Checked :=
  let length (c : Checked) := (c.tactic.splitOn "\n").length
  match a? with
  | some a => if length b > length a then some b else some a
  | none => some b

/-- Run one proof, and take note of what came of it. -/
private def runProof (mending : Mending) (proof : Candidate) (state : Proving) : TacticM Proving := do
  if isBlank proof.tactic then
    let why := if proof.problem.isEmpty then "" else s!": {proof.problem}"
    let stop := if proof.stop == "end" then "" else s!" (it stopped for: {proof.stop})"
    return { state with said := s!"the model has written no proof{why}{stop}", attempt? := none }
  let mended ← mend mending proof.tactic
  let first? := mended.faults[0]?
  let said := (first?.map (·.text)).getD "goals are left"
  let attempt : Attempt := {
    text := proof.tactic, error := said, goals := (first?.map (·.goals)).getD #[] }
  let state := { state with said, attempt? := some attempt }
  let some checked := mended.checked? | return state
  match checked.outcome with
  | .closes => return { state with closed? := some checked, mended := !mended.faults.isEmpty }
  | .runs goals _ =>
    let texts ← if mended.faults.isEmpty then leftTexts checked goals else pure attempt.goals
    return { state with best? := farther state.best? checked, attempt? := some { attempt with goals := texts } }
  | .fails _ => return state
where
  leftTexts (checked : Checked) (goals : List MVarId) : TacticM (Array String) := do
    let some after := checked.after? | return #[]
    let saved ← Tactic.saveState
    after.restore
    try goalTexts goals finally saved.restore

/-- All rounds. -/
private def prove (settings : ProveSettings) (mending : Mending) (tell : Proving → Written → BaseIO Unit) : TacticM Proving := do
  let mut state : Proving := {}
  let mut faults := 0
  for round in [1:settings.rounds + 1] do
    if (← IO.monoMsNow) ≥ settings.deadline then break
    state := { state with round }
    match ← askProofs settings state (tell state) with
    | .error e =>
      faults := faults + 1
      -- A sidecar that died is started again, once; what it refuses, it refuses again.
      if e.code != 0 || faults > 1 || (← IO.monoMsNow) ≥ settings.deadline then return { state with failure? := some e }
    | .ok (proofs, tokens) =>
      state := { state with tokens := state.tokens + tokens }
      if proofs.isEmpty then state := { state with said := "the model has written no proof" }
      for proof in proofs do
        state ← runProof mending proof state
        if state.closed?.isSome then return state
  return state

/-- Show a block in place of the call. -/
private def showBlock (stx : Syntax) (goal : MVarId) (checked : Checked) (isCrowded : Bool) : TacticM Unit := do
  let some text ← replacementText? stx (← placeOf? stx) checked isCrowded
    | throwError "llmstep: a proof was found, but in this place it would be read as something else:\n{checked.tactic}"
  match checked.outcome with
  | .runs _ _ =>
    -- Run here, so that the goals it leaves are known to this state.
    let saved ← Tactic.saveState
    let others := (← getGoals).filter (· != goal)
    setGoals [goal]
    let again ← checkCandidate checked.tactic {}
    let (.runs goals _, some after) := (again.outcome, again.after?)
      | throwError "llmstep: the part of a proof ran when it was checked, but not here:\n{checked.tactic}"
    after.restore
    let left ← goalTexts goals
    saved.restore
    setGoals (goal :: others)
    let post := "\n" ++ "\n\n".intercalate left.toList
    Lean.Meta.Tactic.TryThis.addSuggestion stx { suggestion := .string text, postInfo? := some post } (header := "Try this:")
  | _ =>
    showProof stx goal checked isCrowded fun text =>
      Lean.Meta.Tactic.TryThis.addSuggestion stx { suggestion := .string text, preInfo? := some "🎉 " } (header := "Try this:")
    runBlock goal checked.tactic

/-- What to do when all rounds are over. -/
private def showProving (stx : Syntax) (goal : MVarId) (settings : ProveSettings) (state : Proving) (isCrowded : Bool) : TacticM Unit := do
  let said := if state.said.isEmpty then "" else s!" Lean said to the last proof: {state.said}"
  let failure := match state.failure? with
    | some e => s!" {e.text}"
    | none => ""
  let report ← if settings.report then pure s!"\n{← reportLine settings state}" else pure ""
  if let some checked := state.closed? then
    showBlock stx goal checked isCrowded
    if state.mended then logInfoAt stx m!"llmprove: the model's proof was mended: {state.said}"
    if settings.report then logInfoAt stx (trimmed report)
  else if let some checked := state.best? then
    showBlock stx goal checked isCrowded
    logInfoAt stx m!"llmprove: no proof after {state.round} of {settings.rounds} rounds; this is the longest part that runs.{said}{failure}{report}"
  -- A message that was logged before an exception would be lost.
  else if let some e := state.failure? then throwError "llmstep: {e.text}{said}{report}"
  else throwError "llmstep: no proof after {state.round} rounds, and no part of one runs.{said}{report}"

/-- A search in place of a proof that the model cannot write. -/
private def searchInstead (stx : Syntax) (goal : MVarId) (settings : ProveSettings) (why : RpcError) (isCrowded : Bool)
    (sofar : IO.Ref String) (started : Nat) : TacticM (TacticM Unit) := do
  let limits := { ← searchLimits with deadline := settings.deadline }
  let inquiry := { ← inquiryFromOptions settings.document? "" with n := limits.width }
  let found ← search goal limits inquiry (← knownClosers) fun progress => do
    sofar.set s!"llmprove: {why.text}\nMeanwhile, a search:\n{← searchText progress started}"
  return do
    match found.ending with
    | .proof _ checked =>
      showBlock stx goal checked isCrowded
      logInfoAt stx m!"llmprove: {why.text}\nThis proof is that of llmsearch."
    | _ => throwError "llmstep: {why.text}\nllmsearch, tried in its place, has found no proof either \
      ({found.progress.checked} tactics were checked)."

def startProve (stx : Syntax) (hint : String) : TacticM Unit := do
  refuseInBatch "llmprove"
  discard <| placeOfCall? stx
  let started ← IO.monoMsNow
  let own ← stringOption llmstep.prove.model
  let settings : ProveSettings := {
    rounds := ← natOption llmstep.prove.rounds, deadline := started + (← natOption llmstep.prove.timeoutMs)
    gapMs := ← natOption llmstep.prove.gapMs, model? := ← (if isBlank own then chosenModel? else pure (some own))
    hint? := if isBlank hint then none else some hint, document? := ← documentAt? stx, check := ← limitsFromOptions
    started, report := ← boolOption llmstep.prove.report }
  let goal ← getMainGoal
  let isCrowded := (← getUnsolvedGoals).length > 1
  let mending ← mendingWith settings.deadline settings.gapMs settings.check
  startJob fun sofar => do
    let state ← prove settings mending fun state written => do sofar.set (← progressText settings state written)
    if let some e := state.failure? then
      -- A program that counts proofs counts those of the model.
      if !settings.report && e.reason? == some "noProofMode" && state.closed?.isNone && state.best?.isNone then
        return ← searchInstead stx goal settings e isCrowded sofar started
    return showProving stx goal settings state isCrowded

/-- The first step of `llmprove`. -/
syntax (name := llmproveStart) "llmprove_start " str : tactic

elab_rules : tactic
  | `(tactic| llmprove_start $hint) => do startProve (← getRef) hint.getString

macro_rules
  | `(tactic| llmprove) => `(tactic| llmprove "")
  | `(tactic| llmprove $hint:str) => `(tactic| (
    llmprove_start $hint; llmstep_wait 2000; llmstep_wait 4000; llmstep_wait 8000; llmstep_wait 16000; llmstep_wait 30000
    llmstep_wait 30000; llmstep_wait 30000; llmstep_wait 60000; llmstep_wait 60000; llmstep_end))

end LLMstep
