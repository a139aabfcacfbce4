import LLMstep
import LLMstepTest.Support
open Lean LLMstep LLMstepTest

/-! ## Indentation -/

#eval same "one line" (indentTo 4 "exact hp") "exact hp"
#eval same "lines" (indentTo 2 "constructor\n· exact hp\n\n· exact hq") "constructor\n  · exact hp\n\n  · exact hq"
#eval ensure "alone on its line" (sequenceFits "    ")
#eval ensure "behind by" (sequenceFits "example : p := by ")
#eval ensure "behind a bullet" (sequenceFits "  · ")
#eval ensure "behind an alternative of a match" (sequenceFits "  | zero => ")
#eval ensure "not behind a combinator" (!sequenceFits "  constructor <;> ")
#eval ensure "not behind first" (!sequenceFits "  first | ")

/-! ## Choice and order -/

def scored (tactic : String) (outcome : Outcome) (score : Float) (place := 0) : Scored :=
  { checked := { source := tactic, tactic, outcome }, score, place }

def names (shown : Array Scored) : Array String := shown.map (·.checked.tactic)

/-- Goals that say `name`. -/
def leaves (name : Name) : Outcome := .runs [] { statement := mkConst name }

#eval same "closing ones first, the shortest of them first; else as they come" (names <| worthShowing #[
    scored "a" (leaves `p) (-1), scored "bbb" .closes (-2), scored "c" (.fails "") (-3), scored "dd" .closes (-4), scored "ee" .closes (-5),
    scored "f" (leaves `q) (-5)]) #["dd", "ee", "bbb", "a", "f"]
#eval same "the same goals once, the same text once" (names <| worthShowing #[
    scored "a" (leaves `pq) (-1), scored "b" (leaves `pq) (-2), scored "c" (leaves `qp) (-3),
    scored "d" .closes (-4), scored "d" .closes (-5)]) #["d", "a", "c"]

def many : Gathered := { scored := #[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map fun i => scored s!"t{i}" (if i == 7 then .closes else leaves (.num `g i)) 0 }
#eval same "few are shown" (names <| choose many 8) #["t7", "t0", "t1", "t2", "t3", "t4", "t5", "t6"]
#eval same "three beside one that has closed the goal at once" (names <| choose { many with closedAtOnce := true } 8) #["t7", "t0", "t1", "t2"]

#eval same "the title says what it does" (actionTitleOf (scored "" .closes 0) "exact hp") "Try this: exact hp (🎉 closes the goal)"
#eval same "one goal" (actionTitleOf (scored "" (.runs [default] { statement := mkConst `p }) 0) "intro h") "Try this: intro h (1 goal left)"
#eval same "several lines" (actionTitleOf (scored "" .closes 0) "constructor\n· exact hp") "Try this: constructor … (🎉 closes the goal)"
#eval same "long lines" ((actionTitleOf (scored "" .closes 0) ("exact " ++ String.join (List.replicate 100 "⊢"))).endsWith "⊢ … (🎉 closes the goal)") true

#eval same "the final answer's order" (names <| inModelOrder
    #[scored "a" .closes (-1), scored "b" .closes (-2), scored "c" .closes (-3)]
    (some { candidates := #[{ tactic := "c", score := -3 }, { tactic := "a", score := -1 }, { tactic := "b", score := -2 }], model := "", cached := false })) #["c", "a", "b"]
#eval same "by score without one" (names <| inModelOrder
    #[scored "a" .closes (-3), scored "b" .closes (-1), scored "c" .closes (-2)] none) #["b", "c", "a"]
#eval same "what failed" (failureLines #[scored "a\nb" (.fails "x\ny") 0, scored "c" .closes 0]) "\n  a\n  b\n    x\n    y"
