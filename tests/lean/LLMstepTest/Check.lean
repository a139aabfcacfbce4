import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

/-! ## Parsing -/

#eval same "dedent" (dedent "a\n    b\n      c\n\n    d") "a\nb\n  c\n\nd"
#eval same "nothing to dedent" (dedent "a\nb\n  c") "a\nb\n  c"

#eval same "errors on one line" (brief "Type mismatch\n  hp\nhas type\n\n  p") "Type mismatch hp has type p"
#eval same "long errors" (brief (String.join (List.replicate 201 "⊢"))).length 201

/-- What a candidate is read as: its text and whether it is a sequence, or why it cannot be read. -/
def readAs (candidate : String) : CoreM String := do
  match readCandidate (← getEnv) candidate with
  | .ok (text, stx, isSequence) =>
    match bannedPart? stx with
    | some part => return s!"banned {part}"
    | none => return (if isSequence then "sequence " else "single ") ++ text
  | .error why => return why

run_cmd Elab.Command.liftCoreM do
  same "single" (← readAs "  exact hp \n") "single exact hp"
  same "semicolons" (← readAs "constructor; exact hp") "sequence constructor; exact hp"
  same "lines" (← readAs "intro a\nintro b") "sequence intro a\nintro b"
  same "one tactic on several lines" (← readAs "have h : True := by\n  trivial") "single have h : True := by\n  trivial"
  same "cut out of a file" (← readAs "constructor\n    · rfl\n    · rfl") "sequence constructor\n· rfl\n· rfl"
  same "combinators" (← readAs "constructor <;> simp") "single constructor <;> simp"
  ensure "parentheses" (contains (← readAs "exact hp) <;> (skip") "does not parse")
  ensure "rubbish" (contains (← readAs "exact (hp") "does not parse (")
  ensure "no tactic" (contains (← readAs "by exact hp") "does not parse")
  ensure "empty" (contains (← readAs "") "does not parse")
  for (candidate, part) in [("sorry", "sorry"), ("exact foo sorry", "sorry"), ("admit", "admit"), ("simp; sorry", "sorry"),
      ("exact sorryAx _ false", "sorryAx"), ("exact _root_.sorryAx _ false", "_root_.sorryAx"), ("llmstep \"\"", "llmstep"),
      ("(llmsearch)", "llmsearch"), ("exact Lean.ofReduceBool a b rfl", "Lean.ofReduceBool")] do
    same candidate (← readAs candidate) s!"banned {part}"
  ensure "names that only look alike" (contains (← readAs "exact sorry_lemma h.admit") "single")

/-! ## Running -/

/-- Check a candidate and compare what becomes of it. Nothing else may change. -/
elab "outcome " candidate:str " is " wanted:str : tactic => do
  let goals ← getGoals
  let env ← getEnv
  let heartbeats ← IO.getNumHeartbeats
  let log := (← Core.getMessageLog).toList.length
  let checked ← checkCandidate candidate.getString { heartbeats := 2000, timeoutMs := 1000 }
  unless contains checked.outcome.text wanted.getString do
    throwError "{candidate.getString} {checked.outcome.text}, not {wanted.getString}"
  ensure "goals are kept" ((← getGoals) == goals && !(← goals.head!.isAssigned))
  ensure "messages are kept" ((← Core.getMessageLog).toList.length == log)
  ensure "heartbeats are kept" ((← IO.getNumHeartbeats) - heartbeats < 20000)
  ensure "the environment is kept" ((← getEnv).contains `LLMstepTest.cheating == env.contains `LLMstepTest.cheating)
  ensure "a state to go on from" (checked.outcome.isFailure == checked.after?.isNone)

/-- Closes the goal with a `sorry` that no text shows. -/
elab "cheat" : tactic => do (← getMainGoal).assign (← mkSorry (← (← getMainGoal).getType) false)

/-- The same, in an auxiliary theorem. -/
elab "cheat_aux" : tactic => do
  let type ← (← getMainGoal).getType
  addDecl <| .thmDecl { name := `LLMstepTest.cheating, levelParams := [], type := mkConst ``True, value := ← mkSorry (mkConst ``True) false }
  let proof ← mkSorry type false
  if proof.hasSorry then (← getMainGoal).assign (mkConst `LLMstepTest.cheating)

/-- Sleeps without using a heartbeat, until it is interrupted. -/
local elab "slumber" : tactic => do
  while true do
    Core.checkInterrupted
    IO.sleep 10

/-- Logs an error instead of throwing it. -/
elab "logs_error" : tactic => do
  logError "it went wrong"
  evalTactic (← `(tactic| trivial))

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  outcome "exact ⟨hp, hq⟩" is "closes"
  outcome "constructor" is "runs, 2 goals"
  outcome "constructor; exact hp" is "runs, 1 goals"
  outcome "constructor\n· exact hp\n· exact hq" is "closes"
  outcome "exact hp" is "fails: Type mismatch"
  outcome "exact nope" is "nope"
  outcome "exact ⟨hp, ?_⟩" is "fails"
  outcome "refine ⟨hp, ?_⟩" is "runs, 1 goals"
  outcome "skip" is "changes nothing"
  outcome "sorry" is "contains sorry"
  outcome "cheat" is "uses sorry"
  outcome "repeat skip" is "fails"
  outcome "slumber" is "took longer than 1000 ms"
  outcome "exact )" is "does not parse"
  exact ⟨hp, hq⟩

example : True := by
  outcome "logs_error" is "it went wrong"
  outcome "cheat_aux" is "uses sorry"
  outcome "trivial" is "closes"
  trivial

-- A metavariable that was there before is not the candidate's fault, one that it adds is.
example (p : Nat → Prop) (h : p 3) : ∃ n, p n := by
  outcome "apply Exists.intro" is "runs, 2 goals"
  apply Exists.intro
  outcome "exact h" is "closes"
  exact h

/-! ## Circular proofs -/

theorem circular (p : Prop) (hp : p) : p := by
  outcome "exact circular p hp" is "uses the theorem that is being proved"
  outcome "apply circular" is "uses the theorem that is being proved"
  outcome "exact hp" is "closes"
  exact hp

namespace Inner
theorem ring (p : Prop) (hp : p) : p := by
  outcome "exact ring p hp" is "uses the theorem that is being proved"
  outcome "exact Inner.ring p hp" is "fails"
  outcome "exact circular p hp" is "closes"
  exact hp
end Inner

/-! ## The user's interruption is passed on -/

elab "interrupted_while_checking" : tactic => do
  let token ← IO.CancelToken.new
  discard <| (IO.asTask (prio := .dedicated) do IO.sleep 100; token.set : BaseIO _)
  let caught ← IO.mkRef false
  controlAt (EIO Exception) fun run => do
    try run <| withTheReader Core.Context (fun c => { c with cancelTk? := some token }) do
      discard <| checkCandidate "slumber" { timeoutMs := 60000 }
    catch e =>
      caught.set e.isInterrupt
      run (pure ())
  ensure "the interruption comes through" (← caught.get)

example : True := by
  interrupted_while_checking
  trivial
