"""What a file's imports reach."""

from __future__ import annotations

import pytest

from llmstep.lean_text.imports import read_header
from llmstep.sources.module_reach import Reach, find_reach, marked_imports

GRAPHS = (
    {
        "P.A": marked_imports(read_header("module\nimport P.Hidden\npublic import P.Shown")),
        "P.Hidden": ("Mathlib.Order",),
        "P.Shown": ("Init.Core",),
        "P.Plain": ("P.A",),
        "P.Loop": ("P.Loop", "P.Round"),
        "P.Round": ("P.Loop",),
    },
    {"Mathlib.Order": ("Mathlib.Logic",), "Mathlib.Logic": (), "Mathlib.Far": ()},
)


def reach(text: str) -> Reach:
    return find_reach(read_header(text), GRAPHS)


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("import P.Shown", {"P.Shown", "Init.Core"}),
        ("import P.Loop", {"P.Loop", "P.Round"}),
        # A file that is no module gets all that is imported anywhere.
        (
            "import P.Plain",
            {"P.Plain", "P.A", "P.Hidden", "P.Shown", "Init.Core", "Mathlib.Order"}
            | {"Mathlib.Logic"},
        ),
        ("module\nimport P.Plain", {"P.Plain", "P.A", "P.Shown", "Init.Core"}),
        (
            "module\nimport all P.A",
            {"P.A", "P.Hidden", "P.Shown", "Init.Core", "Mathlib.Order", "Mathlib.Logic"},
        ),
    ],
)
def test_modules(text: str, reached: set[str]) -> None:
    found = reach(text)
    assert found.modules == reached
    assert found.whole
    assert all(map(found, reached))
    assert not found("Mathlib.Far")
    assert found.without_mathlib == ("Mathlib.Order" not in reached)


def test_what_nobody_has_read_may_be_reached() -> None:
    found = reach("import P.Shown\nimport Other.Thing")
    assert not found.whole
    assert found("Unheard.Of")  # Other.Thing may import it
    assert not found("Mathlib.Far")  # of Mathlib all imports are known
    assert not found.without_mathlib


def test_without_imports_nothing_is_known() -> None:
    found = reach("theorem t : p := by")
    assert not found.whole
    assert not found("P.A")
    assert found("Unheard.Of")


def test_modules_can_be_taken_out() -> None:
    found = reach("import P.Shown")
    assert not found.without(frozenset({"P.Shown"}))("P.Shown")
    assert found.without(frozenset()) is found
