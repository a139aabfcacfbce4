"""What one document can use of its project and of the packages on disk; `projects` finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from llmstep.lean_text.statements import Statement
    from llmstep.sources.module_reach import Reach
    from llmstep.sources.opened_library import Library


@attrs.frozen(eq=False)
class AtHand:
    """What one document can use.

    Attributes:
        libraries: Indexes, the project's own first.
        reaches: Whether a module is imported, directly or not; ``None`` where nothing is known.
        edited: What imported files state that no index has as they are now: they are open in the
            same editor, or were not read yet by the indexing process.
        version: Changes with all of this; part of what an answer depends on.
        missing: What cannot be used yet, in words.
    """

    libraries: tuple[Library, ...] = ()
    reaches: Reach | None = None
    edited: tuple[Statement, ...] = ()
    version: str = ""
    missing: tuple[str, ...] = ()


NOTHING = AtHand()
