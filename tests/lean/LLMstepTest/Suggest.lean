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

#eval same "closing ones first, else as they come" (names <| worthShowing #[
    scored "a" (.runs #["⊢ p"]) (-1), scored "b" .closes (-2), scored "c" (.fails "") (-3), scored "d" .closes (-4),
    scored "e" (.runs #["⊢ q"]) (-5)]) #["b", "d", "a", "e"]
#eval same "the same goals once, the same text once" (names <| worthShowing #[
    scored "a" (.runs #["⊢ p", "⊢ q"]) (-1), scored "b" (.runs #["⊢ p", "⊢ q"]) (-2), scored "c" (.runs #["⊢ q", "⊢ p"]) (-3),
    scored "d" .closes (-4), scored "d" .closes (-5)]) #["d", "a", "c"]
#eval same "the final answer's order" (names <| inModelOrder
    #[scored "a" .closes (-1), scored "b" .closes (-2), scored "c" .closes (-3)]
    (some { candidates := #[⟨"c", -3⟩, ⟨"a", -1⟩, ⟨"b", -2⟩], model := "", cached := false })) #["c", "a", "b"]
#eval same "by score without one" (names <| inModelOrder
    #[scored "a" .closes (-3), scored "b" .closes (-1), scored "c" .closes (-2)] none) #["b", "c", "a"]
#eval same "what failed" (failureLines #[scored "a\nb" (.fails "x\ny") 0, scored "c" .closes 0]) "\n  a\n  b\n    x\n    y"
