import LLMstep
import LLMstepTest.Support
open Lean LLMstep LLMstepTest

-- The environment variable of an option.
#eval same "plain" (envName `llmstep.command) "LLMSTEP_LEAN_COMMAND"
#eval same "camel case" (envName `llmstep.numSuggestions) "LLMSTEP_LEAN_NUM_SUGGESTIONS"
#eval same "nested" (envName `llmstep.search.maxNodes) "LLMSTEP_LEAN_SEARCH_MAX_NODES"
#eval show IO Unit from do same "a variable nobody sets" (← env? "LLMSTEP_LEAN_NOBODY_SETS_THIS") none

-- Without a variable the option counts, with its default or as it was set.
run_cmd Elab.Command.liftCoreM do
  same "default" (← natOption llmstep.numSuggestions) 8
  same "search" (← natOption llmstep.search.depth, ← natOption llmstep.search.width) (8, 8)
  ensure "off by default" (!(← boolOption llmstep.batch) && !(← boolOption llmstep.try) && !(← boolOption llmstep.warmup))
  ensure "on by default" (← boolOption llmstep.stopOnClose)
  same "the sidecar's model" (← chosenModel?) none
set_option llmstep.numSuggestions 3
set_option llmstep.model "llemma-7b"
set_option llmstep.command "my command"
run_cmd Elab.Command.liftCoreM do
  same "set" (← natOption llmstep.numSuggestions) 3
  same "set" (← stringOption llmstep.command) "my command"
  same "set" (← chosenModel?) (some "llemma-7b")
