"""Training pairs in the words of a served prompt, and in the tokens of a pretrained model.

The prompt comes from the same template, by the same function and through the same tokenizer as a
served one, so that what a model is trained on and what it is asked cannot drift apart. A decoder is
asked from a few tokens before the end of a plain prompt on (its last word is taken back, so that a
prefix may end inside a token): these tokens are learned with the tactic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from llmstep.backends.base import PromptPart
from llmstep.backends.hf_tokenizer import TextTokens
from llmstep.backends.tokens import plan_opening
from llmstep.errors import PromptTooLongError
from llmstep.prompts.template import Template, build_prompts
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import RecipeError
from llmstep_workshop.training.tokenizer import EncodedPair

_SHOWN_SYMBOLS = 12


class PromptEncoder:
    """Encode pairs by a prompt template.

    Args:
        template: The template; it must have one prompt, made of the goal, and of premises where
            the rows bring some.
        tokens: The model's tokenizer.
        end: The token that ends a tactic.
        max_state: Most tokens of a state, and of premises with it; longer ones are shortened as
            in serving.
        max_tactic: Most tokens of a tactic; longer ones are cut and have no end.
        has_encoder: Whether an encoder reads the prompt and a decoder writes the tactic.

    Raises:
        RecipeError: The template has several prompts, or needs more than the goal.
    """

    def __init__(
        self,
        template: Template,
        tokens: TextTokens,
        end: int,
        max_state: int,
        max_tactic: int,
        *,
        has_encoder: bool,
    ) -> None:
        if len(template.prompts) != 1 or "context" in template.prompts[0].fields:
            raise RecipeError(
                f"the prompt template {template.id!r} cannot be trained: a training pair is one "
                "goal and one tactic, and it asks for more",
                hint="Take a template with one prompt that holds {state} alone, e.g. proofstep, "
                "proofstep-plain or byt5; the model must be served with the same.",
            )
        self._template = template
        self._tokens = tokens
        self._end = end
        fixed = "".join(literal for literal, _, _ in template.prompts[0].pieces)
        self._budget = max_state + self._count(fixed)
        self._max_tactic = max_tactic
        self._has_encoder = has_encoder

    @property
    def longest(self) -> int:
        """Most tokens of a pair, both sides together."""
        tokens = self._tokens
        return len(tokens.lead) + self._budget + len(tokens.trail) + self._max_tactic + 1

    def encode(self, rows: Sequence[Row]) -> list[EncodedPair]:
        """Encode ``rows``; the result has the same length and order."""
        return [self._encode(row) for row in rows]

    def _encode(self, row: Row) -> EncodedPair:
        fixed, text = self._split(self._fill(row))
        tail = self._tokens.encode(text, special=False)
        tactic = self._tokens.encode(row.tactic, special=False)
        ending = [self._end] if len(tactic) <= self._max_tactic else []
        tactic = tactic[: self._max_tactic]
        if self._has_encoder:
            return EncodedPair([*fixed, *tail, *self._tokens.trail], [*tactic, *ending])
        vocabulary, heal = self._tokens.vocabulary, not self._tokens.is_bytes
        opening = plan_opening(vocabulary, fixed, tail, text.encode(), b"", heal=heal)
        kept = len(opening.tokens) - len(fixed)
        return EncodedPair([*opening.tokens], [*tail[kept:], *tactic, *ending])

    def _fill(self, row: Row) -> tuple[PromptPart, ...]:
        try:
            return build_prompts(
                self._template,
                [row.state],
                "",
                self._budget,
                self._count,
                retrieved=row.premises,
            )[0].parts
        except PromptTooLongError:
            # A target of one endless word: its end, as far as it surely fits.
            short = row.state.encode()[-self._budget // 2 :].decode(errors="ignore")
            return build_prompts(self._template, [short], "", 10**9, self._count)[0].parts

    def _split(self, parts: Sequence[PromptPart]) -> tuple[list[int], str]:
        """Tokens up to the last special part, and the plain text after it."""
        fixed, text = list(self._tokens.lead), ""
        for part in parts:
            if part.special:
                fixed += self._tokens.encode(text, special=False)
                fixed += self._tokens.encode(part.text, special=True)
                text = ""
            else:
                text += part.text
        return fixed, text

    def _count(self, text: str) -> int:
        return len(self._tokens.encode(text, special=False))


def count_lost_symbols(rows: Sequence[Row], tokens: TextTokens) -> Counter[str]:
    """Characters of the rows that the tokenizer cannot write, and how often they stand there.

    Each is tried between two letters: ``a⊢b`` must come back as it was.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update(row.state)
        counts.update(row.tactic)
    pieces = tokens.vocabulary.pieces
    lost: Counter[str] = Counter()
    for symbol, count in counts.items():
        text = f"a{symbol}b"
        spelled = b"".join(pieces[token] for token in tokens.encode(text, special=False))
        if spelled.lstrip(b" ") != text.encode():
            lost[symbol] = count
    return lost


def describe_lost_symbols(lost: Counter[str]) -> str:
    """One sentence that names the commonest lost symbols with their counts."""
    named = ", ".join(f"{symbol!r} {count:,}" for symbol, count in lost.most_common(_SHOWN_SYMBOLS))
    more = ", ..." if len(lost) > _SHOWN_SYMBOLS else ""
    return (
        f"the base model's tokenizer cannot write {len(lost)} of the data's symbols, which it "
        f"meets {lost.total():,} times ({named}{more}): the model will not learn them. A model "
        "with a byte-level tokenizer (Pythia, Llama 3, Qwen, ByT5) can."
    )
