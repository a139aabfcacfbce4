"""A warm suggestion of 8 candidates, against the original's way with the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from common import HERE, builtin_path, load_cases, median_ms
from original_way import CANDIDATES, CLIENT
from weights import write_folder

from llmstep.handshake import SidecarClient
from llmstep_workshop.commands.bench import BenchQuestion, ask, clock

WAIT_S = 600.0
ROUNDS = 3


def main() -> None:
    questions = [BenchQuestion(goal, prefix) for goal, prefix in load_cases()]
    print(
        f"17 goals x {ROUNDS} rounds, {CANDIDATES} candidates, the built-in model's weights on "
        "both sides, medians"
    )
    cores = psutil.cpu_count(logical=False) or 1
    with tempfile.TemporaryDirectory() as home:
        theirs, inside = time_original(questions, Path(home))
        ours = time_ours(questions, home, threads=0)
        wide = time_ours(questions, home, threads=cores)
    print(f"generate + HTTP + a process per call   {median_ms(theirs):8.1f} ms")
    print(f"  of it inside generate                {median_ms(inside):8.1f} ms")
    for name, times in (("llmstep as it is", ours), (f"llmstep on {cores} threads", wide)):
        whole = median_ms([b / a for a, b in zip(times, theirs, strict=True)]) / 1000
        model = median_ms([b / a for a, b in zip(times, inside, strict=True)]) / 1000
        print(
            f"{name:<38} {median_ms(times):8.1f} ms [250 ms]   {whole:.1f}x [10x] as fast, "
            f"{model:.1f}x as generate alone"
        )


def time_ours(questions: list[BenchQuestion], home: str, threads: int) -> list[float]:
    command = [sys.executable, "-m", "llmstep", "serve"]
    environ = {"LLMSTEP_HOME": home, "LLMSTEP_THREADS": str(threads)}
    with SidecarClient(command, environ) as sidecar:
        sidecar.initialize(WAIT_S)
        ask(sidecar, questions[0], CANDIDATES)
        times = [
            clock(sidecar, question, CANDIDATES) / 1000
            for _ in range(ROUNDS)
            for question in questions
        ]
        sidecar.shut_down(WAIT_S)
    return times


def time_original(questions: list[BenchQuestion], home: Path) -> tuple[list[float], list[float]]:
    """Seconds of each call, and of `generate` within it."""
    folder = home / "weights"
    write_folder(builtin_path(), folder)
    command = [sys.executable, str(HERE / "original_way.py"), str(folder), "--begin", "<s>"]
    times: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            for round_ in range(ROUNDS + 1):
                for question in questions:
                    begin = time.perf_counter()
                    call(url, question)
                    if round_:  # the first round warms the server up
                        times.append(time.perf_counter() - begin)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            inside = json.load(opener.open(url))[-len(times) :]
        finally:
            server.kill()
    return times, inside


def call(url: str, question: BenchQuestion) -> str:
    command = [sys.executable, "-c", CLIENT, url, question.goal, question.prefix]
    environ = {**os.environ, "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=True, env=environ
    )
    return done.stdout


if __name__ == "__main__":
    main()
