module
public meta import Lean
public meta import LLMstep.Text
public meta section
open Lean

/-!
# Frames of the LSP base protocol

`Content-Length: <bytes>\r\n\r\n<JSON>` in both directions. Core has the same helpers, but their namespace moved in Lean 4.33 and
they refuse a whole message for an error code they do not know, so these few lines are our own.

```
writeFrame child.stdin (Json.mkObj [("jsonrpc", "2.0"), ("method", "exit")])
```
-/
namespace LLMstep

/-- Larger frames are not read: a sidecar that announces more is not one of ours. -/
def maxFrameBytes : Nat := 64 * 1024 * 1024

/-- Write one message. A single `putStr` holds the lock of the C `FILE`, so threads do not mix their frames. -/
def writeFrame (h : IO.FS.Handle) (message : Json) : IO Unit := do
  let body := message.compress
  h.putStr s!"Content-Length: {body.utf8ByteSize}\r\n\r\n{body}"
  h.flush

private def closed : IO.Error := IO.userError "the sidecar closed its output"

/-- Read exactly `n` bytes. Throws at the end of the stream. -/
partial def readExact (h : IO.FS.Handle) (n : Nat) (sofar : ByteArray := ByteArray.empty) : IO ByteArray := do
  if sofar.size ≥ n then return sofar
  let chunk ← h.read (USize.ofNat (n - sofar.size))
  if chunk.size == 0 then throw closed
  readExact h n (sofar ++ chunk)

private def contentLength? (line : String) : Option Nat :=
  match line.splitOn ":" with
  | [name, value] =>
    if (trimmed name).toLower == "content-length" then (trimmed value).toNat? else none
  | _ => none

/-- Read the header up to its empty line; the length of the body in bytes. -/
partial def readHeader (h : IO.FS.Handle) (length? : Option Nat := none) : IO Nat := do
  let line ← h.getLine
  if line.isEmpty then throw closed
  if line == "\r\n" || line == "\n" then
    match length? with
    | some n => return n
    | none => throw <| IO.userError "the sidecar sent a frame without Content-Length"
  -- Anything that is no header means that the program talks to a terminal, not to us.
  unless (line.splitOn ":").length > 1 do
    throw <| IO.userError s!"the sidecar wrote text instead of a message: {trimmed line}"
  match contentLength? line with
  | some n =>
    if n > maxFrameBytes then throw <| IO.userError s!"the sidecar announced a frame of {n} bytes"
    readHeader h (some n)
  | none => readHeader h length?

/-- Read one message. Throws at the end of the stream and for everything that is not a JSON frame. -/
def readFrame (h : IO.FS.Handle) : IO Json := do
  let bytes ← readExact h (← readHeader h)
  let some text := String.fromUTF8? bytes | throw <| IO.userError "the sidecar sent bytes that are not UTF-8"
  match Json.parse text with
  | .ok message => return message
  | .error why => throw <| IO.userError s!"the sidecar sent a frame that is not JSON: {why}"

end LLMstep
