module
public meta import Lean
public meta import LLMstep.Text
public meta section
open Lean

/-!
# The options of llmstep

Every number llmstep uses stands here, as `set_option llmstep.<name>`, as `leanOptions` in a lakefile, or in the environment:
`llmstep.numSuggestions` is overridden by `LLMSTEP_LEAN_NUM_SUGGESTIONS`, `llmstep.search.depth` by `LLMSTEP_LEAN_SEARCH_DEPTH`,
and so on. The environment wins, because it is what a user can change without touching a shared file. The command alone has
the short name `LLMSTEP_COMMAND`.

```
set_option llmstep.numSuggestions 4 in
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmstep "constructor"
```
-/
namespace LLMstep

register_option llmstep.command : String := {
  defValue := ""
  descr := "command line that starts the sidecar (words split at spaces, \"double quotes\" keep them together); \
    `serve` is added if it is not among the words. Empty: look in the project's .venv, in the package's own .venv, on the PATH, in ~/.local/bin" }

register_option llmstep.batch : Bool := {
  defValue := false
  descr := "let the tactics run outside an editor too (`lake build`, `lean file`), where each file starts its own sidecar" }

register_option llmstep.warmup : Bool := {
  defValue := false
  descr := "start the sidecar and load the model with the first command after the import, before anybody asks for a suggestion" }

register_option llmstep.model : String := {
  defValue := ""
  descr := "model to ask: a name that `llmstep models list` shows, or the path of a .gguf file; the one before it leaves the memory. \
    Empty: the sidecar's own, which LLMSTEP_MODEL sets" }

register_option llmstep.numCandidates : Nat := {
  defValue := 24
  descr := "number of candidates to ask the sidecar for (at most 32); they are checked, and the best of them are shown" }

register_option llmstep.numSuggestions : Nat := {
  defValue := 8
  descr := "how many suggestions are shown at most" }

register_option llmstep.timeoutMs : Nat := {
  defValue := 60000
  descr := "how long one question to the sidecar may take, in milliseconds; what has arrived by then is still checked and shown" }

register_option llmstep.startTimeoutMs : Nat := {
  defValue := 30000
  descr := "how long the sidecar may take from its start to the end of the handshake, in milliseconds" }

register_option llmstep.maxStarts : Nat := {
  defValue := 4
  descr := "how often within one minute a sidecar may be started; when it keeps dying, further calls fail at once" }

register_option llmstep.sendFile : Bool := {
  defValue := true
  descr := "send the text of the file up to the call along with the goal; some models continue files rather than goals" }

register_option llmstep.maxHeartbeats : Nat := {
  defValue := 20000
  descr := "heartbeats one candidate may use while it is checked, in the unit of `maxHeartbeats` (a tenth of its default); 0: no limit" }

register_option llmstep.candidateTimeoutMs : Nat := {
  defValue := 5000
  descr := "wall-clock time one candidate may use while it is checked, in milliseconds; 0: no limit" }

register_option llmstep.checkBudgetMs : Nat := {
  defValue := 2500
  descr := "wall-clock time that the checks of all candidates of one call may use together, in milliseconds; what was checked by then is shown; \
    0: no limit" }

register_option llmstep.stopOnClose : Bool := {
  defValue := true
  descr := "tell the model to stop as soon as a candidate closes the goal; then at most three others are shown beside it" }

register_option llmstep.finish : Bool := {
  defValue := true
  descr := "when the goals that a candidate leaves follow from hypotheses or by `rfl`, show the whole proof instead: `exact f h₁ h₂` for `apply f`" }

register_option llmstep.fullGoals : Bool := {
  defValue := false
  descr := "below a suggestion, show the goals it leaves as a whole, not only their targets and what has changed" }

register_option llmstep.showFailed : Bool := {
  defValue := false
  descr := "also list the candidates that failed, with the reason, below the suggestions" }

register_option llmstep.search.depth : Nat := {
  defValue := 8
  descr := "`llmsearch`: how many steps that might have been others may follow each other on one branch of the proof; a tactic that closes \
    its goal, and a step that loses nothing, do not count; 0: no limit" }

register_option llmstep.search.width : Nat := {
  defValue := 8
  descr := "`llmsearch`: number of candidates to ask the model for at each goal (at most 32)" }

register_option llmstep.search.maxNodes : Nat := {
  defValue := 32
  descr := "`llmsearch`: how many questions the model may be asked; the rest of the search goes on without it" }

register_option llmstep.search.timeoutMs : Nat := {
  defValue := 60000
  descr := "`llmsearch`: how long the whole search may take, in milliseconds" }

register_option llmstep.search.maxHeartbeats : Nat := {
  defValue := 400000
  descr := "`llmsearch`: heartbeats the checks of the whole search may use, in the unit of `maxHeartbeats`; 0: no limit" }

register_option llmstep.search.closers : String := {
  defValue := "rfl | assumption | contradiction | trivial | decide | ring | positivity | gcongr | fun_prop | norm_cast | push_cast | simp_all | omega | tauto | norm_num | field_simp | linarith | bound | grind | nlinarith | measurability | aesop | exact?"
  descr := "`llmsearch`: tactics, separated by ` | `, that are tried beside the model's steps because they may close the goal; those the file does \
    not know, and those that do not fit the goal's shape, are left out" }

register_option llmstep.search.structural : Bool := {
  defValue := true
  descr := "`llmsearch`: also take the steps that the goal's shape asks for (`intro`, `obtain`, `constructor`, case splits, uses of hypotheses)" }

register_option llmstep.search.perLength : Bool := {
  defValue := true
  descr := "`llmsearch`: divide the cost of a way by the root of its length, so that long proofs of likely steps are found; if not, costs are added \
    up, and the model is asked strictly about the best state" }

register_option llmstep.search.report : Bool := {
  defValue := false
  descr := "`llmsearch`: also write how the search ended, as one line of JSON, for programs that run it" }

register_option llmstep.prove.rounds : Nat := {
  defValue := 3
  descr := "`llmprove`: how often the model is asked for a proof; each time but the first it is told what Lean said" }

register_option llmstep.prove.timeoutMs : Nat := {
  defValue := 120000
  descr := "`llmprove`: how long all its rounds may take together, in milliseconds" }

register_option llmstep.prove.gapMs : Nat := {
  defValue := 3000
  descr := "`llmprove`: how long each gap of a proof that almost runs is searched for, in milliseconds; 0: gaps are left to the model" }

register_option llmstep.prove.report : Bool := {
  defValue := false
  descr := "`llmprove`: also write how it ended, as one line of JSON, for programs that run it" }

register_option llmstep.prove.model : String := {
  defValue := ""
  descr := "`llmprove`: model to ask for whole proofs, as in `llmstep.model`; empty: that of `llmstep.model`" }

register_option llmstep.try : Bool := {
  defValue := false
  descr := "let core's `try?` show llmstep's candidates too; needs `import LLMstep.Try`" }

register_option llmstep.try.timeoutMs : Nat := {
  defValue := 5000
  descr := "how long `try?` may wait for llmstep, in milliseconds" }

register_option llmstep.try.waitMs : Nat := {
  defValue := 600
  descr := "how long `try?` waits before it asks llmstep when Lean calls it unasked (`autoTry.onSorry` and its like), in milliseconds; \
    an edit within that time asks nothing" }

/-- The environment variable that overrides an option: `llmstep.search.maxNodes` ↦ `LLMSTEP_LEAN_SEARCH_MAX_NODES`. -/
def envName (option : Name) : String := Id.run do
  let mut out := "LLMSTEP_LEAN_"
  for c in (withoutFirstChars "llmstep.".length (toString option)).toList do
    if c == '.' then out := out.push '_'
    else if c.isUpper then out := (out.push '_').push c
    else out := out.push c.toUpper
  return out

/-- What an environment variable says, unless it is not set or empty. -/
def env? (name : String) : BaseIO (Option String) := do
  let some s ← IO.getEnv name | return none
  return if s.isEmpty then none else some s

private def badEnv (name value kind : String) : CoreM α :=
  throwError "llmstep: the environment variable {name} is `{value}`, which is not {kind}. Correct or unset it."

/-- Value of a numeric option; its environment variable wins. Throws if the variable is not a number. -/
def natOption (option : Lean.Option Nat) : CoreM Nat := do
  match ← env? (envName option.name) with
  | none => return option.get (← getOptions)
  | some s =>
    let some n := s.toNat? | badEnv (envName option.name) s "a natural number"
    return n

/-- Value of a yes/no option; its environment variable (`true`/`false`/`1`/`0`) wins. Throws if it is none of these. -/
def boolOption (option : Lean.Option Bool) : CoreM Bool := do
  match ← env? (envName option.name) with
  | none => return option.get (← getOptions)
  | some "true" | some "1" => return true
  | some "false" | some "0" => return false
  | some s => badEnv (envName option.name) s "`true` or `false`"

/-- Value of a text option; its environment variable wins. -/
def stringOption (option : Lean.Option String) : CoreM String := do
  return (← env? (envName option.name)).getD (option.get (← getOptions))

/-- The model to ask, unless it is left to the sidecar. -/
def chosenModel? : CoreM (Option String) := do
  let name ← stringOption llmstep.model
  return if isBlank name then none else some name

end LLMstep
