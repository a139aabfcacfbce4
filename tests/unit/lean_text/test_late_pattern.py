from __future__ import annotations

import re

import pytest

from llmstep.lean_text.late_pattern import late_pattern


def test_it_is_the_pattern_that_it_stands_for() -> None:
    word = late_pattern(r"(?P<first>\w)\w*", re.ASCII)
    compiled = re.compile(r"(?P<first>\w)\w*", re.ASCII)
    text = "succ_le of é"
    for _ in range(2):
        assert word.findall(text) == compiled.findall(text)
        assert [match["first"] for match in word.finditer(text)] == ["s", "o"]
        assert word.sub("x", text) == compiled.sub("x", text)
        assert word.match("⊢") is None
        assert (word.pattern, word.flags) == (compiled.pattern, compiled.flags)


def test_a_mistake_is_told_by_the_first_use() -> None:
    broken = late_pattern("(")
    with pytest.raises(re.error):
        broken.search("")
