"""``llmstep/status``: what the sidecar is doing, for ``#llmstep_status`` and the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmstep.server.messages import STATUS, status_json

if TYPE_CHECKING:
    from llmstep.server.server import LLMStepServer


def register(server: LLMStepServer) -> None:
    """Add the handler."""

    @server.feature(STATUS)
    def status(_params: Any) -> dict[str, Any]:
        return status_json(server.status())
