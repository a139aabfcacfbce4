from __future__ import annotations

import os
import sys
import types

import psutil
import pytest

from llmstep.backends import llama_library
from llmstep.backends.llama_library import count_threads, load_library
from llmstep.errors import BackendUnavailableError


@pytest.mark.parametrize(
    ("cores", "affinity", "parameters", "threads"),
    [
        (8, 16, 9_000_000, 1),
        (8, 16, 135_000_000, 5),
        (8, 16, 7_000_000_000, 8),
        (8, 2, 7_000_000_000, 2),
        (None, 4, 7_000_000_000, 3),
        (8, 16, 0, 1),
    ],
)
def test_a_small_model_gets_few_threads_and_a_large_one_the_physical_cores(
    monkeypatch: pytest.MonkeyPatch,
    cores: int | None,
    affinity: int,
    parameters: int,
    threads: int,
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: cores)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    assert count_threads(parameters) == threads


def test_a_missing_library_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(BackendUnavailableError, match="llama-cpp-python") as caught:
        load_library.__wrapped__()
    assert "llmstep doctor --fix" in caught.value.hint


def test_an_old_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("llama_cpp")
    package.llama_cpp = types.ModuleType("llama_cpp.llama_cpp")  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "llama_cpp", package)
    with pytest.raises(BackendUnavailableError, match="too old"):
        load_library.__wrapped__()


def test_a_library_that_does_not_load_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "llama_cpp":
                raise RuntimeError("libllama.so: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "llama_cpp", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(BackendUnavailableError, match=r"libllama\.so"):
        load_library.__wrapped__()


def test_the_log_quotes_errors_first_and_leaves_progress_out() -> None:
    llama_library.forget_log()
    assert llama_library.quote_log() == ""
    llama_library._remember(2, b"loading\n", None)
    llama_library._remember(2, b"....", None)
    llama_library._remember(2, None, None)
    assert llama_library.quote_log() == "loading"
    llama_library._remember(4, b"no such \xff tensor\n", None)
    llama_library._remember(5, b"and more\n", None)
    llama_library._remember(2, b"bye\n", None)
    assert llama_library.quote_log() == "no such \ufffd tensor; and more"
    for i in range(1000):
        llama_library._remember(4, b"line %d" % i, None)
    assert llama_library.quote_log() == "line 997; line 998; line 999"
    llama_library.forget_log()
