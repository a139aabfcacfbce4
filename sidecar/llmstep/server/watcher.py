"""``python -m llmstep.server.watcher``: listens, starts the engine below itself, and sees its end.

The watcher is the engine's parent, so it alone is told what ended it. It stays small: it opens the
socket, forks, and from then on waits. Started by a front that holds the place's lock.

Arguments: folder and name of the place.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

from llmstep.runtime.channel import Listener
from llmstep.runtime.notes import (
    Casualties,
    Death,
    count_memory_kills,
    explain_end,
    read_work,
    write_death,
)
from llmstep.runtime.place import EnginePlace


def main(folder: str, name: str) -> int:
    """Run one engine from its start to its end; returns the exit code."""
    place = EnginePlace(folder, name)
    log = place.log
    listener = Listener(place.socket)
    for path in (place.work, place.death):
        with contextlib.suppress(OSError):
            os.unlink(path)
    if not hasattr(os, "fork"):
        _run_engine(listener, place)
        return 0
    if os.fork():
        # Whoever started this waits for it: from now on there is a socket to connect to. What goes
        # on is nobody's child, and leaves no dead process behind.
        os._exit(0)
    log_start = os.path.getsize(log) if os.path.exists(log) else 0
    kills = count_memory_kills()
    engine = os.fork()
    if engine == 0:
        _run_engine(listener, place)
        os._exit(0)
    listener.socket.close()
    status = os.waitstatus_to_exitcode(os.waitpid(engine, 0)[1])
    listener.forget()
    if status == 0:
        return 0
    cause, own_fault = explain_end(status, log, log_start, kills)
    if own_fault:
        Casualties(place.casualties).add(read_work(place.work), cause)
    with contextlib.suppress(OSError):
        write_death(place.death, Death(engine, cause, time.time(), own_fault))
    return 1


def _run_engine(listener: Listener, place: EnginePlace) -> None:
    # Here, because all of it is the engine's alone.
    from llmstep.server.engine import run_engine

    run_engine(listener, place)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
