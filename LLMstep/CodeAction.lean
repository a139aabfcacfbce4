module
public meta import Lean
public meta import LLMstep.Gap
public meta import LLMstep.Tactic
public meta section
open Lean Meta Elab Tactic Server Lsp

/-!
# The code action "llmstep: suggest a step"

Offered on `sorry`, on an empty `by`, and where goals remain. The model is asked when the user picks the action, not before; the best
candidate that runs is put in place, if it is right for every goal with which Lean reaches the place. For an editor that cannot ask for
an action's edit when the action is picked, the edit puts the call `llmstep ""` there, which then shows its suggestions.

```
example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  sorry      -- 💡 llmstep: suggest a step  ↦  exact ⟨hp, hq⟩
```
-/
namespace LLMstep

def actionTitle : String := "llmstep: suggest a step"

private def linesOf (source : FileMap) (range : Nat × Nat) : Nat × Nat :=
  ((source.toPosition ⟨range.1⟩).line - 1, (source.toPosition ⟨range.2⟩).line - 1)

private def onTheseLines (source : FileMap) (range : Nat × Nat) (lines : Lsp.Range) : Bool :=
  let (first, last) := linesOf source range
  first ≤ lines.end.line && lines.start.line ≤ last

/-- The tactic infos of the tree, with their contexts. -/
private def tacticInfos (tree : InfoTree) : Array (ContextInfo × TacticInfo) :=
  tree.foldInfo (init := #[]) fun ctx info all =>
    match info with
    | .ofTacticInfo info => all.push (ctx, info)
    | _ => all

/-- Where a step is missing at the cursor: the `sorry` under it, else one on its line, else the innermost end of tactics that Lean
complains about. -/
def findGap? (source : FileMap) (params : CodeActionParams) (tree : InfoTree) : Option Gap := do
  let tactics := tacticInfos tree
  let terms : Array Gap := tree.foldInfo (init := #[]) fun ctx info gaps =>
    match info with
    | .ofTermInfo info => gaps ++ (termGap? source ctx info).toArray
    | _ => gaps
  let sorries := mergeGaps <| (tactics.filterMap fun (ctx, info) => sorryGap? source ctx info) ++ terms
  let here := sorries.filter fun gap => onTheseLines source gap.range params.range
  let cursor := (source.lspPosToUtf8Pos params.range.start).byteIdx
  if let some gap := here.find? fun gap => gap.range.1 ≤ cursor && cursor ≤ gap.range.2 then return gap
  if let some gap := here[0]? then return gap
  let unsolved := params.context.diagnostics.filter (·.message.startsWith "unsolved goals")
  let atCursor (range : Lsp.Range) : Bool := range.start.line ≤ params.range.end.line && params.range.start.line ≤ range.end.line
  -- Of a block in braces, Lean complains at a brace, which may be far from its end.
  let isComplaint (block : Nat × Nat) (inBraces : Bool) : Bool := unsolved.any fun diagnostic =>
    onTheseLines source block diagnostic.range &&
      (atCursor diagnostic.range || (inBraces && onTheseLines source block params.range))
  -- A `by` without tactics needs no complaint: not every editor sends it from wherever the cursor is on the line.
  let isEmpty (stx : Syntax) : Bool := stx.getKind == `Lean.Parser.Term.byTactic && stx[1].getRange?.isNone
  let blocks := tactics.filter fun (_, info) => ((bytesOf? info.stx).map fun block =>
    isComplaint block (info.stx.getKind == `Lean.Parser.Tactic.tacticSeqBracketed) ||
      (isEmpty info.stx && onTheseLines source block params.range)).getD false
  let last? (bytes : Nat × Nat) : Option (ContextInfo × TacticInfo) :=
    (tactics.filter fun (_, info) => bytesOf? info.stx == some bytes).back?
  let ends := mergeGaps <| blocks.filterMap fun (ctx, info) => blockGap? source ctx info last?
  -- Of blocks that contain each other, the inner one begins last.
  let begins (gap : Gap) : Nat := (gap.spot.bytes gap.range).1
  (ends.qsort fun a b => begins a > begins b)[0]?

/-- Run `act` on the goal of an approach, in the file that is named; its result, or what went wrong. -/
def Approach.run {α : Type} (approach : Approach) (fileName : String) (source : FileMap) (act : TacticM α) : IO α := do
  let result ← IO.mkRef (Except.error "llmstep: the candidates could not be checked here" : Except String α)
  let guarded : TacticM Unit := do
    try result.set (.ok (← act)) catch e => result.set (.error (← e.toMessageData.toString))
  let named (x : TermElabM Unit) : TermElabM Unit :=
    match approach.ctx.parentDecl? with
    | some name => Term.withDeclName name x
    | none => x
  let onGoals (goals : List MVarId) : MetaM Unit := do
    let goal :: _ := goals | return
    goal.withContext <| Term.TermElabM.run' <| named <| discard <| Tactic.run goal do
      setGoals goals
      guarded
  let work : MetaM Unit := withTheReader Core.Context (fun c => { c with fileName, fileMap := source }) do
    match approach.term? with
    | none => onGoals approach.goals
    | some (_, type) => onGoals [(← mkFreshExprMVar (some (← instantiateMVars type)) .syntheticOpaque).mvarId!]
  let lctx := (approach.term?.map (·.1)).getD {}
  match ← (approach.ctx.runMetaM lctx work).toBaseIO with
  | .ok () =>
    match ← result.get with
    | .ok a => return a
    | .error why => throw <| IO.userError why
  | .error _ => throw <| IO.userError "llmstep: the candidates could not be checked here"

/-- The text before a place, as the model gets it. -/
private def documentBefore (source : FileMap) (uri : String) (gap : Gap) : Document :=
  let before := (String.fromUTF8? (source.source.toUTF8.extract 0 gap.range.1)).getD ""
  let lead := (gap.leads.head?.map (·.1)).getD ""
  { uri, textBefore := before ++ match gap.spot with
    | .term => "by "
    | _ => lead }

/-- Ask for the next step at a gap and check it there; the text of the best candidate that is right, or why there is none. -/
def fillGap (gap : Gap) (uri : String) (source : FileMap) : IO String := do
  let some first := gap.approaches[0]? | throw <| IO.userError "llmstep: there is no goal here"
  let fileName := ((System.Uri.fileUriToPath? uri).map toString).getD uri
  let others := gap.approaches.extract 1 gap.approaches.size
  let (gathered, limits) ← first.run fileName source do
    let document? := if ← boolOption llmstep.sendFile then some (documentBefore source uri gap) else none
    let inquiry ← inquiryFromOptions document?
    let limits ← limitsFromOptions
    let gathered ← gather { inquiry with stopOnClose := inquiry.stopOnClose && others.isEmpty } limits
    if gathered.scored.isEmpty || gathered.falsehood?.isSome then throwError "{nothingText gathered (showFailed := true)}"
    return (gathered, limits)
  let place? := findPlace? first.ctx.env first.ctx.options source gap.range gap.spot
  let mut failures := gathered.scored
  for s in worthShowing gathered.scored do
    let mut closes := match s.checked.outcome with
      | .closes => true
      | _ => false
    let mut why? := none
    for other in others do
      match (← other.run fileName source (checkCandidate s.checked.tactic limits)).outcome with
      | .closes => pure ()
      | .runs .. => closes := false
      | .fails why => why? := some s!"on another goal that this place is reached with, it {(Outcome.fails why).text}"
    if why?.isNone then
      match place? with
      | some place =>
        if let some text := place.textFor? s.checked.tactic closes (first.goals.length > 1) gap.leads then return text
        why? := some "runs, but would be read as something else in this place"
      | none => why? := some "runs, but the command of this place cannot be found"
    failures := failures.map fun other =>
      if other.checked.tactic != s.checked.tactic then other
      else { other with checked := { other.checked with outcome := .fails (why?.getD "") } }
  throw <| IO.userError <| nothingText { gathered with scored := failures } (showFailed := true)

/-- The call of the tactic as it is written at a gap. -/
def callFor? (gap : Gap) (source : FileMap) : Option String := do
  let first ← gap.approaches[0]?
  let place ← findPlace? first.ctx.env first.ctx.options source gap.range gap.spot
  place.textFor? "llmstep \"\"" (closes := false) (first.goals.length > 1) gap.leads

/-- Whether the client asks for the edit of an action when the action is picked. -/
def resolvesEdits (client : ClientCapabilities) : Bool :=
  (client.textDocument?.bind (·.codeAction?) |>.bind (·.resolveSupport?) |>.map (·.properties.contains "edit")).getD false

/-- Put a text in the place of some bytes of a document; only of this version of it, if the client knows such edits. -/
def editOf? (client : ClientCapabilities) (doc : FileWorker.EditableDocument) (bytes : Nat × Nat) (newText : String) : Option WorkspaceEdit :=
  let source := doc.meta.text
  let range : Lsp.Range := { start := source.utf8PosToLspPos ⟨bytes.1⟩, «end» := source.utf8PosToLspPos ⟨bytes.2⟩ }
  let edit : TextEdit := { range, newText }
  let ofVersion := (client.workspace?.bind (·.workspaceEdit?) |>.map fun known =>
    known.documentChanges?.getD false || known.resourceOperations?.isSome).getD false
  if ofVersion then some (.ofTextEdit doc.versionedIdentifier edit)
  else (fromJson? <| Json.mkObj [("changes", Json.mkObj [(doc.meta.uri, toJson #[edit])])]).toOption

/-- Offers the action where a step is missing; the model is asked when the action is resolved. -/
@[code_action_provider]
def suggestStepProvider : CodeActionProvider := fun params snapshot => do
  let doc ← RequestM.readDoc
  let source := doc.meta.text
  let some gap := findGap? source params snapshot.infoTree | return #[]
  let client := (← read).initParams.capabilities
  let action : CodeAction := { title := actionTitle, kind? := some "quickfix" }
  if resolvesEdits client then
    let resolve : IO CodeAction := do
      return { action with edit? := editOf? client doc gap.range (← fillGap gap doc.meta.uri source) }
    return #[{ eager := action, lazy? := some resolve }]
  let some newText := callFor? gap source | return #[]
  return #[{ eager := { action with edit? := editOf? client doc gap.range newText } }]

end LLMstep
