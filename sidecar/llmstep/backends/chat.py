"""Conversations as prompts: a model's own chat template, filled so that no text can forge a marker.

Chat templates are Jinja programs that come with a model
(https://huggingface.co/docs/transformers/chat_templating). The turns' texts are put in as place
holders, and only where those come out stand the texts: what the template writes around them may
become control tokens, what the user's file says never does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from llmstep.backends.base import PromptPart
from llmstep.backends.writing import Message
from llmstep.errors import BackendUnavailableError, ModelFileError

_HOLDER = re.compile("\ue000(\\d+)\ue001")


@attrs.frozen
class ChatTemplate:
    """A model's chat template: the Jinja program, and the texts of the tokens around a text."""

    source: str
    bos: str = ""
    eos: str = ""


def render_chat(
    template: ChatTemplate | None, messages: Sequence[Message]
) -> tuple[PromptPart, ...]:
    """The conversation up to where the model is to speak.

    A template that knows no system turn is given its text at the head of the user's.

    Raises:
        ModelFileError: There is no template, or it cannot be run.
        BackendUnavailableError: The library jinja2 is missing.
    """
    if template is None:
        raise ModelFileError(
            "the model brings no chat template, and the prompt is a conversation",
            hint="Take a model that was tuned to chat, or a proof template that needs none: "
            "`proof` in its card.",
        )
    try:
        return _fill(template, messages)
    except _RefusedError:
        system = [message for message in messages if message.role == "system"]
        if not system:
            raise
        rest = [message for message in messages if message.role != "system"]
        head = system[0].content + "\n\n" + rest[0].content
        return _fill(template, [attrs.evolve(rest[0], content=head), *rest[1:]])


class _RefusedError(ModelFileError):
    """The template raised an exception of its own."""

    default_hint = "Take another model, or a proof template that needs no chat."


def _fill(template: ChatTemplate, messages: Sequence[Message]) -> tuple[PromptPart, ...]:
    try:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise BackendUnavailableError("chat templates need jinja2, which is missing") from error

    def refuse(reason: str) -> None:
        raise _RefusedError(f"the model's chat template refuses the conversation: {reason}")

    # The options are those of transformers, for which the templates are written.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    turns = [
        {"role": message.role, "content": f"\ue000{index}\ue001"}
        for index, message in enumerate(messages)
    ]
    try:
        text = environment.from_string(template.source).render(
            messages=turns,
            add_generation_prompt=True,
            bos_token=template.bos,
            eos_token=template.eos,
        )
    except TemplateError as error:
        raise _RefusedError(f"the model's chat template cannot be run: {error}") from error
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _RefusedError(f"the model's chat template cannot be run: {error}") from error
    pieces = _HOLDER.split(text)
    shown = {int(number) for number in pieces[1::2]}
    if missing := {i for i, m in enumerate(messages) if m.role != "assistant"} - shown:
        raise _RefusedError(f"the model's chat template leaves turn {min(missing)} out")
    parts: list[PromptPart] = []
    for at, piece in enumerate(pieces):
        text = messages[int(piece)].content if at % 2 else piece
        if text:
            parts.append(PromptPart(text, special=not at % 2))
    return tuple(parts)
