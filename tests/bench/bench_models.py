"""The original's servers against ours with models of the same shapes, and what quantization costs.

Per suggestion: 10 candidates of exactly 32 tokens. The original's way is `generate` of transformers
behind HTTP and a new Python process for each call, in the number format of its servers: ByT5 in 32
bits, Pythia in 16 (and in 32, which is faster on many CPUs). Ours is the sidecar: ByT5 through the
transformers backend, Pythia as GGUF Q4_K_M.

Then the agreement of the likeliest token, along the tactic that the built-in model in bfloat16
finds likeliest: quantized files against that. `--original FOLDER` names the folder of its training
run (`runs/<id>/model`); without it the weights of the file in the repository are read back, which
its own format then has without loss.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from bench_warm import call
from common import HERE, builtin_path, builtin_prompt, load_cases, median_ms
from shapes import BYT5, PYTHIA, write_shape
from weights import write_folder

from llmstep.backends.llama_model import LlamaModel
from llmstep.handshake import SidecarClient
from llmstep_workshop.commands.bench import BenchQuestion, ask
from llmstep_workshop.conversion.parity import Passage, compare_models, feed_of

WAIT_S = 900.0
CANDIDATES, TOKENS = 10, 32
AIMS = {"byt5-small": 3, "pythia-160m": 5, "pythia-410m": 5, "pythia-1.4b": 5}
WINDOW = 512
QUANTS = ("Q8_0", "Q5_K_M", "Q4_K_M", "Q4_0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", nargs="*", choices=list(AIMS), default=list(AIMS)[:3])
    parser.add_argument("--goals", type=int, default=17, help="how many of the 17")
    parser.add_argument("--threads", type=int, default=0, help="on both sides; 0: as they choose")
    parser.add_argument("--original", type=Path, help="folder of the built-in model's training run")
    parser.add_argument("--data", type=Path, help="JSON lines with `state`; may be gzipped")
    parser.add_argument("--rows", type=int, default=200, help="most rows of --data")
    options = parser.parse_args()
    questions = [BenchQuestion(goal, prefix) for goal, prefix in load_cases()][: options.goals]
    if options.shapes:
        print(
            f"{len(questions)} goals, {CANDIDATES} candidates of {TOKENS} tokens, medians, and "
            "means of the processor's time, which a busy machine does not distort as much"
        )
    for name in options.shapes:
        with tempfile.TemporaryDirectory() as place:
            compare_shape(name, questions, Path(place), options.threads)
    with tempfile.TemporaryDirectory() as place:
        compare_quants(options.original, read_states(options.data, options.rows), Path(place))


def compare_shape(name: str, questions: list[BenchQuestion], place: Path, threads: int) -> None:
    """Time both ways with one shape and print them."""
    folder = place / name
    weights = write_shape(name, folder)
    model = add_model(name, folder, place / "home")
    ours, tokens, our_work = time_ours(model, questions, place / "home", threads)
    print(f"{name}: {weights / 1e6:.0f} M weights, {tokens:.0f} tokens generated per suggestion")
    print(f"  llmstep, {model:<24} {median_ms(ours):9.0f} ms   {our_work:6.2f} s of processor time")
    if name in BYT5:
        times, _, work = time_ours(model, questions, place / "home", threads, "int8")
        print(f"  llmstep, {model + ' in int8':<24} {median_ms(times):9.0f} ms   {work:6.2f} s")
    for dtype in ("float32",) if name in BYT5 else ("float16", "float32"):
        theirs, inside, work = time_original(folder, dtype, questions, threads)
        whole = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        model_only = statistics.median(b / a for a, b in zip(ours, inside, strict=True))
        print(
            f"  the original's way, {dtype:<13} {median_ms(theirs):9.0f} ms   {work:6.2f} s   "
            f"{whole:.1f}x [{AIMS[name]}x] as long, {model_only:.1f}x inside generate, "
            f"{work / our_work:.1f}x the processor time",
            flush=True,
        )


def add_model(name: str, folder: Path, home: Path) -> str:
    """Give the sidecar the model under a name; returns the name."""
    os.environ["LLMSTEP_HOME"] = str(home)
    if name in PYTHIA:
        command = [sys.executable, "-m", "llmstep", "models", "convert", str(folder)]
        command += ["--quant", "Q4_K_M", "--no-check"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()
    from llmstep.service.user_models import import_model

    return import_model(folder, model_id=name, prompt="byt5", manner="link").id


def time_ours(
    model: str, questions: list[BenchQuestion], home: Path, threads: int, precision: str = "auto"
) -> tuple[list[float], float, float]:
    """Seconds of each suggestion; means of the tokens generated and of the processor's seconds."""
    command = [sys.executable, "-m", "llmstep", "serve", "--model", model]
    environ = {
        "LLMSTEP_HOME": str(home),
        "LLMSTEP_MAX_TOKENS": str(TOKENS),
        "LLMSTEP_TEMPERATURE": "0.5",
        "LLMSTEP_TOP_P": "1",
        "LLMSTEP_THREADS": str(threads),
        "LLMSTEP_PRECISION": precision,
        "LLMSTEP_TIMEOUT_MS": str(int(WAIT_S * 1000)),
    }
    times: list[float] = []
    tokens = 0
    with SidecarClient(command, environ) as sidecar:
        sidecar.initialize(WAIT_S)
        ask(sidecar, questions[-1], CANDIDATES)
        before = read_work(sidecar.pid)
        for question in questions:
            begin = time.perf_counter()
            answer = ask(sidecar, question, CANDIDATES)
            times.append(time.perf_counter() - begin)
            tokens += answer["stats"]["generatedTokens"]
        work = read_work(sidecar.pid) - before
        sidecar.shut_down(WAIT_S)
    return times, tokens / len(questions), work / len(questions)


def read_work(pid: int) -> float:
    """Seconds of processor time a process has taken."""
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def time_original(
    folder: Path, dtype: str, questions: list[BenchQuestion], threads: int
) -> tuple[list[float], list[float], float]:
    """Seconds of each call, and of `generate` within it; mean of the server's processor seconds."""
    command = [sys.executable, str(HERE / "original_way.py"), str(folder), "--dtype", dtype]
    command += ["--candidates", str(CANDIDATES), "--tokens", str(TOKENS), "--forced"]
    times: list[float] = []
    environ = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            call(url, questions[-1])  # warms the server up
            before = read_work(server.pid)
            for question in questions:
                begin = time.perf_counter()
                call(url, question)
                times.append(time.perf_counter() - begin)
            work = read_work(server.pid) - before
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            inside: list[float] = json.load(opener.open(url))[-len(times) :]
        finally:
            server.kill()
    return times, inside, work / len(times)


def read_states(data: Path | None, limit: int) -> list[str]:
    """Goals to compare tokens on: rows of a file, or the 17 of the benchmark."""
    if data is None:
        return [goal for goal, _ in load_cases()]
    opener: Any = gzip.open if data.suffix == ".gz" else open
    with opener(data, "rt", encoding="utf-8") as lines:
        states = [json.loads(line)["state"] for line in lines]
    return states[:: max(1, len(states) // limit)][:limit]


def compare_quants(original: Path | None, states: list[str], place: Path) -> None:
    """Convert the built-in model's folder to several formats and compare the likeliest tokens."""
    from llmstep.backends.hf_files import read_checkpoint
    from llmstep_workshop.conversion.model_description import About
    from llmstep_workshop.conversion.quantizer import quantize_file
    from llmstep_workshop.conversion.writer import write_gguf

    folder = place / "weights"
    if original is None:
        write_folder(builtin_path(), folder)
    else:
        shutil.copytree(original, folder)
    path = place / "reference.gguf"
    write_gguf(read_checkpoint(folder), path, About("reference", "", "", ""), "BF16")
    files = {"the shipped file": builtin_path()}
    for quant in QUANTS:
        files[quant] = place / f"{quant}.gguf"
        quantize_file(path, files[quant], quant)
    reference = open_model(path)
    passages = [write_on(reference, state) for state in states]
    source = original or "weights read back from its file"
    print(f"built-in model in bfloat16 ({source}) and its first tactic for {len(states)} goals:")
    for name, file in files.items():
        model = open_model(file)
        drift = compare_models(model, feed_of(reference), passages)
        model.close()
        print(
            f"  {name:<18} {file.stat().st_size / 1e6:6.1f} MB   the same likeliest token at "
            f"{drift.agreement:.1%} of {drift.positions} places, mean difference "
            f"{drift.mean:.4f} nats",
            flush=True,
        )
    reference.close()


def open_model(path: Path) -> LlamaModel:
    model = LlamaModel(path)
    model.open_context(WINDOW, 1, 1)
    return model


def write_on(model: LlamaModel, state: str) -> Passage:
    """The prompt of a goal and the tactic the model finds likeliest, token after token."""
    prompt = [model.first_token()]
    for part in builtin_prompt(state):
        prompt += model.tokenize(part.text.encode(), special=part.special)
    prompt = prompt[: WINDOW - TOKENS]
    tokens = list(prompt)
    feed = feed_of(model)
    piece, done = tokens, 0
    while len(tokens) < len(prompt) + TOKENS:
        best = int(feed(piece, done).argmax())
        if model.vocabulary.ends[best]:
            break
        done = len(tokens)
        piece = [best]
        tokens.append(best)
    return Passage(tuple(tokens), len(prompt) - 1)


if __name__ == "__main__":
    main()
