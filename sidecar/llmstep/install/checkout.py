"""Setting a checkout up: ``.venv`` beside ``bootstrap.py``, which hands over to this module.

The sidecar comes first and answers within seconds of its installation, from Mathlib's proofs, the
user's file and the closers; llama.cpp, for the built-in model, follows, and where it must be
compiled that happens in the background. Where ``uv`` is on the PATH it is used, otherwise ``venv``
and ``pip``. What each command wrote is kept in build/bootstrap.log. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from llmstep import __version__
from llmstep.console import CommandError, Console
from llmstep.errors import LLMStepError
from llmstep.install import background, llama_cpp, packages, wheels
from llmstep.install.compiler import succeeds

ROOT = Path(__file__).resolve().parents[3]
WORKSHOP = ROOT / "sidecar" / "workshop"
VENV = ROOT / ".venv"
STAMP = VENV / "llmstep-setup.json"
LOG = ROOT / "build" / "bootstrap.log"
OLDEST = (3, 11)
# What each extra must make importable; looked for, not imported, so that a second run is quick.
MODULES = {
    "": ("llmstep", "attrs", "cattrs", "click", "numpy", "platformdirs", "psutil", "pygls"),
    "gguf": ("llama_cpp",),
    "workshop": ("llmstep_workshop", "gguf", "jinja2", "tqdm"),
    "train": ("torch", "transformers", "accelerate", "peft"),
    "dev": ("pytest", "pytest_lsp", "xdist", "hypothesis", "ruff", "basedpyright", "importlinter"),
}


COMMANDS = {
    "demo": "set up, then show suggestions for a few goals",
    "setup": "set up only; --wait stays until llama.cpp is there",
    "test": "set up for development, then run every check; further words go to pytest",
}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code. `test` is the workshop's (``development``)."""
    commands = "\n".join(f"  {name:6} {meaning}" for name, meaning in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="bootstrap.py",
        description="Sets llmstep up in .venv beside this file. Needs Python 3.11 or newer.",
        epilog=f"commands:\n{commands}\n\n"
        "Running it again is quick, and mends a set-up that was interrupted.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"llmstep {__version__}")
    parser.add_argument("command", choices=tuple(COMMANDS))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="handed on to the demo or to pytest")
    if not arguments:
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    wait = "--wait" in options.rest
    rest = [word for word in options.rest if word != "--wait"]
    if options.command == "setup" and rest:
        parser.error(f"setup takes --wait and nothing else, not {rest[0]!r}")

    def work(console: Console) -> int:
        set_up(console, wait=wait)
        if options.command == "demo":
            return run_in_venv(["-m", "llmstep", "demo", *rest])
        start_indexing(console, find_workspace(ROOT))
        console.say(f"Ready: {venv_command('llmstep')}")
        console.note(
            "suggestions at each `sorry` by themselves (Lean 4.33 or newer): import LLMstep.Try, "
            "set_option llmstep.try true, set_option autoTry.onSorry true"
        )
        return 0

    return run(options.command, work)


def run(command: str, work: Callable[[Console], int]) -> int:
    """Do the work of a command; an error or an interrupt ends with what to try, and a code."""
    console = Console(sys.stdout, log=LOG)
    again = f"{Path(sys.executable).name} bootstrap.py {command}"
    try:
        return work(console)
    except KeyboardInterrupt:
        console.say(f"\nInterrupted. Run it again and it goes on from here: {again}")
        return 130
    except LLMStepError as error:
        if isinstance(error, CommandError):
            for line in error.output.splitlines()[-12:]:
                console.note(line)
            if console.log:
                console.note(f"(the whole output: {console.log})")
        console.say(f"Error: {error.message}")
        given = error.hint if error.hint != LLMStepError.default_hint else f"Try again: {again}"
        console.say(given)
        return 1


def find_workspace(root: Path) -> Path | None:
    """The project that has this checkout as one of its packages; ``None`` if it stands alone."""
    above = root.parents
    if len(above) > 2 and (above[1].name, above[0].name) == (".lake", "packages"):
        return above[2]
    return None


def start_indexing(console: Console, workspace: Path | None) -> None:
    """Begin to index the packages of a project, in the background and at idle priority."""
    if workspace is None:
        return
    command = [
        str(venv_command("python")),
        "-m",
        "llmstep",
        "index",
        "packages",
        "--idle",
        "--no-own",
    ]
    try:
        background.start_detached([*command, str(workspace)], subprocess.DEVNULL)
    except OSError as error:
        console.note(f"the packages of {workspace} are indexed with the first question ({error})")
        return
    console.note(f"the packages of {workspace} are being indexed in the background;")
    console.note(f"how far: {venv_command('llmstep')} index status {workspace}")


def set_up(console: Console, *, wait: bool = False) -> None:
    """Make ``.venv`` with the sidecar in it, then see to llama.cpp; ``wait`` stays until that ends.

    Nothing is done where all is there.

    Raises:
        LLMStepError: The sidecar could not be installed; llama.cpp could not, and was waited for.
    """
    ready = is_ready(())
    if ready and has_modules(list(MODULES["gguf"])):
        return
    begin(console, 3)
    console.step(f"Python environment in {VENV}")
    if ready:
        console.note("it is there")
    else:
        make_venv(console)
    console.step("llmstep and its libraries")
    if ready:
        console.note("they are there")
    else:
        install_llmstep(console, ())
    answers = f"{venv_command('llmstep')} suggest '⊢ 1 + 1 = 2'"
    console.note("it answers already, from Mathlib's proofs, your file and closers that fit the")
    console.note(f"goal's shape; try it: {answers}")
    console.step("llama.cpp, for the built-in model")
    add_llama_cpp(console, wait=wait)


def add_llama_cpp(console: Console, *, wait: bool) -> None:
    """Install llama.cpp from where it takes seconds; else build it, in the background or not.

    Raises:
        LLMStepError: It was waited for and could not be built.
    """
    if background.find_running(VENV) is None:
        if llama_cpp.install_ready_made(console, venv_command("python")) is not None:
            return
        if wait:
            llama_cpp.build_llama_cpp(console, venv_command("python"))
            return
        estimate = wheels.describe_estimate(wheels.estimate_build())
        background.start_build(venv_command("python"), VENV)
        console.note(f"it is compiled in the background ({estimate} if they stay as busy as now);")
    else:
        console.note("it is being compiled in the background since an earlier call;")
        if wait:
            background.follow_build(console, VENV)
            return
    console.note(f"how far it is: {venv_command('llmstep')} status; the model joins in by itself")


def begin(console: Console, steps: int) -> None:
    """Start a numbered set-up with an empty log."""
    console.plan(steps)
    try:
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text("", encoding="utf-8")
    except OSError:
        console.log = None  # a read-only or full disk will be reported by what matters more


def make_venv(console: Console) -> None:
    """Make ``.venv``, or keep the one that is there if it works.

    Raises:
        LLMStepError: It could not be made.
    """
    STAMP.unlink(missing_ok=True)
    check = f"import sys; sys.exit(sys.version_info < {OLDEST} or sys.prefix == sys.base_prefix)"
    if succeeds([venv_command("python"), "-c", check]):
        console.note("it is there")
        return
    if VENV.exists():
        console.note("the one that is there does not work; it is made anew")
        shutil.rmtree(VENV)
    uv = shutil.which("uv")
    if uv:
        try:
            console.run("making it with uv", [uv, "venv", "--python", sys.executable, VENV])
            return
        except CommandError:
            shutil.rmtree(VENV, ignore_errors=True)
    try:
        console.run("making it with venv", [sys.executable, "-m", "venv", VENV])
        return
    except CommandError as error:
        if "ensurepip" not in error.output:
            raise
    # Debian and Ubuntu split ensurepip off Python; their pip can still fill an environment.
    console.note("this Python lacks ensurepip; taking pip from the system")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        console.run("making it bare", [sys.executable, "-m", "venv", "--without-pip", VENV])
        console.run(
            "adding pip",
            [sys.executable, "-m", "pip", "--python", venv_command("python"), "install", "pip"],
        )
    except CommandError as error:
        shutil.rmtree(VENV, ignore_errors=True)
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise LLMStepError(
            "this Python cannot make an environment: the module ensurepip is missing",
            hint=f"On Debian or Ubuntu: sudo apt install python{version}-venv",
        ) from error


def install_llmstep(console: Console, extras: tuple[str, ...]) -> None:
    """Install the sidecar from this folder, editable, and note down what is complete.

    The workshop is installed beside it where it is among the extras.

    Raises:
        CommandError: It could not be installed.
    """
    own = [name for name in extras if name in ("gguf", "dev")]
    targets = ["--editable", f"{ROOT}[{','.join(own)}]" if own else str(ROOT)]
    if "workshop" in extras:
        wanted = "train" if "train" in extras else "convert"
        targets += ["--editable", f"{WORKSHOP}[{wanted}]"]
    packages.install_packages(console, venv_command("python"), "installing", targets)
    stamp = {**fingerprint(), "extras": list(extras)}
    STAMP.write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def fingerprint() -> dict[str, str]:
    """What a finished set-up depends on: this place and the lists of requirements."""
    requirements = b"".join((folder / "pyproject.toml").read_bytes() for folder in (ROOT, WORKSHOP))
    return {"root": str(ROOT), "requirements": hashlib.sha256(requirements).hexdigest()}


def is_ready(extras: tuple[str, ...]) -> bool:
    """Whether a finished set-up with these extras is there and still complete."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        known = set(stamp.pop("extras"))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False
    if stamp != fingerprint() or not known.issuperset(extras):
        return False
    return has_modules([name for extra in ("", *extras) for name in MODULES[extra]])


def has_modules(names: list[str]) -> bool:
    """Whether ``.venv`` has these top-level modules."""
    code = (
        "import importlib.util as u, sys\n"
        "sys.exit(any(u.find_spec(name) is None for name in sys.argv[1:]))"
    )
    return succeeds([venv_command("python"), "-c", code, *names])


def run_in_venv(arguments: list[str]) -> int:
    """Go on as ``.venv``'s Python."""
    command = [str(venv_command("python")), *arguments]
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    # On Windows exec returns to the shell at once, while the program still prints.
    return subprocess.call(command)


def venv_command(name: str) -> Path:
    """Path of a command in ``.venv``."""
    return VENV / "Scripts" / f"{name}.exe" if os.name == "nt" else VENV / "bin" / name
