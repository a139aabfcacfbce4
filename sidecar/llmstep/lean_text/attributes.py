"""What Mathlib's attributes ``simps`` and ``to_additive`` declare, as far as text tells it.

``simps`` makes an equation for each field of the structure that a definition gives: of those that
the attribute names, or that stand behind ``where``. The values of ``toFun`` and ``invFun`` are
those of the function and of its inverse.

``to_additive`` splits a name at capitals and underscores, translates words, and puts a few joined
words right (Mathlib/Tactic/Translate/ToAdditive.lean). The text is translated by its symbols alone,
which is enough to find a statement by what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.lean_text.lexer import WORD_PATTERN, plain_name
from llmstep.lean_text.vocabulary import pairs

_SAME_WITH_ADD = (
    "monoid submonoid group subgroup semigroup torsor magma haar prehaar unit units cyclic semigrp "
    "grp commute semiconj conjugates conj commutator quantale irreducible"
)
_WORDS = {word: f"Add{word.capitalize()}" for word in _SAME_WITH_ADD.split()} | pairs(
    """
    one Zero  mul Add  smul VAdd  inv Neg  div Sub  prod Sum  hmul HAdd  hsmul HVAdd  hdiv HSub
    hpow HSMul  finprod Finsum  tprod TSum  pow NSMul  npow NSMul  zpow ZSMul  mabs Abs
    rootable Divisible  zpowers ZMultiples  powers Multiples  multipliable Summable
    square Even  mconv Conv  mlconvolution LConvolution
    """
)
# Of what is joined again; written as it is there with the first capitals made small.
_JOINED = pairs(
    """
    isCancelAdd IsCancelAdd  isLeftCancelAdd IsLeftCancelAdd  isRightCancelAdd IsRightCancelAdd
    cancelAdd AddCancel  leftCancelAdd AddLeftCancel  rightCancelAdd AddRightCancel
    cancelCommAdd AddCancelComm  commAdd AddComm  zero_le Nonneg  zeroLE Nonneg  zero_lt Pos
    zeroLT Pos  lezero Nonpos  le_zero Nonpos  ltzero Neg  lt_zero Neg
    addAntidiagonal Antidiagonal  addSingle Single  addSupport Support  addTSupport TSupport
    addIndicator Indicator  isEven Even  isRegular IsAddRegular  isLeftRegular IsAddLeftRegular
    isRightRegular IsAddRightRegular  negFun InvFun  uniqueProds UniqueSums  orderOf AddOrderOf
    zeroLePart PosPart  leZeroPart NegPart  isScalarTower VAddAssocClass
    isOfFinOrder IsOfFinAddOrder  isCentralScalar IsCentralVAdd
    divisionAddMonoid SubtractionMonoid  subNegZeroAddMonoid SubNegZeroMonoid
    """
)
_LONGEST_JOINED = max(map(len, _JOINED))
# Types that are not translated by the words of their names.
_TYPES = pairs(
    """
    Prod Prod  Unit Unit  PUnit PUnit  Con AddCon  OreLocalization AddOreLocalization
    MulArchimedeanClass ArchimedeanClass  MulArchimedeanOrder ArchimedeanOrder
    FiniteMulArchimedeanClass FiniteArchimedeanClass
    """
)
_PART = late_pattern(r"_|LE|LT|GE|GT|WF|[A-Z]*[^A-Z_]*")
_CAPITALS = late_pattern(r"[A-Z]*")
_TO_ADDITIVE = late_pattern(rf"\bto_additive\b((?:\s*\([^()]*\))*)\s*(?P<name>{WORD_PATTERN})?")
_LISTS = late_pattern(r"@\[([^\]]*)\]")
_ATOM = r"(?:(?<![\w'.])[^\W\d][\w'.]*|(?<!\w)\d+|\([^()]*\))"
_POWER = late_pattern(rf"({_ATOM}) \^ ({_ATOM})")
_INVERSE = late_pattern(rf"({_ATOM})⁻¹")
_TOKEN = late_pattern(rf"(?P<kept>\x00[^\x00]*\x00)|(?P<word>{WORD_PATTERN})|\b1\b|[*/∏•]")
_SYMBOLS = {"1": "0", "*": "+", "/": "-", "∏": "∑", "•": "+ᵥ"}

_SIMPS = late_pattern(
    rf"\bsimps[!?]*\s*(?P<options>(?:\([^()]*\)\s*|[-+]\w+\s*)*)"
    rf"(?P<fields>(?:{WORD_PATTERN}\s*)*)(?=[,\])]|$)"
)
_FIELD = late_pattern(
    rf"^(?P<indent>[ \t]+)(?P<name>{WORD_PATTERN})(?P<arguments>(?:[ \t]+{WORD_PATTERN}|[ \t]+_)*)"
    r"[ \t]*:=[ \t]*(?P<value>[^\n]*)",
    re.MULTILINE,
)
_FUNCTION = late_pattern(rf"fun ((?:{WORD_PATTERN} ?)+)(?:=>|↦) (.*)")
_CALLED = {"toFun": "apply", "invFun": "symm_apply", "carrier": "coe"}
# What these say is a proposition.
_PROOFS = late_pattern(
    r"(?:map_|.*_(?:mem|mem'|inv|inv'|comp|id)$|.*_(?:smul|add|mul)'?$|prop|comm)"
)
_LONGEST_VALUE = 120


def read_simps(lead: str, body: str) -> Iterator[tuple[str, str, str]]:
    """The equations that the attribute makes, as far as the text tells what they say.

    Args:
        lead: What stands in front of the definition's keyword.
        body: The definition from its ``where`` on; empty if it has none.

    Yields:
        What is added to the definition's name; what it is applied to, such as ``x`` or ``.obj X``;
        its value.
    """
    attributes = " , ".join(found[1] for found in _LISTS.finditer(lead))
    attribute = _SIMPS.search(attributes)
    if attribute is None:
        return
    named = attribute["fields"].split()
    for end, applied, value in _read_fields(body):
        if not named or end in named:
            yield end, applied, value


def _read_fields(body: str) -> Iterator[tuple[str, str, str]]:
    if not body.startswith("where"):
        return
    found = list(_FIELD.finditer(body))
    indent = len(found[0]["indent"]) if found else 0
    for field in found:
        name, arguments, value = field["name"], field["arguments"].strip(), field["value"].strip()
        if len(field["indent"]) != indent or value.startswith("by") or _PROOFS.match(name):
            continue
        if not arguments and (function := _FUNCTION.fullmatch(value)):
            arguments, value = function[1].strip(), function[2].strip()
        if not value or len(value) > _LONGEST_VALUE or "_" in arguments.split():
            continue
        prefix = ".symm " if name == "invFun" else "" if name in _CALLED else f".{name} "
        end = _CALLED.get(name) or name.replace(".", "_")
        yield end, f"{prefix}{arguments}".strip(), value


def read_additive(lead: str) -> str | None:
    """The name that ``to_additive`` in front of a keyword gives; empty if it is to be guessed.

    ``None`` if there is no such attribute, or the additive form has been declared before.
    """
    for attributes in _LISTS.finditer(lead):
        if found := _TO_ADDITIVE.search(attributes[1]):
            name = found["name"] or ""
            return None if name in ("existing", "self", "none") else plain_name(name)
    return None


def additive_name(name: str, given: str = "") -> str:
    """The additive form of a full name, of which the attribute may give the end."""
    parts = name.split(".")
    translated = [_TYPES.get(part) or _translate(part) for part in parts[:-1]]
    if given:
        return ".".join([*translated[: max(len(parts) - len(given.split(".")), 0)], given])
    return ".".join([*translated, _translate(parts[-1])])


def additive_text(text: str) -> str:
    """A statement's text with additive symbols and names for the multiplicative ones."""
    text = _POWER.sub(lambda found: f"\x00{found[2]} • \x00{found[1]}", text)
    text = _INVERSE.sub(r"-\1", text)

    def translate(token: re.Match[str]) -> str:
        if token["kept"]:
            return token["kept"][1:-1]
        if token["word"]:
            parts = token["word"].split(".")
            return ".".join(_TYPES.get(part) or _translate(part) for part in parts)
        return _SYMBOLS[token[0]]

    return _TOKEN.sub(translate, text).replace("\x00", "")


def _translate(word: str) -> str:
    return "'".join(map(_translate_plain, word.split("'")))


def _translate_plain(word: str) -> str:
    parts: list[str] = []
    for part in _split(word):
        new = _WORDS.get(part.lower())
        if new is None:
            parts.append(part)
        else:
            first, *rest = _split(new)
            parts += [first if part[:1].isupper() else _small(first), *rest]
    return _join(parts)


def _split(word: str) -> list[str]:
    return [part for part in _PART.findall(word) if part]


def _join(parts: list[str]) -> str:
    joined, at = "", 0
    while at < len(parts):
        text, at = _read_joined(parts, at)
        joined += text
    return joined


def _read_joined(parts: list[str], start: int) -> tuple[str, int]:
    """The first joined word that begins there, or the part itself; and where the next begins."""
    text = ""
    for end in range(start, len(parts)):
        text += parts[end]
        if len(text) > _LONGEST_JOINED or (parts[end] == "_" and text[:1].isupper()):
            break  # no joined word is written so
        if (new := _JOINED.get(_small(text))) is not None:
            return new if text[:1].isupper() else _small(new), end + 1
    return parts[start], start + 1


def _small(text: str) -> str:
    """With its first capitals made small."""
    count = len(_CAPITALS.match(text)[0])  # pyright: ignore[reportOptionalSubscript]
    return text[:count].lower() + text[count:]
