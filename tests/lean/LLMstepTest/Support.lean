module
public meta import Lean
public meta section
open Lean Elab Tactic

/-!
# What the tests share

`expect "a", "b" but_not "c" from tac` runs `tac` and passes if its messages, and the exception it ends with, contain `a` and after it
`b`, and nowhere `c`. What `tac` did is undone. `for k_loops` adds a hypothesis of this name, by which `echo.json` chooses its answer. Only our own words are expected: how Lean itself words a `Try these` changes between releases.
-/
namespace LLMstepTest

/-- Where proofs that are elaborated side by side meet: see `Waiting.lean`. -/
initialize checkedBelow : IO.Ref Bool ← IO.mkRef false
initialize throughAbove : IO.Ref Bool ← IO.mkRef false

/-- Fail unless `ok`. -/
def ensure (what : String) (ok : Bool) : IO Unit := do
  unless ok do throw <| IO.userError s!"failed: {what}"

/-- Fail unless both are equal. -/
def same {α : Type} [BEq α] [ToString α] (what : String) (got wanted : α) : IO Unit := do
  unless got == wanted do throw <| IO.userError s!"failed: {what}\ngot:    {got}\nwanted: {wanted}"

/-- What follows the first `part` in `text`. -/
def after? (text part : String) : Option String :=
  match text.splitOn part with
  | _ :: rest => if rest.isEmpty then none else some (part.intercalate rest)
  | [] => none

def contains (text part : String) : Bool := (after? text part).isSome

/-- The messages of `act`, and the exception it ends with. Both are gone from the log afterwards. -/
def captured (act : TacticM Unit) : TacticM String := do
  let before ← Core.getMessageLog
  Core.resetMessageLog
  let failure ← try
    act
    pure ""
  catch e => pure s!"error: {← e.toMessageData.toString}"
  let mut text := ""
  for message in (← Core.getMessageLog).toList do text := text ++ (← message.data.toString) ++ "\n"
  Core.setMessageLog before
  return text ++ failure

/-- Check what `captured` has found. -/
def expectIn (text : String) (wanted : Array String) (unwanted : Array String := #[]) : TacticM Unit := do
  let mut rest := text
  for part in wanted do
    match after? rest part with
    | some behind => rest := behind
    | none => throwError "missing here or in this place: {part}\n--- in:\n{text}"
  for part in unwanted do
    if contains text part then throwError "unwanted: {part}\n--- in:\n{text}"

syntax (name := expectTac) "expect " sepBy1(str, ", ") (" but_not " sepBy1(str, ", "))? (" for " ident)? " from " tactic : tactic

def expectFrom (wanted unwanted : Array (TSyntax strLitKind)) (kind? : Option Ident) (tac : TSyntax `tactic) : TacticM Unit := do
  let saved ← saveState
  if let some kind := kind? then evalTactic (← `(tactic| have $kind:ident : True := True.intro))
  let text ← captured (evalTactic tac)
  saved.restore
  expectIn text (wanted.map (·.getString)) (unwanted.map (·.getString))

elab_rules : tactic
  | `(tactic| expect $wanted:str,* from $tac) => expectFrom wanted.getElems #[] none tac
  | `(tactic| expect $wanted:str,* for $kind from $tac) => expectFrom wanted.getElems #[] (some kind) tac
  | `(tactic| expect $wanted:str,* but_not $unwanted:str,* from $tac) => expectFrom wanted.getElems unwanted.getElems none tac
  | `(tactic| expect $wanted:str,* but_not $unwanted:str,* for $kind from $tac) =>
    expectFrom wanted.getElems unwanted.getElems (some kind) tac

end LLMstepTest
