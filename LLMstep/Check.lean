module
public meta import Lean
public meta import LLMstep.Goal
public meta import LLMstep.GoalKey
public meta import LLMstep.Falsity
public meta section
open Lean Meta Elab Tactic

/-!
# Checking a candidate

A candidate runs on the main goal alone, under its own limits, and leaves no trace: goals, messages, traces, info trees, environment and
the heartbeat counter are put back. It *closes* the goal if no goals, no new error, no `sorry`, no new metavariable and no circular
use of the theorem itself remain; it *runs* if other goals remain; else it *fails*. The kernel has not seen the proof yet: it does when the
user takes the suggestion. Nothing here waits for the declarations above: what a candidate declares is read where it is, not where the
kernel has come to.

```
#eval show TacticM Unit from do
  let checked ← checkCandidate "exact hp" {}
  logInfo checked.outcome.text
```
-/
namespace LLMstep

/-- Limits of one check. `heartbeats` in thousands, as in `maxHeartbeats`. `budgetMs`: of all checks of one call together. 0 means no
limit. -/
structure Limits where
  heartbeats : Nat := 20000
  timeoutMs : Nat := 5000
  budgetMs : Nat := 0

inductive Outcome where
  | closes
  /-- The goals that remain (in the state `after?` of the check), and what they say. -/
  | runs (goals : List MVarId) (key : GoalKey)
  | fails (why : String)

def Outcome.isFailure : Outcome → Bool
  | .fails _ => true
  | _ => false

def Outcome.text : Outcome → String
  | .closes => "closes the goal"
  | .runs goals _ => s!"runs, {goals.length} goals remain"
  | .fails why => s!"fails: {why}"

/-- A candidate and what became of it.
`source`: as the model wrote it. `tactic`: its text, continuation lines relative to column 0. `isSequence`: whether it is more than one tactic.
`after?`: the state it leads to, unless it fails. `heartbeats`: what the check used, in thousandths of an option's unit.
`isLate`: it fails because its time was over. `showsFalse`: it fails because it has turned the goal into `False`. `proof?`: of one that closes
the goal. `isFinished`: it is not the model's own, see `finish?`. -/
structure Checked where
  source : String
  tactic : String
  outcome : Outcome
  isSequence : Bool := false
  after? : Option Tactic.SavedState := none
  heartbeats : Nat := 0
  isLate : Bool := false
  showsFalse : Bool := false
  proof? : Option Expr := none
  isFinished : Bool := false

/-! ## Parsing -/

/-- Words that end a search or cheat; as tokens they are found wherever they stand in a candidate. -/
def bannedTokens : List String := ["sorry", "admit", "native_decide", "stop", "llmstep", "llmsearch", "llmprove"]

def bannedNames : List Name := [`sorryAx, `Lean.ofReduceBool, `Lean.ofReduceNat, `Lean.trustCompiler]

private def isBanned : Syntax → Bool
  | .atom _ token => bannedTokens.contains (trimmed token)
  | .ident _ _ name _ => !name.isAnonymous && bannedNames.any fun banned => name.isSuffixOf banned || banned.isSuffixOf name
  | _ => false

/-- What of `stx` must not be in a suggestion. -/
def bannedPart? (stx : Syntax) : Option String :=
  match stx.find? isBanned with
  | some (.atom _ token) => some (trimmed token)
  | some found => some (toString found.getId)
  | none => none

/-- Remove the common indentation of all lines but the first, as when a tactic was cut out of a file. -/
def dedent (text : String) : String :=
  match text.splitOn "\n" with
  | [] => text
  | first :: rest =>
    let width (line : String) := (line.toList.takeWhile (· == ' ')).length
    let solid := rest.filter fun line => !isBlank line
    let common := solid.foldl (fun least line => min least (width line)) ((solid.head?.map width).getD 0)
    "\n".intercalate (first :: rest.map fun line => withoutFirstChars common line)

/-- Parse a tactic or a sequence of tactics; whether it is a sequence. The message of a failure is the parser's.

In parentheses, because only inside a sequence has the parser a column to compare with: on its own, `intro a⏎intro b` is one
`intro` with three names. -/
def parseTactic (env : Environment) (text : String) : Except String (Syntax × Bool) := do
  let stx ← Parser.runParserCategory env `tactic s!"(\n{text}\n)" "<llmstep>"
  -- `a) <;> (b` would be no longer in parentheses.
  unless stx.getKind == `Lean.Parser.Tactic.paren do throw "unbalanced parentheses"
  let items := stx[1][0][0]
  -- Tactics and separators take turns; the line's end is a separator too.
  if stx[1][0].getKind == `Lean.Parser.Tactic.tacticSeq1Indented && items.getNumArgs ≤ 2 then return (items[0], false)
  return (stx, true)

/-- The parser's message without its position, which is none in the user's file. -/
private def withoutPosition (message : String) : String :=
  match message.splitOn ": " with
  | _ :: rest => if rest.isEmpty then message else ": ".intercalate rest
  | [] => message

/-- Parse a candidate as it is or, failing that, dedented. Its text as it should be shown, its syntax, whether it is a sequence. -/
def readCandidate (env : Environment) (candidate : String) : Except String (String × Syntax × Bool) := do
  let text := trimmed candidate
  match parseTactic env text with
  | .ok (stx, isSequence) => return (text, stx, isSequence)
  | .error why =>
    let dedented := dedent text
    match parseTactic env dedented with
    | .ok (stx, isSequence) => return (dedented, stx, isSequence)
    | .error _ => throw s!"does not parse ({withoutPosition ((why.splitOn "\n").head?.getD why)})"

/-! ## Running -/

/-- Run `x`; after `ms` milliseconds interrupt it and run `onLate` instead. Heartbeats do not count what `decide`, compiled code
or IO do. An interruption by the user is passed on. -/
def withWallClock {α : Type} (ms : Nat) (x onLate : TacticM α) : TacticM α := do
  if ms == 0 then return ← x
  let parent? := (← readThe Core.Context).cancelTk?
  let token ← IO.CancelToken.new
  let over ← IO.mkRef false
  let late ← IO.mkRef false
  let stop := (← IO.monoMsNow) + ms
  let watch : IO Unit := do
    while !(← over.get) do
      if let some parent := parent? then
        if ← parent.isSet then
          token.set
          return
      if (← IO.monoMsNow) ≥ stop then
        late.set true
        token.set
        return
      IO.sleep 10
  discard <| (IO.asTask watch (prio := .dedicated) : BaseIO _)
  let watched : TacticM α :=
    -- Below `CoreM`, where interruptions can be caught.
    controlAt (EIO Exception) fun run => do
      try run (withTheReader Core.Context (fun c => { c with cancelTk? := some token }) x)
      catch e => if e.isInterrupt && (← late.get) then run onLate else throw e
  try watched finally over.set true

/-- Run `x` with a heartbeat limit of its own; exceeding it is an ordinary exception for `handler`. -/
def withHeartbeatLimit {α : Type} (thousands : Nat) (x : TacticM α) (handler : Exception → TacticM α) : TacticM α :=
  tryCatchRuntimeEx
    (withTheReader Core.Context (fun c => { c with maxHeartbeats := thousands * 1000 }) <| withCurrHeartbeats x)
    handler

/-- Why the proof must not be trusted, if so: a `sorry` or an axiom of the compiler, in it or in the constants it has introduced. -/
partial def cheats? (before after : Environment) (proof : Expr) (seen : NameSet := {}) : Option String := Id.run do
  if proof.hasSorry then return some "uses sorry"
  let mut seen := seen
  for name in proof.getUsedConstants do
    if bannedNames.contains name then return some s!"uses {name}"
    if seen.contains name || before.contains name then continue
    seen := seen.insert name
    match after.find? name with
    | none => continue
    | some (.axiomInfo _) => return some s!"adds the axiom {name}"
    | some info =>
      if let some value := info.value? (allowOpaque := true) then
        if let some why := cheats? before after value seen then return some why
  return none

private def firstError? : CoreM (Option String) := do
  for message in (← Core.getMessageLog).toList do
    if let .error := message.severity then return some (← message.data.toString)
  return none

/-- Length of a reason, in characters. -/
def briefLength : Nat := 200

/-- An error on one line, cut where it gets long. -/
def brief (text : String) : String :=
  let line := " ".intercalate <| (text.splitOn "\n").map trimmed |>.filter (!·.isEmpty)
  if line.length ≤ briefLength then line else firstChars briefLength line ++ "…"

/-- What there was before a candidate ran. `selves`: see `selfReferences`. -/
private structure Start where
  goal : MVarId
  lctx : LocalContext
  key : GoalKey
  isFalse : Bool
  selves : Array FVarId

private def Start.here : TacticM Start := do
  let goal ← getMainGoal
  goal.withContext do
    let lctx ← getLCtx
    return { goal, lctx, key := ← goalKey lctx [goal], isFalse := ← isFalseGoal goal, selves := ← selfReferences goal }

/-- The reason of a step that leaves `False` with nothing to prove it from. -/
def lostGoal : String := "leads to `False`, and no hypothesis could be contradictory"

/-- What a tactic has led to, the state there, and the proof if it is one. -/
private structure Verdict where
  outcome : Outcome
  after? : Option Tactic.SavedState := none
  proof? : Option Expr := none

/-- Run a tactic and judge what it leads to. -/
private def judge (stx : Syntax) (start : Start) : TacticM Verdict := do
  let envBefore ← getEnv
  let mctxBefore ← getMCtx
  Core.resetMessageLog
  setGoals [start.goal]
  Term.withSynthesize <| Term.withoutErrToSorry <| withoutRecover <| withEnableInfoTree false <| evalTactic stx
  let failing (why : String) : Verdict := { outcome := .fails why }
  if let some why ← firstError? then return failing (brief why)
  let proof ← instantiateMVars (mkMVar start.goal)
  if let some why := cheats? envBefore (← getEnv) proof then return failing why
  if start.selves.any fun fvarId => proof.containsFVar fvarId then return failing "uses the theorem that is being proved"
  let goals ← getUnsolvedGoals
  setGoals goals
  if goals.isEmpty then
    for mvarId in ← getMVars proof do
      if (mctxBefore.findDecl? mvarId).isNone then return failing "leaves metavariables"
    return { outcome := .closes, after? := some (← Tactic.saveState), proof? := some proof }
  if !start.isFalse && (← haveLostGoal goals) then return failing lostGoal
  let after ← Tactic.saveState
  let key ← goalKey start.lctx goals
  if key.sameNames start.key then return failing "changes nothing"
  return { outcome := .runs goals key, after? := some after }

private def checkParsed (candidate tactic : String) (stx : Syntax) (isSequence : Bool) (limits : Limits) : TacticM Checked := do
  let saved ← Tactic.saveState
  let traces ← getTraceState
  let heartbeats ← IO.getNumHeartbeats
  let late ← IO.mkRef false
  try
    let start ← Start.here
    saved.restore
    let verdict ←
      withWallClock limits.timeoutMs
        (onLate := do
          late.set true
          return { outcome := .fails s!"took longer than {limits.timeoutMs} ms" }) <|
      withHeartbeatLimit limits.heartbeats (handler := fun e => return { outcome := .fails (brief (← e.toMessageData.toString)) }) <|
      judge stx start
    let showsFalse := match verdict.outcome with
      | .fails why => why == lostGoal && rewritingTactics.contains (leadingWord tactic)
      | _ => false
    return {
      source := candidate, tactic, isSequence, outcome := verdict.outcome, after? := verdict.after?, proof? := verdict.proof?
      heartbeats := (← IO.getNumHeartbeats) - heartbeats, isLate := ← late.get, showsFalse }
  finally
    saved.restore (restoreInfo := true)
    -- Core never takes traces back.
    modifyTraceState fun _ => traces

/-- Run a candidate on the main goal and put everything back. Interruptions by the user are passed on. -/
def checkCandidate (candidate : String) (limits : Limits) : TacticM Checked := do
  let heartbeats ← IO.getNumHeartbeats
  try
    match readCandidate (← getEnv) candidate with
    | .error why => return { source := candidate, tactic := candidate, outcome := .fails why }
    | .ok (tactic, stx, isSequence) =>
      if let some part := bannedPart? stx then
        return { source := candidate, tactic, isSequence, outcome := .fails s!"contains {part}" }
      checkParsed candidate tactic stx isSequence limits
  finally IO.setNumHeartbeats heartbeats

end LLMstep
