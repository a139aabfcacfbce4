module
public meta import Lean
public meta import LLMstep.Sidecar
public meta import LLMstep.Check
public meta section
open Lean Meta Elab Tactic

/-!
# Asking the model and checking what it says

Candidates are checked while the model still decodes the next ones; as soon as one closes the goal, the model may be told to stop.

```
let gathered ← gather { prefix' := "exact", n := 8, timeoutMs := 60000 } {}
for scored in gathered.scored do logInfo m!"{scored.checked.tactic}: {scored.checked.outcome.text}"
```
-/
namespace LLMstep

/-- What to ask. `document?`: see `documentAt?`. -/
structure Inquiry where
  prefix' : String := ""
  n : Nat
  timeoutMs : Nat
  document? : Option Document := none
  stopOnClose : Bool := true

/-- A checked candidate, the model's score of it, and its place in the model's order. `text`: what is put in place of the call, as
soon as that is known. -/
structure Scored where
  checked : Checked
  score : Float
  place : Nat
  text : String := ""

/-- All candidates in the model's order. `late`: the time was over before the model had finished. -/
structure Gathered where
  scored : Array Scored
  late : Bool := false

/-- What the sidecar may take beyond the time it was given, to send what it has. -/
def graceMs : Nat := 1000

/-- The order of the final answer if there is one, else by score, best first. -/
def inModelOrder (seen : Array Scored) (answer? : Option Answer) : Array Scored :=
  let place (s : Scored) : Nat :=
    match answer? with
    | some answer => (answer.candidates.findIdx? fun c => c.tactic == s.checked.source).getD answer.candidates.size
    | none => 0
  let placed := seen.map fun s => { s with place := place s }
  placed.qsort fun a b => a.place < b.place || (a.place == b.place && a.score > b.score)

/-- Ask for the next steps of the main goal and check them as they arrive. Throws if the sidecar cannot be had or refuses; if it is
late, what has arrived is kept. -/
def gather (inquiry : Inquiry) (limits : Limits) : TacticM Gathered := withMainContext do
  let sidecar ← getSidecar (← findLaunch)
  discard <| sidecar.awaitReady
  let goals ← goalTexts (← getUnsolvedGoals)
  let banned := (← declarationName?).toArray.map toString
  let model? ← chosenModel?
  let params (token : String) : Json := SuggestParams.json {
    goals, prefix' := inquiry.prefix', document? := inquiry.document?, n? := some inquiry.n
    timeoutMs? := some inquiry.timeoutMs, banned, model?, partialResultToken? := some token }
  let deadline := (← IO.monoMsNow) + inquiry.timeoutMs + graceMs
  sidecar.withQuestion "llmstep/suggest" params fun question => do
    let mut seen : Array Scored := #[]
    repeat
      let (candidates, end?) ← match ← question.next deadline with
        | .arrived candidates => pure (candidates, none)
        | .late => pure (#[], some none)
        | .finished (.error e) => throwError "llmstep: {e.text}"
        | .finished (.ok result) =>
          match parseAnswer result with
          | .error why => throwError "llmstep: the sidecar's answer cannot be read: {why}"
          | .ok answer =>
            sidecar.model.set answer.model
            pure (answer.candidates, some (some answer))
      for candidate in candidates do
        if seen.any fun s => s.checked.source == candidate.tactic then continue
        let checked ← checkCandidate candidate.tactic limits
        seen := seen.push { checked, score := candidate.score, place := 0 }
        if inquiry.stopOnClose then
          if let .closes := checked.outcome then return { scored := inModelOrder seen (end?.bind id) }
      if let some answer? := end? then
        if answer?.isNone && seen.isEmpty then
          throwError "llmstep: no answer within {inquiry.timeoutMs} ms. \
            Raise the option llmstep.timeoutMs, ask for fewer candidates (llmstep.numSuggestions), or take a smaller model."
        return { scored := inModelOrder seen answer?, late := answer?.isNone }
    return { scored := seen }

/-- Refuse outside an editor: `lake build` would start a sidecar, with its model, for each file. -/
def refuseInBatch (name : String) : CoreM Unit := do
  unless Elab.inServer.get (← getOptions) do
    unless ← boolOption llmstep.batch do
      throwError "llmstep: `{name}` works in an editor only, this is a batch build. Put a proof in its place, \
        or allow it with `set_option llmstep.batch true` or LLMSTEP_LEAN_BATCH=true."

/-- The limits of one check, from the options. -/
def limitsFromOptions : CoreM Limits := do
  return { heartbeats := ← natOption llmstep.maxHeartbeats, timeoutMs := ← natOption llmstep.candidateTimeoutMs }

end LLMstep
