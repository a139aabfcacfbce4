import LLMstep
import LLMstepTest.Support
open Lean LLMstep LLMstepTest

/-- A message of `tests/contract`, without its final newline. -/
def golden (name : String) : IO String := do
  return trimmed (← IO.FS.readFile s!"tests/contract/{name}.json")

def writes (name : String) (message : Json) : IO Unit := do
  same name message.compress (← golden name)

def reads (name : String) : IO Incoming := do
  IO.ofExcept <| parseIncoming (← IO.ofExcept <| Json.parse (← golden name))

/-! ## What Lean sends is what the goldens say, byte for byte -/

#eval writes "client.initialize" (initializeMessage 1 4242)
#eval writes "client.initialize.future" (initializeMessage 1 4242 (version := 99) (clientVersion := "9.0.0"))
#eval writes "client.initialized" initializedMessage
#eval writes "client.prepare" (prepareMessage (some { uri := "file:///home/ada/proof/Basic.lean", textBefore := "import LLMstep\n\n" }))
#eval writes "client.prepare.empty" (prepareMessage none)
#eval writes "client.prepare.model" <|
  prepareMessage (some { uri := "file:///home/ada/proof/Basic.lean", textBefore := "import LLMstep\n\n" }) (some "llemma-7b")
#eval writes "client.status" (requestMessage 4 "llmstep/status" (Json.mkObj []))
#eval writes "client.cancelRequest" (cancelMessage 2)
#eval writes "client.suggest.minimal" <| requestMessage 2 "llmstep/suggest" <| SuggestParams.json {
  goals := #["p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"], prefix' := "" }
#eval writes "client.suggest.model" <| requestMessage 8 "llmstep/suggest" <| SuggestParams.json {
  goals := #["p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"], prefix' := "", model? := some "llemma-7b" }
#eval writes "client.suggest" <| requestMessage 2 "llmstep/suggest" <| SuggestParams.json {
  goals := #["p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"], prefix' := "exact", n? := some 8, timeoutMs? := some 30000
  document? := some {
    uri := "file:///home/ada/proof/Basic.lean"
    textBefore := "import LLMstep\n\ntheorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  " }
  banned := #["both"], partialResultToken? := some "llmstep/2" }
#eval writes "client.suggest.unicode" <| requestMessage 3 "llmstep/suggest" <| SuggestParams.json {
  goals := #["case inl\n𝕜 : Type u_1\nx : ℝ≥0∞\nh✝ : x ≠ ⊤\n⊢ ⟨x, h⟩.1 = x", "⊢ \"a\\b\"\t= c"], prefix' := "exact ⟨"
  n? := some 4, timeoutMs? := some 60000, document? := some { uri := "untitled:Untitled-1", textBefore := "variable (𝕜 : Type*)\n" }
  banned := #["foo.«bar baz»"], premises := #["ENNReal.coe_toReal"], partialResultToken? := some "llmstep/3" }

#eval writes "client.suggest.proof" <| requestMessage 9 "llmstep/suggest" <| SuggestParams.json {
  goals := #["p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"], prefix' := "", n? := some 1, timeoutMs? := some 120000
  document? := some {
    uri := "file:///home/ada/proof/Basic.lean"
    textBefore := "import LLMstep\n\ntheorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  " }
  banned := #["both"], partialResultToken? := some "llmstep/9", mode? := some "proof", hint? := some "split the conjunction" }
#eval writes "client.suggest.proof.attempt" <| requestMessage 10 "llmstep/suggest" <| SuggestParams.json {
  goals := #["p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"], prefix' := "", n? := some 1, timeoutMs? := some 90000
  document? := some {
    uri := "file:///home/ada/proof/Basic.lean"
    textBefore := "import LLMstep\n\ntheorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  " }
  banned := #["both"], partialResultToken? := some "llmstep/10", mode? := some "proof"
  attempt? := some {
    text := "constructor\n· exact hr\n· exact hq", error := "line 2: Unknown identifier `hr`"
    goals := #["case left\np q : Prop\nhp : p\nhq : q\n⊢ p"] } }

/-! ## What the sidecar sends is understood -/

def answerOf (name : String) : IO Answer := do
  match ← reads name with
  | .result _ value => IO.ofExcept (parseAnswer value)
  | _ => throw <| IO.userError s!"{name} is no result"

#eval show IO Unit from do
  let answer ← answerOf "server.suggest"
  same "tactics" (answer.candidates.map (·.tactic)) #["exact ⟨hp, hq⟩", "exact And.intro hp hq"]
  same "scores" (answer.candidates.map (toString ·.score)) #[toString (-0.125 : Float), toString (-0.75 : Float)]
  same "model" answer.model "default"
  ensure "not from the cache" !answer.cached
#eval show IO Unit from do
  let answer ← answerOf "server.suggest.cached"
  same "tactics" (answer.candidates.map (·.tactic)) #["exact ⟨x, 𝕜⟩"]
  ensure "from the cache" answer.cached
#eval show IO Unit from do ensure "no candidates" (← answerOf "server.suggest.empty").candidates.isEmpty
#eval show IO Unit from do
  let .progress token candidates ← reads "server.progress" | throw <| IO.userError "no progress"
  same "token" token "llmstep/2"
  same "tactics" (candidates.map (·.tactic)) #["exact ⟨hp, hq⟩"]
#eval show IO Unit from do
  let answer ← answerOf "server.suggest.proof"
  same "proofs" (answer.candidates.map (·.tactic)) #["constructor\n· exact hp\n· exact hq"]
  same "its end" (answer.candidates.map (·.stop)) #["end"]
  ensure "proofs, not steps" (answer.candidates.all (·.isProof) && (← answerOf "server.suggest").candidates.all (!·.isProof))
  same "cut" ((← answerOf "server.suggest.proof.cut").candidates.map (·.stop)) #["repetition"]
  for (name, stage, tokens, text) in [("thinking", "thinking", 128, ""), ("writing", "writing", 391, "constructor\n")] do
    let .writing token written ← reads s!"server.progress.proof.{name}" | throw <| IO.userError "no progress of a proof"
    same "token" token "llmstep/9"
    same name (written.stage, written.tokens, written.text) (stage, tokens, text)
#eval show IO Unit from do
  let .result id value ← reads "server.initialize" | throw <| IO.userError "no result"
  same "id" id 1
  let info ← IO.ofExcept (parseServerInfo value)
  same "info" (info.version, info.protocol) ("2.0.0", 1)
#eval show IO Unit from do
  let .result _ value ← reads "server.status" | throw <| IO.userError "no result"
  for key in ["model", "backend", "state", "queue", "cache", "versions", "pid"] do
    ensure key (contains (statusLines value) s!"\n  {key}: ")
  ensure "null is left out" !(contains (statusLines value) "error")
#eval show IO Unit from do
  let .result _ value ← reads "server.shutdown" | throw <| IO.userError "no result"
  ensure "null" value.isNull

def errorOf (name : String) : IO (Option Nat × RpcError) := do
  match ← reads name with
  | .failure id? error => return (id?, error)
  | _ => throw <| IO.userError s!"{name} is no error"

#eval show IO Unit from do
  for (name, code) in [("parse", -32700), ("invalidRequest", -32600), ("methodNotFound", -32601), ("invalidParams", -32602),
      ("internal", -32603), ("notInitialized", -32002), ("cancelled", -32800), ("contentModified", -32801),
      ("requestFailed", -32803)] do
    let (id?, error) ← errorOf s!"server.error.{name}"
    same name error.code (code : Int)
    ensure s!"{name}: id" (id?.isNone == (name == "parse"))
    ensure s!"{name}: hint" (contains error.text "\n" && error.hint?.isSome)
#eval show IO Unit from do
  let (_, error) ← errorOf "server.error.noProofMode"
  same "a program can tell" error.reason? (some "noProofMode")
  ensure "a person, too" (contains error.text "llmstep models pull")
#eval show IO Unit from do
  let (_, error) ← errorOf "server.initialize.mismatch"
  let .error text := judgeHandshake (.error error) | throw <| IO.userError "a mismatch was accepted"
  ensure text (contains text "speaks llmstep protocol 1" && contains text "upgrade")

/-! ## What else may come -/

def readsAs (text : String) : Except String Incoming := do parseIncoming (← Json.parse text)

#eval show IO Unit from do
  let .ok (.other method (some id)) := readsAs "{\"id\":7,\"method\":\"window/workDoneProgress/create\",\"params\":{}}"
    | throw <| IO.userError "a request of the sidecar"
  same "refused" (methodNotFoundMessage id method).compress
    "{\"error\":{\"code\":-32601,\"message\":\"Lean has no method window/workDoneProgress/create\"},\"id\":7,\"jsonrpc\":\"2.0\"}"
#eval show IO Unit from do
  for text in ["{}", "[]", "3", "{\"id\":1}", "{\"id\":\"x\",\"result\":{}}", "{\"method\":\"$/progress\",\"params\":{\"token\":1}}",
      "{\"id\":1,\"error\":\"no object\"}"] do
    ensure text (readsAs text).toOption.isNone

/-! ## The handshake -/

def handshake (text : String) : IO String := do
  match judgeHandshake (.ok (← IO.ofExcept (Json.parse text))) with
  | .ok info => return s!"ok {info.version}"
  | .error why => return why

#eval show IO Unit from do
  same "ours" (← handshake "{\"capabilities\":{\"experimental\":{\"llmstep\":{\"protocolVersion\":1}}}}") "ok unknown"
  ensure "newer" (contains (← handshake "{\"capabilities\":{\"experimental\":{\"llmstep\":{\"protocolVersion\":2}}}}") "lake update llmstep")
  ensure "older" (contains (← handshake "{\"capabilities\":{\"experimental\":{\"llmstep\":{\"protocolVersion\":0}}}}") "lake run llmstep/setup")
  ensure "another server" (contains (← handshake "{\"capabilities\":{}}") "not as the llmstep sidecar does")
