"""Whether a server of the first llmstep still runs here: its user thinks that it answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping

from llmstep.first_version import Leftover, find_server

# No answer waits longer for it; where nothing listens, it is known at once.
_PATIENCE_S = 1.0
_POLL_S = 0.01


class OldServer:
    """Looks for it once, beside everything else.

    Args:
        environ: The client's environment variables, which may name a port.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._done = threading.Event()
        self._begun = 0.0
        self._found: Leftover | None = None

    def look(self) -> None:
        """Begin to look."""
        self._begun = time.monotonic()
        threading.Thread(target=self._look, name="llmstep-2023", daemon=True).start()

    async def found(self) -> Leftover | None:
        """What was found; waited for only in a connection's first second."""
        while not self._done.is_set() and time.monotonic() - self._begun < _PATIENCE_S:
            await asyncio.sleep(_POLL_S)
        return self._found

    def _look(self) -> None:
        try:
            self._found = find_server(self._environ)
        finally:
            self._done.set()
