"""Quantize a GGUF file with llama.cpp, in this process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from typing import TYPE_CHECKING

import psutil

from llmstep.backends.llama_library import forget_log, load_library, quote_log
from llmstep_workshop.conversion.output import writing
from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_POLL_SECONDS = 0.2
# Bits per weight, for the size that is foreseen. K formats mix several, so theirs are those of
# llama.cpp's table of a 7B or 8B model (tools/quantize/README.md), rounded up.
BITS = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.6,
    "Q5_K_M": 5.75,
    "Q5_K_S": 5.6,
    "Q5_0": 5.6,
    "Q4_K_M": 4.9,
    "Q4_K_S": 4.7,
    "Q4_0": 4.7,
    "Q3_K_M": 4.0,
    "Q2_K": 3.2,
}


def quantize_file(
    source: Path,
    target: Path,
    quant: str,
    threads: int = 0,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> None:
    """Quantize a file of 16 or 32-bit floats; an older target is replaced by a complete one only.

    A matrix whose rows do not divide into blocks of 256 gets the next better format that fits.

    Args:
        source: A GGUF file.
        target: The file to write.
        quant: One of `BITS`.
        threads: CPU threads; 0 takes as many as there are physical cores.
        on_progress: Called with the bytes written so far and those that are expected.

    Raises:
        ConversionError: llama.cpp cannot do it; the message quotes why.
        BackendUnavailableError: llama-cpp-python is not installed.
    """
    library = load_library()
    params = library.llama_model_quantize_default_params()
    prefix = "LLAMA_FTYPE_ALL_" if quant == "F32" else "LLAMA_FTYPE_MOSTLY_"
    params.ftype = getattr(library, prefix + quant)
    params.nthread = threads or psutil.cpu_count(logical=False) or 1
    outcome: list[int] = []
    forget_log()
    expected = int(source.stat().st_size * BITS[quant] / 16)
    with writing(target) as partial:

        def run() -> None:
            code = library.llama_model_quantize(
                os.fsencode(source), os.fsencode(partial), ctypes.byref(params)
            )
            outcome.append(code)

        # The call knows no progress and no end before its end; the growing file shows the first.
        worker = threading.Thread(target=run, daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(_POLL_SECONDS)
            with contextlib.suppress(OSError):
                on_progress(min(partial.stat().st_size, expected), expected)
        if outcome != [0]:
            raise ConversionError(
                f"llama.cpp cannot quantize {source.name} to {quant}: "
                f"{quote_log() or 'it gives no reason'}",
                hint="Make sure that there is room on the disk, or choose another --quant.",
            )
    on_progress(expected, expected)
