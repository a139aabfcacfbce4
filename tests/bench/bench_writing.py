"""How fast are whole proofs written, against plain llama.cpp, and what does a round cost besides?

The weights are random; both sides draw from them with the same temperature and nucleus, in turns,
on one thread each, and what is compared is the time of the processor: it is that of an idle machine
on a busy one, too. Of a round everything but the decoding
counts: a scripted model writes at once, Lean's front end of the test suite asks for one round more
and refuses what it gets, over the wire, with the file's text.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_search import Package
from shapes import PYTHIA, write_shape

from llmstep.backends.base import BackendOptions, CancelToken, PromptPart
from llmstep.backends.llama_cpp import LlamaCppBackend
from llmstep.backends.writing import WritingRequest

TEXT = "theorem t (a b c : ℕ) (h : a ≤ b) (k : b ≤ c) : a + 1 ≤ c + 1 := by\n  "
LINES = [
    "import LLMstep",
    'set_option llmstep.command "llmstep serve --model echo"',
    "set_option llmstep.batch true",
    "set_option llmstep.prove.report true",
    "set_option llmstep.prove.gapMs 0",
    'set_option llmstep.search.closers ""',
]
FEW, MANY = 2, 42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(PYTHIA), default="pythia-160m")
    parser.add_argument("--quant", default="Q4_K_M")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--model", type=Path, help="a GGUF file in place of one of that shape")
    parser.add_argument("--only", choices=["speed", "rounds"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llmstep-writing-") as folder:
        place = Path(folder)
        if options.only != "rounds":
            file = options.model or make_model(options.shape, options.quant, place)
            compare_speed(file, options)
        if options.only != "speed":
            time_rounds(place)


def make_model(shape: str, quant: str, place: Path) -> Path:
    """A GGUF file of that shape."""
    write_shape(shape, place / "folder")
    target = place / "model.gguf"
    words = ["models", "convert", str(place / "folder"), "--quant", quant, "--no-check"]
    subprocess.run(
        [sys.executable, "-m", "llmstep", *words, "--output", str(target), "--id", "bench-writing"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={"LLMSTEP_HOME": str(place / "home"), "PATH": "/usr/bin:/bin"},
    )
    return target


def compare_speed(file: Path, options: argparse.Namespace) -> None:
    """Tokens per second of one answer, ours and llama-cpp-python's, in turns."""
    from llama_cpp import Llama

    count = options.tokens
    ours = LlamaCppBackend(BackendOptions(path=file, threads=1, context_tokens=1024))
    plain = Llama(str(file), n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False)
    # No turn finds its prompt in the cache, on either side.
    prompt = plain.tokenize(f"-- 0\n{TEXT}".encode(), add_bos=False)
    mine: list[float] = []
    theirs: list[float] = []
    for turn in range(options.turns + 1):
        mine.append(time_ours(ours, count, turn))
        theirs.append(time_plain(plain, prompt, count, turn))
    ours.close()
    # The first turn also reads the weights from the disk.
    ratios = [b / a for a, b in zip(mine[1:], theirs[1:], strict=True)]
    print(
        f"{options.shape} {options.quant}, {count} tokens: "
        f"{count / statistics.median(mine[1:]):.1f} tokens/s of one thread, plain llama.cpp "
        f"{count / statistics.median(theirs[1:]):.1f}; ratio {statistics.median(ratios):.3f} "
        f"(from {min(ratios):.3f} to {max(ratios):.3f})"
    )


def time_ours(backend: LlamaCppBackend, count: int, seed: int) -> float:
    """Processor seconds of one answer; the prompt is short, and the same on both sides."""
    request = WritingRequest(
        prompt=(PromptPart(f"-- {seed}\n{TEXT}"),), answer_tokens=count, fenced=False, seed=seed
    )
    begin = time.process_time()
    [answer], _ = backend.write(request, CancelToken(), lambda *_: None)
    took = time.process_time() - begin
    return took * count / answer.tokens


def time_plain(model: object, prompt: list[int], count: int, seed: int) -> float:
    """The same with llama-cpp-python, and llama.cpp's samplers as they are usually set."""
    model.set_seed(seed)  # pyright: ignore[reportAttributeAccessIssue]
    model.reset()  # pyright: ignore[reportAttributeAccessIssue]
    begin = time.process_time()
    stream = model.generate(prompt, top_k=40, top_p=0.95, temp=0.6)  # pyright: ignore
    for _, _token in zip(range(count), stream, strict=False):
        pass
    return time.process_time() - begin


def time_rounds(place: Path) -> None:
    """What one round more costs, where the model takes no time."""
    package = Package(place / "package", None)
    script = place / "script.json"
    script.write_text(json.dumps([{"answers": [{"text": "exact wrong", "score": -0.1}]}]))
    variables = {
        "LLMSTEP_ECHO_SCRIPT": str(script),
        "LLMSTEP_HOME": str(place / "home"),
        "LLMSTEP_SOURCES": "model",
    }
    each: list[float] = []
    for _ in range(7):
        took = [ask(package, rounds, variables) for rounds in (FEW, MANY)]
        each.append((took[1] - took[0]) / (MANY - FEW))
    print(
        f"a round besides the decoding: {statistics.median(each):.1f} ms "
        f"(from {min(each):.1f} to {max(each):.1f})"
    )


def ask(package: Package, rounds: int, variables: dict[str, str]) -> float:
    """Milliseconds of one call with so many rounds."""
    statement = "theorem here (p q : Prop) (hp : p) (hq : q) : p ∧ q := by"
    lines = [*LINES, f"set_option llmstep.prove.rounds {rounds}", statement, "  llmprove", ""]
    for message in package.check("\n".join(lines), **variables):
        for line in message["data"].split("\n"):
            if line.startswith("llmprove: {"):
                report = json.loads(line.removeprefix("llmprove: "))
                if report["rounds"] != rounds:
                    raise ValueError(f"{report['rounds']} rounds, not {rounds}")
                return report["ms"]
    raise ValueError("no report")


if __name__ == "__main__":
    main()
