"""Sources that look at the goal alone: what one would try on it, whatever the file or the library.

Each is a function from a goal to tactics, the likeliest first. The estimate weighs the steps of all
of them as those of ``goal``.
"""

from __future__ import annotations

from collections.abc import Callable

from llmstep.sources.goal_view import GoalView
from llmstep.sources.local_steps import local_steps
from llmstep.sources.ranking import Origin

GoalReader = Callable[[GoalView], list[str]]


def steps_from_hypotheses(view: GoalView) -> list[str]:
    """The steps that the goal's own hypotheses suggest."""
    return [step.tactic for step in local_steps(view)]


GOAL_READERS: dict[Origin, GoalReader] = {
    "goal": steps_from_hypotheses,
}
