from __future__ import annotations

import subprocess
import sys

import pytest

from llmstep.backends.llama_library import load_library
from llmstep.errors import BackendUnavailableError

pytestmark = pytest.mark.gguf


def test_the_functions_come_alone_and_the_package_stays_whole() -> None:
    program = (
        "import sys\n"
        "from llmstep.backends.llama_library import load_library\n"
        "library = load_library()\n"
        "assert library.llama_model_default_params().n_gpu_layers is not None\n"
        "assert not {'llama_cpp', 'llama_cpp.llama', 'jinja2'} & set(sys.modules)\n"
        "import llama_cpp\n"
        "assert llama_cpp.Llama and llama_cpp.llama_model_free is library.llama_model_free\n"
        "load_library.cache_clear()\n"
        "assert load_library() is library\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    load_library.cache_clear()
    try:
        with pytest.raises(BackendUnavailableError, match="not installed"):
            load_library()
    finally:
        load_library.cache_clear()
