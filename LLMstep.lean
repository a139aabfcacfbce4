module
public import LLMstep.Options
public import LLMstep.Framing
public import LLMstep.Protocol
public import LLMstep.Command
public import LLMstep.Sidecar
public import LLMstep.Goal
public import LLMstep.Check
public import LLMstep.Ask
public import LLMstep.Suggest
public import LLMstep.Tactic
public import LLMstep.Status
public import LLMstep.Warmup
public import LLMstep.Search
public import LLMstep.CodeAction
