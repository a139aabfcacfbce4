"""By what a statement is found: the symbols of its conclusion, and the words of its name.

Names in Lean's libraries spell out what they state, in reading order (``mul_le_mul_left`` for
``a * b ≤ a * c``). So a goal is put into such words, too, and asks for names that hold them, and
for conclusions that hold its symbols. The kinds of features: ``G`` a word or symbol of the
conclusion (named as those of goals are, see `features`), ``D`` two of them in a row, variables left
out, ``T`` relation and outermost symbols of both sides, ``W`` a word of the name, ``V`` two such
words in a row, ``S`` a namespace of the name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.vocabulary import pairs, symbols
from llmstep.prompts.goal import Goal
from llmstep.sources.features import unify_numbers
from llmstep.sources.proposition import (
    BIG,
    BINDERS,
    Proposition,
    is_variable,
    read_proposition,
    tokens_of,
)

# What is asked for: features of statements, each with how much it counts.
Query = Mapping[str, float]

_CAMEL = late_pattern(r"[A-Z]?[^A-Z_]+|[A-Z]+(?![^A-Z_])")
_DECORATION = str.maketrans("", "", "'₀₁₂₃₄₅₆₇₈₉✝?!")
# Words of names for symbols (Mathlib's naming conventions).
_WORD_OF_SYMBOL = pairs(
    r"""
    + add  * mul  - sub  / div  ^ pow  • smul  ⁻¹ inv  ∣ dvd  = eq  ≠ ne  ≤ le  < lt  ≥ le
    > lt  ∈ mem  ∉ notMem  ⊆ subset  ⊂ ssubset  ∪ union  ∩ inter  ⊔ sup  ⊓ inf  ⊤ top  ⊥ bot
    ∅ empty  ∘ comp  ∑ sum  ∏ prod  ∫ integral  ∧ and  ∨ or  ¬ not  ↔ iff  ∃ exists  ∀ forall
    ⋃ iUnion  ⋂ iInter  ⨆ iSup  ⨅ iInf  ×ˢ prod  ᶜ compl  \ diff  ‖ norm  | abs  0 zero  1 one
    2 two  ⁻¹' preimage  '' image  𝓝 nhds  ∀ᵐ ae  ∀ᶠ eventually  % mod  :: cons  ++ append
    ≡ modEq  ∃ᶠ frequently  ∑' tsum  ∏' tprod  ∫⁻ lintegral  √ sqrt  =ᵐ ae_eq  ≤ᵐ ae_le
    ∃! existsUnique  ⌊ floor  ⌈ ceil  ≪ absolutelyContinuous  → imp  ≃ equiv
    """
)
_SILENT = symbols("() [] {} ⟨ ⟩ ( ) [ ] { } , : . ↑ ⇑ fun => ↦ λ at by := @ ⦃ ⦄ ⟦ ⟧ ‹ › ;")


def statement_features(name: str, conclusion: str) -> frozenset[str]:
    """The features of a statement, from its full name and its conclusion."""
    proposition = read_proposition(conclusion)
    *outer, last = name.split(".")
    words = name_words(last)
    found = set(_content(_constants(proposition.conclusion, ())))
    found.update(_shape(proposition))
    found.update(f"W{word}" for word in words)
    found.update(f"W{part}" for word in words for part in name_parts(word))
    found.update(f"V{first} {second}" for first, second in pairwise(words))
    found.update(f"S{part}" for part in outer)
    return frozenset(found)


def goal_query(goal: Goal) -> dict[str, float]:
    """What a goal asks for: features of statements, each with how much it counts."""
    target = goal.target.removeprefix("⊢").removeprefix("|-").strip()
    names = {name for hypothesis in goal.hypotheses for name in hypothesis.names}
    proposition = read_proposition(target)
    constants = _constants(proposition.conclusion, names)
    query = dict.fromkeys(_content(constants), 1.0)
    query |= dict.fromkeys(_shape(proposition), 1.0)
    spoken = [word for token in constants for word in spoken_words(token)]
    query |= {f"W{word}": 0.7 for word in spoken}
    query |= {
        f"W{part}": 0.5 for word in spoken for part in name_parts(word) if f"W{part}" not in query
    }
    query |= {f"V{first} {second}": 0.7 for first, second in pairwise(spoken)}
    for token in constants:
        if token[0].isupper():
            query[f"S{token}"] = 0.7
    for hypothesis in goal.hypotheses:
        for token in tokens_of(hypothesis.type):
            if token[0].isupper() and not is_variable(token):
                query.setdefault(f"S{token}", 0.3)
    return query


def spoken_words(token: str) -> tuple[str, ...]:
    """How names of lemmas speak of a symbol or a constant."""
    if token in _WORD_OF_SYMBOL:
        return tuple(_WORD_OF_SYMBOL[token].split("_"))
    if not token[0].isalpha():
        return ()
    plain = _plain(token)
    return (plain,) if plain else ()


def _content(constants: list[str]) -> Iterator[str]:
    for token in constants:
        yield f"G{token}"
    for first, second in pairwise(constants):
        yield f"D{first} {second}"


def _shape(proposition: Proposition) -> Iterator[str]:
    left, right = proposition.left_head, proposition.right_head
    if proposition.relation:
        yield f"T{proposition.relation} {left} {right}"
        yield f"T{proposition.relation} {left}"
        yield f"T{proposition.relation} . {right}"
    else:
        yield f"T{left}"


def _constants(text: str, names: Collection[str]) -> list[str]:
    found: list[str] = []
    binding = False
    for token in tokens_of(text):
        if token in BIG or token in BINDERS:
            binding = True
        elif token == ",":
            binding = False
        elif binding and token == "∈":
            continue  # `∑ x ∈ s` is not about membership
        if token not in names and token not in _SILENT and not is_variable(token):
            found.append(unify_numbers(token))
    return found


def _plain(word: str) -> str:
    """A word as names hold it: no decoration, the first letter small."""
    word = word.translate(_DECORATION)
    return word[:1].lower() + word[1:]


def name_words(name: str) -> list[str]:
    """The words that the last component of a name is made of."""
    return [word for part in name.split("_") if (word := _plain(part))]


def name_parts(word: str) -> Iterable[str]:
    """The parts of ``notMem`` or ``atTop``, if there are several."""
    found = _CAMEL.findall(word)
    return [part.lower() for part in found] if len(found) > 1 else ()
