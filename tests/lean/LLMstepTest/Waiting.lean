import LLMstep
import LLMstepTest.Support
open Lean Meta Elab Tactic LLMstep LLMstepTest

/-! A check waits for nothing that stands above: the proof above ends only when the check below it is through. -/

set_option Elab.async true

elab "waits_for_the_check_below" : tactic => do
  let stop := (← IO.monoMsNow) + 60000
  let wait : IO Unit := do
    while !(← checkedBelow.get) && (← IO.monoMsNow) < stop do IO.sleep 10
  discard <| IO.wait (← IO.asTask wait (prio := .dedicated))
  throughAbove.set true
  evalTactic (← `(tactic| trivial))

/-- Closes the goal by an auxiliary theorem, as `omega`, `decide` and others do. -/
elab "by_auxiliary_theorem" : tactic => do
  addDecl <| .thmDecl { name := `below.auxiliary, levelParams := [], type := mkConst ``True, value := mkConst ``True.intro }
  (← getMainGoal).assign (mkConst `below.auxiliary)

elab "check_beside_the_proof_above" : tactic => do
  let checked ← checkCandidate "by_auxiliary_theorem" { timeoutMs := 30000 }
  let waited ← throughAbove.get
  checkedBelow.set true
  same "outcome" checked.outcome.text "closes the goal"
  ensure "nothing was waited for" !waited

theorem above : True := by waits_for_the_check_below
theorem below : True := by
  check_beside_the_proof_above
  trivial
