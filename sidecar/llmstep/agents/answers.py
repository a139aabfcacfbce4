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
    """One proof as the model wrote it."""

    proof: str = Field(description="A tactic block of one or more lines; empty if there is none")
    score: float = Field(description="Mean log-probability per token (nats, at most 0)")
    stop: str = Field(description="Why the model stopped; a proof is whole only with `end`")
    problem: str = Field(default="", description="Why there is none; empty if there is one")


class Proofs(BaseModel):
    """Whole proofs of a goal, the best first. None has been checked by Lean yet."""

    tactics: list[str] = Field(
        description="The whole proofs as plain strings, ready for `snippets` of lean_multi_attempt"
    )
    proofs: list[Proof] = Field(description="All that was written, with scores")
    model: str = Field(description="The model that answered")
    notes: list[str] = Field(default_factory=list, description="What was missing, and the cure")


class Lemma(BaseModel):
    """A stated fact."""

    name: str = Field(description="Its full name")
    written: str = Field(description="Its name as it must be written at the end of `file_before`")
    kind: str = Field(description="theorem, lemma, def, abbrev, instance, axiom, field, ...")
    statement: str = Field(description="Binders, colon and conclusion as the source has them")
    module: str = Field(description="The module it stands in; empty for the file at hand")
    origin: str = Field(description="file, project or library")
    score: float = Field(description="How well it fits (at most 0; nearer to 0 is better)")
    step: str = Field(default="", description="A tactic with it; for a goal, where its form allows")
    form: str = Field(default="", description="What kind of tactic: exact, apply, rw, simp, ...")


class Lemmas(BaseModel):
    """Facts that may help, the likeliest first."""

    lemmas: list[Lemma]
    tactics: list[str] = Field(
        description="The steps with them as plain strings, ready for `snippets` of "
        "lean_multi_attempt; for a text there are none"
    )
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


def read_lemmas(answer: dict[str, Any]) -> Lemmas:
    """The answer of ``llmstep/lemmas`` as the tool gives it."""
    lemmas = [Lemma.model_validate(item) for item in answer["lemmas"]]
    tactics = [*dict.fromkeys(lemma.step for lemma in lemmas if lemma.step)]
    return Lemmas(lemmas=lemmas, tactics=tactics, notes=read_notes(answer))


def read_proofs(answer: dict[str, Any]) -> Proofs:
    """The answer of ``llmstep/suggest`` in the mode ``proof`` as the tool gives it."""
    proofs = [Proof.model_validate(item) for item in answer["suggestions"]]
    whole = [proof.proof for proof in proofs if proof.proof and proof.stop == "end"]
    return Proofs(tactics=whole, proofs=proofs, model=answer["model"], notes=read_notes(answer))


def read_notes(answer: dict[str, Any]) -> list[str]:
    """What an answer says besides its suggestions: why it is partial, what was left out."""
    notes = []
    if partial := answer.get("partial"):
        notes.append(" ".join(filter(None, (partial.get("reason"), partial.get("hint")))))
    notes += answer.get("warnings") or []
    if dropped := answer.get("dropped"):
        notes.append(f"The goal was too long for the model; left out: {', '.join(dropped)}")
    return notes
