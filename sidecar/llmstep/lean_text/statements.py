"""What a proof can name; `declarations` finds it in a file."""

from __future__ import annotations

from typing import Literal

import attrs

StatementKind = Literal[
    "theorem", "lemma", "def", "abbrev", "instance", "axiom", "field", "constructor"
]


@attrs.frozen
class Statement:
    """Something that a proof can name.

    Attributes:
        name: Full name, as `#check` takes it where no namespace is open; empty for what has none.
        kind: The keyword it was declared by, or what it is part of.
        binders: What it takes, as bracketed groups with one blank between them, the section
            variables it uses in front.
        conclusion: What it says behind its colon; of a definition with a short body the equation
            `name arguments = body`. White space is one blank, comments are left out.
        module: Name of the module, such as ``Mathlib.Order.Basic``; empty for the file at hand.
        line: Its line in the file, from 0 on.
        private: Whether only its own file can name it.
        protected: Whether its last namespace has to be written even where that is open.
    """

    name: str
    kind: StatementKind
    binders: str
    conclusion: str
    module: str = ""
    line: int = 0
    private: bool = False
    protected: bool = False
