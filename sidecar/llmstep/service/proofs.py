"""Whole proofs: the model is asked for one, or to mend one that Lean refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import cast

import attrs

from llmstep.backends.base import Backend, CancelToken
from llmstep.backends.writing import ProofWriter, Written
from llmstep.errors import LLMStepError, NoProofModeError, PromptTooLongError
from llmstep.prompts.context import cut_context
from llmstep.prompts.proof_template import ProofQuestion, ProofTemplate, build_writing
from llmstep.prompts.statement import find_statement, state_goal
from llmstep.service.catalog import read_catalog
from llmstep.service.model_question import ModelAnswer
from llmstep.service.model_setup import ModelSetup
from llmstep.service.proof_text import read_proof
from llmstep.service.question import Attempt, SuggestRequest, WritingProgress, WrittenProof
from llmstep.service.resident import ResidentModels

log = logging.getLogger(__name__)

OnWritingProgress = Callable[[WritingProgress], None]

# What the prompt's own words, an error and its goals may take besides statement and file.
_MARGIN_TOKENS = 512
# A window that has no more room than this beside the theorem is too small.
_LEAST_TOKENS = 256


@attrs.frozen(eq=False)
class ProofJob:
    """One question for whole proofs; progress is told on the model's thread."""

    setup: ModelSetup
    request: SuggestRequest
    seed: int
    cancel: CancelToken
    on_progress: OnWritingProgress | None = None

    def template(self) -> ProofTemplate:
        """How the model is asked.

        Raises:
            NoProofModeError: It writes single steps only; names models that write proofs.
        """
        if self.setup.proof is None:
            raise NoProofModeError(self.setup.model.id, list_provers())
        return self.setup.proof

    def run(self, models: ResidentModels) -> tuple[tuple[WrittenProof, ...], ModelAnswer]:
        """Load the model if need be and let it write. On its lane's thread.

        Raises:
            LLMStepError: The model cannot be loaded, cannot be asked this way, or failed.
        """
        template = self.template()
        loaded = models.holds(self.setup)
        if self.cancel.is_set() and not loaded:
            return (), ModelAnswer()
        backend = models.backend(self.setup)
        load_ms = 0.0 if loaded else models.state(self.setup).load_ms
        if not hasattr(backend, "write"):
            raise LLMStepError(
                f"the backend {backend.info.backend} writes no whole proofs",
                hint="Take a model that runs in llama.cpp or transformers, or behind a server.",
            )
        question = self._question(template, backend)
        writing = build_writing(template, question, n=self.request.n or 1, seed=self.seed)
        written, cost = cast(ProofWriter, backend).write(writing, self.cancel, self._report)
        proofs = [_read(answer, template) for answer in written]
        # A block that is whole goes before one that was cut off, whatever the model thinks of it.
        proofs.sort(key=lambda proof: (not proof.text, proof.stop != "end", -proof.score))
        return tuple(proofs), ModelAnswer(costs=(cost,), load_ms=load_ms)

    def _question(self, template: ProofTemplate, backend: Backend) -> ProofQuestion:
        request = self.request
        found = find_statement(request.text_before)
        file, statement = found or (request.text_before, state_goal(request.goals[0]))
        count, window = backend.count_tokens, backend.info.context_tokens
        needed = count(statement + request.goals[0] + request.hint)
        if needed + _LEAST_TOKENS > window:
            raise PromptTooLongError(
                f"the theorem and its goal have {needed} tokens, the window of the model "
                f"{self.setup.model.id} {window}",
                hint="Raise `context_tokens`, or take a model with a larger window.",
            )
        attempt = request.attempt
        if attempt is not None:
            # It stands there as an answer, which may have been as long as the window allows.
            attempt = _fit_attempt(attempt, (window - needed) // 4, count)
            needed += count(attempt.text + attempt.error + "".join(attempt.goals))
        budget = window - template.most_tokens - _MARGIN_TOKENS - needed
        text = file.rstrip() + "\n\n" if file.strip() else ""
        return ProofQuestion(
            statement,
            cut_context(text, budget, count),
            request.goals[0],
            request.hint,
            (attempt.text, attempt.error, attempt.goals) if attempt else None,
        )

    def _report(self, index: int, thinking: bool, tokens: int, text: str) -> None:
        if self.on_progress is not None:
            self.on_progress(WritingProgress(index, thinking, tokens, text))


def _fit_attempt(attempt: Attempt, budget: int, count: Callable[[str], int]) -> Attempt:
    """An attempt with its first lines, and as many goals as there is room for."""
    goals: list[str] = []
    for goal in attempt.goals:
        if count("\n".join([*goals, goal])) > budget // 2:
            break
        goals.append(goal)
    lines = attempt.text.split("\n")
    kept = len(lines)
    while kept > 1 and count("\n".join(lines[:kept])) > budget:
        kept = kept * 3 // 4
    text = "\n".join([*lines[:kept], *(["-- …"] if kept < len(lines) else [])])
    return attrs.evolve(attempt, text=text, goals=tuple(goals))


def list_provers() -> list[str]:
    """Ids of the models with a card that write whole proofs, the smallest first."""
    cards = [card for card in read_catalog().cards if card.proof]
    return [card.id for card in sorted(cards, key=lambda card: card.parameters or 0)]


def _read(answer: Written, template: ProofTemplate) -> WrittenProof:
    found = read_proof(answer.text, template.thought, continues=template.continues)
    if found.problem:
        log.info("an answer holds no proof: %s", found.problem)
    return WrittenProof(found.block, answer.mean_logprob, answer.end, found.problem)
