"""What the tools answer, as models that the Model Context Protocol can describe in a schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Step(BaseModel):
    """One suggestion."""

    tactic: str = Field(
        description="Lean tactic text; it starts with the prefix that was asked for"
    )
    score: float = Field(description="Log of the estimated probability (nats, at most 0)")
    origin: list[str] = Field(description="Sources that proposed it, such as model, file, library")


class Steps(BaseModel):
    """Next steps for a goal, the best first. None has been checked by Lean yet."""

    tactics: list[str] = Field(
        description="The steps as plain strings, ready for `snippets` of lean_multi_attempt"
    )
    steps: list[Step] = Field(description="The same steps with scores and origins")
    model: str = Field(description="The model that answered")
    notes: list[str] = Field(
        default_factory=list,
        description="What was missing or left out, and what to do about it; usually empty",
    )


class Proof(BaseModel):
    """Whole proofs of a goal, the best first. None has been checked by Lean yet."""

    proofs: list[str] = Field(description="Tactic blocks of several lines")
    model: str = Field(description="The model that answered")
    notes: list[str] = Field(default_factory=list, description="What was missing, and the cure")


class Lemma(BaseModel):
    """A stated fact."""

    name: str = Field(description="Its full name")
    statement: str = Field(description="Binders and conclusion as the source has them")
    module: str = Field(description="The module it stands in; empty for the file at hand")
    source: str = Field(description="file, project or library")


class Lemmas(BaseModel):
    """Facts that may help, the likeliest first."""

    lemmas: list[Lemma]
    notes: list[str] = Field(default_factory=list, description="What was missing, and the cure")


class Status(BaseModel):
    """The sidecar's state, field by field as ``llmstep/status`` on the wire has it."""

    status: dict[str, Any]


def read_steps(answer: dict[str, Any]) -> Steps:
    """The answer of ``llmstep/suggest`` as the tool gives it."""
    steps = [
        Step(tactic=item["tactic"], score=item["score"], origin=item.get("origin") or [])
        for item in answer["suggestions"]
    ]
    return Steps(
        tactics=[step.tactic for step in steps],
        steps=steps,
        model=answer["model"],
        notes=read_notes(answer),
    )


def read_notes(answer: dict[str, Any]) -> list[str]:
    """What an answer says besides its suggestions: why it is partial, what was left out."""
    notes = []
    if partial := answer.get("partial"):
        notes.append(" ".join(filter(None, (partial.get("reason"), partial.get("hint")))))
    notes += answer.get("warnings") or []
    if dropped := answer.get("dropped"):
        notes.append(f"The goal was too long for the model; left out: {', '.join(dropped)}")
    return notes
