module
public import LLMstep.Text
public import LLMstep.Options
public import LLMstep.Framing
public import LLMstep.Protocol
public import LLMstep.Command
public import LLMstep.Sidecar
public import LLMstep.Goal
public import LLMstep.GoalKey
public import LLMstep.Falsity
public import LLMstep.Change
public import LLMstep.Check
public import LLMstep.Finish
public import LLMstep.Ask
public import LLMstep.Place
public import LLMstep.Suggest
public import LLMstep.Runs
public import LLMstep.Tactic
public import LLMstep.Status
public import LLMstep.Warmup
public import LLMstep.Asking
public import LLMstep.ProofText
public import LLMstep.Frontier
public import LLMstep.Shape
public import LLMstep.Closers
public import LLMstep.Search
public import LLMstep.Gap
public import LLMstep.Stages
public import LLMstep.SearchTactic
public import LLMstep.Mend
public import LLMstep.Prove
public import LLMstep.CodeAction

/-!
# llmstep: next steps from a language model on your own machine

```
import LLMstep

example (p q : Prop) (hp : p) (hq : q) : p ∧ q := by
  llmstep ""          -- next tactics, checked, as `Try these`
```

`docs/lean.md` shows how to set it up, the options, and each message with its cure.
-/
