import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

-- Other proofs of the file would start the same programs meanwhile.
set_option Elab.async false

/-- The sidecar the tests talk to. -/
def echo : Launch := { words := #["llmstep", "serve", "--model", "echo"], origin := "the test" }

/-- One that shares no engine with others, and so dies of what it is asked. -/
def alone : Launch := { words := #["llmstep", "serve", "--in-process", "--model", "echo"], origin := "the test" }

def misbehaving (mode : String) : Launch :=
  { words := #["python3", "tests/lean/misbehaving_sidecar.py", mode], origin := "the test" }

/-- What using a sidecar ends with: the version it told, or the error. -/
def useIt (launch : Launch) : CoreM String := do
  try return (← (← getSidecar launch).awaitReady).version
  catch e => e.toMessageData.toString

def expectUse (launch : Launch) (parts : List String) : CoreM Unit := do
  let text ← useIt launch
  for part in parts do ensure s!"{part}\n--- in:\n{text}" (contains text part)

/-! ## Starting -/

run_cmd Elab.Command.liftCoreM do
  expectUse echo ["2."]
  -- The second use finds the same process.
  let one ← getSidecar echo
  let two ← getSidecar echo
  ensure "one process" (one.child.pid == two.child.pid)
  same "one slot" ((← slots.atomically (m := IO) get).filter (·.1 == echo.text)).length 1

run_cmd Elab.Command.liftCoreM do
  expectUse { words := #["/no/such/program", "serve"], origin := "the option llmstep.command" }
    ["`/no/such/program serve` (from the option llmstep.command)", "exit status 255", "does not exist",
      "could not execute external process", "Correct the option llmstep.command", "lake run llmstep/setup"]
  expectUse (misbehaving "dies") ["exit status 1", "Traceback: no module named llmstep"]
  expectUse (misbehaving "chatters") ["wrote text instead of a message: Loading the model"]
  expectUse (misbehaving "mismatch") ["refused the handshake: this sidecar speaks protocol 7", "upgrade the sidecar"]
  expectUse (misbehaving "newer") ["speaks protocol 2", "lake update llmstep"]
  expectUse { words := #[], origin := "the option llmstep.command" } ["the option llmstep.command names no program"]

set_option llmstep.startTimeoutMs 300 in
run_cmd Elab.Command.liftCoreM do
  expectUse (misbehaving "silent") ["did not answer the handshake within 300 ms", "llmstep.startTimeoutMs"]

/-! ## Starting again -/

#eval same "back-off" ([0, 1, 2, 3, 4].map backOffMs) [0, 0, 1000, 2000, 4000]

set_option llmstep.maxStarts 2 in
run_cmd Elab.Command.liftCoreM do
  let launch : Launch := { words := #["python3", "tests/lean/misbehaving_sidecar.py", "dies", "again"], origin := "the test" }
  expectUse launch ["exit status 1"]
  expectUse launch ["exit status 1"]
  expectUse launch ["was started 2 times within a minute and went away each time", "Traceback", "llmstep doctor"]

/-! ## Asking -/

/-- Ask for suggestions of this kind (see echo.json); how it ends, and which candidates were streamed. -/
def ask (s : Sidecar) (kind : String) (timeoutMs := 100000) : CoreM (Reply × Array String) := do
  let deadline := (← IO.monoMsNow) + timeoutMs
  let params (token : String) : Json := SuggestParams.json {
    goals := #[s!"k_{kind} : True\nhp : p\n⊢ p"], prefix' := "", n? := some 4, timeoutMs? := some timeoutMs, partialResultToken? := some token }
  s.withQuestion "llmstep/suggest" params fun question => do
    let mut streamed := #[]
    repeat
      match ← question.next deadline with
      | .arrived candidates => streamed := streamed ++ candidates.map (·.tactic)
      | .finished reply => return (reply, streamed)
      | .late => return (.error { code := 0, message := "late" }, streamed)
    return (.error { code := 0, message := "late" }, streamed)

def ready (launch : Launch) : CoreM Sidecar := do
  let s ← getSidecar launch
  discard s.awaitReady
  return s

def tactics (reply : Reply) : CoreM (Array String) := do
  match reply with
  | .ok result => return (← IO.ofExcept (parseAnswer result)).candidates.map (·.tactic)
  | .error e => throwError "{e.text}"

run_cmd Elab.Command.liftCoreM do
  let s ← ready echo
  let (reply, streamed) ← ask s "slow"
  same "answer" (← tactics reply) #["exact hp"]
  same "streamed before it" streamed #["exact hp"]
  let (reply, _) ← ask s "error"
  match reply with
  | .ok _ => throwError "no error"
  | .error e => ensure e.text (contains e.text "the model failed" && e.hint?.isSome)

-- Nothing is kept of questions that are over.
run_cmd Elab.Command.liftCoreM do
  let s ← ready echo
  let (reply, _) ← ask s "hang" (timeoutMs := 200)
  match reply with
  | .ok _ => throwError "an answer"
  | .error _ => pure ()
  same "pending" (← s.pending.atomically (m := IO) get).length 0
  same "streams" (← s.streams.atomically (m := IO) get).length 0
  ensure "still alive" (← s.dead.get).isNone

-- Two at once: each gets its own answer, whichever comes first.
run_cmd Elab.Command.liftCoreM do
  let s ← ready echo
  let question (kind : String) : IO Nat := do
    let id ← s.nextId.modifyGet fun n => (n, n + 1)
    let promise : IO.Promise Reply ← IO.Promise.new
    s.pending.atomically (m := IO) (modify ((id, promise) :: ·))
    discard <| s.send <| requestMessage id "llmstep/suggest" <| SuggestParams.json { goals := #[s!"k_{kind} : True\n⊢ p"], prefix' := "" }
    return id
  let one ← question "slow"
  let (reply, _) ← ask s "closes"
  ensure "the second is answered" ((← tactics reply).size ≥ 1)
  let deadline := (← IO.monoMsNow) + 100000
  repeat
    if ((← s.pending.atomically (m := IO) get).lookup one).isNone then break
    if (← IO.monoMsNow) > deadline then throwError "the first is not answered"
    IO.sleep 10

-- A crash reaches who waits, and the next call starts another process.
run_cmd Elab.Command.liftCoreM do
  let s ← ready alone
  let (reply, _) ← ask s "crash"
  match reply with
  | .ok _ => throwError "no error"
  | .error e => ensure e.text (contains e.text "exit status 3")
  ensure "dead" (← s.dead.get).isSome
  let next ← ready alone
  ensure "another process" (next.child.pid != s.child.pid)
  let (reply, _) ← ask next "slow"
  same "it works" (← tactics reply) #["exact hp"]

-- A crash of the engine reaches who waits, too; the process that Lean has started lives on, and with it the next call.
run_cmd Elab.Command.liftCoreM do
  let s ← ready echo
  let (reply, _) ← ask s "crash"
  match reply with
  | .ok _ => throwError "no error"
  | .error e => ensure e.text (contains e.text "the engine has ended: it ended with exit code 3")
  ensure "alive" (← s.dead.get).isNone
  let (reply, _) ← ask s "slow"
  same "it works" (← tactics reply) #["exact hp"]

/-! ## Answers of a program that is not in order -/

run_cmd Elab.Command.liftCoreM do
  let (reply, _) ← ask (← ready (misbehaving "garbage")) ""
  match reply with
  | .ok _ => throwError "no error"
  | .error e => ensure e.text (contains e.text "not JSON")
  let (reply, _) ← ask (← ready (misbehaving "leaves")) ""
  match reply with
  | .ok _ => throwError "no error"
  | .error e => ensure e.text (contains e.text "exit status 3" && contains e.text "out of memory")
  let (reply, _) ← ask (← ready (misbehaving "asks")) ""
  same "the program's own request was refused" (← tactics reply) #["exact hp"]

-- A request that is larger than the pipe, to a program that does not read: the tactic can still be left, and the program is ended.
run_cmd Elab.Command.liftCoreM do
  let s ← ready (misbehaving "deaf")
  let text := String.join (List.replicate 100000 "theorem ")
  let params (_ : String) : Json := SuggestParams.json { goals := #["⊢ p"], prefix' := "", document? := some { uri := "", textBefore := text } }
  let deadline := (← IO.monoMsNow) + 200
  s.withQuestion "llmstep/suggest" params fun question => do
    match ← question.next deadline with
    | .late => pure ()
    | _ => throwError "not late"
  repeat
    if (← s.dead.get).isSome then break
    Core.checkInterrupted
    IO.sleep 10

/-! ## The user's interruption -/

run_cmd Elab.Command.liftCoreM do
  let s ← ready echo
  let token ← IO.CancelToken.new
  discard <| (IO.asTask (prio := .dedicated) do IO.sleep 100; token.set : BaseIO _)
  let caught ← IO.mkRef false
  controlAt (EIO Exception) fun run => do
    try run <| withTheReader Core.Context (fun c => { c with cancelTk? := some token }) do
      discard <| ask s "hang" (timeoutMs := 3000000)
    catch e =>
      caught.set e.isInterrupt
      run (pure ())
  ensure "interrupted" (← caught.get)
  -- The sidecar was told: otherwise it would be busy with the question for another fifty minutes.
  let (reply, _) ← ask s "closes" (timeoutMs := 200000)
  ensure "free for the next question" ((← tactics reply).size ≥ 1)
