import LLMstep
import LLMstepTest.Support
open Lean LLMstep LLMstepTest

/-- What `readFrame` makes of the bytes of `text`, read through a pipe. -/
def readBack (text : String) : IO (Except String Json) := do
  let child ← IO.Process.spawn { toStdioConfig := pipes, cmd := "cat" }
  let (stdin, child) ← child.takeStdin
  stdin.putStr text
  stdin.flush
  let _closed := stdin
  try return .ok (← readFrame child.stdout)
  catch e => return .error (toString e)

def frame (body : String) : String := s!"Content-Length: {body.utf8ByteSize}\r\n\r\n{body}"

def expectError (what text part : String) : IO Unit := do
  match ← readBack text with
  | .ok message => throw <| IO.userError s!"failed: {what} was read as {message.compress}"
  | .error why => ensure s!"{what}: {why}" (contains why part)

def expectMessage (what text : String) (wanted : String) : IO Unit := do
  match ← readBack text with
  | .ok message => same what message.compress wanted
  | .error why => throw <| IO.userError s!"failed: {what}: {why}"

-- Lengths are bytes, not characters.
#eval expectMessage "Unicode" (frame "{\"goal\":\"⊢ 𝕜 ℝ≥0∞\"}") "{\"goal\":\"⊢ 𝕜 ℝ≥0∞\"}"
#eval expectMessage "two frames, the first is read" (frame "[1]" ++ frame "[2]") "[1]"
#eval expectMessage "other headers, lower case, no blank" "content-type: x\r\ncontent-length:2\r\n\r\n{}" "{}"
#eval expectError "no length" "Content-Type: x\r\n\r\n{}" "without Content-Length"
#eval expectError "text for people" "Loading the model ...\n\n" "wrote text instead of a message: Loading the model"
#eval expectError "no JSON" (frame "{\"a\":") "not JSON"
#eval expectError "a huge frame" "Content-Length: 99999999999\r\n\r\n{}" "announced a frame"
#eval expectError "the end in a header" "Content-Length: 2\r\n" "closed its output"
#eval expectError "the end in a body" "Content-Length: 20\r\n\r\n{}" "closed its output"
#eval expectError "nothing" "" "closed its output"

-- What is written can be read.
#eval show IO Unit from do
  let child ← IO.Process.spawn { toStdioConfig := pipes, cmd := "cat" }
  let message := Json.mkObj [("method", "exit"), ("text", "⟨a\n\"b\"⟩")]
  writeFrame child.stdin message
  writeFrame child.stdin message
  same "first" (← readFrame child.stdout).compress message.compress
  same "second" (← readFrame child.stdout).compress message.compress
