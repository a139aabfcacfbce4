"""What stands around a question to the model: premises to show, and the names that exist."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import attrs

from llmstep.backends.base import NameFilter
from llmstep.config import Settings
from llmstep.errors import CancelledError, LLMStepError
from llmstep.prompts.mention import MOST_MENTIONED, Mention
from llmstep.service.model_setup import ModelSetup

if TYPE_CHECKING:
    from llmstep.service.ask import Ask
    from llmstep.service.scheduler import Scheduler
    from llmstep.sources.sources import Sources

log = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class Near:
    """What is known of the place of a question.

    Attributes:
        mentions: Premises for a prompt that shows some, the likeliest first.
        names: Cuts candidates at names that exist nowhere; ``None`` lets all of them be.
    """

    mentions: tuple[Mention, ...] = ()
    names: NameFilter | None = None


def looks_around(setup: ModelSetup | None, settings: Settings) -> bool:
    """Whether the model's answer depends on what is known of the place."""
    return setup is not None and (setup.states_premises or _cuts(setup, settings))


async def look_around(
    ask: Ask, setup: ModelSetup, settings: Settings, sources: Sources, reading: Scheduler
) -> Near:
    """What is known of a question's place, from the other sources' answer where they were asked.

    A question does without what takes too long.
    """
    assert ask.collector is not None
    known = ask.collector.evidence
    if not looks_around(setup, settings) or (known is None and sources.others):
        return Near()
    request = ask.request
    named = [name for name in request.premises if name not in request.banned][:MOST_MENTIONED]

    def look() -> Near:
        evidence = known or sources.look_around(
            request.goals[0], request.text_before, request.prefix
        )
        return Near(
            tuple(evidence.mentions(named)) if setup.states_premises else (),
            evidence.known_names(request.banned) if _cuts(setup, settings) else None,
        )

    # On the thread of the sources: a library that is read for the first time takes its time.
    future = reading.submit(look, ask.token, client=ask.asker.client)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), ask.timeout_s / 4)
    except TimeoutError:
        return Near()
    except CancelledError:
        raise
    except LLMStepError as error:
        log.warning("the model is asked without premises and names: %s", error.message)
        return Near()


def _cuts(setup: ModelSetup, settings: Settings) -> bool:
    return settings.known_names and setup.chooses_tokens
