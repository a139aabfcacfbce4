"""The header of a file."""

from __future__ import annotations

import pytest

from llmstep.lean_text.imports import read_header


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("import A.B\nimport C\n\ntheorem t : p := q\nimport D", ("A.B", "C")),
        (
            "/- Copyright -/\nmodule\n\npublic import A\npublic meta import B\nimport all C\n",
            ("A", "B", "C"),
        ),
        ("prelude\nimport Init.Core", ("Init.Core",)),
        ("-- import A\n/- import B -/ import C -- D\n", ("C",)),
        ("import «A b».C", ("A b.C",)),
        ("\ufeffimport A", ("A",)),
        ("import A import B", ("A", "B")),
        ("theorem t : p := q", ()),
        ("", ()),
    ],
)
def test_imports(text: str, modules: tuple[str, ...]) -> None:
    assert read_header(text).modules == modules


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("import A\nimport B", set()),
        ("module\nimport A\npublic import B\nimport C", {"A", "C"}),
        ("module\npublic\nimport A\npublic meta import B\nmeta import C", {"C"}),
        ("module\nimport A\npublic import A", set()),
        ("/- c -/ module prelude import A", {"A"}),
    ],
)
def test_what_a_module_does_not_pass_on(text: str, hidden: set[str]) -> None:
    header = read_header(text)
    assert header.hidden == hidden
    assert header.is_module == ("module" in text)


def test_what_is_imported_with_all_it_keeps_to_itself() -> None:
    header = read_header("module\nimport all A\npublic import B\nimport all C import D\n")
    assert header.whole == {"A", "C"}
    assert header.modules == ("A", "B", "C", "D")
