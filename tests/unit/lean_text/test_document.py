"""A file's text read once per version, and of the next version only what changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmstep.lean_text.commands import split_commands
from llmstep.lean_text.document import LeanDocument, read_document
from llmstep.lean_text.scope import NameScope

FILE = """import Mathlib
namespace A
variable {α : Type*} [Preorder α] (s : Set α)
open Set

theorem one (h : s.Nonempty) : s = s := by
  rfl

/-- Words that stand between the two, enough of them. -/
private lemma two : 1 = 1 := rfl

end A
example : True := by
  """


def test_a_version_is_read_once() -> None:
    assert read_document(FILE) is read_document("".join(FILE))
    assert read_document(FILE).names() is read_document(FILE).names()


def test_what_did_not_change_is_taken_over() -> None:
    first = read_document(FILE)
    before = first.declarations()
    second = read_document(FILE + "simp\n  ")
    assert second is not first
    assert second.declarations()[0] is before[0]
    changed = read_document(FILE.replace("1 = 1", "2 = 2"))
    assert changed.declarations()[0] is before[0]
    assert changed.declarations()[1].statement.conclusion == "2 = 2"


def test_a_change_above_changes_what_is_below() -> None:
    read_document(FILE)
    named = read_document(FILE.replace("namespace A", "namespace B").replace("end A", "end B"))
    assert [s.name for s in named.statements()] == ["B.one", "B.two"]


def test_statements_with_their_surroundings() -> None:
    one, two = read_document(FILE).statements()
    assert one.name == "A.one"
    assert one.binders == "{α : Type*} [Preorder α] (s : Set α) (h : s.Nonempty)"
    assert one.conclusion == "s = s"
    assert (one.line, one.private, one.kind) == (5, False, "theorem")
    assert (two.name, two.private, two.binders, two.line) == ("A.two", True, "", 9)


def test_the_declaration_that_the_text_ends_in_counts_when_it_is_asked_for() -> None:
    text = "theorem a : 1 = 1 := rfl\n\ntheorem b : 2 = 2 := by\n  "
    assert [s.name for s in read_document(text).statements()] == ["a"]
    assert [s.name for s in read_document(text).statements(last=True)] == ["a", "b"]


def test_the_finished_part_does_not_change_with_the_last_proof() -> None:
    text = "theorem a : 1 = 1 := rfl\n\ntheorem b : 2 = 2 := by\n  "
    digest = read_document(text).finished_digest()
    assert read_document(text + "simp").finished_digest() == digest
    assert read_document(text.replace("rfl", "sorry")).finished_digest() != digest


PIECES = st.sampled_from((
    "import A\n", "open B\n", "namespace C.D\n", "end C\n", "end\n", "section\n", "mutual\n",
    "variable (x : T)\n", "theorem t : p := by\n  simp\n\n", "def d := 1\n", "/-- doc -/\n", "/- ",
    " -/\n", '"', "'\"'", 'r#"', '"#', "@[simp]\n", "@[foo", "-- theorem\n", "#eval 1\n", "  x\n",
    "open D in\n", "open D in theorem u : q := r\n", "private ", "instance : Foo where\n  a := 1\n",
    "structure S (n : Nat) where\n  f : n = n\n",
))  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map("".join)


@given(TEXTS, TEXTS, TEXTS)
def test_a_later_version_reads_as_if_it_were_the_first(same: str, old: str, new: str) -> None:
    older = LeanDocument(same + old)
    older.statements(last=True)
    later, alone = LeanDocument(same + new, older), LeanDocument(same + new)
    assert later.commands == split_commands(same + new)
    assert later.statements(last=True) == alone.statements(last=True)
    assert later.names() == alone.names()
    # And once more, from a version that took over a part itself.
    third = LeanDocument(same + old, later)
    assert third.commands == split_commands(same + old)
    assert third.statements(last=True) == older.statements(last=True)


@given(TEXTS)
def test_any_text_can_be_read(text: str) -> None:
    document = read_document(text)
    assert isinstance(document.names(), NameScope)
    lines = text.count("\n")
    assert all(s.name and 0 <= s.line <= lines for s in document.statements(last=True))


@pytest.mark.parametrize(
    "text",
    [
        "namespace A\n",
        "namespace A.B.C\nend A.B\n",
        "section\n",
        "open A B C in\n",
        "open A\n",
        "variable (x : T) [C x]\ntheorem t : x = x := rfl\n",
        "theorem t (x : A) : |x| = x := by\n  simp\n",
        "structure S where\n  a : A\n  b : B a\n",
        "inductive T where\n  | a : T\n  | b (x : T) : T\n",
        "theorem t (",
        'theorem t : "',
        "theorem t : «",
        "theorem a | ",
        "theorem a : let x := 1; ",
        "@[simp] ",
        "/- ",
        "'\"' ",
        'r#"',
        "def f : N → N\n  | 0 => 1\n",
    ],
)
def test_twice_the_text_takes_about_twice_the_work(text: str) -> None:
    # Steps of the interpreter are counted, not seconds: a loaded machine changes nothing.
    few, many = _work(text, 400), _work(text, 800)
    assert many <= 3 * few + 10_000


def _work(text: str, times: int) -> int:
    import sys

    document = "import A\n" + text * times + "\nexample : True := by\n  "
    count = 0

    def trace(*_: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # pyright: ignore[reportArgumentType]
    try:
        read = LeanDocument(document)
        read.statements(last=True)
        read.names()
    finally:
        sys.settrace(before)
    return count
