"""Score a GGUF model on held-out pairs: how likely the human tactic is, and how often it is found.

The candidates come from the same backend that serves suggestions, with the same sampling, so the
scores are those of the product, quantization included.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import numpy as np

from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.gguf_file import read_gguf_head
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.backends.llama_model import BATCH_TOKENS, LlamaModel
from llmstep.prompts.goal import trim_goal
from llmstep.training.data import Row
from llmstep.training.errors import TrainingDataError
from llmstep.training.tokenizer import GOAL, PROOFSTEP

# Room for the markers and for the longest tactic worth counting.
TACTIC_TOKENS = 96


@attrs.frozen
class Scores:
    """Scores over one set of pairs.

    Attributes:
        rows: Number of pairs.
        nll: Mean negative log-likelihood of the reference per token (nats), its end included.
        exact_at_1: Share of pairs whose best-scored candidate is the reference, blanks aside.
        exact_at_n: The same for any of the n candidates.
        head_at_1: Share whose best-scored candidate has the reference's first word.
        head_at_n: The same for any of the n candidates.
        candidates: Mean number of distinct candidates.
        median_ms: Median time of one generation.
        heads: For the commonest first words: (word, pairs, exact_at_n, head_at_n).
    """

    rows: int
    nll: float
    exact_at_1: float
    exact_at_n: float
    head_at_1: float
    head_at_n: float
    candidates: float
    median_ms: float
    heads: tuple[tuple[str, int, float, float], ...]


def sample_rows(rows: Sequence[Row], limit: int | None, seed: int) -> list[Row]:
    """At most ``limit`` of the rows, drawn without replacement; the same seed draws the same."""
    if limit is None or limit >= len(rows):
        return list(rows)
    return random.Random(seed).sample(list(rows), limit)


def evaluate_rows(
    path: Path,
    rows: Sequence[Row],
    sampling: Sampling,
    state_tokens: int,
    threads: int = 0,
    on_row: Callable[[], object] = lambda: None,
) -> Scores:
    """Score the GGUF model at ``path`` on ``rows``.

    Args:
        path: A model with the prompt ``[GOAL]state[PROOFSTEP]``, the markers control tokens.
        rows: Pairs; a state longer than ``state_tokens`` is trimmed as in a suggestion.
        sampling: How candidates are drawn; ``n`` of them.
        state_tokens: Most tokens of a state.
        threads: CPU threads; 0 takes the physical cores.
        on_row: Called after each row.

    Raises:
        ModelFileError: The file cannot be used.
        TrainingDataError: There are no rows.
    """
    if not rows:
        raise TrainingDataError("no rows to evaluate", hint="Give a file with rows in it.")
    backend = LlamaCppBackend(
        BackendOptions(
            path=path,
            context_tokens=state_tokens + TACTIC_TOKENS,
            threads=threads,
            max_candidates=sampling.n,
        )
    )
    scorer = LikelihoodScorer(path, state_tokens + 2 * TACTIC_TOKENS, threads)
    tallies: list[_Tally] = []
    try:
        for row in rows:
            state = trim_goal(row.state, state_tokens - 8, backend.count_tokens).text
            start = time.perf_counter()
            candidates = _generate(backend, state, sampling)
            elapsed = time.perf_counter() - start
            nll, tokens = scorer.score(state, row.tactic)
            tallies.append(_compare(row, candidates, elapsed, nll, tokens))
            on_row()
    finally:
        backend.close()
        scorer.close()
    return _summarise(tallies)


def build_prompt(state: str) -> tuple[PromptPart, ...]:
    """The prompt the model was trained on; only the markers are control tokens."""
    return PromptPart(GOAL, special=True), PromptPart(state), PromptPart(PROOFSTEP, special=True)


class LikelihoodScorer:
    """The likelihood a GGUF model gives to a tactic after a state."""

    def __init__(self, path: Path, window: int, threads: int = 0) -> None:
        self._model = LlamaModel(path)
        self._end = int(read_gguf_head(path).metadata["tokenizer.ggml.eos_token_id"])
        self._model.open_context(window, 1, threads)

    def score(self, state: str, tactic: str) -> tuple[float, int]:
        """(negative log-likelihood in nats, number of tokens), the end of text included."""
        model = self._model
        prompt = [model.first_token()] if model.facts.adds_bos else []
        for part in build_prompt(state):
            prompt += model.tokenize(part.text.encode(), special=part.special)
        target = [*model.tokenize(tactic.encode(), special=False), self._end]
        target = target[:TACTIC_TOKENS]
        model.clear()
        for start in range(0, len(prompt), BATCH_TOKENS):
            chunk = prompt[start : start + BATCH_TOKENS]
            model.feed(chunk, start, logits=start + len(chunk) == len(prompt))
        total = 0.0
        for offset, token in enumerate(target):
            logits = model.read_logits(1)[0].astype(np.float64)
            peak = logits.max()
            total += float(peak + np.log(np.exp(logits - peak).sum()) - logits[token])
            if offset + 1 < len(target):
                model.feed([token], len(prompt) + offset, logits=True)
        return total, len(target)

    def close(self) -> None:
        """Free the model."""
        self._model.close()


def _generate(backend: LlamaCppBackend, state: str, sampling: Sampling) -> list[Candidate]:
    found: list[Candidate] = []
    request = GenerationRequest(prompt=build_prompt(state), sampling=sampling)
    backend.generate(request, CancelToken(), found.append)
    found.sort(key=lambda candidate: -candidate.score)
    return found


@attrs.frozen
class _Tally:
    head: str
    nll: float
    tokens: int
    exact: tuple[bool, bool]
    headed: tuple[bool, bool]
    candidates: int
    seconds: float


def _compare(
    row: Row, candidates: Sequence[Candidate], seconds: float, nll: float, tokens: int
) -> _Tally:
    reference = " ".join(row.tactic.split())
    texts = [" ".join(candidate.text.split()) for candidate in candidates]
    exact = [text == reference for text in texts]
    headed = [text.split(" ", 1)[0] == row.head for text in texts]
    return _Tally(
        head=row.head,
        nll=nll,
        tokens=tokens,
        exact=(any(exact[:1]), any(exact)),
        headed=(any(headed[:1]), any(headed)),
        candidates=len(set(texts)),
        seconds=seconds,
    )


def _summarise(tallies: Sequence[_Tally]) -> Scores:
    count = len(tallies)
    heads: list[tuple[str, int, float, float]] = []
    for head, number in Counter(tally.head for tally in tallies).most_common(20):
        own = [tally for tally in tallies if tally.head == head]
        exact, headed = (sum(t.exact[1] for t in own), sum(t.headed[1] for t in own))
        heads.append((head, number, exact / number, headed / number))
    return Scores(
        rows=count,
        nll=sum(t.nll for t in tallies) / sum(t.tokens for t in tallies),
        exact_at_1=sum(t.exact[0] for t in tallies) / count,
        exact_at_n=sum(t.exact[1] for t in tallies) / count,
        head_at_1=sum(t.headed[0] for t in tallies) / count,
        head_at_n=sum(t.headed[1] for t in tallies) / count,
        candidates=sum(t.candidates for t in tallies) / count,
        median_ms=1e3 * float(np.median([t.seconds for t in tallies])),
        heads=tuple(heads),
    )
