"""Whether llama-cpp-python is in a Python environment, loads there, and computes."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
from pathlib import Path

PACKAGE = "llama-cpp-python"
REQUIREMENT = f"{PACKAGE}>=0.3.36,<0.4"
_WINDOWS_ILLEGAL_INSTRUCTION = 0xC000001D
_OLDEST, _TOO_NEW = (0, 3, 36), (0, 4)

# A library built for another processor often loads and dies at its first product of matrices, so
# one is computed. Where a later version has these functions under other names it is skipped.
PROBE = """
import ctypes, importlib.util, json, sys
if importlib.util.find_spec("llama_cpp") is None:
    print(json.dumps({"installed": False}))
    sys.exit(0)
import llama_cpp

class Memory(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("empty", ctypes.c_bool)]

def function(name, result, *arguments):
    found = getattr(llama_cpp.llama_cpp._lib, name)
    found.restype, found.argtypes = result, arguments
    return found

def multiply():
    pointer, number = ctypes.c_void_p, ctypes.c_int
    context = function("ggml_init", pointer, Memory)(Memory(1 << 20, None, False))
    new = function("ggml_new_tensor_2d", pointer, pointer, number, ctypes.c_int64, ctypes.c_int64)
    fill = function("ggml_set_f32", pointer, pointer, ctypes.c_float)
    product = function("ggml_mul_mat", pointer, pointer, pointer, pointer)(
        context, fill(new(context, 0, 64, 64), 1.0), fill(new(context, 0, 64, 64), 2.0)
    )
    graph = function("ggml_new_graph", pointer, pointer)(context)
    function("ggml_build_forward_expand", None, pointer, pointer)(graph, product)
    function("ggml_graph_compute_with_ctx", number, pointer, pointer, number)(context, graph, 1)
    return function("ggml_get_f32_1d", ctypes.c_float, pointer, number)(product, 0)

llama_cpp.llama_backend_init()
try:
    value = multiply()
except AttributeError:
    value = 128.0
assert value == 128.0, f"it computes 64 * 2 = {value}"
print(json.dumps({
    "installed": True,
    "version": llama_cpp.__version__,
    "system": llama_cpp.llama_print_system_info().decode("utf-8", "replace"),
}))
"""


@dataclasses.dataclass(frozen=True)
class LlamaCpp:
    """What a Python environment says about llama-cpp-python.

    Attributes:
        version: Its version, if it loads.
        system: llama.cpp's own line about the processor features it was built for.
        problem: Why it cannot be used, or ``None``.
    """

    installed: bool
    version: str | None = None
    system: str = ""
    problem: str | None = None


def probe_llama_cpp(python: Path) -> LlamaCpp:
    """Load and try llama-cpp-python in a process of its own: a broken build may crash it."""
    try:
        result = subprocess.run(
            [str(python), "-c", PROBE],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        lines = result.stdout.strip().splitlines()
        answer = json.loads(lines[-1]) if result.returncode == 0 and lines else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return LlamaCpp(installed=True, problem=f"it does not work here: {error}")
    if answer is None:
        reason = (result.stderr.strip().splitlines() or [_describe_exit(result.returncode)])[-1]
        return LlamaCpp(installed=True, problem=f"it does not work here: {reason}")
    if not answer["installed"]:
        return LlamaCpp(installed=False, problem="it is not installed")
    version = answer["version"]
    wrong = None if is_wanted(version) else f"version {version} does not meet {REQUIREMENT}"
    return LlamaCpp(True, version, answer["system"].strip(), wrong)


def is_wanted(version: str) -> bool:
    """Whether a version meets ``REQUIREMENT``."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return match is not None and _OLDEST <= tuple(int(part) for part in match.groups()) < _TOO_NEW


def _describe_exit(code: int) -> str:
    if code == -signal.SIGILL or code == _WINDOWS_ILLEGAL_INSTRUCTION:
        return "it was built for another processor (illegal instruction)"
    return f"exit code {code}"
