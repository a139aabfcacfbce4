"""``llmstep/models/pull``: fetch a model because the user says so, with progress in the editor.

The one message for which the sidecar uses the network. Transfers run on a thread of their own, so
that the model answers meanwhile, and one after the other: two of one file would write into each
other's part of it, and one that was cancelled goes on until its next piece comes in.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from llmstep.backends.base import CancelToken
from llmstep.server.messages import PROGRESS, PULL, ProgressToken, parse_pull

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmstep.server.messages import PullRequest
    from llmstep.server.protocol import LLMStepProtocol


# Of all connections; it begins with the first pull.
_thread = ThreadPoolExecutor(1, thread_name_prefix="llmstep-pull")


def register(protocol: LLMStepProtocol) -> None:
    """Add the handler."""

    async def pull(params: Any) -> dict[str, Any]:
        request, token = parse_pull(params)
        loop = asyncio.get_running_loop()
        cancel = CancelToken()
        progress = _Progress(protocol, token)

        def tell(send: Callable[[], None]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(send)

        try:
            return await loop.run_in_executor(_thread, _fetch, request, cancel, progress, tell)
        except asyncio.CancelledError:
            cancel.cancel()
            raise
        finally:
            progress.end("cancelled" if cancel.is_set() else None)

    protocol.register(PULL, pull, notification=False)


def _fetch(
    request: PullRequest,
    cancel: CancelToken,
    progress: _Progress,
    tell: Callable[[Callable[[], None]], None],
) -> dict[str, Any]:
    """Find and fetch the model, on the thread of the transfers."""
    # Here, because what a download needs would make every start longer.
    from llmstep.service.adoption import Wish, adopt, plan_adoption

    adoption = plan_adoption(request.name, Wish(request.model_id, request.prompt, request.stop))
    card, plan = adoption.card, adoption.plan
    if plan is not None:
        tell(lambda: progress.begin(f"Pulling {card.id}"))
    total = plan.size_bytes if plan is not None else 0
    done: dict[str, int] = {}

    def on_bytes(name: str, read: int, _total: int) -> None:
        done[name] = read
        read_of_all = sum(done.values())
        tell(lambda: progress.report(read_of_all, total))

    place = adopt(adoption, on_bytes=on_bytes, cancel=cancel)
    return {"id": card.id, "path": str(place), "fetched": plan is not None}


class _Progress:
    """Work-done progress on the client's own token; on the event loop.

    The client that gave the token need not be asked first, as it would for one of the server's.
    """

    def __init__(self, protocol: LLMStepProtocol, token: ProgressToken | None) -> None:
        self._protocol = protocol
        self._token = token
        self._percentage: int | None = None
        self._ended = False

    def begin(self, title: str) -> None:
        """Show that something is being fetched."""
        self._percentage = 0
        self._send({"kind": "begin", "title": title, "cancellable": True, "percentage": 0})

    def report(self, done: int, total: int) -> None:
        """Show how many bytes have come in; a step that changes no percentage is not told."""
        percentage = min(100, done * 100 // total) if total else 0
        if self._percentage is not None and percentage > self._percentage:
            self._percentage = percentage
            message = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
            self._send({"kind": "report", "message": message, "percentage": percentage})

    def end(self, message: str | None) -> None:
        """Take it away, if it was shown. What comes in afterwards is not told."""
        if self._percentage is not None:
            self._send({"kind": "end", **({"message": message} if message else {})})
        self._ended = True

    def _send(self, value: dict[str, Any]) -> None:
        if self._token is not None and not self._ended:
            self._protocol.notify(PROGRESS, {"token": self._token, "value": value})
