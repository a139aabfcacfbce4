"""What the sidecar says: the service's types as JSON.

Results of requests, and the params of ``$/progress``; docs/protocol.md has them to the letter.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llmstep import __version__
from llmstep.server.messages import PROTOCOL_VERSION, ProgressToken

if TYPE_CHECKING:
    from llmstep.service.question import ServiceStatus, SuggestReply, WritingProgress, WrittenProof
    from llmstep.sources.projects import ProjectStatus
    from llmstep.sources.ranking import Suggestion


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


def _proof_json(proof: WrittenProof) -> dict[str, Any]:
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
    """The result of ``llmstep/suggest``; ``dropped``, ``partial``, ``warnings`` only if need be."""
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
    """The result of ``llmstep/status``; ``cache`` is null when the cache is off."""
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
