import LLMstepTest.Support
import LLMstepTest.Options
import LLMstepTest.Framing
import LLMstepTest.Protocol
import LLMstepTest.Command
