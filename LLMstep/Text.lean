module
public meta import Lean
public meta section

/-!
# Pieces of text

Lean's string functions gave strings in the past and give slices now. These give strings on all releases.

```
#eval trimmed "  exact hp \n"   -- "exact hp"
```
-/
namespace LLMstep

/-- Without blanks and line ends at both ends. -/
def trimmed (text : String) : String := toString text.trimAscii

/-- Without blanks and line ends at the end. -/
def trimmedEnd (text : String) : String := toString text.trimAsciiEnd

/-- The first `n` characters. -/
def firstChars (n : Nat) (text : String) : String := toString (text.take n)

/-- All but the first `n` characters. -/
def withoutFirstChars (n : Nat) (text : String) : String := toString (text.drop n)

/-- Whether there is nothing to see. -/
def isBlank (text : String) : Bool := (trimmed text).isEmpty

end LLMstep
