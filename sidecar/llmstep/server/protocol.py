"""JSON-RPC dispatch: every request id gets exactly one answer, whatever was sent.

This core knows the life cycle and the ``llmstep/*`` messages, and needs no LSP types: importing
those takes longer than everything else before the first suggestion, and Lean never uses them. The
first editor that connects brings in the rest (`llmstep.server.editor`), which is pygls.

pygls does not dispatch here because 2.1 leaves some requests unanswered (params of a wrong type,
an id that is a list, anything after ``shutdown``), puts tracebacks into errors, writes ``NaN``,
and keeps the future of every asynchronous notification for ever.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from llmstep.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SERVER_NOT_INITIALIZED,
    CancelledError,
    LLMStepError,
)
from llmstep.limits import explain_limit
from llmstep.runtime.framing import Incoming, Malformed, dump, encode_frame, is_id
from llmstep.server.messages import LEMMAS, PREPARE, PULL, STATUS, SUGGEST

if TYPE_CHECKING:
    from llmstep.server.editor import Editor
    from llmstep.server.server import LLMStepServer

logger = logging.getLogger(__name__)

RequestId = int | str


class InvalidRequestError(LLMStepError):
    """The message is JSON, but not one that may be sent now."""

    code = INVALID_REQUEST
    default_hint = "Send an object with jsonrpc, id, method and params."


class MethodNotFoundError(LLMStepError):
    """Nobody handles the method."""

    code = METHOD_NOT_FOUND
    default_hint = (
        f"The methods are {', '.join((SUGGEST, LEMMAS, STATUS, PREPARE, PULL))} and, for editors, "
        "the LSP's."
    )


class NotInitializedError(LLMStepError):
    """A request came before ``initialize``."""

    code = SERVER_NOT_INITIALIZED
    default_hint = "Send initialize first, wait for its answer, then send initialized."


class Writer(Protocol):
    """Where frames go; callable from any thread."""

    def write(self, data: bytes) -> None:
        """Queue one frame."""
        ...


@attrs.frozen
class Handler:
    """What answers one method.

    Attributes:
        call: Takes the raw params and returns plain JSON values, or a coroutine that does. What
            takes time must be a coroutine: only those can be cancelled.
        notification: Whether the method has no answer.
    """

    call: Callable[[Any], Any]
    notification: bool = False


class LLMStepProtocol:
    """One connection to one client.

    Args:
        owner: Told of the client's coming and going.
        writer: Where frames go.

    Attributes:
        extension: Where methods are looked up that nobody has registered, once there is an editor.
    """

    def __init__(self, owner: LLMStepServer, writer: Writer) -> None:
        self._owner = owner
        self._writer = writer
        self.extension: Editor | None = None
        self._initialized = False
        self._complete = False  # all handlers are there
        self._shutdown = False
        self._in_flight: dict[RequestId, asyncio.Task[Any]] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._handlers: dict[str, Handler] = {
            "initialize": Handler(self._initialize),
            "initialized": Handler(lambda _params: self._owner.greet(), notification=True),
            "shutdown": Handler(self._shut_down),
            "exit": Handler(self._exit, notification=True),
            "$/cancelRequest": Handler(self._cancel, notification=True),
        }

    def register(self, method: str, call: Callable[[Any], Any], *, notification: bool) -> None:
        """Add a handler of the raw params."""
        self._handlers[method] = Handler(call, notification)

    # Incoming ------------------------------------------------------------------------------

    def receive(self, message: Incoming) -> None:
        """Deal with one message; on the event loop."""
        if isinstance(message, Malformed):
            self._send_error(None, message.code, message.message, {"hint": message.hint})
            return
        identifier = message.get("id")
        method = message.get("method")
        if "method" not in message and ("result" in message or "error" in message):
            self._take_response(message)
        elif "id" in message and not is_id(identifier):
            self._reject(None, InvalidRequestError("id must be a string or a whole number"))
        elif message.get("jsonrpc") != "2.0":
            self._reject(identifier, InvalidRequestError('jsonrpc must be "2.0"'))
        elif not isinstance(method, str):
            self._reject(identifier, InvalidRequestError("method must be a string"))
        elif identifier is None:
            self._take_notification(method, message.get("params"))
        else:
            try:
                self._take_request(identifier, method, message.get("params"))
            except Exception as error:
                self._reject(identifier, error)

    def _take_request(self, identifier: RequestId, method: str, params: Any) -> None:
        if self._shutdown:
            raise InvalidRequestError(
                "the sidecar has been shut down", hint="Send exit, then start a new one."
            )
        if identifier in self._in_flight:
            raise InvalidRequestError(
                f"a request with the id {json.dumps(identifier)[:80]} is still being answered",
                hint="Give every request an id of its own.",
            )
        if not self._initialized and method != "initialize":
            raise NotInitializedError("the sidecar is not initialized")
        if self._initialized and method == "initialize":
            raise InvalidRequestError(
                "the sidecar is already initialized", hint="Send initialize once."
            )
        handler = self._handler(method)
        if handler is None:
            raise MethodNotFoundError(f"unknown method {method[:80]}")
        if handler.notification:
            raise InvalidRequestError(
                f"{method} is a notification", hint="Send it without an id; it has no answer."
            )
        outcome = handler.call(params)
        if not asyncio.iscoroutine(outcome):
            self._send_result(identifier, outcome)
            return
        task = asyncio.ensure_future(outcome)
        self._in_flight[identifier] = task
        task.add_done_callback(lambda task: self._answer(identifier, task))

    def _answer(self, identifier: RequestId, task: asyncio.Task[Any]) -> None:
        del self._in_flight[identifier]
        if task.cancelled():
            self._reject(identifier, CancelledError("the request was cancelled"))
        elif (error := task.exception()) is not None:
            self._reject(identifier, error)
        else:
            self._send_result(identifier, task.result())

    def _take_notification(self, method: str, params: Any) -> None:
        handler = self._handler(method)
        if handler is None or not handler.notification:
            logger.debug("ignored the notification %s", method)
        elif method == "exit" or (self._initialized and not self._shutdown):
            try:
                outcome = handler.call(params)
            except Exception as error:
                self._report(method, error)
                return
            if asyncio.iscoroutine(outcome):
                self.run_in_background(method, outcome)

    def run_in_background(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine that nobody waits for; what goes wrong is logged under its name."""
        task = asyncio.ensure_future(work)
        self._background.add(task)  # the loop itself keeps only a weak reference

        def finish(task: asyncio.Task[Any]) -> None:
            self._background.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._report(name, error)

        task.add_done_callback(finish)

    def _take_response(self, message: dict[str, Any]) -> None:
        if self.extension is None or not self.extension.take_response(message):
            logger.debug("ignored an answer to a request that was never sent")

    def _handler(self, method: str) -> Handler | None:
        if self._initialized and method not in self._handlers and not self._complete:
            self._complete = True
            self._owner.register_features()
        handler = self._handlers.get(method)
        if handler is None and self.extension is not None:
            return self.extension.handler(method)
        return handler

    # Life cycle ----------------------------------------------------------------------------

    def _initialize(self, params: Any) -> dict[str, Any]:
        result = self._owner.initialize(params)
        self._initialized = True
        return result

    def _shut_down(self, _params: Any) -> None:
        self._shutdown = True
        self.abandon()

    def abandon(self) -> None:
        """Withdraw everything: the client is gone, or this process is about to be."""
        for task in [*self._in_flight.values(), *self._background]:
            task.cancel()

    @property
    def open_requests(self) -> int:
        """How many requests have no answer yet."""
        return len(self._in_flight)

    def _exit(self, _params: Any) -> None:
        self._owner.stop(0 if self._shutdown else 1)

    def _cancel(self, params: Any) -> None:
        identifier = params.get("id") if isinstance(params, dict) else None
        # An unknown or finished id is no mistake: the answer may be on its way.
        if is_id(identifier) and (task := self._in_flight.get(identifier)):
            task.cancel()

    # Outgoing ------------------------------------------------------------------------------

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message of plain JSON values (any thread).

        Raises:
            ValueError: It holds NaN or Infinity, which are no JSON.
        """
        self._writer.write(encode_frame(dump(message)))

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification (any thread)."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send_result(self, identifier: RequestId, result: Any) -> None:
        try:
            self.send({"jsonrpc": "2.0", "id": identifier, "result": result})
        except ValueError as error:
            self._reject(identifier, error)

    def _reject(self, identifier: RequestId | None, error: BaseException) -> None:
        error = explain_limit(error) or error
        if isinstance(error, LLMStepError):
            data: dict[str, Any] = {"hint": error.hint, **error.details}
            self._send_error(identifier, error.code, error.message, data)
            return
        # The traceback goes to the log, not to the client: it names local paths.
        logger.error("a request failed", exc_info=error)
        hint = "This is a fault of llmstep. Run `llmstep doctor`, and report it with the log."
        message = f"the sidecar failed: {type(error).__name__}: {error}"
        self._send_error(identifier, INTERNAL_ERROR, message[:500], {"hint": hint})

    def _send_error(
        self, identifier: RequestId | None, code: int, message: str, data: Mapping[str, Any]
    ) -> None:
        error = {"code": code, "message": message, "data": data}
        self.send({"jsonrpc": "2.0", "id": identifier, "error": error})

    def _report(self, method: str, error: BaseException) -> None:
        if isinstance(error, LLMStepError):
            logger.warning("%s: %s %s", method, error.message, error.hint)
        else:
            logger.error("%s failed", method, exc_info=error)
