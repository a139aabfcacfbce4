module
public meta import Lean
public meta import LLMstep.Place
public meta section
open Lean Meta Elab Tactic

/-!
# Where a step is missing

The places of a proof at which the code action offers a step: a `sorry`, be it a tactic or a term, a `by` or braces without tactics,
and the end of tactics that leave goals. One place may be reached with several goals (`all_goals sorry`), each in a context of its own.

```
theorem both (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  refine And.intro sorry ?_      -- here the goal is `p`, and a term is wanted
  skip                           -- behind this the goal is `q`
```
-/
namespace LLMstep

/-- How a place is reached: the context, and the goals that are open, of which the first one is worked on; or, where a term is wanted,
its local context and type. -/
structure Approach where
  ctx : ContextInfo
  goals : List MVarId := []
  term? : Option (LocalContext × Expr) := none

/-- What may part a step from what stands before it: text, the separator that it is, and the column at which the step then begins. -/
abbrev Lead := String × Syntax × Nat

/-- A place where a step is missing. `range`: the bytes that the step replaces. `approaches`: not empty. -/
structure Gap where
  range : Nat × Nat
  spot : Spot
  leads : List Lead
  approaches : Array Approach

/-- A line's end as the separator of tactics. -/
private def lineEnd : Syntax := .node .none nullKind #[]

private def semicolon : Syntax := .atom .none ";"

private def onNewLine (column : Nat) : Lead := ("\n" ++ String.join (List.replicate column " "), lineEnd, column)

/-- The text between two bytes. -/
private def between (source : FileMap) (first stop : Nat) : String :=
  (String.fromUTF8? (source.source.toUTF8.extract first stop)).getD ""

private def columnAt (source : FileMap) (byte : Nat) : Nat := (source.toPosition ⟨byte⟩).column

/-- The byte at which the line of a byte ends. -/
private def endOfLine (source : FileMap) (byte : Nat) : Nat :=
  byte + (((between source byte source.source.utf8ByteSize).splitOn "\n").head?.getD "").utf8ByteSize

/-- Where a step behind the byte `stop` goes: behind a comment, if nothing else follows on the line. -/
private def behindComment (source : FileMap) (stop : Nat) : Nat :=
  let last := endOfLine source stop
  let rest := trimmed (between source stop last)
  let isComment := rest.startsWith "--" ||
    (rest.startsWith "/-" && rest.endsWith "-/" && (rest.splitOn "-/").length == 2)
  if isComment then last else stop

/-- The gap at a tactic `sorry` or `admit`. -/
def sorryGap? (source : FileMap) (ctx : ContextInfo) (info : TacticInfo) : Option Gap := do
  guard <| info.stx.getKind == `Lean.Parser.Tactic.tacticSorry || info.stx.getKind == `Lean.Parser.Tactic.tacticAdmit
  guard !info.goalsBefore.isEmpty
  let range ← bytesOf? info.stx
  return {
    range, spot := .tactic, leads := [("", lineEnd, columnAt source range.1)]
    approaches := #[{ ctx := { ctx with mctx := info.mctxBefore }, goals := info.goalsBefore }] }

/-- The gap at a term `sorry` that the user has written. -/
def termGap? (source : FileMap) (ctx : ContextInfo) (info : TermInfo) : Option Gap := do
  guard <| info.stx.getKind == `Lean.Parser.Term.sorry
  -- The tactic `sorry` becomes a term, too, which stands nowhere.
  guard (info.stx.getPos? (canonicalOnly := true)).isSome
  let range ← bytesOf? info.stx
  let type ← info.expectedType?
  return {
    range, spot := .term, leads := [("", lineEnd, columnAt source range.1)]
    approaches := #[{ ctx, term? := some (info.lctx, type) }] }

/-- The gap at the end of a block of tactics. `items`: what the block has. -/
private def endGap? (source : FileMap) (block : Nat × Nat) (items : Array Syntax) (inBraces : Bool) (approach : Approach) : Option Gap := do
  guard !approach.goals.isEmpty
  match items[0]?.bind bytesOf?, (items.filter fun item => (bytesOf? item).isSome).back?.bind bytesOf? with
  | some (first, _), some (_, stop) =>
    let column := columnAt source first
    let place := behindComment source stop
    let leads : List Lead := [onNewLine column, ("; ", semicolon, column)]
    let onOneLine := (source.toPosition ⟨block.1⟩).line == (source.toPosition ⟨block.2⟩).line
    return {
      range := (place, place), spot := .behind block, approaches := #[approach]
      leads := if inBraces && onOneLine && place == stop then leads.reverse else leads }
  | _, _ =>
    -- Behind `by`, or behind `{`.
    let place := if inBraces then block.1 + 1 else block.2
    let lead : Lead := (" ", lineEnd, columnAt source place + 1)
    return { range := (place, place), spot := .behind block, leads := [lead], approaches := #[approach] }

/-- The gaps at the ends of blocks. `last?` gives the tactics' own infos by their bytes: what is open at the end of a block in braces
is known from its last tactic alone, because Lean closes such a block, in spite of all, before it takes the block's own. -/
def blockGap? (source : FileMap) (ctx : ContextInfo) (info : TacticInfo) (last? : Nat × Nat → Option (ContextInfo × TacticInfo)) :
    Option Gap := do
  let block ← bytesOf? info.stx
  let after : Approach := { ctx := { ctx with mctx := info.mctxAfter }, goals := info.goalsAfter }
  let kind := info.stx.getKind
  if kind == `Lean.Parser.Term.byTactic then
    -- With tactics, the sequence inside is the place.
    guard (info.stx[1].getRange?).isNone
    endGap? source block #[] false after
  else if kind == `Lean.Parser.Tactic.tacticSeqBracketed then
    let items := info.stx[1].getArgs
    match (items.filter fun item => (bytesOf? item).isSome && item.getNumArgs > 0).back?.bind bytesOf? with
    | none => endGap? source block #[] true { ctx := { ctx with mctx := info.mctxBefore }, goals := info.goalsBefore.take 1 }
    | some bytes =>
      let (ctx, last) ← last? bytes
      endGap? source block items true { ctx := { ctx with mctx := last.mctxAfter }, goals := last.goalsAfter }
  else do
    guard <| kind == `Lean.Parser.Tactic.tacticSeq && info.stx[0].getKind == `Lean.Parser.Tactic.tacticSeq1Indented
    endGap? source block (tacticsIn info.stx) false after

private def sameApproach (a b : Approach) : Bool := a.term?.isNone && b.term?.isNone && a.goals == b.goals

/-- Put gaps that are one place together. -/
def mergeGaps (gaps : Array Gap) : Array Gap := Id.run do
  let mut merged : Array Gap := #[]
  for gap in gaps do
    if merged.any fun other => other.range == gap.range then
      merged := merged.map fun other =>
        if other.range != gap.range then other
        else
          let more := gap.approaches.filter fun approach => !other.approaches.any (sameApproach approach)
          { other with approaches := other.approaches ++ more }
    else merged := merged.push gap
  return merged

end LLMstep
