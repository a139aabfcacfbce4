"""The ``llmstep/*`` messages: raw JSON to the engine's types and back.

Written by hand and not with a converter: a wrong field must be answered by its name, and a
structuring error inside pygls would leave the request without any answer. Unknown fields are
ignored, so that an older side understands a newer one; ``null`` counts as absent.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from llmstep import __version__
from llmstep.errors import REQUEST_FAILED, InvalidParamsError, LLMStepError
from llmstep.service.question import (
    Attempt,
    Document,
    Mode,
    PrepareRequest,
    Proof,
    ServiceStatus,
    SuggestReply,
    SuggestRequest,
    WritingProgress,
)
from llmstep.sources.projects import ProjectStatus
from llmstep.sources.ranking import Suggestion

PROTOCOL_VERSION = 1

SUGGEST = "llmstep/suggest"
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
    """

    protocol_version: int | None = None
    client: str = "editor"
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    problem: str | None = None
    is_editor: bool = True


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
    version = _field(options, "protocolVersion", int, "initializationOptions")
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
    )


def parse_suggest(params: Any) -> tuple[SuggestRequest, ProgressToken | None]:
    """Read the params of ``llmstep/suggest``; the second value is its ``partialResultToken``.

    Raises:
        InvalidParamsError: A field is missing or has the wrong type; the message names it.
    """
    _object(params, "params")
    goals = _strings(params, "goals")
    if goals is None:
        raise InvalidParamsError("params.goals is missing; it must be a list of strings")
    prefix = _field(params, "prefix", str)
    if prefix is None:
        raise InvalidParamsError("params.prefix is missing; it must be a string, maybe empty")
    request = SuggestRequest(
        goals=goals,
        prefix=prefix,
        document=_document(params),
        n=_field(params, "n", int),
        timeout_ms=_field(params, "timeoutMs", int),
        banned=_strings(params, "banned") or (),
        premises=_strings(params, "premises") or (),
        model=_field(params, "model", str),
        mode=_mode(params),
        hint=_field(params, "hint", str) or "",
        attempt=_attempt(params),
    )
    request.check()
    return request, _token(params, "partialResultToken")


def parse_prepare(params: Any) -> PrepareRequest:
    """Read the params of ``llmstep/prepare``.

    Raises:
        InvalidParamsError: A field has the wrong type; the message names it.
    """
    if params is None:
        return PrepareRequest()
    _object(params, "params")
    request = PrepareRequest(_document(params), _field(params, "model", str))
    request.check()
    return request


@attrs.frozen
class PullRequest:
    """A model to fetch.

    Attributes:
        name: A card's id or alias, or a reference to a model of the hub.
        model_id: Name to choose it by, if it has no card yet.
        prompt: Id of its prompt template, if it has no card yet.
        stop: Strings that end a candidate, if it has no card yet.
    """

    name: str
    model_id: str | None = None
    prompt: str | None = None
    stop: tuple[str, ...] = ()


def parse_pull(params: Any) -> tuple[PullRequest, ProgressToken | None]:
    """Read the params of ``llmstep/models/pull``; the second value is its ``workDoneToken``.

    Raises:
        InvalidParamsError: A field is missing or has the wrong type; the message names it.
    """
    _object(params, "params")
    name = _field(params, "name", str)
    if not name:
        raise InvalidParamsError("params.name is missing; it must be a model's name")
    request = PullRequest(
        name,
        model_id=_field(params, "id", str),
        prompt=_field(params, "prompt", str),
        stop=_strings(params, "stop") or (),
    )
    return request, _token(params, "workDoneToken")


def pull_json(model_id: str, place: Path, *, fetched: bool) -> dict[str, Any]:
    """The result of ``llmstep/models/pull``; ``fetched`` is false where all was here already."""
    return {"id": model_id, "path": str(place), "fetched": fetched}


def work_done_json(token: ProgressToken, value: Mapping[str, Any]) -> dict[str, Any]:
    """Params of ``$/progress`` for a work-done progress of the LSP."""
    return {"token": token, "value": value}


def suggestion_json(suggestion: Suggestion) -> dict[str, Any]:
    """One suggestion as it travels."""
    return {
        "tactic": suggestion.tactic,
        "score": suggestion.score,
        "origin": list(suggestion.origin),
    }


def progress_json(token: ProgressToken, suggestions: Iterable[Suggestion]) -> dict[str, Any]:
    """Params of ``$/progress`` for candidates that have just been finished."""
    return {"token": token, "value": {"suggestions": [suggestion_json(s) for s in suggestions]}}


def writing_json(token: ProgressToken, progress: WritingProgress) -> dict[str, Any]:
    """Params of ``$/progress`` for a proof that is being written."""
    value: dict[str, Any] = {
        "proof": progress.proof,
        "stage": "thinking" if progress.thinking else "writing",
        "tokens": progress.tokens,
    }
    if progress.text:
        value["text"] = progress.text
    return {"token": token, "value": value}


def _proof_json(proof: Proof) -> dict[str, Any]:
    """A proof as it travels, in the place of a suggestion."""
    problem = {"problem": proof.problem} if proof.problem else {}
    return {
        "proof": proof.text,
        "score": proof.score,
        "origin": ["model"],
        "stop": proof.stop,
        **problem,
    }


def reply_json(reply: SuggestReply, warnings: Iterable[str] = ()) -> dict[str, Any]:
    """The result of ``llmstep/suggest``; ``dropped``, ``partial``, ``warnings`` only if need be.

    Args:
        reply: The answer.
        warnings: Settings of this client that were not taken.
    """
    stats = reply.stats
    optional: dict[str, Any] = {}
    if reply.dropped:
        optional["dropped"] = list(reply.dropped)
    if reply.partial is not None:
        optional["partial"] = {"reason": reply.partial.reason, "hint": reply.partial.hint}
    if told := list(warnings):
        optional["warnings"] = told
    suggestions = [suggestion_json(suggestion) for suggestion in reply.suggestions]
    suggestions += [_proof_json(proof) for proof in reply.proofs]
    return {
        **optional,
        "suggestions": suggestions,
        "model": reply.model,
        "cached": reply.cached,
        "stats": {
            "promptTokens": stats.prompt_tokens,
            "reusedTokens": stats.reused_tokens,
            "generatedTokens": stats.generated_tokens,
            "loadMs": round(stats.load_ms, 3),
            "totalMs": round(stats.total_ms, 3),
        },
    }


def status_json(status: ServiceStatus, engine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The result of ``llmstep/status``; ``cache`` is null when the cache is off.

    Args:
        status: The state of the client's service.
        engine: What the engine says of itself, if there is one.
    """
    cache = None
    if status.cache_entries is not None:
        cache = {
            "entries": status.cache_entries,
            "hits": status.cache_hits,
            "misses": status.cache_misses,
        }
    return {
        **({"engine": engine} if engine is not None else {}),
        "model": status.model,
        "backend": status.backend,
        "state": status.state,
        "error": status.error,
        "loadMs": round(status.load_ms, 3),
        "contextTokens": status.context_tokens,
        "memory": {"rssBytes": status.rss_bytes},
        "queue": {"running": status.running, "waiting": status.waiting},
        "cache": cache,
        "projects": [_project_json(project) for project in status.projects],
        "versions": {
            "llmstep": __version__,
            "protocol": PROTOCOL_VERSION,
            "python": platform.python_version(),
        },
        "pid": os.getpid(),
    }


def _project_json(project: ProjectStatus) -> dict[str, Any]:
    return {
        "root": project.root,
        "indexes": [
            {
                "name": index.name,
                "state": index.state,
                "done": index.done,
                "total": index.total,
                "error": index.message or None,
            }
            for index in project.indexes
        ],
        "notes": list(project.notes),
    }


_KIND_NAMES: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    dict: "an object",
    list: "a list of strings",
}


def _document(params: dict[str, Any]) -> Document | None:
    raw = _field(params, "document", dict)
    if raw is None:
        return None
    uri = _field(raw, "uri", str, "params.document")
    if uri is None:
        raise InvalidParamsError("params.document.uri is missing; it must be a string")
    return Document(uri, _field(raw, "textBefore", str, "params.document") or "")


def _strings(params: dict[str, Any], name: str, where: str = "params") -> tuple[str, ...] | None:
    values = _field(params, name, list, where)
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
    mode = _field(params, "mode", str) or "tactic"
    if mode not in ("tactic", "proof"):
        raise InvalidParamsError(f'params.mode must be "tactic" or "proof", not {_shown(mode)}')
    return mode


def _attempt(params: dict[str, Any]) -> Attempt | None:
    value = params.get("attempt")
    if value is None:
        return None
    _object(value, "params.attempt")
    text, error = (_field(value, name, str, "params.attempt") for name in ("text", "error"))
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


def _object(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise InvalidParamsError(f"{where} must be an object, not {_shown(value)}")


def _field(raw: dict[str, Any], name: str, kind: type, where: str = "params") -> Any:
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
