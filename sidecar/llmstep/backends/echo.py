r"""The scripted backend: answers from a JSON file, for tests of clients and of the server.

A script is a list of rules; the first rule that matches the question answers it::

    [
      {"prefix": "intro", "goal": "⊢ p → q", "candidates": [{"tactic": "intro h", "score": -0.1}]},
      {"goal": "slow", "candidates": [{"tactic": "simp", "score": -1, "delayMs": 500}]},
      {"goal": "broken", "error": "the model failed"},
      {"goal": "crash", "exit": 3},
      {"goal": "stuck", "hang": true}
    ]

For whole proofs a rule has ``answers``: what a model would write, thought and fences included, with
``delayMs`` between the lines::

    {"goal": "p ∧ q", "answers": [{"text": "```lean4\nexact ⟨hp, hq⟩\n```", "score": -0.1}]}

``prefix`` must equal the request's prefix, ``goal`` must occur in the prompt; a rule without them
matches everything. A rule's candidates come first, then its ``error``, ``exit`` or ``hang``.
"""

from __future__ import annotations

import json
import math
import os
import re
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from llmstep.backends import ECHO
from llmstep.backends.base import (
    BackendInfo,
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    GenerationStats,
    PromptPart,
)
from llmstep.backends.writing import AnswerText, Written, repeats
from llmstep.environment import ECHO_SCRIPT
from llmstep.errors import GenerationError, ModelFileError, PromptTooLongError
from llmstep.user_files import read_json_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmstep.backends.writing import OnWriting, WritingEnd, WritingRequest

UNIVERSAL_TACTICS = ("rfl", "simp", "assumption", "intro h", "constructor", "omega")

_DEFAULT_CONTEXT = 2048
_CHARACTERS_PER_TOKEN = 4
_HINT = "Correct the echo script; its format stands at the top of llmstep/backends/echo.py."


@attrs.frozen
class ScriptedCandidate:
    """One scripted answer: its text, the score it is given (nats), and what it waits before."""

    tactic: str
    mean_logprob: float
    delay_s: float = 0.0


@attrs.frozen
class Rule:
    """What to answer, and to which questions.

    Attributes:
        prefix: The prefix the question must have; ``None`` matches every prefix.
        goal: Text that must occur in the prompt; ``None`` matches every prompt.
        candidates: The steps, in order.
        answers: The long answers, likewise.
        error: Message of a `GenerationError` that ends the generation.
        exit_code: Ends the process on the spot, as a crash of the model library would.
        hang: Decode for ever, until cancelled.
    """

    prefix: str | None = None
    goal: str | None = None
    candidates: tuple[ScriptedCandidate, ...] = ()
    answers: tuple[ScriptedCandidate, ...] = ()
    error: str | None = None
    exit_code: int | None = None
    hang: bool = False

    def plays_answer(self, prompt: str) -> bool:
        """Whether the rule writes a proof for this prompt."""
        speaks = bool(self.answers) or not self.candidates
        return speaks and (self.goal is None or self.goal in prompt)

    def matches(self, prompt: str, prefix: str) -> bool:
        """Whether the rule answers this question."""
        return self.prefix in (None, prefix) and (self.goal is None or self.goal in prompt)


# The answer without a script: tactics that fit many goals, the likeliest first.
_DEFAULT_RULE = Rule(
    candidates=tuple(
        ScriptedCandidate(tactic, mean_logprob=-0.5 * rank)
        for rank, tactic in enumerate(UNIVERSAL_TACTICS, start=1)
    )
)


def read_script(path: Path) -> tuple[Rule, ...]:
    """Read and check a script.

    Raises:
        ModelFileError: The file cannot be read or is no script; the message names rule and field.
    """
    try:
        raw = read_json_value(path)
    except OSError as error:
        raise _wrong(f"cannot read the echo script {path}: {error.strerror or error}") from error
    except ValueError as error:  # invalid JSON and invalid UTF-8 alike
        raise _wrong(f"the echo script {path} is no JSON: {error}") from error
    if not isinstance(raw, list):
        raise _wrong(f"the echo script {path} is no list of rules")
    return tuple(_parse_rule(rule, f"echo script {path}, rule {i}") for i, rule in enumerate(raw))


def _wrong(problem: str) -> ModelFileError:
    return ModelFileError(problem, hint=_HINT)


class EchoBackend:
    """Answers from a script (``options.path``, or ``LLMSTEP_ECHO_SCRIPT``), or a fixed list."""

    def __init__(self, options: BackendOptions) -> None:
        path = options.path
        if path is None and (variable := os.environ.get(ECHO_SCRIPT)):
            path = Path(variable)
        self._rules = (_DEFAULT_RULE,) if path is None else read_script(path)
        self._context = options.context_tokens or _DEFAULT_CONTEXT
        self._path = path
        self._cached_prompt = ""

    @property
    def info(self) -> BackendInfo:
        """Name, script and window; there are no weights."""
        return BackendInfo(
            backend=ECHO,
            model=ECHO if self._path is None else self._path.stem,
            context_tokens=self._context,
        )

    def count_tokens(self, text: str) -> int:
        """Number of tokens: one for every four characters begun."""
        return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)

    def prefill(self, prompt: Sequence[PromptPart], cancel: CancelToken) -> GenerationStats:
        """Remember the prompt, so that the next request's statistics show it reused."""
        text = "".join(part.text for part in prompt)
        tokens = self.count_tokens(text)
        if tokens >= self._context:
            raise PromptTooLongError(
                f"the prompt has {tokens} tokens, the context window {self._context}"
            )
        pairs = zip(text, self._cached_prompt, strict=False)
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if not cancel.is_set():
            self._cached_prompt = text
        return GenerationStats(
            prompt_tokens=tokens, reused_tokens=min(tokens, common // _CHARACTERS_PER_TOKEN)
        )

    def generate(
        self,
        request: GenerationRequest,
        cancel: CancelToken,
        on_candidate: Callable[[Candidate], None],
    ) -> GenerationStats:
        """Play the first matching rule; candidates that do not start with the prefix are left out.

        Raises:
            PromptTooLongError: The prompt has more tokens than the window.
            GenerationError: The rule says so.
        """
        stats = self.prefill(request.prompt, cancel)
        prompt = "".join(part.text for part in request.prompt)
        rule = next((r for r in self._rules if r.matches(prompt, request.prefix)), Rule())
        fitting = [c for c in rule.candidates if c.tactic.startswith(request.prefix)]
        generated = 0
        for scripted in fitting[: request.sampling.n]:
            if not cancel.sleep(scripted.delay_s):
                break
            generated += 1
            logprob = scripted.mean_logprob
            on_candidate(Candidate(scripted.tactic, logprob, tokens=1, finish="eos"))
        stats = attrs.evolve(stats, generated_tokens=generated)
        self._end(rule, cancel)
        return stats

    @staticmethod
    def _end(rule: Rule, cancel: CancelToken) -> None:
        """What a rule has after its candidates."""
        if cancel.is_set():
            return
        if rule.hang:
            cancel.sleep(math.inf)
        if rule.exit_code is not None:
            os._exit(rule.exit_code)
        if rule.error is not None:
            raise GenerationError(rule.error)

    def write(
        self, request: WritingRequest, cancel: CancelToken, on_writing: OnWriting
    ) -> tuple[list[Written], GenerationStats]:
        """Play the answers of the first rule that has some and whose goal is in the prompt.

        Raises:
            PromptTooLongError: The prompt has more tokens than the window.
            GenerationError: The rule says so.
        """
        text = "\n".join(message.content for message in request.messages)
        parts = request.prompt or (PromptPart(text),)
        stats = self.prefill(parts, cancel)
        prompt = "".join(part.text for part in parts)
        rule = next((r for r in self._rules if r.plays_answer(prompt)), Rule())
        written = [
            _write_down(index, scripted, request, cancel, on_writing)
            for index, scripted in enumerate(rule.answers[: request.n])
        ]
        self._end(rule, cancel)
        tokens = sum(answer.tokens for answer in written)
        return written, attrs.evolve(stats, generated_tokens=tokens)

    def close(self) -> None:
        """Nothing is held; a second call does nothing either."""


def _write_down(
    index: int,
    scripted: ScriptedCandidate,
    request: WritingRequest,
    cancel: CancelToken,
    on_writing: OnWriting,
) -> Written:
    """A scripted answer, word by word as a model would write it."""
    answer = AnswerText(request)
    end: WritingEnd = "end"
    words: list[str] = []
    for count, word in enumerate(re.findall(r"\S*\s*", scripted.tactic)):
        if word.endswith("\n") and not cancel.sleep(scripted.delay_s):
            end = "time"
            break
        limit = request.thought_tokens if answer.thinking else request.most_tokens
        if count >= limit:
            end = "budget"
            break
        done = answer.add(word.encode())
        on_writing(index, answer.thinking, count + 1, answer.new_text())
        if done:
            break
        words.append(word)
        if repeats(words):
            end = "repetition"
            break
    tokens = len(answer.text.split())
    return Written(answer.text, scripted.mean_logprob * max(tokens, 1), tokens, end)


_RULE_FIELDS = ("prefix", "goal", "candidates", "answers", "error", "exit", "hang")


def _parse_rule(raw: Any, where: str) -> Rule:
    _check_fields(raw, _RULE_FIELDS, where)
    candidates = _field(raw, "candidates", list, where, [])
    answers = _field(raw, "answers", list, where, [])
    exit_code = _field(raw, "exit", int, where)
    if exit_code is not None and not 0 <= exit_code <= 255:
        raise _wrong(f"{where}: 'exit' must lie in 0..255, not {exit_code}")
    return Rule(
        prefix=_field(raw, "prefix", str, where),
        goal=_field(raw, "goal", str, where),
        candidates=tuple(
            _parse_candidate(c, f"{where}, candidate {i}", "tactic")
            for i, c in enumerate(candidates)
        ),
        answers=tuple(
            _parse_candidate(a, f"{where}, answer {i}", "text") for i, a in enumerate(answers)
        ),
        error=_field(raw, "error", str, where),
        exit_code=exit_code,
        hang=_field(raw, "hang", bool, where, False),
    )


def _parse_candidate(raw: Any, where: str, text: str) -> ScriptedCandidate:
    _check_fields(raw, (text, "score", "delayMs"), where)
    for name in (text, "score"):
        if name not in raw:
            raise _wrong(f"{where}: {name!r} is missing")
    score = _field(raw, "score", float, where)
    delay = _field(raw, "delayMs", float, where, 0)
    if not math.isfinite(score):
        raise _wrong(f"{where}: 'score' must be finite, not {score}")
    if not (math.isfinite(delay) and delay >= 0):
        raise _wrong(f"{where}: 'delayMs' must be 0 or more, not {delay}")
    return ScriptedCandidate(
        tactic=_field(raw, text, str, where), mean_logprob=float(score), delay_s=delay / 1000
    )


def _check_fields(raw: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(raw, dict):
        raise _wrong(f"{where} is no JSON object")
    for name in raw:
        if name not in known:
            raise _wrong(f"{where}: unknown field {name!r} (known: {', '.join(known)})")


def _field(raw: dict[str, Any], name: str, kind: type, where: str, default: Any = None) -> Any:
    if name not in raw:
        return default
    value = raw[name]
    # JSON writes 1.0 as 1, and Python counts true among the integers.
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
        shown = json.dumps(value)[:60]
        raise _wrong(f"{where}: {name!r} must be {_KIND_NAMES[kind]}, not {shown}")
    return value


_KIND_NAMES: dict[type, str] = {
    str: "a string",
    float: "a number",
    int: "an integer",
    bool: "true or false",
    list: "a list",
}
