"""Answers on disk."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmstep.backends.base import Sampling
from llmstep.service.cache import SuggestionCache, cache_key
from llmstep.sources.ranking import Suggestion

ANSWER = (Suggestion("exact ⟨h, 𝕜⟩", -0.25), Suggestion("simp\n  rfl", -1.5))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "answers.sqlite3"


@pytest.fixture
def cache(path: Path) -> Iterator[SuggestionCache]:
    cache = SuggestionCache(path, 1_000_000)
    yield cache
    cache.close()


def size_bytes(path: Path) -> int:
    """Bytes the answers take, as counted against the limit."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT bytes FROM total").fetchone()[0]


def test_an_answer_comes_back_as_it_was(cache: SuggestionCache) -> None:
    assert cache.get("k") is None
    cache.put("k", ANSWER)
    assert cache.get("k") == ANSWER
    cache.put("k", ())
    assert cache.get("k") == ()
    assert cache.count() == 1


def test_an_answer_outlives_the_process(path: Path, cache: SuggestionCache) -> None:
    cache.put("k", ANSWER)
    cache.close()
    assert cache.get("k") is None
    again = SuggestionCache(path, 1_000_000)
    assert again.get("k") == ANSWER
    again.close()


def test_the_key_depends_on_every_part() -> None:
    parts = {
        "model": "abc",
        "backend": "llama_cpp",
        "goals": ("⊢ p", "⊢ q"),
        "prefix": "",
        "sampling": Sampling(),
        "banned": frozenset({"a", "b"}),
    }
    changed = [
        {**parts, "model": "abd"},
        {**parts, "goals": ("⊢ p",)},
        {**parts, "goals": ("⊢ p", "⊢ q", "")},
        {**parts, "prefix": "e"},
        {**parts, "sampling": Sampling(seed=1)},
        {**parts, "banned": frozenset({"a"})},
        {**parts, "more": None},
    ]
    keys = [cache_key(**values) for values in (parts, *changed)]
    assert len(set(keys)) == len(keys)
    assert cache_key(**dict(reversed(parts.items()))) == keys[0]
    with pytest.raises(TypeError, match="object"):
        cache_key(model=object())


def test_the_least_recently_used_go_first(path: Path) -> None:
    ticks = itertools.count(1)
    cache = SuggestionCache(path, 10_000, clock=lambda: next(ticks))
    answer = [Suggestion("x" * 760, -1.0)]
    for number in range(9):
        cache.put(str(number), answer)
    assert cache.count() == 9
    assert cache.get("0") is not None
    for number in range(9, 12):
        cache.put(str(number), answer)
    assert size_bytes(path) <= 10_000
    assert cache.get("0") is not None
    assert cache.get("1") is None
    assert cache.get("11") is not None
    cache.close()


def test_the_file_shrinks_with_its_answers(path: Path) -> None:
    cache = SuggestionCache(path, 200_000)
    for number in range(2_000):
        cache.put(str(number), [Suggestion("y" * 700, -1.0)])
    assert size_bytes(path) <= 200_000
    cache.close()
    assert path.stat().st_size < 500_000


def test_an_answer_larger_than_the_cache_is_not_kept(path: Path) -> None:
    cache = SuggestionCache(path, 1_000)
    cache.put("k", [Suggestion("x" * 2_000, -1.0)])
    assert cache.count() == 0
    cache.close()


def test_threads_share_one_cache(cache: SuggestionCache) -> None:
    wrong: list[str] = []

    def work(name: str) -> None:
        for number in range(40):
            answer = (Suggestion(f"{name} {number}", -1.0),)
            cache.put(f"{name}{number}", answer)
            if cache.get(f"{name}{number}") != answer:
                wrong.append(f"{name}{number}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.count() == 160


# Runs in a process of its own. A busy file may refuse a write; the answer is then asked for again.
FILL = """
import sys
from pathlib import Path
from llmstep.service.cache import SuggestionCache
from llmstep.sources.ranking import Suggestion
path, name = sys.argv[1:]
cache = SuggestionCache(Path(path), 1_000_000)
for number in range(30):
    key = f"{name}{number}"
    while cache.get(key) is None:
        cache.put(key, [Suggestion(key, -1.0)])
cache.close()
"""


def test_processes_share_one_file(path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", FILL, str(path), name]) for name in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    cache = SuggestionCache(path, 1_000_000)
    assert cache.count() == 60
    cache.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("junk", [b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 9_000])
def test_a_file_that_is_no_database_is_set_aside(
    path: Path, caplog: pytest.LogCaptureFixture, junk: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(junk)
    cache = SuggestionCache(path, 1_000_000)
    cache.put("k", ANSWER)
    assert cache.get("k") == ANSWER
    cache.close()
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == junk
    (told,) = warnings(caplog)
    assert aside.name in told


def test_damage_met_on_the_way_is_mended(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = SuggestionCache(path, 1_000_000)
    for number in range(200):
        cache.put(str(number), ANSWER)
    cache.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    cache = SuggestionCache(path, 1_000_000)
    for number in range(200):
        cache.get(str(number))
    cache.put("new", ANSWER)
    cache.put("new", ANSWER)
    assert cache.get("new") == ANSWER
    assert list(path.parent.glob("*.damaged-*"))
    assert len(warnings(caplog)) == 1
    cache.close()


def test_a_row_that_is_no_answer_is_a_question_again(path: Path, cache: SuggestionCache) -> None:
    cache.put("k", ANSWER)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE answers SET value = '[[1'")
    assert cache.get("k") is None
    assert cache.count() == 0


def test_a_full_disk_costs_one_warning(
    path: Path, cache: SuggestionCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put("k", ANSWER)
    pages = cache._connection.execute("PRAGMA page_count").fetchone()[0]
    cache._connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(50):
        cache.put(str(number), [Suggestion("z" * 3_000, -1.0)])
    assert cache.get("k") == ANSWER
    (told,) = warnings(caplog)
    assert "full" in told


def test_a_folder_that_cannot_be_made_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    cache = SuggestionCache(tmp_path / "file" / "answers.sqlite3", 1_000_000)
    cache.put("k", ANSWER)
    assert cache.get("k") is None
    assert cache.count() == 0
    cache.close()
    assert len(warnings(caplog)) == 1


@pytest.mark.skipif(
    sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="permissions do not bind this user",
)
def test_a_read_only_folder_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o500)
    try:
        cache = SuggestionCache(tmp_path / "answers.sqlite3", 1_000_000)
        cache.put("k", ANSWER)
        assert cache.get("k") is None
        assert len(warnings(caplog)) == 1
    finally:
        tmp_path.chmod(0o700)


def test_a_writer_that_holds_the_file_makes_nobody_wait_long(
    path: Path, cache: SuggestionCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put("k", ANSWER)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache.put("new", ANSWER)
    assert cache.get("k") == ANSWER
    assert cache.get("new") is None
    other.execute("ROLLBACK")
    other.close()
    cache.put("new", ANSWER)
    assert cache.get("new") == ANSWER
    assert warnings(caplog) == []
