"""``llmstep serve`` as it is started by a client: the front's process from its start to its end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from io import FileIO

from llmstep import environment
from llmstep.errors import LLMStepError
from llmstep.front.front import Front, read_client, report
from llmstep.front.link import Caller, Link, NoEngineError
from llmstep.runtime.identity import Identity
from llmstep.runtime.place import NoPlaceError, find_place
from llmstep.runtime.stdio import OutputPump, claim_stdio, pipe_writer

_CHUNK_BYTES = 1 << 16
_WATCH_S = 2.0
_SILENCE_S = 60.0
_FLUSH_S = 0.2
_INTERRUPTED = 130
# Variables that hold paths and are read in the engine, by llmstep and by the libraries of models.
_PATHS = (
    environment.HOME,
    environment.ECHO_SCRIPT,
    "HF_HOME",
    "HF_HUB_CACHE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)

Options = dict[str, object]


class NoFrontError(Exception):
    """The command line asks for more than a front can do; the whole program reads it."""


def parse_arguments(arguments: list[str]) -> Options:
    """Read the options of ``llmstep serve`` that clients use, without importing a library for it.

    Raises:
        NoFrontError: There is another one, or one is wrong: the whole program says what.
    """
    options: Options = {"model": None, "log_file": None, "verbose": 0}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--model", "--log-file"):
            if not equals:
                if not rest or rest[0].startswith("-"):
                    raise NoFrontError(word)
                value = rest.pop(0)
            options[name[2:].replace("-", "_")] = value
        elif word in ("-v", "-vv", "--verbose"):
            options["verbose"] = int(str(options["verbose"])) + (2 if word == "-vv" else 1)
        else:
            raise NoFrontError(word)
    return options


def serve(options: Options) -> None:
    """Be a front until the client leaves, and end the process.

    Returns only if there can be no front here; then nothing has been read yet, and the reason
    has been reported.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        report("Waiting for a client on stdin; Lean and editors start this. Ctrl-D ends it.")
    flags = _flags(options)
    _place_variables()
    caller = Caller(Identity.own(), flags)
    streams = claim_stdio()
    try:
        place = find_place(caller.identity.shared)
        link = caller.link(place)
    except (NoPlaceError, NoEngineError, OSError) as error:
        report(f"llmstep: no engine can be shared ({error}); serving in this process")
        _serve_in_process(streams, flags, options)
        return
    code = 1
    try:
        code = _forward(streams, caller, link, options)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    finally:
        # Not by the interpreter's own way out: a thread may be stuck in a pipe.
        os._exit(code)


def _forward(streams: tuple[FileIO, FileIO], caller: Caller, link: Link, options: Options) -> int:
    reader, writer = streams
    keep = _open_own_log(options)

    output = OutputPump(writer, lambda _: os._exit(1), write_now=pipe_writer(writer))
    output.start()

    def show(text: str) -> None:
        report(text)
        if keep is not None:
            keep.write(text.rstrip("\n").encode("utf-8", "replace") + b"\n")

    front = Front(caller, link, output.write, show, lambda pid: _watch_client(pid, front))

    def chunks() -> Iterator[bytes]:
        try:
            while chunk := reader.read(_CHUNK_BYTES):
                yield chunk
        except OSError:
            return

    code = read_client(front, chunks())
    front.leave()
    output.flush(_FLUSH_S)
    return code


def _watch_client(pid: int, front: Front) -> None:
    """End when the client's process is gone (LSP 3.17): a child of its may hold our pipes open.

    An id that names nobody from the start may be one of another container: then the client counts
    as gone once it has said nothing for a while.
    """

    def watch() -> None:
        seen = False
        while is_alive(pid):
            seen = True
            time.sleep(_WATCH_S)
        while not seen and front.silent_s < _SILENCE_S:
            time.sleep(_WATCH_S)
        os._exit(0)

    threading.Thread(target=watch, name="front-client", daemon=True).start()


def is_alive(pid: int) -> bool:
    """Whether there is a process of that id."""
    if os.name == "nt":
        import ctypes

        kernel = ctypes.windll.kernel32  # pyright: ignore[reportAttributeAccessIssue]
        handle = kernel.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
        if not handle:
            return False
        running = kernel.WaitForSingleObject(handle, 0) == 0x00000102  # WAIT_TIMEOUT
        kernel.CloseHandle(handle)
        return running
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's, but there
    return True


def _flags(options: Options) -> Options:
    level = (None, "info", "debug")[min(int(str(options["verbose"])), 2)]
    return {"model": options["model"], "log_level": level}


def _place_variables() -> None:
    """Make relative paths absolute: the engine, which reads them too, has another folder."""
    for name in _PATHS:
        path = os.path.expanduser(os.environ.get(name, ""))
        if path and not path.startswith("~"):
            os.environ[name] = os.path.abspath(path)


def _open_own_log(options: Options) -> FileIO | None:
    path = options["log_file"]
    if not isinstance(path, str):
        return None
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        return FileIO(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    except OSError as error:
        report(f"llmstep: no log file: {error}")
        return None


def _serve_in_process(streams: tuple[FileIO, FileIO], flags: Options, options: Options) -> None:
    from pathlib import Path

    from llmstep.server.process import run_server

    log_file = options["log_file"]
    try:
        run_server(*streams, flags, Path(str(log_file)) if log_file else None)
    except LLMStepError as error:
        report(f"llmstep: {error.message}\n  {error.hint}")
        sys.exit(1)
