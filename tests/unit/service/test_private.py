"""What the program keeps is the user's alone; a row of the cache is believed if it can be."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from llmstep.logs import close_logging, set_up_logging
from llmstep.service.cache import SuggestionCache
from llmstep.service.card import ModelCard
from llmstep.service.lockfile import LockedModel, write_lock
from llmstep.service.user_models import write_card
from llmstep.sources.ranking import Suggestion

GOOD = ["exact h", -0.5, ["model"]]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
def test_every_file_that_is_written_is_the_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("LLMSTEP_HOME", str(home))
    before = os.umask(0)
    try:
        cache = SuggestionCache(home / "cache" / "suggestions.sqlite", 1 << 20)
        cache.put("k", (Suggestion("exact h", -0.5),))
        write_lock({"m": LockedModel("ada/m", "0" * 40, {})})
        write_card(ModelCard("m", "m", ("llama_cpp",)))
        set_up_logging("debug", home / "log" / "llmstep.log")
        found = {path: path.stat().st_mode & 0o777 for path in home.rglob("*")}
    finally:
        close_logging()
        os.umask(before)
    names = {path.name for path in found}
    assert {"suggestions.sqlite", "suggestions.sqlite-wal", "models.lock.json"} <= names
    assert {"m.toml", "llmstep.log"} <= names
    for path, mode in found.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path
    cache.close()


@pytest.mark.parametrize(
    "row",
    [
        ["exact h", float("inf"), ["model"]],
        ["exact h", float("nan"), ["model"]],
        ["exact h", float("-inf"), ["model"]],
        ["exact h", 5.0, ["model"]],
        ["exact h", True, ["model"]],
        ["exact h", "-1", ["model"]],
        ["exact \x1b[31mh", -0.5, ["model"]],
        ["exact \u202eh", -0.5, ["model"]],
        ["simp", -0.5, ["model"]],
        ["", -0.5, ["model"]],
        [3, -0.5, ["model"]],
        ["exact h", -0.5, []],
        ["exact h", -0.5, ["nowhere"]],
        ["exact h", -0.5],
        "exact h",
        None,
    ],
)
def test_a_row_that_no_answer_can_be_is_dropped(tmp_path: Path, row: Any) -> None:
    cache = SuggestionCache(tmp_path / "cache.sqlite", 1 << 20)
    cache.put("good", (Suggestion("exact h", -0.5),))
    cache.put("bad", (Suggestion("exact h", -0.5),))
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        value = json.dumps([GOOD, row])
        db.execute("UPDATE answers SET value = ? WHERE key = 'bad'", (value,))
    db.close()
    assert cache.get("bad", "exact ") is None
    assert cache.get("bad", "exact ") is None
    assert cache.count() == 1
    assert cache.get("good", "exact ") == (Suggestion("exact h", -0.5),)
    cache.close()
