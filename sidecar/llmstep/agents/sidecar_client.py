"""An asyncio client of the sidecar: many questions at once, each with progress and cancelling.

It speaks the wire of docs/protocol.md with ``llmstep serve``, as Lean and editors do, so an agent
shares the models that are loaded already.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from llmstep import __version__
from llmstep.errors import LLMStepError
from llmstep.handshake import PROTOCOL_VERSION
from llmstep.runtime.framing import FrameDecoder, Malformed, encode_frame

OnProgress = Callable[[Any], None]

_CHUNK_BYTES = 1 << 16
_STDERR_LINES = 3
_END_S = 5.0


class SidecarError(LLMStepError):
    """The sidecar refused a request, or ended before it answered."""


class AsyncSidecarClient:
    """One sidecar process, started at the first request and again after it has ended."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(options or {})
        self._ids = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._progress: dict[str, OnProgress] = {}
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._readers: list[asyncio.Task[None]] = []

    async def request(
        self, method: str, params: Mapping[str, Any], on_progress: OnProgress | None = None
    ) -> Any:
        """Ask, and wait for the answer; cancelling the coroutine withdraws the question.

        ``on_progress`` is called with the ``value`` of each ``$/progress`` of this request.

        Raises:
            SidecarError: The answer is an error, or there will be none.
        """
        await self._ensure_started()
        if on_progress is None:
            return await self._ask(method, params)
        token = f"agent/{next(self._ids)}"
        self._progress[token] = on_progress
        try:
            return await self._ask(method, {**params, "partialResultToken": token})
        finally:
            del self._progress[token]

    async def close(self) -> None:
        """End the process: it ends by itself when its input does."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _ensure_started(self) -> None:
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "llmstep",
                    "serve",
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
            except OSError as error:
                raise SidecarError(f"{sys.executable} cannot be started: {error}") from error
            self._readers = [
                asyncio.create_task(self._read_answers(self._process)),
                asyncio.create_task(self._read_stderr(self._process)),
            ]
            params = {
                "processId": os.getpid(),
                "rootUri": None,
                "capabilities": {},
                "initializationOptions": {
                    **self._options,
                    "protocolVersion": PROTOCOL_VERSION,
                    "client": "mcp",
                    "clientVersion": __version__,
                },
            }
            await self._ask("initialize", params)
            self._send({"method": "initialized", "params": {}})

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send({"id": number, "method": method, "params": params})
            return await future
        except asyncio.CancelledError:
            with contextlib.suppress(SidecarError):
                self._send({"method": "$/cancelRequest", "params": {"id": number}})
            raise
        finally:
            self._waiting.pop(number, None)

    def _send(self, message: Mapping[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise self._lost()
        body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
        process.stdin.write(encode_frame(body))

    async def _read_answers(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        decoder = FrameDecoder()
        while chunk := await process.stdout.read(_CHUNK_BYTES):
            for message in decoder.feed(chunk):
                if not isinstance(message, Malformed):
                    self._take(message)
        await process.wait()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._lost())

    async def _read_stderr(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while chunk := await process.stderr.read(_CHUNK_BYTES):
            lines = chunk.decode("utf-8", "replace").splitlines()
            self._stderr.extend(line.rstrip() for line in lines if line.strip())

    def _take(self, message: Any) -> None:
        if message.get("method") == "$/progress":
            params = message["params"]
            report = self._progress.get(params["token"])
            if report is not None:
                report(params["value"])
            return
        future = self._waiting.get(message.get("id"))
        if "method" in message or future is None or future.done():
            return
        error = message.get("error")
        if error is None:
            future.set_result(message.get("result"))
        else:
            details = dict(error.get("data") or {})
            hint = details.pop("hint", None)
            problem = SidecarError(str(error.get("message")), hint=hint)
            problem.details = details
            future.set_exception(problem)

    def _lost(self) -> SidecarError:
        last = " | ".join(self._stderr)
        return SidecarError(f"the sidecar has ended; it wrote: {last}" if last else "it has ended")
