"""``llmstep/status``: what the sidecar is doing, for ``#llmstep_status`` and the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmstep.server.messages import STATUS
from llmstep.server.replies import status_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmstep.server.protocol import LLMStepProtocol
    from llmstep.server.session import Session


def register(
    protocol: LLMStepProtocol,
    session: Session,
    describe_engine: Callable[[], dict[str, Any]] | None = None,
) -> None:
    """Add the handler.

    Args:
        protocol: The connection.
        session: Whose state it is.
        describe_engine: What the engine says of itself; absent where a process serves one client.
    """

    def status(_params: Any) -> dict[str, Any]:
        engine = describe_engine() if describe_engine is not None else None
        return status_json(session.status(), engine)

    protocol.register(STATUS, status, notification=False)
