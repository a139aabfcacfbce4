"""The byte-level BPE of a model trained from scratch, and the encoding of training pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import attrs
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from llmstep.errors import PromptTooLongError
from llmstep.prompts.goal import trim_goal
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import TrainingDataError

PAD, BOS, EOS, GOAL, PROOFSTEP = "<pad>", "<s>", "</s>", "[GOAL]", "[PROOFSTEP]"
SPECIAL_TOKENS = (PAD, BOS, EOS, GOAL, PROOFSTEP)
# Models trained from scratch have learned texts that open with <s>.
TOKENIZER_SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": BOS,
    "eos_token": EOS,
    "pad_token": PAD,
    "add_bos_token": True,
}


@attrs.frozen
class EncodedPair:
    """Token ids of one pair.

    Attributes:
        prompt: ``<s>[GOAL]state[PROOFSTEP]``.
        target: ``tactic</s>``.
    """

    prompt: list[int]
    target: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.target)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE of ``vocab_size`` entries, special tokens included.

    The splitting rule is GPT-2's (``ByteLevel`` with its regular expression and no added space),
    because llama.cpp implements exactly that rule under the name ``gpt-2``.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def load_tokenizer(path: Path) -> Tokenizer:
    """Load a ``tokenizer.json``.

    Raises:
        TrainingDataError: A special token is missing.
    """
    tokenizer = Tokenizer.from_file(str(path))
    missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
    if missing:
        raise TrainingDataError(
            f"{path}: the tokenizer has no {', '.join(missing)}",
            hint="Use the tokenizer.json that `llmstep train` wrote for this model.",
        )
    return tokenizer


class PairEncoder:
    """Encode pairs with a state budget.

    A state of more than ``max_state`` tokens is shortened as a served one is (``trim_goal``), or
    it loses whole lines from the top, and of its target the beginning (``top``). A tactic of more
    than ``max_tactic`` tokens is cut without ``</s>``.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_state: int,
        max_tactic: int,
        trim: Literal["serving", "top"] = "serving",
    ) -> None:
        self.tokenizer = tokenizer
        # A literal "[GOAL]" inside a state is text, not the control token.
        self.tokenizer.encode_special_tokens = True
        self.max_state = max_state
        self.max_tactic = max_tactic
        self._trim = self._trim_as_served if trim == "serving" else self._trim_top
        vocabulary = tokenizer.get_vocab()
        self.bos, self.eos = vocabulary[BOS], vocabulary[EOS]
        self.goal, self.proofstep = vocabulary[GOAL], vocabulary[PROOFSTEP]

    def encode(self, rows: Sequence[Row]) -> list[EncodedPair]:
        """Encode ``rows``; the result has the same length and order."""
        states = self.tokenizer.encode_batch([row.state for row in rows])
        tactics = self.tokenizer.encode_batch([row.tactic for row in rows])
        pairs: list[EncodedPair] = []
        for row, state, tactic in zip(rows, states, tactics, strict=True):
            ids = state.ids if len(state.ids) <= self.max_state else self._trim(row.state)
            target = tactic.ids[: self.max_tactic]
            if len(tactic.ids) <= self.max_tactic:
                target = [*target, self.eos]
            pairs.append(EncodedPair([self.bos, self.goal, *ids, self.proofstep], target))
        return pairs

    def _trim_as_served(self, state: str) -> list[int]:
        try:
            text = trim_goal(state, self.max_state, self._count).text
        except PromptTooLongError:  # only where not even a shortened target fits
            text = state
        return self.tokenizer.encode(text).ids[-self.max_state :]

    def _count(self, text: str) -> int:
        return len(self.tokenizer.encode(text).ids)

    def _trim_top(self, state: str) -> list[int]:
        lines = state.split("\n")
        target = next((i for i, line in enumerate(lines) if line.startswith("⊢")), 0)
        # One encoding per length is affordable: only about one state in a hundred comes here.
        for start in range(1, target + 1):
            ids = self.tokenizer.encode("\n".join(lines[start:])).ids
            if len(ids) <= self.max_state:
                return ids
        return self.tokenizer.encode("\n".join(lines[target:])).ids[-self.max_state :]
