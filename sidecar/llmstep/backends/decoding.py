"""Sampling without replacement from an autoregressive model: stochastic beam search.

n independent samples of a short, peaked sequence distribution are mostly the same few sequences.
Stochastic beam search (Kool, van Hoof, Welling, "Stochastic Beams and Where to Find Them", 2019,
arXiv:1903.06059) draws n *distinct* sequences, distributed as n draws without replacement: it is a
beam search over log-probabilities perturbed with Gumbel noise, where the noise of the children is
drawn under the condition that their maximum equals their parent's.

Here the noise of a child is a function of the seed and of the tokens on its path alone (a counter
based generator, SplitMix64), so a draw depends neither on the order of the beams nor on how many
there are, and a bit of rounding in the logits moves at most the sequences it touches.

Everything in this module is plain numpy on host memory. Logits are float32 as the model gives
them; the few values that survive truncation are float64.
"""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
KeyArray = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_NEGLIGIBLE = 1e-9
# Mass of the least likely tokens that sampling leaves out of a vocabulary of that size and more,
# where no nucleus is asked for.
_NEVER_DRAWN = 1e-3
_LARGE_VOCABULARY = 8192


@attrs.frozen(eq=False)
class Nodes:
    """Nodes of the tree of sequences, as parallel arrays of shape (k,).

    Attributes:
        row: Row of the node's parent in the step's logits.
        token: Token that leads from the parent to the node.
        perturbed: Perturbed log-probability, the order of the search; at temperature 0 plain.
        log_weight: Log-probability under the distribution that is sampled from.
        logprob: Log-probability under the model itself (temperature 1, nothing truncated).
        key: State of the noise generator on the node's path.
    """

    row: IntArray
    token: IntArray
    perturbed: FloatArray
    log_weight: FloatArray
    logprob: FloatArray
    key: KeyArray

    def take(self, index: IntArray) -> Nodes:
        """The nodes at these places, in this order."""
        return Nodes(*(array[index] for array in attrs.astuple(self, recurse=False)))


@attrs.frozen(eq=False)
class Allowed:
    """The tokens a beam may take while it still has to spell given characters.

    Attributes:
        extending: Tokens that spell all of the characters, and perhaps more; shape (a,).
        partial: Tokens that spell only a beginning of them; shape (b,).
    """

    extending: IntArray
    partial: IntArray


def root(seed: int) -> Nodes:
    """The empty sequence: one node, from which every draw starts.

    Its perturbed value is free to choose: the order of a draw without replacement does not depend
    on the maximum of the noise.
    """
    key = _mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64) + _GOLDEN)
    zero = np.zeros(1)
    none = np.zeros(1, dtype=np.int64)
    return Nodes(none, none, zero, zero, zero, key)


def expand(
    logits: npt.NDArray[np.float32],
    parents: Nodes,
    allowed: tuple[Allowed | None, ...],
    unusable: IntArray,
    *,
    temperature: float,
    top_p: float,
    limit: int,
) -> Nodes:
    """One step of the search: the best children of all beams.

    Args:
        logits: Shape (beams, vocabulary); not changed.
        parents: The beams, one for each row.
        allowed: For each row the tokens it is held to, or ``None`` for all.
        unusable: Tokens nobody may take.
        temperature: Divides the logits; 0 turns the noise and the truncation off (beam search).
        top_p: Each step's distribution is cut to the smallest set of this mass, and renormalised;
            1 leaves out only the least likely tokens of a large vocabulary, less than 0.001
            together.
        limit: Most children wanted.

    Returns:
        At most ``limit`` children, the highest perturbed value first.
    """
    free = [row for row, held in enumerate(allowed) if held is None]
    groups: list[Nodes] = []
    if free:
        groups.append(_expand_free(logits, parents, free, unusable, temperature, top_p, limit))
    for row, held in enumerate(allowed):
        if held is not None:
            groups.append(_expand_held(logits[row], parents, row, held, temperature, top_p))
    children = _concatenate(groups)
    count = len(children.token)
    if count > limit:
        index = np.argpartition(children.perturbed, count - limit)[count - limit :]
        children = children.take(index)
    return children.take(np.argsort(-children.perturbed, kind="stable"))


def log_normalizer(logits: npt.NDArray[np.float32]) -> FloatArray:
    """``log(sum(exp(logits)))`` along the last axis."""
    top = logits.max(axis=-1)
    total = np.exp(logits - top[..., None]).sum(axis=-1, dtype=np.float64)
    return top + np.log(total)


def condition_on_maximum(
    gumbels: FloatArray, maximum: FloatArray, target: FloatArray
) -> FloatArray:
    """Move Gumbel variables so that their maximum becomes the target (Kool et al., appendix B.3).

    Args:
        gumbels: Values, shape (k,).
        maximum: For each value the maximum of its group, shape (k,).
        target: For each value the maximum its group shall have, shape (k,).

    Returns:
        ``-log(exp(-target) - exp(-maximum) + exp(-gumbels))`` without overflow; shape (k,).
    """
    with np.errstate(divide="ignore"):
        # log(1 - exp(gumbel - maximum)); -inf for the maximum itself.
        shifted = target - gumbels + np.log(-np.expm1(gumbels - maximum))
    return target - np.maximum(shifted, 0.0) - np.log1p(np.exp(-np.abs(shifted)))


def draw_gumbels(keys: KeyArray, tokens: IntArray) -> tuple[KeyArray, FloatArray]:
    """Standard Gumbel noise for the children that these tokens lead to.

    Returns:
        The children's own keys, and their noise; both of shape (k,).
    """
    child_keys = _mix(keys + _GOLDEN * (tokens.astype(np.uint64) + np.uint64(1)))
    uniform = ((child_keys >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return child_keys, -np.log(-np.log(uniform))


def _expand_free(
    logits: npt.NDArray[np.float32],
    parents: Nodes,
    free: list[int],
    unusable: IntArray,
    temperature: float,
    top_p: float,
    limit: int,
) -> Nodes:
    """Children of the beams that may take any token; all rows at once."""
    picked = np.array(free)
    chosen = logits if len(free) == len(logits) else logits[picked]
    normalizer = log_normalizer(chosen)
    scaled = chosen * np.float32(1.0 / temperature if temperature > 0 else 1.0)
    scaled[:, unusable] = -np.inf
    if temperature == 0:
        rows, tokens = _best_of_each_row(scaled, limit)
        return _plain(chosen, normalizer, parents, picked, rows, tokens)
    scaled -= scaled.max(axis=1, keepdims=True)
    weights = np.exp(scaled, out=scaled)
    totals = weights.sum(axis=1)
    # A token below this cannot belong to the nucleus: all of them together weigh less than what
    # the nucleus leaves over. It spares sorting the whole vocabulary, and drawing for each of
    # tens of thousands of tokens where there is no nucleus.
    size = weights.shape[1]
    spare = max(1.0 - top_p, _NEVER_DRAWN if size >= _LARGE_VOCABULARY else 0.0)
    floor = max(spare / size, 1e-30) * totals
    rows, tokens = np.nonzero(weights >= floor[:, None].astype(np.float32))
    share = weights[rows, tokens] / totals[rows].astype(np.float64)
    if top_p < 1.0:
        # Rows ascending, within a row the heaviest token first (a share lies in (0, 1]).
        order = np.argsort(rows - share)
        rows, tokens, share = rows[order], tokens[order], share[order]
        starts = _first_of_each_row(rows)
        before = np.cumsum(share) - share
        before -= before[starts][rows]
        kept = before < top_p
        kept[starts] = True
        rows, tokens, share = rows[kept], tokens[kept], share[kept]
    starts = _first_of_each_row(rows)
    mass = np.add.reduceat(share, starts)
    sources = picked[rows]
    log_weight = parents.log_weight[sources] + np.log(share / mass[rows])
    keys, noise = draw_gumbels(parents.key[sources], tokens)
    noise += log_weight
    maxima = np.maximum.reduceat(noise, starts)
    return Nodes(
        row=sources,
        token=tokens,
        perturbed=condition_on_maximum(noise, maxima[rows], parents.perturbed[sources]),
        log_weight=log_weight,
        logprob=parents.logprob[sources] + (chosen[rows, tokens] - normalizer[rows]),
        key=keys,
    )


def _expand_held(
    logits: npt.NDArray[np.float32],
    parents: Nodes,
    row: int,
    held: Allowed,
    temperature: float,
    top_p: float,
) -> Nodes:
    """Children of one beam that has to spell given characters.

    Their weights are *not* renormalised: a path on which the characters are unlikely (a token that
    spells half of them and is then hard to continue) must lose against one that spells them in the
    usual way, also when each of its steps leaves it no choice. The sequences that are ruled out
    keep their share of the noise: their maximum is one more Gumbel variable, at the log of their
    mass.
    """
    normalizer = log_normalizer(logits)
    source = np.array([row])
    if temperature == 0:
        tokens = np.concatenate([held.extending, held.partial])
        rows = np.zeros(len(tokens), dtype=np.int64)
        return _plain(logits[None, :], normalizer[None], parents, source, rows, tokens)
    scaled = logits * np.float32(1.0 / temperature)
    log_total = log_normalizer(scaled)
    ahead = held.extending[np.argsort(-scaled[held.extending], kind="stable")]
    if len(ahead):
        share = np.exp(scaled[ahead] - scaled[ahead].max(), dtype=np.float64)
        ahead = ahead[np.cumsum(share) - share <= top_p * share.sum()]
    tokens = np.concatenate([ahead, held.partial])
    if not len(tokens):
        return parents.take(np.zeros(0, dtype=np.int64))
    log_share = scaled[tokens] - log_total
    log_weight = parents.log_weight[row] + log_share
    keys, noise = draw_gumbels(np.repeat(parents.key[source], len(tokens)), tokens)
    noise += log_weight
    maximum = noise.max()
    rest = 1.0 - np.exp(log_share).sum()
    if rest > _NEGLIGIBLE:
        _, spare = draw_gumbels(parents.key[source], np.array([len(logits)]))
        maximum = max(maximum, spare[0] + parents.log_weight[row] + np.log(rest))
    full = np.full(len(tokens), maximum)
    return Nodes(
        row=np.full(len(tokens), row),
        token=tokens,
        perturbed=condition_on_maximum(noise, full, np.repeat(parents.perturbed[row], len(tokens))),
        log_weight=log_weight,
        logprob=parents.logprob[row] + (logits[tokens] - normalizer),
        key=keys,
    )


def _plain(
    logits: npt.NDArray[np.float32],
    normalizer: FloatArray,
    parents: Nodes,
    picked: IntArray,
    rows: IntArray,
    tokens: IntArray,
) -> Nodes:
    """Children without noise: plain beam search."""
    sources = picked[rows]
    logprob = parents.logprob[sources] + (logits[rows, tokens] - normalizer[rows])
    return Nodes(sources, tokens, logprob, logprob, logprob, parents.key[sources])


def _best_of_each_row(scores: npt.NDArray[np.float32], limit: int) -> tuple[IntArray, IntArray]:
    beams, size = scores.shape
    count = min(limit, size)
    tokens = np.argpartition(scores, size - count, axis=1)[:, size - count :].ravel()
    rows = np.repeat(np.arange(beams), count)
    usable = scores[rows, tokens] > -np.inf
    return rows[usable], tokens[usable]


def _first_of_each_row(rows: IntArray) -> IntArray:
    """Where each row begins in ascending row numbers; no row may be missing."""
    return np.concatenate([[0], np.flatnonzero(rows[1:] != rows[:-1]) + 1])


def _concatenate(groups: list[Nodes]) -> Nodes:
    if len(groups) == 1:
        return groups[0]
    columns = zip(*(attrs.astuple(group, recurse=False) for group in groups), strict=True)
    return Nodes(*(np.concatenate(column) for column in columns))


def _mix(state: KeyArray) -> KeyArray:
    """Finish a SplitMix64 step (Steele, Lea, Flood 2014): arithmetic is modulo 2**64 on purpose."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
