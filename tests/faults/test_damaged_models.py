"""Damaged GGUF files, each loaded and asked in a process of its own: none may end it.

Made from the built-in model: numbers of the head out of their range, types of values and tensors
changed, strings and counts that lie, cuts, weights that are no numbers.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytestmark = pytest.mark.gguf

MODEL = Path(__file__).parents[2] / "models" / "llmstep-builtin.gguf"
# The long form takes every kind, the short one every eighth.
EVERY = int(os.environ.get("LLMSTEP_FAULT_EVERY", "8"))
BATCH = 12
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}
NUMBERS = (0, 1, 2, 3, 7, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
REALS = (0.0, -1.0, 1e-45, 1e38, float("nan"), float("inf"), float("-inf"))
CHILD = """
import sys
from pathlib import Path
from llmstep.backends.base import *
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.errors import LLMStepError
for name in sys.argv[1:]:
    kind = "answered"
    try:
        backend = LlamaCppBackend(BackendOptions(path=Path(name), context_tokens=256))
        request = GenerationRequest(
            (PromptPart("n : Nat |- n = n"),), "", sampling=Sampling(n=4, max_tokens=8)
        )
        backend.generate(request, CancelToken(), lambda candidate: None)
        backend.close()
    except LLMStepError:
        kind = "named"
    print(kind, Path(name).name, flush=True)
"""


def entries(data: bytes) -> list[tuple[str, int, int]]:
    """Scalar values of the head: key, type, offset."""
    at, found = 16, []
    (count,) = struct.unpack_from("<Q", data, at)
    at += 8
    for _ in range(count):
        (length,) = struct.unpack_from("<Q", data, at)
        key = data[at + 8 : at + 8 + length].decode()
        at += 8 + length
        (kind,) = struct.unpack_from("<I", data, at)
        at += 4
        if kind in SCALARS:
            found.append((key, kind, at))
            at += struct.calcsize(SCALARS[kind])
        elif kind == 8:
            at += 8 + struct.unpack_from("<Q", data, at)[0]
        else:
            item, many = struct.unpack_from("<IQ", data, at)
            at += 12
            for _ in range(many if item == 8 else 0):
                at += 8 + struct.unpack_from("<Q", data, at)[0]
            at += 0 if item == 8 else many * struct.calcsize(SCALARS[item])
    return found


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(12)
    for key, kind, at in entries(data):
        layout = SCALARS[kind]
        for value in REALS if kind == 6 else NUMBERS:
            try:
                packed = struct.pack(layout, value)
            except (struct.error, OverflowError):
                continue
            if packed != data[at : at + len(packed)]:
                yield f"{key}={value}", data[:at] + packed + data[at + len(packed) :]
        yield f"{key} of type 12", data[: at - 4] + struct.pack("<I", 12) + data[at:]
    for name, at in (("version", 4), ("tensors", 8), ("entries", 16)):
        for value in (0, 1, 2**31, 2**32 - 1):
            yield f"{name}={value}", data[:at] + struct.pack("<I", value) + data[at + 4 :]
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999):
        yield f"cut at {share}", data[: int(len(data) * share)]
    for value in (b"\xff\xff\xff\x7f", b"\x00\x7c\x00\x7c", b"\xff\xff\xff\xff"):
        yield f"weights {value.hex()}", data[: -(4 << 18)] + value * (1 << 18)
    for number in range(40):
        damaged = bytearray(data)
        for _ in range(8):
            damaged[rng.randrange(20_000)] ^= 1 << rng.randrange(8)
        yield f"bits {number}", bytes(damaged)


def test_no_damaged_model_ends_the_process(tmp_path: Path) -> None:
    data = MODEL.read_bytes()
    every = list(damages(data))
    assert len(every) >= 129
    outcomes: Counter[str] = Counter()
    crashed: list[str] = []
    waiting = every[::EVERY]
    while waiting:
        batch = waiting[:BATCH]
        paths = [tmp_path / f"damaged-{number}.gguf" for number in range(len(batch))]
        for path, (_, damaged) in zip(paths, batch, strict=True):
            path.write_bytes(damaged)
        result = subprocess.run(
            [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True
        )
        told = [line.split(" ")[0] for line in result.stdout.splitlines()]
        outcomes.update(told)
        if result.returncode:  # at the first file of which nothing was told
            outcomes["crashed"] += 1
            crashed.append(f"{batch[len(told)][0]}: {result.returncode} {result.stderr[-300:]}")
        waiting = waiting[len(told) + bool(result.returncode) :]
    print(f"{sum(outcomes.values())} of {len(every)} kinds: {dict(outcomes)}")
    assert not crashed
