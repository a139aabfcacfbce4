module
public meta import Lean
public meta section
open Lean

/-!
# The messages of the wire

Builders for what Lean sends and one parser for what the sidecar sends. `tests/contract/*.json` holds an example of each message;
the tests compare the two byte for byte.

```
#eval IO.println (requestMessage 4 "llmstep/status" (Json.mkObj [])).compress
-- {"id":4,"jsonrpc":"2.0","method":"llmstep/status","params":{}}
```
-/
namespace LLMstep

/-- Version of the wire. Both sides send theirs in the handshake and refuse to go on when they differ. -/
def protocolVersion : Nat := 1

/-- Version of this Lean package. -/
def packageVersion : String := "2.0.0"

/-! ## What Lean sends -/

def requestMessage (id : Nat) (method : String) (params : Json) : Json :=
  Json.mkObj [("jsonrpc", "2.0"), ("id", toJson id), ("method", method), ("params", params)]

def notificationMessage (method : String) (params : Json) : Json :=
  Json.mkObj [("jsonrpc", "2.0"), ("method", method), ("params", params)]

/-- First message; `processId` lets the sidecar notice that Lean is gone. -/
def initializeMessage (id processId : Nat) (version := protocolVersion) (clientVersion := packageVersion) : Json :=
  requestMessage id "initialize" <| Json.mkObj [
    ("processId", toJson processId), ("rootUri", Json.null), ("capabilities", Json.mkObj []),
    ("initializationOptions", Json.mkObj [
      ("protocolVersion", toJson version), ("client", "lean"), ("clientVersion", clientVersion)])]

def initializedMessage : Json := notificationMessage "initialized" (Json.mkObj [])

def cancelMessage (id : Nat) : Json := notificationMessage "$/cancelRequest" (Json.mkObj [("id", toJson id)])

/-- The file a goal stands in, up to the call. -/
structure Document where
  uri : String
  textBefore : String

def Document.json (d : Document) : Json := Json.mkObj [("uri", d.uri), ("textBefore", d.textBefore)]

private def present {α : Type} [ToJson α] (key : String) : Option α → List (String × Json)
  | some a => [(key, toJson a)]
  | none => []

def prepareMessage (document? : Option Document) (model? : Option String := none) : Json :=
  notificationMessage "llmstep/prepare" <| Json.mkObj <|
    present "document" (document?.map Document.json) ++ present "model" model?

/-- A proof that was tried: the block of tactics, the first error with its line in it, and the goals that are open there. -/
structure Attempt where
  text : String
  error : String
  goals : Array String

def Attempt.json (a : Attempt) : Json := Json.mkObj [("text", a.text), ("error", a.error), ("goals", toJson a.goals)]

/-- Params of `llmstep/suggest`.
`goals`: pretty-printed, the main goal first. `prefix'`: characters every candidate starts with. `banned`: names that must
not be used. `timeoutMs`: when the sidecar should answer with what it has. `model?`: the model to ask, if not the sidecar's own. `mode?`: `proof` asks
for whole proofs; `hint?` and `attempt?` belong to it. -/
structure SuggestParams where
  goals : Array String
  prefix' : String
  document? : Option Document := none
  n? : Option Nat := none
  timeoutMs? : Option Nat := none
  banned : Array String := #[]
  premises : Array String := #[]
  model? : Option String := none
  partialResultToken? : Option String := none
  mode? : Option String := none
  hint? : Option String := none
  attempt? : Option Attempt := none

def SuggestParams.json (p : SuggestParams) : Json :=
  let nonempty (key : String) (names : Array String) := if names.isEmpty then [] else [(key, toJson names)]
  Json.mkObj <| [("goals", toJson p.goals), ("prefix", toJson p.prefix')]
    ++ present "document" (p.document?.map Document.json) ++ present "n" p.n? ++ present "timeoutMs" p.timeoutMs?
    ++ nonempty "banned" p.banned ++ nonempty "premises" p.premises ++ present "model" p.model?
    ++ present "partialResultToken" p.partialResultToken? ++ present "mode" p.mode? ++ present "hint" p.hint?
    ++ present "attempt" (p.attempt?.map Attempt.json)

/-- Answer to a request of the sidecar: Lean offers it no methods. -/
def methodNotFoundMessage (id : Json) (method : String) : Json :=
  Json.mkObj [("jsonrpc", "2.0"), ("id", id), ("error", Json.mkObj [
    ("code", toJson (-32601 : Int)), ("message", s!"Lean has no method {method}")])]

/-! ## What the sidecar sends -/

/-- A candidate; `score` orders them: the log of how likely it is the author's step, as the sidecar estimates it. -/
structure Candidate where
  tactic : String
  score : Float
  /-- Whether `tactic` is a whole proof, and then why the model has stopped: `end`, `budget`, `time` or `repetition`. -/
  isProof : Bool := false
  stop : String := "end"
  /-- Why there is no proof in what the model wrote; empty if there is one. -/
  problem : String := ""

/-- How far the model is with a whole proof: `thinking` or `writing`, what was generated for it, and what has been written since. -/
structure Written where
  stage : String
  tokens : Nat
  text : String := ""

/-- Something the sidecar says beside its candidates. `isLasting`: it holds for every question (a setting that was not taken), so it is told once.
`isWarning`: the user should do something about it. -/
structure Note where
  text : String
  isLasting : Bool := false
  isWarning : Bool := true

/-- Result of `llmstep/suggest`, best candidate first. `notes`: what the user should know besides, see `answerNotes`.
`tokens`: what the model has generated for it. -/
structure Answer where
  candidates : Array Candidate
  model : String
  cached : Bool
  notes : Array Note := #[]
  tokens : Nat := 0

/-- An error answer: a JSON-RPC or LSP code, what happened, and what to do about it. -/
structure RpcError where
  code : Int
  message : String
  hint? : Option String := none
  /-- What a program can tell the fault by. -/
  reason? : Option String := none
deriving Inhabited

/-- The error as the user sees it. -/
def RpcError.text (e : RpcError) : String :=
  match e.hint? with
  | some hint => s!"{e.message}\n{hint}"
  | none => e.message

/-- A message of the sidecar. -/
inductive Incoming where
  | result (id : Nat) (value : Json)
  | failure (id? : Option Nat) (error : RpcError)
  | progress (token : String) (candidates : Array Candidate)
  /-- A whole proof is being written. -/
  | writing (token : String) (written : Written)
  /-- A request (`id?` is set) or notification that is no concern of ours, e.g. `window/logMessage`. -/
  | other (method : String) (id? : Option Json)

def parseCandidate (j : Json) : Except String Candidate := do
  let score := (j.getObjValAs? Float "score").toOption.getD 0
  if let .ok proof := j.getObjValAs? String "proof" then
    let word (key default : String) := (j.getObjValAs? String key).toOption.getD default
    return { tactic := proof, score, isProof := true, stop := word "stop" "end", problem := word "problem" "" }
  return { tactic := ← j.getObjValAs? String "tactic", score }

def parseCandidates (j : Json) : Except String (Array Candidate) := do
  let mut candidates := #[]
  for item in ← j.getObjValAs? (Array Json) "suggestions" do
    candidates := candidates.push (← parseCandidate item)
  return candidates

private def optional (α : Type) [FromJson α] (j : Json) (key : String) : Option α := (j.getObjValAs? α key).toOption

/-- How many names of left-out hypotheses a note lists. -/
def namesListed : Nat := 5

/-- What an answer says beside its candidates, in optional fields that are read leniently: `partial` (an object with `reason` and `hint`: some source
could not speak), `dropped` (names of hypotheses for which the model had no room), `warnings` (settings that were not taken and the like). -/
def answerNotes (j : Json) : Array Note := Id.run do
  let mut notes := #[]
  if let some part := optional Json j "partial" then
    match optional String part "reason", optional String part "hint" with
    | some reason, some hint => notes := notes.push { text := s!"{reason}\n{hint}" }
    | some reason, none => notes := notes.push { text := reason }
    | none, _ =>
      if let .str reason := part then notes := notes.push { text := reason }
      else if let .bool true := part then notes := notes.push { text := "not every source of suggestions could answer" }
  let dropped := (optional (Array String) j "dropped").getD #[]
  unless dropped.isEmpty do
    let more := if dropped.size > namesListed then s!" and {dropped.size - namesListed} more" else ""
    let names := ", ".intercalate (dropped.toList.take namesListed)
    notes := notes.push { text := s!"the goal is too long for the model; it was asked without the hypotheses {names}{more}", isWarning := false }
  for warning in (optional (Array String) j "warnings").getD #[] do notes := notes.push { text := warning, isLasting := true }
  return notes

def parseAnswer (j : Json) : Except String Answer := do
  return {
    candidates := ← parseCandidates j
    model := (j.getObjValAs? String "model").toOption.getD ""
    cached := (j.getObjValAs? Bool "cached").toOption.getD false
    notes := answerNotes j
    tokens := (do (← j.getObjVal? "stats").getObjValAs? Nat "generatedTokens").toOption.getD 0 }

def parseError (j : Json) : Except String RpcError := do
  return {
    code := ← j.getObjValAs? Int "code"
    message := ← j.getObjValAs? String "message"
    hint? := (do (← j.getObjVal? "data").getObjValAs? String "hint").toOption
    reason? := (do (← j.getObjVal? "data").getObjValAs? String "reason").toOption }

/-- What a progress message tells of a whole proof, if it is about one. -/
def parseWritten? (j : Json) : Option Written := do
  return {
    stage := ← (j.getObjValAs? String "stage").toOption
    tokens := (j.getObjValAs? Nat "tokens").toOption.getD 0
    text := (j.getObjValAs? String "text").toOption.getD "" }

/-- What a message is. Throws for JSON that is no JSON-RPC message. -/
def parseIncoming (j : Json) : Except String Incoming := do
  match j.getObjValAs? String "method" with
  | .ok "$/progress" =>
    let params ← j.getObjVal? "params"
    let token ← params.getObjValAs? String "token"
    let value ← params.getObjVal? "value"
    if let some written := parseWritten? value then return .writing token written
    return .progress token (← parseCandidates value)
  | .ok method => return .other method (j.getObjVal? "id").toOption
  | .error _ =>
    match j.getObjVal? "error" with
    | .ok error => return .failure (j.getObjValAs? Nat "id").toOption (← parseError error)
    | .error _ => return .result (← j.getObjValAs? Nat "id") (← j.getObjVal? "result")

/-- Version and protocol of the sidecar, from the result of `initialize`. -/
structure ServerInfo where
  version : String
  protocol : Nat

def parseServerInfo (j : Json) : Except String ServerInfo := do
  let capabilities ← j.getObjVal? "capabilities"
  let ours ← (← capabilities.getObjVal? "experimental").getObjVal? "llmstep"
  return {
    version := (do (← j.getObjVal? "serverInfo").getObjValAs? String "version").toOption.getD "unknown"
    protocol := ← ours.getObjValAs? Nat "protocolVersion" }

end LLMstep
