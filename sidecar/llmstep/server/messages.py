"""The ``llmstep/*`` messages: raw JSON to the service's types; `replies` has the way back.

Written by hand and not with a converter: a wrong field must be answered by its name, and a
structuring error inside pygls would leave the request without any answer. Unknown fields are
ignored, so that an older side understands a newer one; ``null`` counts as absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from llmstep.errors import REQUEST_FAILED, InvalidParamsError, LLMStepError

# `initialize` is answered before anything of the service is imported: see `server`.
if TYPE_CHECKING:
    from llmstep.service.question import (
        Attempt,
        Document,
        Mode,
        PrepareRequest,
        SuggestRequest,
    )

PROTOCOL_VERSION = 1

SUGGEST = "llmstep/suggest"
LEMMAS = "llmstep/lemmas"
STATUS = "llmstep/status"
PREPARE = "llmstep/prepare"
PULL = "llmstep/models/pull"
PROGRESS = "$/progress"
LOG_MESSAGE = "window/logMessage"

ProgressToken = int | str

# Keys of initializationOptions that belong to the handshake; all others are settings.
_HANDSHAKE_KEYS = frozenset({"protocolVersion", "client", "clientVersion"})


class ProtocolVersionError(LLMStepError):
    """The client speaks another version of the wire."""

    code = REQUEST_FAILED
    details: Mapping[str, object] = {"serverProtocolVersion": PROTOCOL_VERSION}

    def __init__(self, asked: int) -> None:
        super().__init__(
            f"this sidecar speaks llmstep protocol {PROTOCOL_VERSION}, "
            f"the client asked for {asked}",
            hint=(
                "To upgrade both sides: `lake update llmstep`, then "
                "`lake run llmstep/setup`. A sidecar from elsewhere: `git pull` in its checkout, "
                "then `python3 bootstrap.py setup`."
            ),
        )


@attrs.frozen
class Handshake:
    """What a client says in ``initializationOptions``.

    Attributes:
        protocol_version: Version of the wire; ``None`` for an editor that only speaks LSP.
        client: Name of the client, for the log.
        settings: Values for the settings layer "initialization options", unchecked.
        problem: Why the options were not taken at all, if so.
        is_editor: Whether the client needs more of the LSP than the ``llmstep/*`` messages.
        folder: The folder that the client has opened, if it names one of this machine.
    """

    protocol_version: int | None = None
    client: str = "editor"
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    problem: str | None = None
    is_editor: bool = True
    folder: str | None = None


def parse_handshake(params: Any) -> Handshake:
    """Read the params of ``initialize`` as far as they are ours.

    Raises:
        ProtocolVersionError: The client speaks another version.
        InvalidParamsError: The version is no whole number.
    """
    options = params.get("initializationOptions") if isinstance(params, dict) else None
    if options is None:
        return Handshake()
    if not isinstance(options, dict):
        return Handshake(problem=f"initializationOptions must be an object, not {_shown(options)}")
    version = read_field(options, "protocolVersion", int, "initializationOptions")
    if version is not None and version != PROTOCOL_VERSION:
        raise ProtocolVersionError(version)
    client = options.get("client")
    capabilities = params.get("capabilities")
    return Handshake(
        protocol_version=version,
        client=client if isinstance(client, str) else "editor",
        settings={key: value for key, value in options.items() if key not in _HANDSHAKE_KEYS},
        is_editor=version is None
        or (isinstance(capabilities, dict) and "textDocument" in capabilities),
        folder=_opened_folder(params),
    )


def _opened_folder(params: dict[str, Any]) -> str | None:
    folders = params.get("workspaceFolders")
    first = folders[0] if isinstance(folders, list) and folders else None
    uri = first.get("uri") if isinstance(first, dict) else params.get("rootUri")
    if not isinstance(uri, str):
        return None
    from llmstep.sources.lake_project import path_of

    path = path_of(uri)
    return str(path) if path is not None and path.is_absolute() else None


def parse_suggest(params: Any) -> tuple[SuggestRequest, ProgressToken | None]:
    """Read the params of ``llmstep/suggest``; the second value is its ``partialResultToken``.

    Whether the values are possible is for the service to say, which looks at every question.

    Raises:
        InvalidParamsError: A field is missing or has the wrong type; the message names it.
    """
    from llmstep.service.question import SuggestRequest

    read_object(params, "params")
    goals = _strings(params, "goals")
    if goals is None:
        raise InvalidParamsError("params.goals is missing; it must be a list of strings")
    prefix = read_field(params, "prefix", str)
    if prefix is None:
        raise InvalidParamsError("params.prefix is missing; it must be a string, maybe empty")
    request = SuggestRequest(
        goals=goals,
        prefix=prefix,
        document=document_field(params),
        n=read_field(params, "n", int),
        timeout_ms=read_field(params, "timeoutMs", int),
        banned=_strings(params, "banned") or (),
        premises=_strings(params, "premises") or (),
        model=read_field(params, "model", str),
        mode=_mode(params),
        hint=read_field(params, "hint", str) or "",
        attempt=_attempt(params),
    )
    return request, _token(params, "partialResultToken")


def parse_prepare(params: Any) -> PrepareRequest:
    """Read the params of ``llmstep/prepare``.

    Raises:
        InvalidParamsError: A field has the wrong type; the message names it.
    """
    from llmstep.service.question import PrepareRequest

    if params is None:
        return PrepareRequest()
    read_object(params, "params")
    request = PrepareRequest(document_field(params), read_field(params, "model", str))
    request.check()
    return request


@attrs.frozen
class PullRequest:
    """A model to fetch, and what its card shall say if it has none yet."""

    name: str
    model_id: str | None = None
    prompt: str | None = None
    stop: tuple[str, ...] = ()


def parse_pull(params: Any) -> tuple[PullRequest, ProgressToken | None]:
    """Read the params of ``llmstep/models/pull``; the second value is its ``workDoneToken``.

    Raises:
        InvalidParamsError: A field is missing or has the wrong type; the message names it.
    """
    read_object(params, "params")
    name = read_field(params, "name", str)
    if not name:
        raise InvalidParamsError("params.name is missing; it must be a model's name")
    request = PullRequest(
        name,
        model_id=read_field(params, "id", str),
        prompt=read_field(params, "prompt", str),
        stop=_strings(params, "stop") or (),
    )
    return request, _token(params, "workDoneToken")


_KIND_NAMES: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    dict: "an object",
    list: "a list of strings",
}


def document_field(params: dict[str, Any]) -> Document | None:
    """The field ``document``, if it is there; a wrong one is answered by its name."""
    from llmstep.service.question import Document

    raw = read_field(params, "document", dict)
    if raw is None:
        return None
    uri = read_field(raw, "uri", str, "params.document")
    if uri is None:
        raise InvalidParamsError("params.document.uri is missing; it must be a string")
    return Document(uri, read_field(raw, "textBefore", str, "params.document") or "")


def _strings(params: dict[str, Any], name: str, where: str = "params") -> tuple[str, ...] | None:
    values = read_field(params, name, list, where)
    if values is None:
        return None
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidParamsError(
                f"{where}.{name} must be a list of strings; its item {index} is {_shown(value)}"
            )
        _check_text(value, f"{where}.{name}[{index}]")
    return tuple(values)


def _mode(params: dict[str, Any]) -> Mode:
    mode = read_field(params, "mode", str) or "tactic"
    if mode not in ("tactic", "proof"):
        raise InvalidParamsError(f'params.mode must be "tactic" or "proof", not {_shown(mode)}')
    return mode


def _attempt(params: dict[str, Any]) -> Attempt | None:
    from llmstep.service.question import Attempt

    value = params.get("attempt")
    if value is None:
        return None
    read_object(value, "params.attempt")
    text, error = (read_field(value, name, str, "params.attempt") for name in ("text", "error"))
    if text is None or error is None:
        raise InvalidParamsError("params.attempt must hold `text` and `error`")
    return Attempt(text, error, _strings(value, "goals", "params.attempt") or ())


def _token(params: dict[str, Any], name: str) -> ProgressToken | None:
    token = params.get(name)
    if token is None:
        return None
    if isinstance(token, bool) or not isinstance(token, (int, str)):
        raise InvalidParamsError(
            f"params.{name} must be a string or a whole number, not {_shown(token)}"
        )
    if isinstance(token, str):
        _check_text(token, f"params.{name}")
    return token


def read_object(value: Any, where: str) -> None:
    """Refuse what is no object."""
    if not isinstance(value, dict):
        raise InvalidParamsError(f"{where} must be an object, not {_shown(value)}")


def read_field(raw: dict[str, Any], name: str, kind: type, where: str = "params") -> Any:
    """One field, ``None`` if it is absent; one of another kind is answered by its name."""
    value = raw.get(name)
    if value is None:
        return None
    # Python counts true among the integers, JSON does not.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidParamsError(f"{where}.{name} must be {_KIND_NAMES[kind]}, not {_shown(value)}")
    if isinstance(value, str):
        _check_text(value, f"{where}.{name}")
    return value


def _check_text(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidParamsError(
            f"{where} is no valid Unicode: half a surrogate pair at character {error.start}"
        ) from None


def _shown(value: Any) -> str:
    """A value for an error message: its kind only where the text could be long or private."""
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)[:40]
    kinds = {str: "a string", list: "a list", dict: "an object"}
    return kinds[type(value)]
