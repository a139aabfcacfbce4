"""One engine behind light fronts, against a whole sidecar for each file.

Both ways take turns, so that whatever else the machine does hits both alike: the ratios count.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
from common import load_cases

from llmstep.handshake import SidecarClient

ROUNDS = 5
FILES = 8
QUESTIONS = 300
WAIT_S = 600.0
ENGINE = [sys.executable, "-m", "llmstep", "serve"]
ALONE = [*ENGINE, "--in-process"]


def main() -> None:
    goal = load_cases()[0][0]
    with tempfile.TemporaryDirectory() as home:
        environ = {"LLMSTEP_HOME": home, "LLMSTEP_KEEP_ALIVE": "1"}
        # As a user has it: compiled once, then read.
        environ["PYTHONDONTWRITEBYTECODE"] = ""
        measure_third_file(goal, environ)
        measure_memory(goal, environ)
        measure_front(goal, environ)
        stop_engines(home)


def measure_third_file(goal: str, environ: dict[str, str]) -> None:
    """From spawning the third sidecar to its first suggestion, two being there."""
    taken: dict[str, list[float]] = {"a process for each file": [], "one engine": []}
    for _ in range(ROUNDS):
        for name, command in zip(taken, (ALONE, ENGINE), strict=True):
            with ExitStack() as files:
                for _ in range(2):
                    files.enter_context(opened(command, goal, environ))
                begin = time.perf_counter()
                files.enter_context(opened(command, goal, environ))
                taken[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"third file, {name:<26} {median * 1000:8.0f} ms")
    alone, shared = medians.values()
    print(f"third file, sooner by a factor of     {alone / shared:8.1f}   [5]")


def measure_memory(goal: str, environ: dict[str, str]) -> None:
    """PSS of fronts, engine and watcher, with one file open and with many."""
    sizes: list[float] = []
    with ExitStack() as files:
        clients: list[SidecarClient] = []
        for number in range(1, FILES + 1):
            clients.append(files.enter_context(opened(ENGINE, goal, environ)))
            if number in (1, FILES):
                engine = clients[0].request("llmstep/status", {}, WAIT_S)["engine"]["pid"]
                pids = [client.pid for client in clients]
                pids += [engine, psutil.Process(engine).ppid()]
                sizes.append(sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 1e6)
        front = psutil.Process(clients[-1].pid)
        times, size = front.cpu_times(), front.memory_info().rss / 1e6
    one, many = sizes
    print(f"memory of 1 file, {FILES} files            {one:8.0f} MB, {many:.0f} MB")
    print(f"memory of {FILES} files over that of one     {many / one:8.2f}   [1.6]")
    print(f"a front, after one question           {size:8.1f} MB resident   [30]")
    print(
        f"a front, CPU until then               {(times.user + times.system) * 1000:8.0f} ms   [60]"
    )


def measure_front(goal: str, environ: dict[str, str]) -> None:
    """What the front adds to a question, the answers coming from the cache."""
    cached = {**environ, "LLMSTEP_CACHE": "on"}
    with opened(ALONE, goal, cached) as alone, opened(ENGINE, goal, cached) as shared:
        taken: dict[str, list[float]] = {"alone": [], "shared": []}
        for _ in range(QUESTIONS):
            for name, client in (("alone", alone), ("shared", shared)):
                begin = time.perf_counter()
                client.request("llmstep/suggest", {"goals": [goal], "prefix": ""}, WAIT_S)
                taken[name].append(time.perf_counter() - begin)
        work = psutil.Process(shared.pid).cpu_times()
    spent_ms = (work.user + work.system) * 1000 / QUESTIONS
    alone_ms, shared_ms = (statistics.median(times) * 1000 for times in taken.values())
    print(f"a cached answer, in process, through the front  {alone_ms:.2f} ms, {shared_ms:.2f} ms")
    print(f"the front adds                        {shared_ms - alone_ms:8.2f} ms   [2]")
    print(f"the front's CPU for a question        {spent_ms:8.2f} ms, its start included")


@contextmanager
def opened(command: list[str], goal: str, environ: dict[str, str]) -> Iterator[SidecarClient]:
    """A client that has had its first suggestion."""
    with SidecarClient(command, environ) as client:
        client.initialize(WAIT_S)
        client.request("llmstep/suggest", {"goals": [goal], "prefix": ""}, WAIT_S)
        yield client


def stop_engines(home: str) -> None:
    from llmstep.runtime.control import ask_engine, list_places

    os.environ["LLMSTEP_HOME"] = home
    for place in list_places():
        ask_engine(place, "stop")


if __name__ == "__main__":
    main()
