"""What a question pays for reading the file's text, as a ratio to reading it anew.

Usage: ``python -m tests.bench.bench_document [FILE.lean]``. Prints milliseconds of processor time
of one reading from nothing, of the next version (a few letters more at the end), and the ratio.
Without a file a text of 200 kB is made up.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from llmstep.lean_text.document import LeanDocument, read_document
from llmstep.sources.file_proofs import read_proofs

_DECLARATION = (
    "theorem t{0} (a b : ℕ) (h : a ≤ b) : a + {0} ≤ b + {0} := by\n"
    "  have := Nat.add_le_add_right h {0}\n  simpa using this\n\n"
)


def main() -> None:
    """Measure and print."""
    if len(sys.argv) > 1:
        text = Path(sys.argv[1]).read_text(encoding="utf-8")
    else:
        text = "import Mathlib\n\nnamespace A\n\n" + "".join(map(_DECLARATION.format, range(1500)))
    text += "\nexample : 1 = 1 := by\n  "
    begin = time.process_time()
    document = LeanDocument(text)
    document.names()
    document.statements()
    anew = time.process_time() - begin
    read_proofs(text)
    warm: list[float] = []
    for number in range(1, 21):
        version = text + "x" * number
        begin = time.process_time()
        document = read_document(version)
        document.names()
        document.statements()
        document.finished_digest()
        read_proofs(version)
        warm.append(time.process_time() - begin)
    after = statistics.median(warm)
    print(f"{len(text) / 1e3:.0f} kB: anew {anew * 1e3:.1f} ms, next version {after * 1e3:.2f} ms")
    print(f"ratio {anew / after:.0f}")


if __name__ == "__main__":
    main()
