"""``llmstep/lemmas``: lemmas for a goal or for words, from file, project and library."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from llmstep.errors import InvalidParamsError
from llmstep.prompts.goal import split_goals
from llmstep.server.messages import LEMMAS, document_field, read_field, read_object
from llmstep.service.lookups import LemmaReply, LemmaRequest
from llmstep.sources.premise_source import FoundLemma

if TYPE_CHECKING:
    from llmstep.server.protocol import LLMStepProtocol
    from llmstep.server.session import Session


def register(protocol: LLMStepProtocol, session: Session) -> None:
    """Add the handler."""

    async def find(params: Any) -> dict[str, Any]:
        begin = time.monotonic()
        request = parse_lemmas(params)
        reply = await session.service.lookups.find_lemmas(request, session.asker)
        total_ms = (time.monotonic() - begin) * 1000
        return lemmas_json(reply, total_ms, await session.warnings())

    protocol.register(LEMMAS, find, notification=False)


def parse_lemmas(params: Any) -> LemmaRequest:
    """Read the params of ``llmstep/lemmas``; of several goals the first one counts.

    Raises:
        InvalidParamsError: A field is missing or has the wrong type; the message names it.
    """
    read_object(params, "params")
    goal, text = (read_field(params, name, str) for name in ("goal", "text"))
    if goal is None and text is None:
        raise InvalidParamsError(
            "params.goal and params.text are missing; one of them must be a string",
            hint="Send a goal as Lean prints it, or words, a formula or a name as `text`.",
        )
    request = LemmaRequest(
        goal=next(iter(split_goals(goal)), "") if goal is not None else None,
        text=text,
        document=document_field(params),
        k=read_field(params, "k", int),
        timeout_ms=read_field(params, "timeoutMs", int),
    )
    request.check()
    return request


def lemmas_json(reply: LemmaReply, total_ms: float, warnings: Iterable[str] = ()) -> dict[str, Any]:
    """The result of ``llmstep/lemmas``; ``partial``, ``pending``, ``warnings`` if need be."""
    optional: dict[str, Any] = {}
    if reply.partial is not None:
        optional["partial"] = {"reason": reply.partial.reason, "hint": reply.partial.hint}
    if reply.found.missing:
        optional["pending"] = list(reply.found.missing)
    if told := list(warnings):
        optional["warnings"] = told
    return {
        **optional,
        "lemmas": [_lemma_json(lemma) for lemma in reply.found.lemmas],
        "stats": {"totalMs": round(total_ms, 3)},
    }


def _lemma_json(lemma: FoundLemma) -> dict[str, Any]:
    statement = lemma.statement
    told = {
        "name": statement.name,
        "written": lemma.written,
        "kind": statement.kind,
        "statement": f"{statement.binders} : {statement.conclusion}".lstrip(),
        "module": statement.module,
        "origin": lemma.origin,
        "score": lemma.score,
    }
    if lemma.step is not None:
        told |= {"step": lemma.step.tactic, "form": lemma.step.form}
    return told
