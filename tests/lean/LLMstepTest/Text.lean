import LLMstep
import LLMstepTest.Support
open LLMstep LLMstepTest

#eval same "both ends" (trimmed " \n⟨a b⟩\r\n\t") "⟨a b⟩"
#eval same "the end" (trimmedEnd " a \n") " a"
#eval same "characters, not bytes" (firstChars 2 "ℝ≥0∞") "ℝ≥"
#eval same "characters, not bytes" (withoutFirstChars 2 "ℝ≥0∞") "0∞"
#eval same "too many" (firstChars 9 "ab" ++ withoutFirstChars 9 "ab") "ab"
#eval ensure "blank" (isBlank " \n\t" && isBlank "" && !isBlank "a")
