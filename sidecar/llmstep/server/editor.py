"""What the sidecar is to an editor: pygls keeps the documents and the capabilities.

Imported when the first editor connects, because the LSP types are slow to import.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter

from llmstep import __version__
from llmstep.errors import InvalidParamsError
from llmstep.server import progress
from llmstep.server.features import code_action, completion, inline_completion
from llmstep.server.open_documents import LspWorkspace, find_document
from llmstep.server.protocol import Handler, LLMStepProtocol

if TYPE_CHECKING:
    from llmstep.server.features.inline_completion import UncheckedSteps
    from llmstep.server.session import Session

logger = logging.getLogger(__name__)

# The life cycle is the core's; pygls would end the process on its own.
_NOT_FROM_PYGLS = frozenset({types.INITIALIZE, types.INITIALIZED, types.SHUTDOWN, types.EXIT})
# What `initialize` must have; stands in for capabilities that our LSP types cannot read.
_NO_CAPABILITIES = {"processId": None, "rootUri": None, "capabilities": {}}


class _EditorProtocol(LanguageServerProtocol):
    """pygls's protocol, with the core as its only way out."""

    core: LLMStepProtocol

    def _send_data(self, data: Any) -> None:
        self.core.send(self._converter.unstructure(data))


class Editor(LanguageServer):
    """The LSP side of one connection."""

    protocol: _EditorProtocol  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, core: LLMStepProtocol, session: Session) -> None:
        super().__init__(
            "llmstep",
            __version__,
            protocol_cls=_EditorProtocol,
            converter_factory=default_converter,
        )
        self.protocol.core = core
        self._core = core
        self._ask_status = session.status
        self._capabilities: Any = None
        completion.register(self, session)
        unchecked = inline_completion.register(self, session)
        code_action.register(self)
        self._follow_documents(session, unchecked)

    def _follow_documents(self, session: Session, unchecked: UncheckedSteps) -> None:
        """Of an open file its text in the editor counts, not the file on disk."""

        def tell(uri: str) -> None:
            if (document := find_document(self.workspace, uri)) is not None:
                session.note_document(uri, document.source)

        @self.feature(types.TEXT_DOCUMENT_DID_OPEN)
        def opened(params: types.DidOpenTextDocumentParams) -> None:
            tell(params.text_document.uri)

        @self.feature(types.TEXT_DOCUMENT_DID_CHANGE)
        def changed(params: types.DidChangeTextDocumentParams) -> None:
            tell(params.text_document.uri)
            unchecked.look(params.text_document.uri, params.content_changes)

        @self.feature(types.TEXT_DOCUMENT_DID_CLOSE)
        def closed(params: types.DidCloseTextDocumentParams) -> None:
            session.note_document(params.text_document.uri, None)
            unchecked.look(params.text_document.uri, ())

    def can(self, capability: str) -> Any:
        """What the client has said of a capability, by its path; ``None`` where it has not.

        Read as it came, so that it counts where our LSP types cannot read all that was said.
        """
        said = self._capabilities
        for name in capability.split("."):
            said = said.get(name) if isinstance(said, dict) else None
        return said

    def initialize(self, params: dict[str, Any]) -> dict[str, Any]:
        """Take the client's capabilities; return the server's as JSON."""
        self._capabilities = params.get("capabilities")
        try:
            typed = self._structure(types.INITIALIZE, params)
        except InvalidParamsError as error:
            # An editor newer than our LSP types must not fail for a capability we do not use.
            logger.info("the client's capabilities are taken as empty: %s", error.message)
            typed = self._structure(types.INITIALIZE, _NO_CAPABILITIES)
        result = _call(self.protocol.lsp_initialize, typed)
        made = self.protocol.workspace
        self.protocol._workspace = LspWorkspace(
            made.root_uri,
            self._text_document_sync_kind,
            list(made.folders.values()),
            made.position_encoding,
        )
        return self.protocol._converter.unstructure(result)["capabilities"]

    def greet(self) -> None:
        """The client is ready to be spoken to."""
        if self.can("window.workDoneProgress"):
            loading = progress.show_loading(self, self._ask_status)
            self._core.run_in_background("progress", loading)
            indexing = progress.show_indexing(self, self._ask_status)
            self._core.run_in_background("progress", indexing)

    def handler(self, method: str) -> Handler | None:
        """What answers an LSP method, if anything does."""
        features = self.protocol.fm
        handler = features.builtin_features.get(method) or features.features.get(method)
        lsp_types = types.METHOD_TO_TYPES.get(method)
        if handler is None or lsp_types is None or method in _NOT_FROM_PYGLS:
            return None

        def call(params: Any) -> Any:
            typed = self._structure(method, params)
            if inspect.iscoroutinefunction(handler):
                return self._finish(handler, typed)
            return self.protocol._converter.unstructure(_call(handler, typed))

        return Handler(call, notification=lsp_types[1] is None)

    def take_response(self, message: dict[str, Any]) -> bool:
        """Take the client's answer to a request of ours; ``False`` if there was none."""
        identifier = message.get("id")
        if not isinstance(identifier, str):  # pygls's own ids are strings
            return False
        # pygls keeps the result's type for ever otherwise.
        self.protocol._result_types.pop(identifier, None)
        future = self.protocol._request_futures.pop(identifier, None)
        if future is None or future.done():
            return False
        if isinstance(error := message.get("error"), dict):
            future.set_exception(JsonRpcException(str(error.get("message"))))
        else:
            future.set_result(message.get("result"))
        return True

    async def _finish(self, handler: Callable[[Any], Any], params: Any) -> Any:
        # Called here: a request that is withdrawn before its turn must not have begun a coroutine.
        return self.protocol._converter.unstructure(await handler(params))

    def _structure(self, method: str, params: Any) -> Any:
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 0, "method": method}
        if params is not None:
            message["params"] = params
        message_type = types.METHOD_TO_TYPES[method][0]
        try:
            return self.protocol._converter.structure(message, message_type).params
        except Exception as error:
            raise InvalidParamsError(f"{method}: {_explain(error)}") from error

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log what pygls itself runs into; showing it to the user would help nobody."""
        logger.error("pygls: %s", error)


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


def _explain(error: BaseException) -> str:
    """Name the field of a structuring error; its own text may quote the user's."""
    path: list[str] = []
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            name = getattr(note, "name", None)
            if isinstance(name, str):
                head, *words = name.split("_")
                path.append(head + "".join(word.capitalize() for word in words))
    what = "is missing" if isinstance(error, KeyError) else "has a wrong type or value"
    return f"{'.'.join(path) or 'params'} {what}"
