"""What is looked up without a model: lemmas, and names that have been begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from llmstep.sources.name_completion import FoundName
    from llmstep.sources.premise_source import FoundLemma


@attrs.frozen
class LemmaQuestion:
    """What lemmas are looked for.

    Attributes:
        goal: A printed goal; or empty, then `text` counts.
        text: A name or half of one, a formula, or words.
        count: How many at most.
        text_before: The file up to the question, or empty.
        uri: Name of the file, by which its project is found.
    """

    goal: str
    text: str
    count: int
    text_before: str = ""
    uri: str = ""


@attrs.frozen
class FoundLemmas:
    """What was found.

    Attributes:
        lemmas: The best first.
        missing: What has not been read yet, in words.
    """

    lemmas: tuple[FoundLemma, ...]
    missing: tuple[str, ...] = ()


@attrs.frozen
class NameQuestion:
    """A place where a name has been begun.

    Attributes:
        word: What has been written of it, dots included.
        text_before: The file up to the word.
        uri: Name of the file, by which its project is found.
        tactics: Whether a tactic may stand there.
        lemmas: Whether something stated may.
        count: How many names at most, of each kind.
    """

    word: str
    text_before: str
    uri: str = ""
    tactics: bool = False
    lemmas: bool = True
    count: int = 50


@attrs.frozen
class FoundNames:
    """Names to offer.

    Attributes:
        names: Tactics, then what is stated; each the likeliest first.
        complete: Whether these are all.
    """

    names: tuple[FoundName, ...] = ()
    complete: bool = True
