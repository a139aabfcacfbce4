"""``llmstep/status``: what the sidecar is doing, for ``#llmstep_status`` and the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmstep.server.messages import STATUS, status_json

if TYPE_CHECKING:
    from llmstep.server.protocol import LLMStepProtocol
    from llmstep.server.session import Session


def register(protocol: LLMStepProtocol, session: Session) -> None:
    """Add the handler."""

    def status(_params: Any) -> dict[str, Any]:
        return status_json(session.status())

    protocol.register(STATUS, status, notification=False)
