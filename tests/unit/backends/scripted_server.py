"""A loopback server whose answers are scripted, good and bad ones."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

from llmstep.backends.base import (
    CancelToken,
    Candidate,
    GenerationRequest,
    PromptPart,
    Sampling,
)
from llmstep.backends.openai import OpenAIBackend

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Records each request and plays the next answer; the last one again when none is left."""

    server: ScriptedServer
    body: Any = None

    def do_GET(self) -> None:
        self.server.gets.append((self.path, dict(self.headers)))
        if self.server.models is None:
            self.send_json({"detail": "Not Found"}, 404)
        elif callable(self.server.models):
            self.server.models(self)
        else:
            self.send_json({"object": "list", "data": self.server.models})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.body = json.loads(raw)
        with self.server.lock:
            self.server.posts.append((self.path, dict(self.headers), self.body))
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def send_json(
        self, value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()

    def send_event(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


class ScriptedServer(ThreadingHTTPServer):
    """Starts at once; use as a context manager."""

    daemon_threads = True

    def __init__(self, *answers: Answer, models: Any = ({"id": "tiny"},)) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.models = list(models) if isinstance(models, tuple) else models
        self.posts: list[tuple[str, dict[str, str], Any]] = []
        self.gets: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.gone = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        super().__exit__(*args)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


def choice(index: int, text: str, logprob: float | None = -0.5, finish: str | None = None) -> Any:
    probs = None if logprob is None else {"tokens": [text], "token_logprobs": [logprob]}
    return {"index": index, "text": text, "logprobs": probs, "finish_reason": finish}


def stream(*events: Any, done: bool = True) -> Answer:
    """Stream events; each is a list of choices, a whole message, or literal text."""

    def answer(handler: Handler) -> None:
        handler.begin_stream()
        for event in events:
            handler.send_event({"choices": event} if isinstance(event, list) else event)
        if done:
            handler.send_event("[DONE]")

    return answer


def texts(*finished: str, logprob: float | None = -0.5) -> Answer:
    """One choice per text, each in one event."""
    return stream(*([choice(i, t, logprob, "stop")] for i, t in enumerate(finished)))


def status(code: int, value: Any, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    return lambda handler: handler.send_json(value, code, headers)


def hang(*events: Any) -> Answer:
    """Begin a stream and say nothing more until the client is gone."""

    def answer(handler: Handler) -> None:
        handler.connection.settimeout(20)
        try:
            handler.begin_stream()
            for event in events:
                handler.send_event({"choices": event})
            gone = handler.connection.recv(1) == b""
        except TimeoutError:
            gone = False
        except OSError:  # reset: the client left with something unread
            gone = True
        if gone:
            handler.server.gone.set()

    return answer


def drop(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def garbage(handler: Handler) -> None:
    """Answer with what is no HTTP."""
    handler.wfile.write(b"\x00\x01 nonsense\r\n\r\n")
    handler.close_connection = True


PROMPT = (PromptPart("[GOAL]", special=True), PromptPart("⊢ p → p"), PromptPart("[PROOFSTEP]"))
Connect = Callable[[ScriptedServer], OpenAIBackend]


def ask(
    backend: OpenAIBackend,
    prefix: str = "",
    n: int = 2,
    cancel: CancelToken | None = None,
    **changes: Any,
) -> list[Candidate]:
    """The candidates that a backend answers with."""
    found: list[Candidate] = []
    request = GenerationRequest(PROMPT, prefix, ("\n",), Sampling(n=n, max_tokens=16))
    backend.generate(attrs.evolve(request, **changes), cancel or CancelToken(), found.append)
    return found
