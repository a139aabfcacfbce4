"""The OpenAI-compatible backend against a real server: the one of llama-cpp-python."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmstep import paths
from llmstep.backends.base import (
    BackendOptions,
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.openai import OpenAIBackend
from llmstep.errors import ConfigError

pytestmark = pytest.mark.gguf

GOAL = (PromptPart("[GOAL]p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q[PROOFSTEP]"),)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for module in ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context"):
        pytest.importorskip(module)
    model = paths.models_dir() / "llmstep-builtin.gguf"
    if not model.is_file():
        pytest.skip("the built-in model is not there")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    log = folder / "log.txt"
    plain = _write_unquantized(model, folder / "plain.gguf")
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(plain)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "512", "--n_threads", "1"]
    command += ["--api_key", "sk-test", "--model_alias", "builtin"]
    with log.open("wb") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as child:
        try:
            url = f"http://127.0.0.1:{port}/v1"
            _wait_for(url, child, log)
            yield url
        finally:
            child.kill()


def _write_unquantized(source: Path, target: Path) -> Path:
    """A copy in 32 bits: llama-cpp-python 0.3.36 ends its process on quantized weights where the
    processor has AMX, and its server has no switch against that.
    """
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_ALL_F32
    params.allow_requantize = True
    assert llama_cpp.llama_model_quantize(bytes(source), bytes(target), params) == 0
    return target


def _wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    request = urllib.request.Request(f"{url}/models", headers={"Authorization": "Bearer sk-test"})
    for _ in range(600):
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request):
                return
        except OSError:
            assert child.poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))


@pytest.fixture
def backend(server: str, monkeypatch: pytest.MonkeyPatch) -> OpenAIBackend:
    monkeypatch.setenv("LLMSTEP_OPENAI_BASE_URL", server)
    monkeypatch.setenv("LLMSTEP_OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("LLMSTEP_OPENAI_MODEL", raising=False)
    return OpenAIBackend(BackendOptions())


def ask(backend: OpenAIBackend, prefix: str, sampling: Sampling) -> list[Candidate]:
    found: list[Candidate] = []
    backend.generate(
        GenerationRequest(GOAL, prefix, ("\n",), sampling), CancelToken(), found.append
    )
    return found


@pytest.mark.parametrize("prefix", ["", "exact", "exact ", "exact ⟨", "con"])
def test_real_candidates_begin_with_the_prefix_and_have_scores(
    backend: OpenAIBackend, prefix: str
) -> None:
    assert backend.info.model == "builtin"
    found = ask(backend, prefix, Sampling(n=3, max_tokens=12, seed=7))
    assert found
    assert all(c.text.startswith(prefix) and "\n" not in c.text for c in found)
    assert all(c.tokens > 0 for c in found)
    # The end right after the prefix is the one thing this server gives no log-probability for.
    assert all(c.mean_logprob < 0 for c in found if c.text != prefix)


def test_the_same_seed_gives_the_same_answer(backend: OpenAIBackend) -> None:
    sampling = Sampling(n=3, max_tokens=12, seed=3)
    first, second = ask(backend, "", sampling), ask(backend, "", sampling)
    assert [c.text for c in first] == [c.text for c in second]


def test_a_cancelled_request_leaves_the_server_free(backend: OpenAIBackend) -> None:
    cancel = CancelToken()
    threading.Timer(0.05, cancel.cancel).start()
    request = GenerationRequest(GOAL, sampling=Sampling(n=16, max_tokens=200, temperature=2.0))
    backend.generate(request, cancel, lambda _: None)
    assert cancel.is_set()
    assert ask(backend, "", Sampling(n=1, max_tokens=8, temperature=0.0))


def test_a_wrong_key(server: str, backend: OpenAIBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSTEP_OPENAI_API_KEY", "sk-wrong")
    with pytest.raises(ConfigError, match="refuses the key"):
        OpenAIBackend(BackendOptions())
