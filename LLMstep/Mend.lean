module
public meta import Lean
public meta import LLMstep.SearchTactic
public meta import LLMstep.Place
public meta section
open Lean Meta Elab Tactic

/-!
# Running a proof that is almost right

A proof that somebody has written is run tactic by tactic. Where a tactic fails, what it should have done is looked for: inside a bullet or a
`have`, if the fault is there; else the goal is closed by a search, or the tactic is left out. Cases that were forgotten are closed in the end,
and what comes after the last goal is dropped. What results is a block that runs, and the goals that it leaves.

```
-- constructor        what is run: constructor
-- · exact hr                      · exact hp       (`hr` does not exist)
-- · exact hq                      · exact hq
```
-/
namespace LLMstep

/-! ## The parts of a block -/

/-- A tactic of a block. `text`: from column 0 on. `line`: where it begins in the block, from 1. `why?`: why it cannot be parsed, if so. -/
structure Item where
  text : String
  line : Nat
  why? : Option String := none

/-- Longest block that is looked at, in lines. -/
def maxBlockLines : Nat := 400

private def indentOf (line : String) : Nat := (line.toList.takeWhile (· == ' ')).length

/-- Remove `columns` blanks in front of each line, as far as there are any. -/
private def outdent (columns : Nat) (lines : List String) : List String :=
  lines.map fun line => withoutFirstChars (min columns (indentOf line)) line

/-- The tactics of a text that parses. `first`: the number of its first line. -/
private def parsedItems? (env : Environment) (lines : List String) (first : Nat) : Except String (Array Item) := do
  let columns := ((lines.filter (!isBlank ·)).head?.map indentOf).getD 0
  let text := "\n".intercalate (outdent columns lines)
  let source := s!"(\n{text}\n)"
  let (stx, isSequence) ← parseTactic env text
  let items := if isSequence then tacticsIn stx[1] else #[stx]
  let bytes := source.toUTF8
  let mut found := #[]
  for item in items do
    let some (start, stop) := bytesOf? item | continue
    let before := (String.fromUTF8? (bytes.extract 0 start)).getD ""
    let linesBefore := before.splitOn "\n"
    let column := ((linesBefore.getLast?.map (·.length))).getD 0
    match ((String.fromUTF8? (bytes.extract start stop)).getD "").splitOn "\n" with
    | [] => continue
    | line :: rest =>
      -- A separator is no tactic.
      if isBlank line || trimmed line == ";" then continue
      found := found.push { text := "\n".intercalate (line :: outdent column rest), line := first + linesBefore.length - 2 }
  return found

/-- The lines of a block, those together that belong together by their indentation. A case of `induction … with` belongs to it. -/
private def chunksOf (lines : List String) : List (List String) := Id.run do
  let solid := lines.filter (!isBlank ·)
  let base := solid.foldl (fun least line => min least (indentOf line)) ((solid.head?.map indentOf).getD 0)
  let mut chunks : Array (List String) := #[]
  for line in lines do
    let begins := !isBlank line && indentOf line == base && !(trimmed line).startsWith "| "
    match chunks.back? with
    | some last => if begins then chunks := chunks.push [line] else chunks := (chunks.extract 0 (chunks.size - 1)).push (last ++ [line])
    | none => chunks := chunks.push [line]
  return chunks.toList

/-- Whether a tactic that begins so can be looked into. -/
private def hasInside (line : String) : Bool :=
  let line := trimmed line
  line.startsWith "· " || line.startsWith ". " || line.endsWith " with" || (line.startsWith "have " && line.endsWith "by")

/-- The tactics of a block. What does not parse is taken apart: into what stands at one column, then line by line. A line that does not parse
is a tactic by itself, and so is one that can be looked into with what belongs to it. -/
partial def itemsOf (env : Environment) (lines : List String) (first : Nat := 1) : Array Item := Id.run do
  let solid := lines.dropWhile isBlank
  let first := first + (lines.length - solid.length)
  let some head := solid.head? | return #[]
  let mut why := ""
  match parsedItems? env solid first with
  | .ok items => return items
  | .error e => why := e
  let chunks := chunksOf solid
  if chunks.length > 1 then
    let mut items := #[]
    let mut line := first
    for chunk in chunks do
      items := items ++ itemsOf env chunk line
      line := line + chunk.length
    return items
  if solid.length > 1 && hasInside head then
    return #[{ text := trimmedEnd ("\n".intercalate (outdent (indentOf head) solid)), line := first, why? := some (brief why) }]
  let mut count := solid.length - 1
  while count > 0 do
    if let .ok items := parsedItems? env (solid.take count) first then return items ++ bad env why solid first count
    count := count - 1
  return bad env why solid first 0
where
  bad (env : Environment) (why : String) (lines : List String) (first count : Nat) : Array Item :=
    match lines.drop count with
    | [] => #[]
    | line :: rest => #[{ text := trimmed line, line := first + count, why? := some (brief why) }] ++ itemsOf env rest (first + count + 1)

/-- The tactics of a proof. -/
def blockItems (env : Environment) (text : String) : Array Item :=
  itemsOf env ((text.replace "\t" "  ").splitOn "\n" |>.take maxBlockLines)

/-! ## Running -/

/-- What Lean says about a tactic of a proof, and the goals it was to work on. -/
structure Fault where
  line : Nat
  tactic : String
  error : String
  goals : Array String

def Fault.text (fault : Fault) : String := s!"line {fault.line}: {fault.error}"

/-- What mending needs. `deadline` as in `IO.monoMsNow`. `close?` closes the main goal in so many milliseconds, and tells how. -/
structure Mending where
  deadline : Nat
  limits : Limits
  gapMs : Nat
  close? : Nat → TacticM (Option String)
  faults : IO.Ref (Array Fault)
  hopeless : IO.Ref (Array GoalKey)

private def Mending.left (m : Mending) : BaseIO Nat := do return m.deadline - (← IO.monoMsNow)

private def loggedError? : CoreM (Option String) := do
  for message in (← Core.getMessageLog).toList do
    if let .error := message.severity then return some (← message.data.toString)
  return none

/-- Run a tactic on the goals. The goals it leaves, or why it fails; then the state is as it was. -/
private def runItem (m : Mending) (item : Item) (goals : List MVarId) : TacticM (Except String (List MVarId)) := do
  if let some why := item.why? then return .error why
  let some goal := goals.head? | return .error "no goals are left"
  match parseTactic (← getEnv) item.text with
  | .error why => return .error (brief why)
  | .ok (stx, _) =>
    if let some part := bannedPart? stx then return .error s!"contains {part}"
    let saved ← Tactic.saveState
    let envBefore ← getEnv
    let selves ← selfReferences goal
    let left ← m.left
    if left == 0 then return .error "the time is over"
    let ms := if m.limits.timeoutMs == 0 then left else min left m.limits.timeoutMs
    let run : TacticM (Except String (List MVarId)) := do
      Core.resetMessageLog
      setGoals goals
      Term.withSynthesize <| Term.withoutErrToSorry <| withoutRecover <| withEnableInfoTree false <| evalTactic stx
      if let some why ← loggedError? then return .error (brief why)
      let proof ← instantiateMVars (mkMVar goal)
      if let some why := cheats? envBefore (← getEnv) proof then return .error why
      if selves.any fun fvarId => proof.containsFVar fvarId then return .error "uses the theorem that is being proved"
      return .ok (← getUnsolvedGoals)
    -- `·` logs what is wrong and gives up without a word.
    let tell (e : Exception) : TacticM (Except String (List MVarId)) := do
      return .error (brief ((← loggedError?).getD (← e.toMessageData.toString)))
    let result ← withWallClock ms (onLate := return .error s!"took longer than {ms} ms") <|
      withHeartbeatLimit m.limits.heartbeats (handler := tell) run
    if let .error _ := result then saved.restore (restoreInfo := true)
    return result

private def isOpen (goal : MVarId) : TacticM Bool := do return !(← goal.isAssigned)

/-- Close one goal by a search, unless that was in vain before. The state is one in which it is closed, or as it was. -/
private def closeGap? (m : Mending) (goal : MVarId) : TacticM (Option (List String)) := do
  let key ← goal.withContext do goalKey (← getLCtx) [goal]
  if (← m.hopeless.get).any (· == key) then return none
  let ms := min m.gapMs (← m.left)
  if ms == 0 then return none
  let saved ← Tactic.saveState
  setGoals [goal]
  if let some proof ← m.close? ms then
    let item : Item := { text := proof, line := 0 }
    if let .ok [] ← runItem m item [goal] then return some (proof.splitOn "\n")
  saved.restore
  m.hopeless.modify (·.push key)
  return none

/-- The text behind the first `mark`, and what stands before it. -/
private def splitAt? (mark text : String) : Option (String × String) :=
  match text.splitOn mark with
  | head :: rest => if rest.isEmpty then none else some (head, mark.intercalate rest)
  | [] => none

/-- An `intro` of more than there is, with as many names as there are. -/
private def withFewerNames? (m : Mending) (item : Item) (goals : List MVarId) : TacticM (Option (List String × List MVarId)) := do
  unless item.text.startsWith "intro " do return none
  let mut words := (item.text.splitOn " ").filter (!·.isEmpty)
  while words.length > 2 do
    words := words.dropLast
    let text := " ".intercalate words
    if let .ok after ← runItem m { item with text, why? := none } goals then return some ([text], after)
  return none

/-- Whether a fact is stated that nothing after it names: what proves it does not matter. -/
private def isIdle (item : Item) (later : List Item) : Bool :=
  match item.text.splitOn " " with
  | "have" :: name :: _ => !name.startsWith ":" && !later.any fun other => (other.text.splitOn name).length > 1
  | _ => false

private def indented (lines : List String) : List String := lines.map fun line => if isBlank line then "" else "  " ++ line

mutual

/-- Run the tactics of a block on the goals, mending what fails. The lines that were run, and the goals they leave. -/
partial def runItems (m : Mending) (items : List Item) (goals : List MVarId) : TacticM (List String × List MVarId) := do
  let mut lines : List String := []
  let mut goals := goals
  let mut later := items
  for item in items do
    later := later.drop 1
    Core.checkInterrupted
    goals ← goals.filterM isOpen
    if goals.isEmpty then break
    match ← runItem m item goals with
    | .ok after =>
      lines := lines ++ item.text.splitOn "\n"
      goals := after
    | .error why =>
      let before ← m.faults.get
      let texts ← goalTexts (goals.take 1)
      let mended? ← if isIdle item later then pure none else mendItem? m item goals
      -- What is wrong inside says more than that the whole is wrong.
      if (← m.faults.get).size == before.size then
        m.faults.set (before.push { line := item.line, tactic := item.text, error := why, goals := texts })
      if let some (mended, after) := mended? then
        lines := lines ++ mended
        goals := after
  let (closing, left) ← closeAll m goals
  return (lines ++ closing, left)

/-- Another way to do what a tactic was to do: the lines, and the goals they leave. -/
partial def mendItem? (m : Mending) (item : Item) (goals : List MVarId) : TacticM (Option (List String × List MVarId)) := do
  let goal :: rest := goals | return none
  let saved ← Tactic.saveState
  if item.text.startsWith "· " || item.text.startsWith ". " then
    let inner := (" " ++ withoutFirstChars 1 item.text).splitOn "\n"
    let (lines, left) ← runItems m (itemsOf (← getEnv) inner item.line).toList [goal]
    if left.isEmpty then return some (bulleted lines, rest)
    -- The last goal needs no bullet, and what is done in it is not lost.
    if rest.isEmpty && !lines.isEmpty then return some (lines, left)
    saved.restore
    return none
  if item.text.startsWith "have " || item.text.startsWith "obtain " then
    if let some mended ← mendFact? m item goal rest then return some mended
    saved.restore
  if let some mended ← mendCases? m item goal rest then return some mended
  saved.restore
  if let some mended ← withFewerNames? m item goals then return some mended
  let some lines ← closeGap? m goal | return none
  return some (lines, rest)

/-- Mend `induction … with` and `cases … with` case by case. -/
partial def mendCases? (m : Mending) (item : Item) (goal : MVarId) (rest : List MVarId) : TacticM (Option (List String × List MVarId)) := do
  let all := item.text.splitOn "\n"
  let isCase (line : String) := line.startsWith "| " && (line.splitOn "=>").length > 1
  let head := all.takeWhile (!isCase ·)
  unless (trimmedEnd ("\n".intercalate head)).endsWith " with" do return none
  -- The cases: how each begins, what is done in it, where.
  let mut cases : Array (String × List String × Nat) := #[]
  let mut line := item.line + head.length
  for text in all.drop head.length do
    if isCase text then
      let (start, inner) := (splitAt? "=>" text).getD (text, "")
      cases := cases.push (start ++ "=>", if isBlank inner then [] else [trimmed inner], line)
    else if let some (start, inner, first) := cases.back? then
      cases := (cases.extract 0 (cases.size - 1)).push (start, inner ++ [text], first)
    line := line + 1
  let opened : Item := { text := "\n".intercalate (head ++ cases.toList.map fun (start, _) => start ++ " ?_"), line := item.line }
  let .ok goals ← runItem m opened [goal] | return none
  unless goals.length == cases.size do return none
  let mut lines := head
  for ((start, inner, first), goal) in cases.toList.zip goals do
    let env ← getEnv
    let below := if inner.isEmpty then [] else (itemsOf env inner (first + 1)).toList
    let (done, left) ← runItems m below [goal]
    unless left.isEmpty do return none
    lines := lines ++ (start :: indented done)
  return some (lines, rest)

/-- Prove in another way what a `have` states. -/
partial def mendFact? (m : Mending) (item : Item) (goal : MVarId) (rest : List MVarId) : TacticM (Option (List String × List MVarId)) := do
  let some (head, body) := splitAt? " :=" item.text | return none
  unless (head.splitOn " : ").length > 1 do return none
  let stated : Item := { text := s!"{head} := ?_", line := item.line }
  let .ok opened ← runItem m stated [goal] | return none
  -- The statement is the goal that came last; what goes on with it comes first.
  let some fact := opened.getLast? | return none
  let inner := match splitAt? "by" body with
    | some (before, tactics) => if isBlank before then tactics else ""
    | none => ""
  let (lines, left) ← runItems m (itemsOf (← getEnv) (inner.splitOn "\n") item.line).toList [fact]
  unless left.isEmpty do return none
  return some (s!"{head} := by" :: indented lines, opened.dropLast ++ rest)

/-- Close the goals that are left, in their order, as far as that succeeds. -/
partial def closeAll (m : Mending) (goals : List MVarId) : TacticM (List String × List MVarId) := do
  let goals ← goals.filterM isOpen
  match goals with
  | [] => return ([], [])
  | [goal] =>
    match ← closeGap? m goal with
    | some lines => return (lines, [])
    | none => return ([], goals)
  | goal :: rest =>
    match ← closeGap? m goal with
    | none => return ([], goals)
    | some lines => do
      let (more, left) ← closeAll m rest
      -- The last one is no bullet yet.
      let more := if rest.length == 1 && left.isEmpty then bulleted more else more
      return (bulleted lines ++ more, left)

end

/-- What came of a proof. `checked`: the block that was run, as one candidate; none if nothing of it runs. `faults`: what Lean says, in the
proof's order. -/
structure Mended where
  checked? : Option Checked
  faults : Array Fault

/-- Run a proof of the main goal, mended where it fails. The state is put back. -/
def mend (m : Mending) (proof : String) : TacticM Mended := do
  let goal ← getMainGoal
  let saved ← Tactic.saveState
  let heartbeats ← IO.getNumHeartbeats
  try
    m.faults.set #[]
    let (lines, _) ← runItems m (blockItems (← getEnv) proof).toList [goal]
    saved.restore (restoreInfo := true)
    let faults ← m.faults.get
    if lines.isEmpty then return { checked? := none, faults }
    let checked ← checkCandidate ("\n".intercalate lines) { heartbeats := 0, timeoutMs := max 1 (← m.left) }
    if let .fails why := checked.outcome then
      return { checked? := none, faults := faults.push { line := 1, tactic := checked.tactic, error := why, goals := ← goalTexts [goal] } }
    return { checked? := some checked, faults }
  finally
    saved.restore (restoreInfo := true)
    IO.setNumHeartbeats heartbeats

/-- Mending with a search that asks no model. -/
def mendingWith (deadline gapMs : Nat) (limits : Limits) : TacticM Mending := do
  let closers ← knownClosers
  let base ← searchLimits
  let inquiry ← inquiryFromOptions none ""
  let close? (ms : Nat) : TacticM (Option String) := do
    let limits := { base with maxNodes := 0, deadline := min deadline ((← IO.monoMsNow) + ms) }
    let found ← search (← getMainGoal) limits inquiry closers
    match found.ending with
    | .proof _ checked => return some checked.tactic
    | _ => return none
  return { deadline, limits, gapMs, close?, faults := ← IO.mkRef #[], hopeless := ← IO.mkRef #[] }

end LLMstep
