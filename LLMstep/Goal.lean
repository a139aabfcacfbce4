module
public meta import Lean
public meta import LLMstep.Protocol
public meta import LLMstep.Options
public meta section
open Lean Meta Elab Tactic

/-!
# What the model is told about the proof

The goals as text (the main goal first), the file up to the call, and the name of what is being proved. The pretty-printer's
options are set to Lean's defaults, so that a `set_option pp.all true` of the user does not turn the goals into text no model has
seen.

```
example (p q : Prop) (hp : p) : p ∨ q := by
  left      -- here `goalTexts` is `#["p q : Prop\nhp : p\n⊢ p"]`
  exact hp
```
-/
namespace LLMstep

private def setBool (name : Name) (value : Bool) (options : Options) : Options :=
  let option : Lean.Option Bool := { name, defValue := value }
  option.set options value

/-- The pretty-printer as the models' training data were printed. -/
def fixedPP (options : Options) : Options :=
  options |> setBool `pp.all false |> setBool `pp.explicit false |> setBool `pp.universes false
    |> setBool `pp.notation true |> setBool `pp.fullNames false |> setBool `pp.inaccessibleNames true
    |> setBool `pp.auxDecls false |> setBool `pp.implementationDetailHyps false |> setBool `pp.showLetValues true

/-- One goal as text: hypotheses, one per line, then `⊢ target`. -/
def goalText (goal : MVarId) : MetaM String :=
  withOptions fixedPP do return (← ppGoal goal).pretty

def goalTexts (goals : List MVarId) : MetaM (Array String) := do
  let mut texts := #[]
  for goal in goals do texts := texts.push (← goalText goal)
  return texts

/-- The text of the file before `stx`; empty if `stx` was made by a macro. Byte offsets survive all renamings of Lean's string
positions. What follows the call is not sent: it may be older than the call. -/
def textBefore (stx : Syntax) : CoreM String := do
  let some pos := stx.getPos? | return ""
  return (String.fromUTF8? ((← getFileMap).source.toUTF8.extract 0 pos.byteIdx)).getD ""

/-- Column of `stx` in characters. -/
def columnOf (stx : Syntax) : CoreM Nat := do
  let some pos := stx.getPos? | return 0
  return ((← getFileMap).toPosition pos).column

/-- The text of `stx`'s line before `stx`. -/
def linePrefix (stx : Syntax) : CoreM String := do
  return ((← textBefore stx).splitOn "\n").getLast?.getD ""

/-- The document's URI. Lean knows a file by its path, and a document without a file by its URI. -/
def documentUri : CoreM String := do
  let name ← getFileName
  if name.startsWith "untitled:" then return name
  let path : System.FilePath := name
  if path.isAbsolute then return System.Uri.pathToUri path
  return System.Uri.pathToUri ((← IO.currentDir) / path)

def documentAt? (stx : Syntax) : CoreM (Option Document) := do
  unless ← boolOption llmstep.sendFile do return none
  return some { uri := ← documentUri, textBefore := ← textBefore stx }

/-- Name of the declaration that is being proved, as the user wrote it. -/
def declarationName? : TermElabM (Option Name) := do
  return (← Term.getDeclName?).map privateToUserName

/-- The variables that stand for the declaration itself while it is being proved; a proof that uses one is circular. -/
def selfReferences (goal : MVarId) : TermElabM (Array FVarId) := goal.withContext do
  let some name ← declarationName? | return #[]
  let mut found := #[]
  for fvarId in (← getLCtx).getFVarIds do
    let decl ← fvarId.getDecl
    if decl.isAuxDecl then
      let user := privateToUserName decl.userName.eraseMacroScopes
      if !user.isAnonymous && user.isSuffixOf name then found := found.push fvarId
  return found

end LLMstep
