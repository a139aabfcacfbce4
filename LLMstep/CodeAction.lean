module
public meta import Lean
public meta import LLMstep.Tactic
public meta section
open Lean Meta Elab Tactic Server Lsp

/-!
# The code action "llmstep: suggest a step"

Offered on the tactic `sorry`, on an empty `by`, and where goals remain. The model is asked when the user picks the action, not
before; the best candidate that runs is put in place.

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  sorry      -- 💡 llmstep: suggest a step  ↦  exact ⟨hp, hq⟩
```
-/
namespace LLMstep

/-- A place where a step is missing.
`ctx`: its context, with the metavariables as they are there. `goals`: what is open there. `range`: what the step replaces.
`before`: the text between the end of what stands before and the step. `column`: where the step begins. -/
structure Gap where
  ctx : ContextInfo
  goals : List MVarId
  range : Lsp.Range
  before : String
  column : Nat

def actionTitle : String := "llmstep: suggest a step"

private def overlaps (a b : Lsp.Range) : Bool := a.start.line ≤ b.end.line && b.start.line ≤ a.end.line

/-- Of ranges that contain each other, the inner one begins last. -/
private def startsLater (a b : Gap) : Bool :=
  b.range.start.line < a.range.start.line ||
    (a.range.start.line == b.range.start.line && b.range.start.character < a.range.start.character)

/-- The gap at a tactic `sorry` or `admit`. -/
def sorryGap? (text : FileMap) (ctx : ContextInfo) (info : TacticInfo) : Option Gap := do
  guard <| info.stx.getKind == `Lean.Parser.Tactic.tacticSorry || info.stx.getKind == `Lean.Parser.Tactic.tacticAdmit
  guard !info.goalsBefore.isEmpty
  let range ← info.stx.getRange?
  let column := (text.toPosition range.start).column
  return {
    ctx := { ctx with mctx := info.mctxBefore }, goals := info.goalsBefore, range := text.utf8RangeToLspRange range, before := "", column }

/-- The gap at the end of a sequence of tactics that leaves goals, or behind a `by` without tactics. -/
def endGap? (text : FileMap) (ctx : ContextInfo) (info : TacticInfo) : Option Gap := do
  let kind := info.stx.getKind
  guard <| kind == `Lean.Parser.Tactic.tacticSeq || kind == `Lean.Parser.Term.byTactic
  guard !info.goalsAfter.isEmpty
  let range ← info.stx.getRange?
  let first ← info.stx.getPos?
  let stop := text.utf8PosToLspPos range.stop
  let here (before : String) (column : Nat) : Gap := {
    ctx := { ctx with mctx := info.mctxAfter }, goals := info.goalsAfter, range := { start := stop, «end» := stop }, before, column }
  if kind == `Lean.Parser.Tactic.tacticSeq then
    let column := (text.toPosition first).column
    return here (String.join ("\n" :: List.replicate column " ")) column
  else
    -- With tactics, the sequence inside is the place.
    guard (info.stx[1].getRange?).isNone
    return here " " ((text.toPosition range.stop).column + 1)

/-- Where a step is missing at the cursor: a `sorry` if there is one, else the innermost end of tactics that Lean complains about. -/
def findGap? (text : FileMap) (params : CodeActionParams) (tree : InfoTree) : Option Gap := do
  let unsolved := params.context.diagnostics.filter (·.message.startsWith "unsolved goals")
  let gaps : Array Gap × Array Gap := tree.foldInfo (init := (#[], #[])) fun ctx info (sorries, ends) => Id.run do
    let .ofTacticInfo info := info | return (sorries, ends)
    if let some gap := sorryGap? text ctx info then
      if overlaps gap.range params.range then return (sorries.push gap, ends)
    if let some gap := endGap? text ctx info then
      if unsolved.any fun diagnostic => overlaps diagnostic.range gap.range && overlaps diagnostic.range params.range then
        return (sorries, ends.push gap)
    return (sorries, ends)
  if let some gap := gaps.1[0]? then return gap
  (gaps.2.qsort startsLater)[0]?

/-- The text before a place, as the model gets it. -/
private def documentBefore (source : FileMap) (uri : String) (gap : Gap) : Document :=
  let stop := (source.lspPosToUtf8Pos gap.range.start).byteIdx
  { uri, textBefore := (String.fromUTF8? (source.source.toUTF8.extract 0 stop)).getD "" ++ gap.before }

/-- Ask for the next step at a gap and check it; the text of the best candidate, or why there is none. -/
def fillGap (gap : Gap) (document : Document) : IO String := do
  let some goal := gap.goals.head? | throw <| IO.userError "llmstep: there is no goal here"
  let found ← IO.mkRef (Except.error "llmstep: the model has no suggestion for this goal")
  let work : TacticM Unit := do
    setGoals gap.goals
    let document? := if ← boolOption llmstep.sendFile then some document else none
    let inquiry : Inquiry := {
      n := ← natOption llmstep.numSuggestions, timeoutMs := ← natOption llmstep.timeoutMs, document?
      stopOnClose := ← boolOption llmstep.stopOnClose }
    let gathered ← gather inquiry (← limitsFromOptions)
    match (worthShowing gathered.scored)[0]? with
    | some best => found.set (.ok best.checked.tactic)
    | none => unless gathered.scored.isEmpty do
        found.set (.error s!"llmstep: none of the candidates runs here:{failureLines gathered.scored}")
  let guarded : TacticM Unit := do
    try work catch e => found.set (.error (← e.toMessageData.toString))
  let named (x : TermElabM Unit) : TermElabM Unit :=
    match gap.ctx.parentDecl? with
    | some name => Term.withDeclName name x
    | none => x
  let run : MetaM Unit := goal.withContext <| Term.TermElabM.run' <| named <| discard <| Tactic.run goal guarded
  match ← (gap.ctx.runMetaM {} run).toBaseIO with
  | .ok () => IO.ofExcept (← found.get)
  | .error _ => throw <| IO.userError "llmstep: the candidates could not be checked here"

/-- Offers the action where a step is missing; the model is asked when the action is resolved. -/
@[code_action_provider]
def suggestStepProvider : CodeActionProvider := fun params snapshot => do
  let doc ← RequestM.readDoc
  let source := doc.meta.text
  let some gap := findGap? source params snapshot.infoTree | return #[]
  let identifier := doc.versionedIdentifier
  let document := documentBefore source doc.meta.uri gap
  let eager : CodeAction := { title := actionTitle, kind? := some "quickfix" }
  let resolve : IO CodeAction := do
    let newText := gap.before ++ indentTo gap.column (← fillGap gap document)
    return { eager with edit? := some (.ofTextEdit identifier { range := gap.range, newText }) }
  return #[{ eager, lazy? := some resolve }]

end LLMstep
