"""Prompts built from a template, cut to fit the context window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from llmstep.backends.base import PromptPart
from llmstep.errors import InvalidParamsError, PromptTooLongError
from llmstep.prompts.context import cut_context
from llmstep.prompts.goal import CountTokens, TrimmedGoal, fits, parse_goal, trim_goal
from llmstep.prompts.mention import Mention, choose_mentions
from llmstep.prompts.template_file import (
    PromptTemplate,
    Template,
    list_templates,
    load_template,
)

__all__ = ["BuiltPrompt", "Template", "build_prompts", "list_templates", "load_template"]

# Fewer tokens than this for the goal, and worked examples are worth less than the goal's text.
_SMALLEST_STATE = 64
# What a request lacks if a required field is empty, and the request's field that brings it.
_SENT = {
    "state": ("a goal", "goals"),
    "context": ("the text of the file", "document.textBefore"),
    "premises": ("names worth mentioning", "premises"),
}
# Tries to shrink a prompt whose tokens do not add up from those of its parts.
_TRIES = 4


@attrs.frozen
class BuiltPrompt:
    """A prompt ready for a backend.

    Attributes:
        parts: The text; neighbours that are both plain or both special are joined, so that the
            tokenizer sees them as one.
        stop: Strings that end a candidate, besides the model card's.
        column: Column at which the tactic begins, for prompts whose answer continues the file.
        dropped: Names of hypotheses that were left out (see ``TrimmedGoal.dropped``).
    """

    parts: tuple[PromptPart, ...]
    stop: tuple[str, ...] = ()
    column: int = 0
    dropped: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The whole prompt."""
        return "".join(part.text for part in self.parts)


@attrs.frozen
class _Question:
    """What the fields are filled from."""

    goals: tuple[str, ...]
    document_text: str
    premises: tuple[str, ...]
    mentions: tuple[Mention, ...] = ()


def build_prompts(
    template: Template,
    goals: Sequence[str],
    document_text: str,
    budget: int,
    count_tokens: CountTokens,
    premises: Sequence[str] = (),
    retrieved: Sequence[Mention] = (),
) -> list[BuiltPrompt]:
    """Fill a template's prompts.

    Args:
        template: The template; each of its prompts becomes one, except those that require a field
            for which there is nothing.
        goals: Pretty-printed goals, the main goal first.
        document_text: The file before the cursor; empty if unknown.
        budget: Most tokens of one prompt: the context window less prefix and answer.
        count_tokens: Counts the tokens of a plain text.
        premises: Names worth mentioning, the best first. As many of the first ones as fit are
            named where a prompt has a place for them; they give way to the goal.
        retrieved: Premises that were found, the likeliest first, for prompts that show what
            premises say.

    Raises:
        PromptTooLongError: The fixed text and an abbreviated goal do not fit.
        InvalidParamsError: No prompt is left because each requires what is not there.
    """
    names = tuple(name for name in premises if _can_be_named(name))
    mentions = tuple(m for m in choose_mentions(names, retrieved) if _can_be_named(m.line))
    given = {
        "state": any(goal.strip() for goal in goals),
        "context": bool(document_text.strip()),
        "premises": bool(names),
    }
    chosen = [
        prompt
        for prompt in template.prompts
        if all(
            given.get(field, True) or (field == "premises" and prompt.states_premises and mentions)
            for field in prompt.requires
        )
    ]
    if not chosen:
        missing = next(f for p in template.prompts for f in p.requires if not given.get(f, True))
        what, where = _SENT[missing]
        raise InvalidParamsError(
            f"the prompt template {template.id!r} needs {what}, which the request lacks",
            hint=f"Send `{where}`, or choose another template with `prompt`.",
        )
    question = _Question(tuple(goals), document_text, names, mentions)
    return [_build(prompt, question, budget, count_tokens) for prompt in chosen]


def _can_be_named(name: str) -> bool:
    # A name with a line break or a comment's end would leave the comment it stands in.
    return bool(name.strip()) and "-/" not in name and len(name.splitlines()) == 1


def _build(
    prompt: PromptTemplate, question: _Question, budget: int, count_tokens: CountTokens
) -> BuiltPrompt:
    fixed = count_tokens("".join(literal for literal, _, _ in prompt.pieces))
    room = budget - fixed
    for _ in range(_TRIES):
        values, dropped = _fill(prompt, question, room, count_tokens)
        parts = _join(prompt, values)
        tokens = count_tokens("".join(part.text for part in parts))
        if tokens <= budget:
            break
        # Tokenizers may split a joined text otherwise than its pieces.
        room -= tokens - budget
    else:
        raise PromptTooLongError(f"the prompt {prompt.name!r} does not fit into {budget} tokens")
    text = question.document_text
    column = len(text) - (text.rfind("\n") + 1) if prompt.continues else 0
    return BuiltPrompt(parts, prompt.stop, column, dropped)


def _fill(
    prompt: PromptTemplate, question: _Question, room: int, count_tokens: CountTokens
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Values of the fields, and the hypotheses that were left out to make them fit."""
    values: dict[str, str] = {}
    dropped: tuple[str, ...] = ()
    if "shots" in prompt.fields:
        values["shots"] = _render_shots(prompt, room - _SMALLEST_STATE, count_tokens)
        room -= count_tokens(values["shots"])
    # The file's share does not depend on how long this goal is, so that the beginning of the
    # prompt stays the same from goal to goal. Premises take what the goal leaves of its quarter.
    shared = "context" in prompt.fields and bool(question.document_text)
    reserved, used = (room // 4 if shared else room), 0
    most = int(room * prompt.premises_share)
    if "state" in prompt.fields:
        share = room // 2 if shared else room
        if prompt.states_premises and not shared:
            share -= _count_spared(prompt, question, most, room, count_tokens)
        state = _render_state(prompt, question.goals, share, count_tokens)
        values["state"], dropped = state.text, state.dropped
        used += count_tokens(state.text)
    if "premises" in prompt.fields:
        most = min(most, reserved - used)
        values["premises"] = _render_premises(prompt, question, most, count_tokens)
        used += count_tokens(values["premises"])
    if "context" in prompt.fields:
        room -= max(used, reserved) if "state" in prompt.fields else used
        values["context"] = cut_context(question.document_text, room, count_tokens)
    return values, dropped


def _render_state(
    prompt: PromptTemplate, goals: Sequence[str], room: int, count_tokens: CountTokens
) -> TrimmedGoal:
    """The main goal, and the others as far as they fit whole where the prompt wants all."""
    filled = [goal for goal in goals if goal.strip()]
    main = trim_goal(filled[0] if filled else "", room, count_tokens)
    text, dropped = main.text, main.dropped
    for other in filled[1:] if prompt.goals == "all" else []:
        longer = f"{text}\n\n{other.strip()}"
        # Cheap first: a goal that is far too long is not handed to the tokenizer.
        if len(longer) > 32 * room or count_tokens(longer) > room:
            break
        text = longer
    return TrimmedGoal(text, dropped)


def _count_spared(
    prompt: PromptTemplate, question: _Question, most: int, room: int, count_tokens: CountTokens
) -> int:
    """Tokens that the goal leaves to premises, at the cost of hypotheses that say little.

    Never of its target: where that is long, premises give way.
    """
    wanted = count_tokens(_render_premises(prompt, question, most, count_tokens))
    goal = next((goal for goal in question.goals if goal.strip()), "")
    # Cheap first: a target that is far too long is not handed to the tokenizer.
    target = parse_goal(goal).target if wanted else ""
    needed = room if len(target) > 32 * max(room, 1) else count_tokens(target)
    return max(0, min(wanted, room - needed))


def _render_premises(
    prompt: PromptTemplate, question: _Question, room: int, count_tokens: CountTokens
) -> str:
    """As many of the first premises as fit, each whole; empty if not even one does."""
    many = question.mentions if prompt.states_premises else question.premises

    def render(count: int) -> str:
        names = ", ".join(question.premises[:count])
        statements = "\n".join(mention.line for mention in question.mentions[:count])
        return prompt.premises.format(names=names, statements=statements) if count else ""

    # A name takes at least one token, so no more than these can fit.
    low, high = 0, min(len(many), max(room, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if fits(render(middle), room, count_tokens):
            low = middle
        else:
            high = middle - 1
    return render(low)


def _render_shots(prompt: PromptTemplate, room: int, count_tokens: CountTokens) -> str:
    """The worked examples, as many of the last ones as fit."""
    shots = [prompt.shot.format(state=s.state, tactic=s.tactic) for s in prompt.shots]
    while shots and count_tokens("".join(shots)) > room:
        shots.pop(0)
    return "".join(shots)


def _join(prompt: PromptTemplate, values: Mapping[str, str]) -> tuple[PromptPart, ...]:
    """The prompt's parts, neighbours of one kind joined."""
    parts: list[PromptPart] = []
    for literal, field, special in prompt.pieces:
        text = literal + (values[field] if field else "")
        if not text:
            continue
        if parts and parts[-1].special == special:
            text = parts.pop().text + text
        parts.append(PromptPart(text, special))
    return tuple(parts)
