"""The backend behind an OpenAI-compatible server: vLLM, llama-server, Ollama, TGI, or a cluster.

It asks ``POST <base URL>/completions`` (not the chat API: a tactic continues a text, and only the
completions API continues text exactly). Address and key come from the environment, see
`llmstep.backends.endpoint`; the model's name from the options, else ``LLMSTEP_OPENAI_MODEL``, else
the one model the server offers.

What the server does not do is made up for: one that ignores ``n`` is asked n times, one that
refuses a field is asked without it, one that is busy or breaks off is asked again until the
request's own deadline. Candidates of a server without log-probabilities all have the mean 0.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from llmstep.backends import OPENAI
from llmstep.backends.base import (
    BackendInfo,
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    GenerationStats,
    PromptPart,
    Sampling,
)
from llmstep.backends.chat_completions import ChatReader
from llmstep.backends.completion_client import CompletionClient
from llmstep.backends.completions import CompletionReader
from llmstep.backends.endpoint import read_endpoint
from llmstep.backends.writing import (
    AnswerText,
    Message,
    OnWriting,
    WritingEnd,
    WritingRequest,
    Written,
)
from llmstep.environment import OPENAI_MODEL
from llmstep.errors import GenerationError, ModelNotFoundError, PromptTooLongError

# Used where the server does not tell its window; nearly every model served today has this much.
_DEFAULT_CONTEXT = 4096
# UTF-8 bytes per token. Lean text has 3 to 4 with the tokenizers of current models; counting too
# many tokens only shortens the context, counting too few makes the server refuse the prompt.
_BYTES_PER_TOKEN = 2.5
# The OpenAI API refuses more; the others are enforced on this side.
_MOST_STOPS = 4
# Seeds have 32 bits in llama.cpp and 64 in vLLM, and a negative one means "none" to some.
_SEED_MASK = 0x7FFF_FFFF

logger = logging.getLogger(__name__)


class OpenAIBackend:
    """Asks a server for completions; opening it looks the model up there.

    Raises:
        ConfigError: Address, key or proxy are missing or wrong.
        BackendUnavailableError: The server cannot be reached.
        ModelNotFoundError: No model is named, and the server offers none or several.
    """

    def __init__(self, options: BackendOptions) -> None:
        endpoint = read_endpoint()
        if endpoint.exposed:
            logger.warning(
                "%s is plain http to another machine: goals, file text and the key can be read "
                "on the way; use https or a tunnel (ssh -L)",
                endpoint.url,
            )
        self._client = CompletionClient(endpoint)
        offered = self._client.list_models()
        name = options.remote_model or os.environ.get(OPENAI_MODEL, "").strip()
        if not name and len(offered) == 1:
            name = next(iter(offered))
        if not name:
            names = ", ".join(list(offered)[:8])
            raise ModelNotFoundError(
                f"{endpoint.url} offers several models: {names}"
                if names
                else f"{endpoint.url} does not say which models it has",
                hint=f"Set {OPENAI_MODEL}, or pass `--model openai:<name>`.",
            )
        self._info = BackendInfo(
            backend=OPENAI,
            model=name,
            context_tokens=options.context_tokens or offered.get(name) or _DEFAULT_CONTEXT,
        )
        self._warned = False

    @property
    def info(self) -> BackendInfo:
        """The server's name for the model, and its window if the server tells it."""
        return self._info

    def count_tokens(self, text: str) -> int:
        """Number of tokens, estimated from above: the tokenizer is at the server."""
        return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)

    def prefill(self, prompt: Sequence[PromptPart], cancel: CancelToken) -> GenerationStats:
        """Do nothing: text leaves this machine only when a suggestion is asked for."""
        return GenerationStats()

    def close(self) -> None:
        """Nothing is held; a second call does nothing either."""

    def generate(
        self,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> GenerationStats:
        """Ask for the candidates; setting the token closes the connection, which ends them there.

        With temperature 0 there is one candidate, the greedy one: the API has no beam search.

        Raises:
            PromptTooLongError: Prompt and one token do not fit the window.
            ConfigError: The server refuses the key.
            ModelNotFoundError: The server has no model of that name.
            GenerationError: The server cannot be reached, fails or sends nonsense, repeatedly.
        """
        prompt = "".join(part.text for part in request.prompt)
        tokens = self.count_tokens(prompt + request.prefix)
        if tokens >= self._info.context_tokens:
            raise PromptTooLongError(
                f"the prompt has about {tokens} tokens, the context window "
                f"{self._info.context_tokens}"
            )
        means: list[float] = []
        ended = False

        def take(candidate: Candidate) -> None:
            nonlocal ended
            if candidate.text == request.prefix:
                ended = True
                return
            means.append(candidate.mean_logprob)
            on_candidate(candidate)

        # A blank at the end is the beginning of the next word's token: with it in the prompt,
        # models continue badly. Without it, the answers are held to begin with it.
        head = request.prefix.removesuffix(" ")
        stats = self._collect(request, prompt, head, cancel, take)
        if not means and head != request.prefix and not cancel.is_set():
            stats = _add(stats, self._collect(request, prompt, request.prefix, cancel, take))
        if ended and request.prefix and not cancel.is_set():
            # The model took the prefix for the whole tactic. Servers do not tell how likely the end
            # was, so it goes last: without a log-probability it would count as certain.
            on_candidate(Candidate(request.prefix, min(means, default=0.0), 1, "eos"))
        return stats

    def write(
        self, request: WritingRequest, cancel: CancelToken, on_writing: OnWriting
    ) -> tuple[list[Written], GenerationStats]:
        """Write long answers by the chat API, one request each; see `ProofWriter.write`.

        A template that is no conversation is sent as the user's turn. Servers' log-probabilities
        of chats differ too much to be compared: all answers have the mean 0.

        Raises:
            LLMStepError: As `generate` says.
        """
        if not request.messages:
            text = "".join(part.text for part in request.prompt)
            request = attrs.evolve(request, messages=(Message("user", text),))
        written: list[Written] = []
        stats = GenerationStats()
        for index in range(request.n):
            if cancel.is_set():
                break
            answer, cost = self._write_one(request, index, cancel, on_writing)
            written.append(answer)
            stats = _add(stats, cost)
        return written, stats

    def _write_one(
        self, request: WritingRequest, index: int, cancel: CancelToken, on_writing: OnWriting
    ) -> tuple[Written, GenerationStats]:
        readers: list[ChatReader] = []

        def report(thinking: bool, tokens: int, text: str) -> None:
            on_writing(index, thinking, tokens, text)

        def new_reader() -> ChatReader:
            readers.append(ChatReader(AnswerText(request), report))
            return readers[-1]

        body = {
            "messages": [attrs.asdict(message) for message in request.messages],
            "max_tokens": request.most_tokens,
            **self._common_fields(request, request.seed + index, request.stop),
        }
        self._client.complete(body, new_reader, cancel, lambda _: None, "/chat/completions")
        # After a cancel the client hands out a fresh reader; what came before it counts.
        reader = max(readers, key=lambda reader: len(reader.pieces))
        if reader.broken_off:
            raise self._ended("the answer", reader.broken_off[0])
        end: WritingEnd = "time" if cancel.is_set() else "end"
        if reader.finish == "length":
            end = "budget"
        elif reader.in_circles:
            end = "repetition"
        tokens = reader.cost.generated_tokens or len(reader.pieces)
        return Written(reader.answer.text, 0.0, tokens, end), reader.cost

    def _collect(
        self,
        request: GenerationRequest,
        prompt: str,
        head: str,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> GenerationStats:
        """Ask until n choices were seen: in one request, or one by one if ``n`` is ignored."""
        wanted = request.sampling.n if request.sampling.temperature > 0 else 1
        stats = GenerationStats()
        seen = 0
        broken_off: list[str] = []
        found = 0

        def count(candidate: Candidate) -> None:
            nonlocal found
            found += 1
            on_candidate(candidate)

        def new_reader() -> CompletionReader:
            return CompletionReader(head, request.prefix[len(head) :], request.stop)

        while seen < wanted and not cancel.is_set():
            ask = 1 if "n" in self._client.left_out else wanted - seen
            body = {
                "prompt": prompt + head,
                "max_tokens": request.sampling.max_tokens,
                "n": ask,
                "logprobs": 1,
                **self._common_fields(request.sampling, request.sampling.seed + seen, request.stop),
            }
            reader = self._client.complete(body, new_reader, cancel, count)
            stats = _add(stats, reader.cost)
            if cancel.is_set():
                break
            self._learn(reader, ask)
            if reader.broken_off:
                broken_off.append(reader.broken_off[0])
            seen += max(reader.seen, 1)
        if broken_off and not found and not cancel.is_set():
            raise self._ended("every candidate", broken_off[0])
        return stats

    def _ended(self, what: str, word: str) -> GenerationError:
        return GenerationError(
            f"{self._client.endpoint.url} ended {what} with {word!r}",
            hint="See in its log why; that is the server's decision, not the model's.",
        )

    def _common_fields(
        self, drawn: Sampling | WritingRequest, seed: int, stop: Sequence[str]
    ) -> dict[str, Any]:
        """The fields that completions and conversations have in common."""
        fields: dict[str, Any] = {
            "model": self._info.model,
            "temperature": drawn.temperature,
            "top_p": drawn.top_p,
            "seed": seed & _SEED_MASK,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return fields | ({"stop": list(stop[:_MOST_STOPS])} if stop else {})

    def _learn(self, reader: CompletionReader, asked: int) -> None:
        if reader.seen == 1 < asked and "n" not in self._client.left_out:
            logger.info("%s ignores `n`: it is asked once per candidate", self._client.endpoint.url)
            self._client.left_out.add("n")
        if reader.unscored and not self._warned:
            self._warned = True
            logger.warning(
                "%s sends no log-probabilities: its suggestions all have score 0",
                self._client.endpoint.url,
            )


def _add(one: GenerationStats, other: GenerationStats) -> GenerationStats:
    return GenerationStats(
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        reused_tokens=one.reused_tokens + other.reused_tokens,
        generated_tokens=one.generated_tokens + other.generated_tokens,
    )
