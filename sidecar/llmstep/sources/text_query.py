"""What somebody asks for in words: a name or half of one, a formula, or a few English words.

Names of lemmas spell out what they state in a small vocabulary of their own (`statement_features`),
so words of English are put into that vocabulary first.
"""

from __future__ import annotations

from itertools import pairwise

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN
from llmstep.lean_text.vocabulary import symbols
from llmstep.prompts.goal import Goal
from llmstep.sources.statement_features import Query, goal_query, name_parts, name_words

# Nobody types more; a whole file is no question.
LONGEST_TEXT = 2_000
_MOST_NAMES = 20
_WORD = late_pattern(WORD_PATTERN)
_SYMBOL = late_pattern(r"[^\w\s.,;:?!'\"()]|\d")
# Words that say nothing about what is stated.
_SILENT = symbols(
    """
    a an the of is are be that which any every each some with for from to in on at by as its it
    lemma lemmas theorem theorems fact facts about prove proof show state states stating says when
    where whenever number numbers element elements two does do if then there such has have
    """
)
# English, or mathematicians' words, in the words of names (Mathlib's naming conventions).
_WORDS_FOR = {
    "add": "plus addition adding sum sums added",
    "sum": "sum sums summation",
    "mul": "times multiplication multiply multiplying multiplied product products",
    "prod": "product products pair pairs",
    "sub": "minus subtraction subtract difference",
    "div": "division divide divided quotient",
    "dvd": "divides dividing divisible divisor divisibility",
    "pow": "power powers exponent exponentiation",
    "sq": "square squares squared",
    "sqrt": "root",
    "inv": "inverse inverses reciprocal",
    "neg": "negative negation negated opposite",
    "pos": "positive positivity",
    "nonneg": "nonnegative",
    "comm": "commutative commutativity commutes commute swap",
    "assoc": "associative associativity",
    "distrib": "distributive distributivity distributes distribute",
    "strict": "strictly",
    "symm": "symmetric symmetry",
    "trans": "transitive transitivity",
    "refl": "reflexive reflexivity",
    "antisymm": "antisymmetric antisymmetry",
    "cancel": "cancellation cancels cancellative",
    "self": "itself same",
    "zero": "zero vanishes vanishing null",
    "one": "unit",
    "succ": "successor",
    "pred": "predecessor",
    "lt": "less smaller strictly below",
    "le": "less smaller atmost bounded",
    "gt": "greater larger bigger",
    "ge": "greater larger bigger",
    "eq": "equal equals equality",
    "ne": "unequal distinct different",
    "not": "no never negation",
    "and": "conjunction both",
    "or": "disjunction either",
    "iff": "equivalent equivalence equivalently iff",
    "exists": "exist existence",
    "forall": "all",
    "mem": "member members membership belongs contained",
    "subset": "subsets contained inclusion included",
    "union": "unions",
    "inter": "intersection intersections",
    "compl": "complement complements",
    "empty": "void",
    "card": "cardinality size count",
    "comp": "composition compose composed composite",
    "inj": "injective injectivity injection",
    "injective": "injection onetoone",
    "surjective": "surjection onto",
    "bijective": "bijection",
    "mono": "monotone monotonic monotonicity increasing",
    "monotone": "monotonic monotonicity increasing",
    "anti": "antitone decreasing",
    "continuous": "continuity",
    "deriv": "derivative derivatives differentiate",
    "integral": "integration integrate",
    "measurable": "measurability",
    "tendsto": "converges convergence limit limits",
    "abs": "absolute",
    "norm": "norms length",
    "max": "maximum",
    "min": "minimum",
    "sup": "supremum join",
    "inf": "infimum meet infinite",
    "top": "greatest",
    "bot": "least bottom",
    "even": "parity",
    "odd": "parity",
    "prime": "primes",
    "coprime": "coprimality",
    "mod": "modulo remainder",
    "modEq": "congruent congruence",
    "length": "size",
    "append": "concatenation concatenate",
    "reverse": "reversed reversal",
    "map": "maps mapping",
    "range": "image",
    "image": "images",
    "preimage": "preimages",
    "induction": "inductive",
    "rec": "recursion recursive",
    "cast": "coercion casts casting",
    "left": "left",
    "right": "right",
}
_IN_NAMES: dict[str, tuple[str, ...]] = {}
for _name, _words in _WORDS_FOR.items():
    for _word in _words.split():
        _IN_NAMES[_word] = (*_IN_NAMES.get(_word, ()), _name)


def text_query(text: str) -> Query:
    """The features of statements that a text asks for, each with how much it counts.

    Args:
        text: A name such as ``Nat.add_comm`` or half of one, a formula such as ``_ + _ = _ + _``,
            or words such as ``addition is commutative``, in any mixture.
    """
    text = text[:LONGEST_TEXT]
    query: dict[str, float] = {}
    if _SYMBOL.search(text):
        query |= goal_query(Goal("", (), text))
    spoken: list[str] = []
    for word in _WORD.findall(text):
        *outer, last = word.split(".")
        for namespace in outer:
            query[f"S{namespace}"] = 1.0
        if not outer and last.lower() in _SILENT:
            continue
        if not outer and last[0].isupper():
            # A constant of the statement, or a namespace that it stands in.
            query[f"S{last}"] = query[f"G{last}"] = 1.0
        for part in name_words(last):
            meant = _IN_NAMES.get(part.lower(), ())
            for name in (part, _singular(part), *meant):
                query.setdefault(f"W{name}", 1.0 if name == part or meant else 0.7)
                for piece in name_parts(name):
                    query.setdefault(f"W{piece}", 0.7)
            spoken.append(meant[0] if meant else part)
    for first, second in pairwise(spoken):
        query.setdefault(f"V{first} {second}", 0.7)
    return query


def names_in(text: str) -> list[str]:
    """The words of a text that may be whole names of lemmas."""
    words = _WORD.findall(text[:LONGEST_TEXT])
    return [*dict.fromkeys(word for word in words if "." in word or "_" in word)][:_MOST_NAMES]


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
