"""Many short texts in compressed blocks, each text found by its number.

Arrays: ``ends`` uint32 (B,): where each block ends in ``bytes`` uint8, which holds the blocks as
zlib streams one after the other. A block holds the UTF-8 of ``BLOCK`` texts, each ended by a NUL.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BLOCK = 32
_END = b"\0"
# Blocks that stay unpacked; a question looks into some hundreds.
_KEPT = 512


@attrs.define(eq=False)
class TextStore:
    """Texts by number; see above for the arrays."""

    ends: npt.NDArray[np.uint32]
    bytes: npt.NDArray[np.uint8]
    _unpacked: dict[int, list[bytes]] = attrs.field(factory=dict, init=False)
    # One index answers suggestions, look-ups and completions, each on a thread of its own.
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __getitem__(self, number: int) -> str:
        """One text.

        Raises:
            ValueError: There is none of this number, or its block is damaged.
        """
        block, place = divmod(number, BLOCK)
        with self._lock:
            texts = self._unpacked.get(block)
            if texts is None:
                if len(self._unpacked) >= _KEPT:
                    del self._unpacked[next(iter(self._unpacked))]
                texts = self._unpacked[block] = self._decompress(block)
        if place >= len(texts):
            raise ValueError(f"there is no text {number}")
        return texts[place].decode("utf-8", errors="replace")

    def read_all(self) -> Iterator[str]:
        """All texts in order, without keeping them.

        Raises:
            ValueError: A block is damaged.
        """
        for block in range(len(self.ends)):
            for text in self._decompress(block):
                yield text.decode("utf-8", errors="replace")

    def _decompress(self, block: int) -> list[bytes]:
        begin = int(self.ends[block - 1]) if block else 0
        try:
            data = zlib.decompress(self.bytes[begin : int(self.ends[block])].tobytes())
        except (zlib.error, IndexError) as error:
            raise ValueError(f"block {block} is damaged: {error}") from None
        return data.split(_END)[:-1]


class TextPacker:
    """Packs texts as they come; bounded by the size of what is packed."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._packed: list[bytes] = []

    def add(self, text: str) -> None:
        """Take one text in."""
        self._waiting.append(text.encode("utf-8", "replace").replace(_END, b"") + _END)
        if len(self._waiting) == BLOCK:
            self._pack()

    def finish(self) -> TextStore:
        """All texts, packed."""
        import numpy as np

        self._pack()
        ends = np.cumsum([len(block) for block in self._packed], dtype=np.int64)
        data = np.frombuffer(b"".join(self._packed), dtype=np.uint8)
        return TextStore(ends.astype(np.uint32), data)

    def _pack(self) -> None:
        if self._waiting:
            self._packed.append(zlib.compress(b"".join(self._waiting), 9))
            self._waiting = []
