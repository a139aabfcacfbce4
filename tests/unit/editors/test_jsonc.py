from __future__ import annotations

import pytest

from llmstep.editors.jsonc import UnreadableError, add_keys, read_object, remove_marked

VALUES = {"a.b": True, "list": ["x"], "nested": {"k": 1}}
TEXTS = [
    "",
    "{}",
    "{\n}\n",
    '{\n  // mine\n  "own": 1\n}\n',
    '// {"not": "this"}\n{ /* { */ "own": "// {", }\n',
    '{"list": [], "own": {"deep": [1, 2,],},}',
    '{\r\n  "own": 1\r\n}\r\n',
]


@pytest.mark.parametrize("text", TEXTS)
def test_missing_keys_are_added_and_what_is_there_stays(text: str) -> None:
    before = read_object(text) if text else {}
    after = read_object(add_keys(text, VALUES))
    assert after == VALUES | before


@pytest.mark.parametrize("text", TEXTS)
def test_adding_again_changes_nothing_and_removing_undoes_it(text: str) -> None:
    once = add_keys(text, VALUES)
    assert add_keys(once, VALUES) == once
    left = remove_marked(once)
    assert "".join(left.split()) == "".join(text.split()) or text == ""
    assert (read_object(left) if left.strip() else {}) == (read_object(text) if text else {})


@pytest.mark.parametrize("text", ["[1]", '{"a": }', "a: b", '{"a": 1} {"b": 2}'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        add_keys(text, VALUES)
