"""Which engine may serve which front."""

from __future__ import annotations

import pytest

from llmstep.runtime.identity import (
    LINK_VERSION,
    Identity,
    own_variables,
    shared_variables,
    version_key,
)


def who(version: str = "2.0.0", stamp: int = 1, location: str = "a", *abilities: str) -> Identity:
    return Identity(version, stamp, location, abilities, {"HOME": "/h"})


def test_versions_are_ordered() -> None:
    versions = ["2.0.0.dev1", "2.0.0rc1", "2.0.0", "2.0.1", "2.1.0", "2.10.0", "10.0"]
    keys = [version_key(version) for version in versions]
    assert keys[2:] == sorted(keys[2:])
    assert keys[0] < keys[2]
    assert keys[1] < keys[2]


def test_newer_is_a_newer_version_or_the_same_program_written_anew() -> None:
    assert who("2.0.0").is_outdated_by(who("2.0.1", 0))
    assert not who("2.0.1").is_outdated_by(who("2.0.0", 9))
    assert who(stamp=1).is_outdated_by(who(stamp=2))
    assert not who(stamp=2).is_outdated_by(who(stamp=1))
    assert not who(stamp=1).is_outdated_by(who("2.0.0", 2, "b")), "another checkout, no order"


def test_an_engine_must_have_what_the_client_has() -> None:
    able, plain = who("2.0.0", 1, "a", "llama_cpp", "torch"), who("2.0.0", 1, "b", "llama_cpp")
    assert able.can_serve(plain)
    assert not plain.can_serve(able)
    other = Identity("2.0.0", 1, "a", (), {"HOME": "/h", "HTTP_PROXY": "x"})
    assert not able.can_serve(other)


def test_a_greeting_survives_the_way() -> None:
    mine = Identity.own()
    back = Identity.from_json(mine.to_json())
    assert vars(back) == vars(mine)
    assert back.stamp > 0


@pytest.mark.parametrize("change", [{"link": LINK_VERSION + 1}, {"abilities": 3}, {"shared": None}])
def test_a_greeting_of_another_kind_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"link|field"):
        Identity.from_json({**Identity.own().to_json(), **change})


def test_variables_are_shared_or_the_clients_own() -> None:
    environ = {"LLMSTEP_N": "3", "LLMSTEP_OPENAI_KEY": "k", "HF_HOME": "/x", "EDITOR": "vi"}
    assert shared_variables(environ) == {"LLMSTEP_OPENAI_KEY": "k", "HF_HOME": "/x"}
    assert own_variables(environ) == {"LLMSTEP_N": "3", "LLMSTEP_OPENAI_KEY": "k"}
