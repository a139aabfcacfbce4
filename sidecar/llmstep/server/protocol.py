"""JSON-RPC dispatch: every request id gets exactly one answer, whatever was sent.

pygls keeps the features, the workspace and the capabilities; the way of a message is our own,
because pygls 2.1 leaves some requests unanswered (params of a wrong type, a response id that is a
list, anything after ``shutdown``), puts tracebacks into errors, writes ``NaN``, and keeps the
future of every asynchronous notification for ever.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

from llmstep.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SERVER_NOT_INITIALIZED,
    CancelledError,
    InvalidParamsError,
    LLMStepError,
)
from llmstep.server.framing import Incoming, Malformed, encode_frame
from llmstep.server.messages import (
    PREPARE,
    PROTOCOL_VERSION,
    STATUS,
    SUGGEST,
    Handshake,
    ProtocolVersionError,
    parse_handshake,
)

if TYPE_CHECKING:
    from cattrs import Converter

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
    default_hint = f"The methods are {SUGGEST}, {STATUS}, {PREPARE} and those of the LSP."


class NotInitializedError(LLMStepError):
    """A request came before ``initialize``."""

    code = SERVER_NOT_INITIALIZED
    default_hint = "Send initialize first, wait for its answer, then send initialized."


class LLMStepProtocol(LanguageServerProtocol):
    """One connection to one client."""

    def __init__(self, server: LLMStepServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self._sidecar = server
        self._initialized = False
        self._handshake = Handshake()
        self._in_flight: dict[RequestId, asyncio.Task[Any]] = {}
        self._background: set[asyncio.Task[Any]] = set()

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
        elif "id" in message and not _is_id(identifier):
            self._reject(None, InvalidRequestError("id must be a string or a whole number"))
        elif message.get("jsonrpc") != "2.0":
            self._reject(identifier, InvalidRequestError('jsonrpc must be "2.0"'))
        elif not isinstance(method, str):
            self._reject(identifier, InvalidRequestError("method must be a string"))
        elif identifier is None:
            self._take_notification(method, message)
        else:
            try:
                self._take_request(identifier, method, message)
            except Exception as error:
                self._reject(identifier, error)

    def _take_request(self, identifier: RequestId, method: str, message: dict[str, Any]) -> None:
        if self._shutdown:
            raise InvalidRequestError(
                "the sidecar has been shut down", hint="Send exit, then start a new one."
            )
        if identifier in self._in_flight:
            raise InvalidRequestError(
                f"a request with the id {json.dumps(identifier)[:80]} is still being answered",
                hint="Give every request an id of its own.",
            )
        if not self._initialized and method != types.INITIALIZE:
            raise NotInitializedError("the sidecar is not initialized")
        if self._initialized and method == types.INITIALIZE:
            raise InvalidRequestError(
                "the sidecar is already initialized", hint="Send initialize once."
            )
        handler = self._handler(method)
        if handler is None:
            raise MethodNotFoundError(f"unknown method {method[:80]}")
        if _is_notification(method):
            raise InvalidRequestError(
                f"{method} is a notification", hint="Send it without an id; it has no answer."
            )
        if method == types.INITIALIZE:
            params = self._initialize_params(message)
        else:
            params = self._params(method, message)
        if not inspect.iscoroutinefunction(handler):
            self._send_result(identifier, _call(handler, params))
            return
        task = asyncio.ensure_future(handler(params))
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

    def _take_notification(self, method: str, message: dict[str, Any]) -> None:
        if method == types.EXIT:
            self._sidecar.stop(0 if self._shutdown else 1)
        elif method == types.CANCEL_REQUEST:
            params = message.get("params")
            identifier = params.get("id") if isinstance(params, dict) else None
            # An unknown or finished id is no mistake: the answer may be on its way.
            if _is_id(identifier) and (task := self._in_flight.get(identifier)):
                task.cancel()
        elif self._initialized and not self._shutdown:
            try:
                self._notify_handler(method, message)
            except Exception as error:
                self._report(method, error)

    def _notify_handler(self, method: str, message: dict[str, Any]) -> None:
        handler = self._handler(method)
        if handler is None or not _is_notification(method):
            logger.debug("ignored the notification %s", method)
            return
        params = self._params(method, message)
        if not inspect.iscoroutinefunction(handler):
            _call(handler, params)
            return
        self.run_in_background(method, handler(params))

    def run_in_background(self, name: str, work: Any) -> None:
        """Run a coroutine that nobody waits for; what goes wrong is logged under its name."""
        task = asyncio.ensure_future(work)
        self._background.add(task)  # the loop itself keeps only a weak reference

        def finish(task: asyncio.Task[Any]) -> None:
            self._background.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._report(name, error)

        task.add_done_callback(finish)

    def _take_response(self, message: dict[str, Any]) -> None:
        identifier = message.get("id")
        future = self._request_futures.pop(identifier, None) if _is_id(identifier) else None
        self._result_types.pop(str(identifier), None)
        if future is None or future.done():
            logger.debug("ignored an answer to a request that was never sent")
        elif isinstance(error := message.get("error"), dict):
            future.set_exception(JsonRpcException(str(error.get("message"))))
        else:
            future.set_result(message.get("result"))

    def _handler(self, method: str) -> Callable[[Any], Any] | None:
        return self.fm.builtin_features.get(method) or self.fm.features.get(method)

    def _params(self, method: str, message: dict[str, Any]) -> Any:
        message_type = self.get_message_type(method)
        if message_type is None:
            return message.get("params")
        if not isinstance(message.get("params", {}), (dict, list, type(None))):
            raise InvalidParamsError("params must be an object")
        try:
            return self._converter.structure(message, message_type).params
        except Exception as error:
            raise InvalidParamsError(f"params of {method} are wrong: {_first(error)}") from error

    def _initialize_params(self, message: dict[str, Any]) -> types.InitializeParams:
        self._handshake = parse_handshake(message.get("params"))
        try:
            return self._params(types.INITIALIZE, message)
        except InvalidParamsError as error:
            params = message.get("params")
            if not isinstance(params, dict):
                raise
            # An editor newer than our LSP types must not fail for a capability we do not use.
            logger.info("the client's capabilities are taken as empty: %s", error.message)
            reduced = {"processId": None, "rootUri": None, "capabilities": {}}
            return self._params(types.INITIALIZE, {**message, "params": reduced})

    # Life cycle ----------------------------------------------------------------------------

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(
        self, params: types.InitializeParams
    ) -> Generator[Any, Any, types.InitializeResult]:
        """Begin to load the model and tell what the server can do."""
        result = yield from super().lsp_initialize(params)
        result.capabilities.experimental = {"llmstep": {"protocolVersion": PROTOCOL_VERSION}}
        self._sidecar.begin(self._handshake)
        self._initialized = True
        return result

    @lsp_method(types.INITIALIZED)
    def lsp_initialized(self, *_args: Any) -> Generator[Any, Any, None]:
        """From now on the client takes requests and notifications from us."""
        self._sidecar.greet()
        yield from ()

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *_args: Any) -> Generator[Any, Any, None]:
        """Cancel what runs; every cancelled request is answered."""
        self._shutdown = True
        for task in [*self._in_flight.values(), *self._background]:
            task.cancel()
        yield from ()

    # Outgoing ------------------------------------------------------------------------------

    def send_notification(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification of plain JSON values (any thread)."""
        self._send_data({"jsonrpc": "2.0", "method": method, "params": params})

    def _send_result(self, identifier: RequestId, result: Any) -> None:
        try:
            self._send_data({"jsonrpc": "2.0", "id": identifier, "result": result})
        except ValueError as error:
            self._reject(identifier, error)

    def _reject(self, identifier: RequestId | None, error: BaseException) -> None:
        if isinstance(error, LLMStepError):
            data: dict[str, Any] = {"hint": error.hint}
            if isinstance(error, ProtocolVersionError):
                data["serverProtocolVersion"] = PROTOCOL_VERSION
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
        self._send_data({"jsonrpc": "2.0", "id": identifier, "error": error})

    def _send_data(self, data: Any) -> None:
        if self.writer is not None:
            self.writer.write(encode_frame(self._encode(data)))

    def _encode(self, data: Any) -> bytes:
        """One JSON text in UTF-8; raises ``ValueError`` for NaN and Infinity."""

        def encode(ascii_only: bool) -> str:
            return json.dumps(
                data,
                default=self._converter.unstructure,
                allow_nan=False,
                ensure_ascii=ascii_only,
                separators=(",", ":"),
            )

        try:
            return encode(False).encode("utf-8")
        except UnicodeEncodeError:  # half a surrogate pair, say in an id: escaped it can travel
            return encode(True).encode("ascii")

    def _report(self, method: str, error: BaseException) -> None:
        if isinstance(error, LLMStepError):
            logger.warning("%s: %s %s", method, error.message, error.hint)
        else:
            logger.error("%s failed", method, exc_info=error)


def _is_id(value: Any) -> TypeGuard[RequestId]:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_notification(method: str) -> bool:
    if method.startswith("llmstep/"):
        return method == PREPARE
    lsp_types = types.METHOD_TO_TYPES.get(method)
    return lsp_types is not None and lsp_types[1] is None


def _call(handler: Callable[[Any], Any], params: Any) -> Any:
    """Call a synchronous handler; pygls's own are generators that yield calls to make for them."""
    outcome = handler(params)
    if not isinstance(outcome, Generator):
        return outcome
    value = None
    try:
        while True:
            inner, args, kwargs = outcome.send(value)
            value = inner(*args, **(kwargs or {}))
    except StopIteration as stop:
        return stop.value


def _first(error: BaseException) -> str:
    """The innermost reason of a structuring error, with the path of the field if there is one."""
    path: list[str] = []
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            name = getattr(note, "name", None)
            if isinstance(name, str):
                path.append(name)
    where = ".".join(path)
    return f"{where}: {error}"[:300] if where else str(error)[:300]
