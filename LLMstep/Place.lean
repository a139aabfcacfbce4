module
public meta import Lean
public meta import LLMstep.Check
public meta section
open Lean Meta Elab Tactic

/-!
# What is inserted is what was checked

A candidate was parsed and run on its own. In its place the same text may mean something else: `have h : p := by exact a` in front of
`<;> b` takes the `<;> b` for its own, two lines behind `first |` are one alternative and a new line. So the command is parsed again
with the replacement in it, and its syntax must be that of the command as it was, with the syntax that ran in place of the call. Where
the text as it is does not pass, parentheses, and for a closing tactic a `·`, are tried; if nothing passes, there is no text.

Only the command around the call is parsed: it is looked for backwards from the call, line by line.

```
#eval show TacticM Unit from do
  let some place ← placeOf? (← getRef) | return
  logInfo m!"{place.textFor? "exact hp" (closes := true)}"
```
-/
namespace LLMstep

/-! ## Parsing a command -/

/-- A command as it is parsed: its syntax, the byte behind it, and the lines (from 1) on which its errors end. -/
structure ParsedCommand where
  tree : Syntax
  stop : Nat
  errorLines : Array Nat

/-- Parse the command that begins at byte `start` of `text`. -/
def parseCommandAt (env : Environment) (options : Options) (text : String) (start : Nat := 0) : ParsedCommand :=
  let (tree, state, messages) :=
    Parser.parseCommand (Parser.mkInputContext text "<llmstep>") { env, options } { pos := ⟨start⟩ } {}
  -- An error begins behind the last token that fits; it ends with the one that does not.
  let errorLines := messages.toList.toArray.map fun message => (message.endPos.getD message.pos).line
  { tree, stop := state.pos.byteIdx, errorLines }

/-- First byte of a piece of syntax that stands in the text, and the byte behind it. -/
def bytesOf? (stx : Syntax) : Option (Nat × Nat) := do
  return ((← stx.getPos?).byteIdx, (← stx.getTailPos?).byteIdx)

/-- Nodes that only hold others together. -/
private def holdsOnly (kind : SyntaxNodeKind) : Bool :=
  [nullKind, groupKind, `Lean.Parser.Tactic.tacticSeq, `Lean.Parser.Tactic.tacticSeq1Indented].contains kind

/-- Nodes with a list of tactics, among which a sequence may be put. -/
private def holdsTactics (kind : SyntaxNodeKind) : Bool :=
  [`Lean.Parser.Tactic.tacticSeq1Indented, `Lean.Parser.Tactic.tacticSeqBracketed].contains kind

/-- The way from `root` to the outermost node with these bytes that is `wanted`: the indices, from the root on. -/
partial def pathTo? (root : Syntax) (range : Nat × Nat) (wanted : Syntax → Bool) : Option (List Nat) := Id.run do
  let args := root.getArgs
  for i in [:args.size] do
    let some bytes := bytesOf? args[i]! | continue
    if bytes.1 ≤ range.1 && range.2 ≤ bytes.2 then
      if bytes == range && wanted args[i]! then return some [i]
      if let some path := pathTo? args[i]! range wanted then return some (i :: path)
  return none

/-- Change the list in which the end of a path lies. `change` is given the kind of the list's node, the list, and the index. -/
def changeAt? (root : Syntax) (path : List Nat) (change : SyntaxNodeKind → Array Syntax → Nat → Option (Array Syntax))
    (above : SyntaxNodeKind := .anonymous) : Option Syntax := do
  let .node info kind args := root | none
  match path with
  | [] => none
  | [i] => return .node info kind (← change (if kind == nullKind then above else kind) args i)
  | i :: rest =>
    let arg ← changeAt? (← args[i]?) rest change kind
    return .node info kind ((args.extract 0 i).push arg ++ args.extract (i + 1) args.size)

/-! ## The place -/

/-- What a step is put for. -/
inductive Spot where
  /-- In place of a tactic. -/
  | tactic
  /-- In place of a term. -/
  | term
  /-- Behind the tactics of a block, whose bytes these are (with its braces), or of a `by` that has none. -/
  | behind (block : Nat × Nat)

/-- A place in a file where a step may be put.
`before`, `here`, `after`: the text from the beginning of the command's line to the place, what it has there, and what follows.
`parsed`: the command as it is; it begins at byte `command` of `before`. `column`: where the place begins, in characters. -/
structure Place where
  env : Environment
  options : Options
  before : String
  here : String
  after : String
  command : Nat
  parsed : ParsedCommand
  column : Nat
  spot : Spot

/-- The bytes that are looked for in the command: those of the place, or of the block behind which it is. -/
def Spot.bytes (spot : Spot) (range : Nat × Nat) : Nat × Nat :=
  match spot with
  | .behind block => block
  | _ => range

private def Spot.wants (spot : Spot) (stx : Syntax) : Bool :=
  match spot with
  | .behind _ =>
    [`Lean.Parser.Tactic.tacticSeq, `Lean.Parser.Tactic.tacticSeqBracketed, `Lean.Parser.Term.byTactic].contains stx.getKind
  | _ => !holdsOnly stx.getKind

private def textOf (bytes : ByteArray) (first stop : Nat) : String := (String.fromUTF8? (bytes.extract first stop)).getD ""

/-- How many lines above a place a command is looked for: where lines begin without a blank, and then where they begin with one. -/
def searchedLines : List Nat := [1000, 50]

/-- How many commands on one line are looked through. -/
private def commandsOnALine : Nat := 8

/-- The command of `text` with these bytes, among those that follow each other from byte `start` on; and where it begins. -/
private def commandWith? (env : Environment) (options : Options) (text : String) (start : Nat) (range : Nat × Nat)
    (wanted : Syntax → Bool) : Option (Nat × ParsedCommand) := Id.run do
  let mut start := start
  for _ in [:commandsOnALine] do
    let parsed := parseCommandAt env options text start
    let some (first, stop) := bytesOf? parsed.tree | return none
    if first ≤ range.1 && range.2 ≤ stop then
      return if (pathTo? parsed.tree range wanted).isSome then some (start, parsed) else none
    if parsed.stop ≤ start || range.1 < parsed.stop || !parsed.errorLines.isEmpty then return none
    start := parsed.stop
  return none

/-- The place with these bytes (for `Spot.behind`, where the step goes), if it stands in a command that can be found. -/
def findPlace? (env : Environment) (options : Options) (source : FileMap) (range : Nat × Nat) (spot : Spot := .tactic) :
    Option Place := Id.run do
  let bytes := source.source.toUTF8
  let wanted := spot.bytes range
  let line := (source.toPosition ⟨wanted.1⟩).line
  for indented in [false, true] do
    for i in [:min line (searchedLines[if indented then 1 else 0]?.getD 0)] do
      let some start := source.positions[line - 1 - i]? | continue
      let first := start.byteIdx
      if first > wanted.1 then continue
      let head := textOf bytes first (min (first + 80) (max wanted.1 (min (first + 1) bytes.size)))
      let blanks := (head.toList.takeWhile Char.isWhitespace).length
      if (blanks != 0) != indented || (blanks == head.length && first + head.utf8ByteSize < wanted.1) then continue
      let shifted (range : Nat × Nat) : Nat × Nat := (range.1 - first, range.2 - first)
      if let some (command, parsed) := commandWith? env options (textOf bytes first bytes.size) blanks (shifted wanted) spot.wants then
        let spot := match spot with
          | .behind block => .behind (shifted block)
          | other => other
        return some {
          env, options, command, parsed, spot, column := (source.toPosition ⟨range.1⟩).column
          before := textOf bytes first range.1, here := textOf bytes range.1 range.2, after := textOf bytes range.2 bytes.size }
  return none

/-- The place of a call. -/
def placeOf? (stx : Syntax) : CoreM (Option Place) := do
  let some range := bytesOf? stx | return none
  return findPlace? (← getEnv) (← getOptions) (← getFileMap) range

/-- Whether the line of the call does not parse: its user is still writing it, and what Lean's error recovery makes of it is another
call than the one that is meant. Of `llmstep "exa`, the command ends behind `llmstep`, and what follows is none. -/
def Place.isUnfinished (place : Place) : Bool :=
  let line := ((place.before ++ place.here).splitOn "\n").length
  let next := parseCommandAt place.env place.options (place.before ++ place.here ++ place.after) place.parsed.stop
  place.parsed.errorLines.contains line || next.errorLines.contains line

/-- Words of tactics that run a tactic until it fails; `iterate` does so without a number. -/
private def loops : List String := ["repeat", "repeat'", "repeat1", "repeat1'"]

/-- Words of tactics that may run a tactic on more than one goal. -/
private def spreads : List String := ["all_goals", "any_goals", "case", "case'", "iterate"]

/-- The nodes on the way to the place, each with the index at which the way goes on. -/
def Place.above (place : Place) : Array (Syntax × Nat) := Id.run do
  let first := place.before.utf8ByteSize
  let some path := pathTo? place.parsed.tree (place.spot.bytes (first, first + place.here.utf8ByteSize)) place.spot.wants | return #[]
  let mut nodes := #[]
  let mut stx := place.parsed.tree
  for i in path do
    nodes := nodes.push (stx, i)
    stx := stx[i]
  return nodes

private def firstWord (stx : Syntax) : String :=
  match stx[0] with
  | .atom _ word => trimmed word
  | _ => ""

/-- Whether what stands in the place is run until it fails. -/
def Place.isInLoop (place : Place) : Bool :=
  place.above.any fun (stx, _) => loops.contains (firstWord stx) || (firstWord stx == "iterate" && stx[1].isNone)

/-- Whether a macro that is not core's has what stands in the place: it may run it more than once. A term that begins a proof of its own,
and what is above it, is no matter. -/
def Place.isInMacro (place : Place) : Bool := Id.run do
  for (stx, _) in place.above.reverse do
    let kind := stx.getKind
    if kind == `Lean.Parser.Term.byTactic then return false
    if !(toString kind).startsWith "Lean." && !(macroAttribute.getEntries place.env kind).isEmpty then return true
  return false

/-- Whether what stands in the place may be run more than once, by a combinator or a macro. -/
def Place.mayRunAgain (place : Place) : Bool :=
  place.isInMacro || place.above.any fun (stx, i) =>
    loops.contains (firstWord stx) || spreads.contains (firstWord stx) || (stx.getKind == `Lean.Parser.Tactic.«tactic_<;>_» && i == 2)

/-- The place of a call. Throws where its line is unfinished. -/
def placeOfCall? (stx : Syntax) : CoreM (Option Place) := do
  let place? ← placeOf? stx
  if let some place := place? then
    if place.isUnfinished then throwError "llmstep: the line of this call cannot be read yet; nothing was asked"
  return place?

/-! ## Layouts -/

/-- Indent all lines but the first, so that text that goes to column `column` keeps its shape. -/
def indentTo (column : Nat) (text : String) : String :=
  match text.splitOn "\n" with
  | [] => text
  | first :: rest =>
    let pad := String.join (List.replicate column " ")
    "\n".intercalate (first :: rest.map fun line => if isBlank line then "" else pad ++ line)

/-- A text that may stand for a tactic, from column 0 on, and the syntax it has to be. -/
structure Layout where
  text : String
  items : Array Syntax

/-- The tactics of a sequence with the separators between them. A line's end is an empty one, also behind the last tactic. -/
def tacticsIn (sequence : Syntax) : Array Syntax :=
  let inner := sequence[0]
  if inner.getKind == `Lean.Parser.Tactic.tacticSeq1Indented then
    let items := inner[0].getArgs
    if items.size % 2 == 0 && items[items.size - 1]!.getKind == nullKind then items.extract 0 (items.size - 1) else items
  else #[inner]

private def sameTactics (a b : Array Syntax) : Bool :=
  a.size == b.size && (a.toList.zip b.toList).all fun (x, y) => x.structEq y

/-- The tactics of a text, as they are parsed where a sequence may stand. -/
def tacticsOf? (env : Environment) (text : String) : Option (Array Syntax) := do
  let .ok stx := Parser.runParserCategory env `tactic s!"(\n{text}\n)" "<llmstep>" | none
  guard <| stx.getKind == `Lean.Parser.Tactic.paren
  return tacticsIn stx[1]

/-- The layout `opener ++ tactic ++ closer`, if it is one tactic with just those in it that ran. -/
private def wrapped? (env : Environment) (ran : Array Syntax) (opener tactic closer : String) : Option Layout := do
  let text := opener ++ indentTo opener.length tactic ++ closer
  let items ← tacticsOf? env text
  let item ← items[0]?
  guard <| items.size == 1 && sameTactics (tacticsIn item[1]) ran
  return { text, items }

/-- Words of tactics that look at all goals, not at the main goal alone. -/
def goalWords : List String :=
  ["all_goals", "any_goals", "case", "case'", "done", "on_goal", "pick_goal", "repeat'", "repeat1'", "rotate_left", "rotate_right", "swap"]

/-- Whether a tactic may do something else where there are other goals than where it was checked, on the main goal alone. -/
def looksAtAllGoals (tactics : Array Syntax) : Bool :=
  tactics.any fun stx => (stx.find? fun
    | .atom _ token => goalWords.contains (trimmed token)
    | _ => false).isSome

/-- How a tactic may be written, best first. `crowded`: whether there are other goals. -/
def layouts (env : Environment) (tactic : String) (closes crowded : Bool) : List Layout := Id.run do
  let some ran := tacticsOf? env tactic | return []
  let brackets :=
    if crowded && looksAtAllGoals ran then [("focus ", "")]
    else [("(", ")"), ("(", "\n)")] ++ if closes then [("· ", "")] else []
  let wrapped := brackets.filterMap fun (opener, closer) => wrapped? env ran opener tactic closer
  return if crowded && looksAtAllGoals ran then wrapped else { text := tactic, items := ran } :: wrapped

/-- How a tactic may be written where a term stands. -/
def termLayouts (env : Environment) (tactic : String) : List Layout := Id.run do
  let some ran := tacticsOf? env tactic | return []
  let bare := "by " ++ indentTo 3 tactic
  let inBrackets := "(by " ++ indentTo 4 tactic ++ ")"
  let parse (text : String) (by? : Syntax → Syntax) : Option Layout := do
    let .ok stx := Parser.runParserCategory env `term text "<llmstep>" | none
    guard <| (by? stx).getKind == `Lean.Parser.Term.byTactic && sameTactics (tacticsIn (by? stx)[1]) ran
    return { text, items := #[stx] }
  return [parse bare id, parse inBrackets (·[1])].filterMap id

/-! ## Putting it there -/

/-- The command with these tactics in the place; none if they cannot stand there. `separator`: what parts them from those before. -/
def Place.withItems? (place : Place) (items : Array Syntax) (separator : Syntax) : Option Syntax := do
  let first := place.before.utf8ByteSize
  let range := (first, first + place.here.utf8ByteSize)
  let path ← pathTo? place.parsed.tree (place.spot.bytes range) place.spot.wants
  match place.spot with
  | .behind _ =>
    let node ← path.foldl (init := some place.parsed.tree) fun stx? i => do (← stx?).getArgs[i]?
    let kind := node.getKind
    -- The way on to the list of tactics.
    let sequence := if kind == `Lean.Parser.Term.byTactic then node[1] else node
    let inBraces := sequence[0].getKind == `Lean.Parser.Tactic.tacticSeqBracketed
    let rest :=
      if kind == `Lean.Parser.Tactic.tacticSeqBracketed then [1]
      else (if kind == `Lean.Parser.Term.byTactic then [1] else []) ++ [0, if inBraces then 1 else 0]
    changeAt? place.parsed.tree (path ++ rest) fun _ args i => do
      let list := args[i]!.getArgs
      let glue := if list.size % 2 == 0 then #[] else #[separator]
      return (args.extract 0 i).push (.node .none nullKind (list ++ glue ++ items)) ++ args.extract (i + 1) args.size
  | _ =>
    changeAt? place.parsed.tree path fun above args i => do
      guard <| items.size == 1 || holdsTactics above
      return args.extract 0 i ++ items ++ args.extract (i + 1) args.size

/-- Whether the command with this text in the place is parsed as it should be. -/
def Place.accepts (place : Place) (text : String) (wanted : Syntax) : Bool :=
  let parsed := parseCommandAt place.env place.options (place.before ++ text ++ place.after) place.command
  parsed.errorLines.size == place.parsed.errorLines.size && parsed.tree.structEq wanted

/-- The text that puts a tactic there so that what runs is what was checked; none if there is no such text. `crowded`: whether other
goals are open there. `leads`: what may part it from what stands before, with the separator that it is. -/
def Place.textFor? (place : Place) (tactic : String) (closes : Bool) (crowded : Bool := false)
    (leads : List (String × Syntax × Nat) := [("", .missing, place.column)]) : Option String := Id.run do
  let layouts := match place.spot with
    | .term => termLayouts place.env tactic
    | _ => layouts place.env tactic closes crowded
  for layout in layouts do
    for (lead, separator, column) in leads do
      let some wanted := place.withItems? layout.items separator | continue
      let text := lead ++ indentTo column layout.text
      if place.accepts text wanted then return some text
  return none

/-! ## Where the command cannot be found -/

/-- What may stand before a whole sequence of tactics on its line. -/
def sequenceOpeners : List String := ["by", "·", ".", "=>", "{", ";", "do"]

/-- Whether a sequence may replace a tactic that stands after `before` on its line: behind `<;>` or `first |`, only the sequence's
first tactic would. -/
def sequenceFits (before : String) : Bool :=
  let before := trimmed before
  before.isEmpty || sequenceOpeners.any fun opener => before.endsWith opener

/-- The text that replaces a call of which the command is not known, as far as the call's line tells. -/
def unplacedText (stx : Syntax) (tactic : String) (isSequence : Bool) : CoreM String := do
  let column ← columnOf stx
  if isSequence && !sequenceFits (← linePrefix stx) then return s!"({indentTo (column + 1) tactic})"
  return indentTo column tactic

/-- The text that replaces `stx`, a call at `place?`; none if no text would do there what was checked. `crowded`: whether other goals
are open there. -/
def replacementText? (stx : Syntax) (place? : Option Place) (checked : Checked) (crowded : Bool := false) : CoreM (Option String) := do
  let some place := place? | return some (← unplacedText stx checked.tactic checked.isSequence)
  let closes := match checked.outcome with
    | .closes => true
    | _ => false
  return place.textFor? checked.tactic closes crowded

end LLMstep
