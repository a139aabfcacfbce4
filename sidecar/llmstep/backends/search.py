"""The beams of one request: which live, which are finished, and what text they are.

This is the bookkeeping above `decoding`: it knows texts, stop strings and the characters a
candidate has to begin with, but no model. The caller feeds it logits, step by step.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import attrs
import numpy as np

from llmstep.backends.base import Candidate
from llmstep.backends.decoding import expand, root

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from llmstep.backends.base import FinishReason, NameFilter, Sampling
    from llmstep.backends.decoding import Nodes
    from llmstep.backends.tokens import Opening, Vocabulary

# Beams that still have to spell required characters live besides the n others: they have no text
# of their own yet, and would only push aside those that have.
HELD_BEAMS = 4


@attrs.frozen
class Beam:
    """The text side of a live beam.

    Attributes:
        data: Bytes generated so far.
        required: Bytes it still has to spell.
        parent: Row of its parent in the previous step's logits.
    """

    data: bytes = b""
    required: bytes = b""
    parent: int = 0


class Search:
    """Draws distinct candidates; `live` beams wait for the logits of their last token.

    Attributes:
        live: Beams in the order in which their logits are expected.
        nodes: Their numbers, row by row; ``nodes.token`` is what the model is fed next.
        generated: Tokens chosen so far, over all beams.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        opening: Opening,
        stop: Sequence[str],
        sampling: Sampling,
        names: NameFilter | None = None,
    ) -> None:
        self._names = names
        self._vocabulary = vocabulary
        self._opening = opening
        self._stop = tuple(s.encode() for s in stop if s)
        self._longest_stop = max(map(len, self._stop), default=0)
        self._sampling = sampling
        self._step = 0
        self._finished: list[float] = []  # perturbed values of the finished sequences
        self._mass = 0.0  # probability of all that is finished
        self._texts: set[str] = set()
        self.live: list[Beam] = [Beam(required=opening.required)]
        self.nodes: Nodes = root(sampling.seed)
        self.generated = 0

    @staticmethod
    def width(n: int) -> int:
        """Most live beams there can be for n candidates."""
        return n + HELD_BEAMS

    def advance(self, logits: npt.NDArray[np.float32]) -> list[Candidate]:
        """Take one step.

        Args:
            logits: Shape (live beams, vocabulary).

        Returns:
            The candidates that this step has finished, the best first. Their texts differ from
            each other and from all before.
        """
        sampling = self._sampling
        children = expand(
            logits,
            self.nodes,
            tuple(self._vocabulary.spelling(b.required) if b.required else None for b in self.live),
            self._vocabulary.unusable,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            # Some are doubles of each other, and some name what does not exist; all others beyond
            # the n best are lost anyway.
            limit=(4 if self._names else 2) * sampling.n + 4 * HELD_BEAMS,
        )
        self._step += 1
        return self._select(children)

    def drop_weakest(self) -> None:
        """Give up the worse half of the live beams (they stand best first), at least one."""
        count = len(self.live) // 2
        self.live = self.live[:count]
        self.nodes = self.nodes.take(np.arange(count))

    def _select(self, children: Nodes) -> list[Candidate]:
        """Let the finished sequences and the children compete for the n places."""
        n = self._sampling.n
        standing = sorted(self._finished, reverse=True)
        ranked = zip(
            children.row.tolist(),
            children.token.tolist(),
            children.perturbed.tolist(),
            strict=True,
        )
        survivors: list[float] = []
        new: list[Candidate] = []
        places: list[int] = []
        beams: list[Beam] = []
        spelled: set[bytes] = set()
        taken = held = older = 0
        for place, (row, token, perturbed) in enumerate(ranked):
            while older < len(standing) and standing[older] >= perturbed:
                older += 1
            if taken + older >= n:
                break
            parent = self.live[row]
            data = parent.data + self._vocabulary.pieces[token]
            text = self._opening.read(data)
            if text is None:  # no UTF-8: what comes after it can only be junk
                continue
            required = self._left_to_spell(parent, token)
            end, reason = self._find_end(parent, data, token)
            if reason is not None and end < len(data):
                text = self._opening.read(data[:end])
            if self._is_given_up(text, required, reason):
                continue
            if reason is not None:
                if not required and text and text.strip() and text not in self._texts:
                    self._texts.add(text)
                    logprob = float(children.logprob[place])
                    new.append(Candidate(text, logprob, self._step, reason))
                    self._mass += math.exp(logprob)
                    survivors.append(perturbed)
                    taken += 1
            elif data not in spelled and (not required or held < HELD_BEAMS):
                spelled.add(data)
                places.append(place)
                beams.append(Beam(data, required, row))
                held += bool(required)
                taken += not required
        self.generated += len(new) + len(beams)
        # What stood lower than the n-th is lost for good: no child is better than its parent.
        self._finished = standing[: n - taken] + survivors
        chosen = np.array(places, dtype=np.int64)
        worthy = np.exp(children.logprob[chosen]) >= self._sampling.least_share * self._mass
        self.live = list(itertools.compress(beams, worthy))
        self.nodes = children.take(chosen[worthy])
        return new

    def _is_given_up(self, text: str | None, required: bytes, reason: FinishReason | None) -> bool:
        """Whether it names what does not exist: its place goes to the next best."""
        if self._names is None or required or not text:
            return False
        return not self._names.admits(text, finished=reason in ("eos", "stop"))

    def _left_to_spell(self, parent: Beam, token: int) -> bytes:
        if not parent.required:
            return b""
        return parent.required[len(self._vocabulary.pieces[token]) :]

    def _find_end(self, parent: Beam, data: bytes, token: int) -> tuple[int, FinishReason | None]:
        """Where in its bytes a sequence ends, and why; ``None`` for one that goes on."""
        if self._vocabulary.ends[token]:
            return len(data), "eos"
        # A stop string may begin in an earlier token, but not inside the given characters.
        start = max(len(self._opening.required), len(parent.data) - self._longest_stop + 1)
        found = [at for s in self._stop if (at := data.find(s, start)) >= 0]
        if found:
            return min(found), "stop"
        return len(data), "length" if self._step >= self._sampling.max_tokens else None
