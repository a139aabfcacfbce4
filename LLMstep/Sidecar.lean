module
public meta import Lean
public meta import Std.Sync.Mutex
public meta import LLMstep.Options
public meta import LLMstep.Framing
public meta import LLMstep.Protocol
public meta import LLMstep.Command
public meta section
open Lean

/-!
# The sidecar process

One process per command line and Lean worker, started on first use and shared by all proofs of the file. All its streams are
pipes: Lean's own stdin and stdout are the editor's channel, and an editor pops up whatever reaches stderr. Two threads of our own
read stdout and stderr; requests are told apart by their id, so proofs that elaborate in parallel do not wait for each other, and
no lock is held while anybody waits.

```
let s ← getSidecar (← findLaunch)
s.withQuestion "llmstep/status" (fun _ => Json.mkObj []) fun q => do
  match ← q.next (deadline := (← IO.monoMsNow) + 1000) with
  | .finished (.ok status) => logInfo m!"{status}"
  | _ => pure ()
```
-/
namespace LLMstep

abbrev pipes : IO.Process.StdioConfig := { stdin := .piped, stdout := .piped, stderr := .piped }

/-- What became of a request. -/
abbrev Reply := Except RpcError Json

/-- A running sidecar, or the memory of one. -/
structure Sidecar where
  launch : Launch
  child : IO.Process.Child pipes
  /-- `IO.monoMsNow` at its start. -/
  startedAt : Nat
  nextId : IO.Ref Nat
  pending : Std.Mutex (List (Nat × IO.Promise Reply))
  /-- Candidates that arrived under a token and were not looked at yet. -/
  streams : Std.Mutex (List (String × IO.Ref (Array Candidate)))
  /-- What has been written so far of whole proofs, by token. -/
  writings : Std.Mutex (List (String × IO.Ref Written))
  /-- Resolved by the end of the handshake, with the reason if it failed. -/
  ready : IO.Promise (Except String ServerInfo)
  /-- Why it is gone; set once. -/
  dead : IO.Ref (Option String)
  /-- The last lines it wrote to stderr, newest first. -/
  stderrTail : IO.Ref (List String)
  /-- Its model's name and its last error, as far as answers have told. -/
  model : IO.Ref String
  lastError : IO.Ref (Option String)
  /-- Lasting notes that were shown, and for which declaration. -/
  told : IO.Ref (List (String × Name))

/-- The sidecar of one command line, and when the last ones were started (`IO.monoMsNow`, newest first). -/
structure Slot where
  current : Sidecar
  starts : List Nat

/-- All sidecars of this Lean process, by the text of their command line. -/
initialize slots : Std.Mutex (List (String × Slot)) ← Std.Mutex.new []

def handshakeId : Nat := 1

/-- The code of the answer to a request that we have cancelled. -/
def requestCancelled : Int := -32800

/-- Lines of stderr that are kept and shown; of a Python traceback the end tells most. -/
def stderrLines : Nat := 12

/-! ## The reading threads -/

/-- Write a message; `false` if the process no longer reads. -/
def Sidecar.send (s : Sidecar) (message : Json) : IO Bool := do
  try
    writeFrame s.child.stdin message
    return true
  catch _ => return false

def upgradeText (theirs : Nat) : String :=
  if theirs < protocolVersion then "Upgrade the sidecar with `lake run llmstep/setup`, then restart the file."
  else "Upgrade the Lean package with `lake update llmstep`, then restart the file."

/-- What the answer to `initialize` means. -/
def judgeHandshake (reply : Reply) : Except String ServerInfo :=
  match reply with
  | .error e => throw s!"the sidecar refused the handshake: {e.text}"
  | .ok result =>
    match parseServerInfo result with
    | .error why => throw s!"the program answered the handshake, but not as the llmstep sidecar does ({why}). \
        Check LLMSTEP_COMMAND and the option llmstep.command."
    | .ok info =>
      if info.protocol == protocolVersion then return info
      else throw s!"the sidecar (version {info.version}) speaks protocol {info.protocol}, \
        this Lean package (version {packageVersion}) speaks {protocolVersion}. {upgradeText info.protocol}"

def Sidecar.settle (s : Sidecar) (id : Nat) (reply : Reply) : IO Unit := do
  if id == handshakeId then
    let verdict := judgeHandshake reply
    -- `initialized` goes out before anybody can send a request.
    match verdict with
    | .ok _ => discard <| s.send initializedMessage
    | .error _ => pure ()
    s.ready.resolve verdict
    return
  if let .error e := reply then
    unless e.code == requestCancelled do s.lastError.set (some e.text)
  let promise? ← s.pending.atomically (m := IO) do
    let waiting ← get
    set (waiting.filter (·.1 != id))
    return waiting.lookup id
  if let some promise := promise? then promise.resolve reply

/-- Handle one message of the sidecar. Throws if it is no JSON-RPC message. -/
def Sidecar.dispatch (s : Sidecar) (message : Json) : IO Unit := do
  match parseIncoming message with
  | .error why => throw <| IO.userError s!"the sidecar sent a message that is not JSON-RPC: {why}"
  | .ok (.result id value) => s.settle id (.ok value)
  | .ok (.failure (some id) error) => s.settle id (.error error)
  | .ok (.failure none error) => s.lastError.set (some error.text)
  | .ok (.progress token candidates) =>
    let stream? ← s.streams.atomically (m := IO) do return (← get).lookup token
    if let some stream := stream? then stream.modify (· ++ candidates)
  | .ok (.writing token written) =>
    let writing? ← s.writings.atomically (m := IO) do return (← get).lookup token
    if let some writing := writing? then writing.modify fun before => { written with text := before.text ++ written.text }
  | .ok (.other method (some id)) => discard <| s.send (methodNotFoundMessage id method)
  | .ok (.other _ none) => return

def exitText : UInt32 → String
  | 255 => "exit status 255: most often the program does not exist or cannot be executed"
  | code => s!"exit status {code}"

/-- Bury the process and tell everybody who waits. Runs on the reading thread, once. -/
def Sidecar.bury (s : Sidecar) (why : String) (stderrDone : Task (Except IO.Error Unit)) : IO Unit := do
  -- It may be about to end by itself, and then its exit status tells more than ours would.
  let mut code ← s.child.tryWait
  for _ in [:20] do
    if code.isSome then break
    IO.sleep 10
    code ← s.child.tryWait
  if code.isNone then
    try s.child.kill catch _ => pure ()
    discard s.child.wait
  for _ in [:10] do
    if ← IO.hasFinished stderrDone then break
    IO.sleep 10
  let tail := String.join (← s.stderrTail.get).reverse
  let status := match code with
    | some code => s!" ({exitText code})"
    | none => ""
  let said := if isBlank tail then "" else s!"\nIt wrote:\n{trimmedEnd tail}"
  let text := s!"{why}{status}{said}"
  s.dead.set (some text)
  s.lastError.set (some text)
  s.ready.resolve (.error text)
  let waiting ← s.pending.atomically (m := IO) (modifyGet fun waiting => (waiting, []))
  for (_, promise) in waiting do promise.resolve (.error { code := 0, message := text })

def Sidecar.readStep (s : Sidecar) (stderrDone : Task (Except IO.Error Unit)) : IO Bool := do
  try
    s.dispatch (← readFrame s.child.stdout)
    return true
  catch e =>
    s.bury (toString e) stderrDone
    return false

partial def Sidecar.readLoop (s : Sidecar) (stderrDone : Task (Except IO.Error Unit)) : IO Unit := do
  if ← s.readStep stderrDone then s.readLoop stderrDone

partial def Sidecar.stderrLoop (s : Sidecar) : IO Unit := do
  let line ← s.child.stderr.getLine
  if line.isEmpty then return
  s.stderrTail.modify fun tail => (line :: tail).take stderrLines
  s.stderrLoop

/-! ## Starting -/

/-- Start the process and send `initialize`; the answer is awaited by `awaitReady`. -/
def startSidecar (launch : Launch) : IO Sidecar := do
  let some program := launch.words[0]? | throw <| IO.userError s!"{launch.origin} names no program"
  let child ← IO.Process.spawn {
    toStdioConfig := pipes, cmd := program, args := launch.words.extract 1 launch.words.size
    env := launch.environment }
  let s : Sidecar := {
    launch, child, startedAt := ← IO.monoMsNow, nextId := ← IO.mkRef (handshakeId + 1)
    pending := ← Std.Mutex.new [], streams := ← Std.Mutex.new [], writings := ← Std.Mutex.new [], ready := ← IO.Promise.new
    dead := ← IO.mkRef none, stderrTail := ← IO.mkRef [], model := ← IO.mkRef "", lastError := ← IO.mkRef none
    told := ← IO.mkRef [] }
  -- Blocking reads on a thread of the pool would starve elaboration.
  let stderrDone ← IO.asTask s.stderrLoop (prio := .dedicated)
  discard <| IO.asTask (s.readLoop stderrDone) (prio := .dedicated)
  discard <| s.send (initializeMessage handshakeId (← IO.Process.getPID).toNat)
  return s

/-- Do `act` on a thread of its own and wait for it. All waiting is done so: a thread of Lean's pool that sleeps is missing to the rest
of the file (on two cores, two of them leave no goal view), one that waits for a task is replaced by another. -/
def onOwnThread {α : Type} (act : IO α) : IO α := do
  IO.ofExcept (← IO.wait (← IO.asTask act (prio := .dedicated)))

/-- Sleep, but no longer than the user wants this elaboration. -/
def sleepInterruptibly (ms : Nat) : CoreM Unit := do
  let token? := (← readThe Core.Context).cancelTk?
  let stop := (← IO.monoMsNow) + ms
  onOwnThread do
    while (← IO.monoMsNow) < stop do
      if let some token := token? then
        if ← token.isSet then return
      IO.sleep (UInt32.ofNat (min 25 (stop - (← IO.monoMsNow))))
  Core.checkInterrupted

/-- How long after the last start the next one may follow: at once, then after 1 s, 2 s, 4 s … -/
def backOffMs (startsInTheLastMinute : Nat) : Nat :=
  if startsInTheLastMinute ≤ 1 then 0 else 1000 * 2 ^ (startsInTheLastMinute - 2)

/-- What `getSidecar` does next. -/
inductive Plan where
  | use (s : Sidecar)
  | wait (ms : Nat)
  | refuse (text : String)

private def planStart (launch : Launch) (maxStarts : Nat) (slots : List (String × Slot)) :
    IO (Plan × List (String × Slot)) := do
  let key := launch.text
  let now ← IO.monoMsNow
  let mut starts : List Nat := []
  if let some slot := slots.lookup key then
    let some why ← slot.current.dead.get | return (.use slot.current, slots)
    starts := slot.starts.filter (now - · < 60000)
    if starts.length ≥ maxStarts then
      return (.refuse s!"llmstep: `{key}` was started {starts.length} times within a minute and went away each time; \
        the last time: {why}\nRun `llmstep doctor` to see what is wrong; after a minute it is started again.", slots)
    if let some last := starts.head? then
      let earliest := last + backOffMs starts.length
      if now < earliest then return (.wait (earliest - now), slots)
  let s ← startSidecar launch
  return (.use s, (key, { current := s, starts := now :: starts }) :: slots.filter (·.1 != key))

/-- The sidecar of this command line: the running one, or a new one if there is none or it has gone. It may still be busy
with the handshake. Throws when it has been started too often, or when it cannot be started. -/
partial def getSidecar (launch : Launch) : CoreM Sidecar := do
  let maxStarts ← natOption llmstep.maxStarts
  let plan ← try
    -- Starting a process takes no more than a fork; the handshake is awaited without the lock.
    (slots.atomically (m := IO) do
      let (plan, slots) ← planStart launch maxStarts (← get)
      set slots
      return plan : IO Plan)
  catch e =>
    throwError "llmstep: `{launch.text}` (from {launch.origin}) could not be started: {e.toMessageData}\n\
      Install the sidecar with `lake run llmstep/setup`, then restart the file."
  match plan with
  | .use s => return s
  | .wait ms => do
    sleepInterruptibly ms
    getSidecar launch
  | .refuse text => throwError "{text}"

/-- Wait for the end of the handshake. Throws, with what is known, if it fails or takes longer than `llmstep.startTimeoutMs`. -/
def Sidecar.awaitReady (s : Sidecar) : CoreM ServerInfo := do
  let limit ← natOption llmstep.startTimeoutMs
  let answer := s.ready.result?
  let token? := (← readThe Core.Context).cancelTk?
  let inTime ← onOwnThread do
    while !(← IO.hasFinished answer) do
      if let some token := token? then
        if ← token.isSet then return true
      if (← IO.monoMsNow) > s.startedAt + limit then return false
      IO.sleep 5
    return true
  Core.checkInterrupted
  unless inTime do
    try s.child.kill catch _ => pure ()
    throwError "llmstep: `{s.launch.text}` (from {s.launch.origin}) did not answer the handshake within {limit} ms. \
      Run `llmstep doctor`, or raise the option llmstep.startTimeoutMs."
  match ← IO.wait answer with
  | some (.ok info) => return info
  | some (.error why) =>
    throwError "llmstep: `{s.launch.text}` (from {s.launch.origin}) is not usable: {why}\n\
      Correct {s.launch.origin}, or install the sidecar with `lake run llmstep/setup`, then restart the file.{← s.launch.suspects}"
  | none => throwError "llmstep: the sidecar went away during the handshake"

/-! ## Asking -/

/-- The notes that are still to be told, for a call in `place`. What lasts is told once, and again only in the same declaration: an edit
elaborates that anew and takes its messages away. -/
def Sidecar.newNotes (s : Sidecar) (place : Name) (notes : Array Note) : BaseIO (Array Note) := do
  let told ← s.told.get
  let new := notes.filter fun note => !note.isLasting || (told.all fun (text, other) => text != note.text || other == place)
  for note in new do
    if note.isLasting && (told.lookup note.text).isNone then s.told.modify ((note.text, place) :: ·)
  return new

/-- A request on its way. -/
structure Question where
  id : Nat
  sidecar : Sidecar
  /-- Ends when the process has taken the request in. -/
  writing : Task (Except IO.Error Bool)
  reply : Task (Option Reply)
  arrived : IO.Ref (Array Candidate)
  /-- The whole proof that is being written, as far as it is. -/
  written : IO.Ref Written

/-- What happens to a question next. -/
inductive Event where
  | arrived (candidates : Array Candidate)
  | finished (reply : Reply)
  | late

/-- What has happened to a question by now, if anything has. Every candidate is reported before the end. -/
def Question.peek? (q : Question) : IO (Option Event) := do
  -- The order matters: what came before the answer must be seen before it.
  let finished ← IO.hasFinished q.reply
  let candidates ← q.arrived.modifyGet fun candidates => (candidates, #[])
  unless candidates.isEmpty do return some (.arrived candidates)
  unless finished do return none
  let gone : Reply := .error { code := 0, message := "the sidecar went away" }
  return some (.finished ((← IO.wait q.reply).getD gone))

private def Question.poll (q : Question) (deadline : Nat) (stop? : Option IO.CancelToken) : IO Event := do
  let mut pause := 1
  repeat
    if let some event ← q.peek? then return event
    if let some stop := stop? then
      if ← stop.isSet then return .late
    if (← IO.monoMsNow) > deadline then
      -- A process that does not even read will never answer anybody.
      unless ← IO.hasFinished q.writing do
        try q.sidecar.child.kill catch _ => pure ()
      return .late
    IO.sleep (UInt32.ofNat pause)
    pause := min 20 (2 * pause)
  return .late

/-- Wait for what happens next, at the latest until `deadline` (`IO.monoMsNow`). Every candidate is reported before the end.
Interrupted at once when the user edits the proof. -/
def Question.next (q : Question) (deadline : Nat) : CoreM Event := do
  if let some event ← q.peek? then return event
  let event ← onOwnThread (q.poll deadline (← readThe Core.Context).cancelTk?)
  Core.checkInterrupted
  return event

/-- Send a request and hand it to `act`. When `act` ends before the answer is there, by an exception or because it has seen enough,
the sidecar is told to stop. `params` is given the token under which candidates may be streamed. -/
def Sidecar.withQuestion {m : Type → Type} {α : Type} [Monad m] [MonadFinally m] [MonadLiftT IO m]
    (s : Sidecar) (method : String) (params : String → Json) (act : Question → m α) : m α := do
  let id ← (s.nextId.modifyGet fun n => (n, n + 1) : IO Nat)
  let token := s!"llmstep/{id}"
  let promise : IO.Promise Reply ← (IO.Promise.new : IO (IO.Promise Reply))
  let arrived : IO.Ref (Array Candidate) ← (IO.mkRef #[] : IO (IO.Ref (Array Candidate)))
  let written : IO.Ref Written ← (IO.mkRef { stage := "", tokens := 0 } : IO (IO.Ref Written))
  let register : IO (Task (Except IO.Error Bool)) := do
    s.streams.atomically (m := IO) (modify ((token, arrived) :: ·))
    s.writings.atomically (m := IO) (modify ((token, written) :: ·))
    s.pending.atomically (m := IO) (modify ((id, promise) :: ·))
    -- Registered after the burial, nobody would answer it.
    if let some why ← s.dead.get then promise.resolve (.error { code := 0, message := why })
    -- A request with a whole file is larger than a pipe: writing it may block, and nobody could interrupt that.
    IO.asTask (s.send (requestMessage id method (params token))) (prio := .dedicated)
  let deregister (writing : Task (Except IO.Error Bool)) : IO Unit := do
    unless ← promise.isResolved do
      discard <| (IO.mapTask (fun _ => s.send (cancelMessage id)) writing (prio := .dedicated) : BaseIO _)
    s.pending.atomically (m := IO) (modify (·.filter (·.1 != id)))
    s.streams.atomically (m := IO) (modify (·.filter (·.1 != token)))
    s.writings.atomically (m := IO) (modify (·.filter (·.1 != token)))
  let writing ← (register : IO _)
  try act { id, sidecar := s, writing, reply := promise.result?, arrived, written }
  finally deregister writing

end LLMstep
