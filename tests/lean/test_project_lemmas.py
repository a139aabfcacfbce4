"""Lemmas of a project: a file that imports another one gets the steps that its lemmas make."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import check
import pytest
from language_client import LanguageClient

pytestmark = pytest.mark.leanbed

LEMMAS = """import Lean
namespace Demo
opaque twice : Nat → Nat
opaque Good : Nat → Prop
axiom good_mul {m n : Nat} (hm : Good m) (hn : Good n) : Good (twice (m * n))
axiom twice_twice (n : Nat) : twice (twice n) = n
axiom good_of_twice {n : Nat} : Good (twice (twice n)) → Good n
end Demo
"""
HEAD = """import LLMstep
import DemoLemmas
set_option llmstep.command "llmstep serve"
open Demo
"""
# A goal that one lemma closes, and how that is written.
GOALS = {
    "exact": ("(a b : Nat) (ha : Good a) (hb : Good b) : Good (twice (a * b))", "good_mul ha hb"),
    "rw": ("(f : Nat → Nat) (k : Nat) : f (twice (twice k)) = f k", "[twice_twice]"),
    "apply": ("(k : Nat) : twice (twice (k + 1)) = k + 1", "twice_twice"),
}


@pytest.fixture(scope="module")
def package(checker: check.LeanChecker) -> check.LeanChecker:
    assert not checker.check(check.ROOT / "LLMstep.lean")
    return checker


@pytest.fixture(scope="module")
def project(package: check.LeanChecker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo")
    (root / "lakefile.toml").write_text('name = "demo"\n[[lean_lib]]\nname = "DemoLemmas"\n')
    lemmas = root / "DemoLemmas.lean"
    lemmas.write_text(LEMMAS, encoding="utf-8")
    assert package.check(lemmas) == []
    return root


@pytest.fixture
def client(package: check.LeanChecker, project: Path, tmp_path: Path) -> Iterator[LanguageClient]:
    sources = "library,file,goal,portfolio"
    client = LanguageClient(
        package, project, LLMSTEP_SOURCES=sources, LLMSTEP_HOME=str(tmp_path / "home")
    )
    yield client
    client.stop()


def suggestions(client: LanguageClient, statement: str, call: str) -> list[str]:
    """The steps that are shown, in order, with what is said of each."""
    client.open("Use.lean", f"{HEAD}example {statement} := by\n  {call}\n")
    messages = client.elaborated()
    client.close()
    (shown,) = [text for text in messages if "Try these:" in text] or [""]
    return [
        line.removeprefix("  [apply] ")
        for line in shown.split("\n")
        if line.startswith("  [apply] ")
    ]


def wait_for(client: LanguageClient, statement: str, call: str, step: str) -> list[str]:
    """What is shown once the project has been read, which the first question begins."""
    end = time.monotonic() + 120
    while True:
        shown = suggestions(client, statement, call)
        if any(step in text for text in shown) or time.monotonic() > end:
            return shown


@pytest.mark.parametrize("way", GOALS)
def test_a_lemma_of_another_module_closes_the_goal(client: LanguageClient, way: str) -> None:
    statement, step = GOALS[way]
    shown = wait_for(client, statement, 'llmstep ""', step)
    assert any(text.startswith("🎉") and step in text for text in shown[:3]), shown
    shown = suggestions(client, statement, f'llmstep "{way}"')
    assert any(text.startswith(f"🎉 {way} ") and step in text for text in shown[:3]), shown


def test_what_a_lemma_leaves_is_closed_by_hypotheses(client: LanguageClient) -> None:
    statement = "(k : Nat) (h : Good (twice (twice k))) : Good k"
    shown = wait_for(client, statement, 'llmstep "apply"', "good_of_twice h")
    assert any(text == "🎉 exact good_of_twice h" for text in shown[:3]), shown
