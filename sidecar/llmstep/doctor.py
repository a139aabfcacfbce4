"""What `llmstep doctor` looks at: one function per check, each with a cure for what it finds.

Every check imports what it needs by itself and may fail by itself: a broken library must not
keep the others from being looked at. For the same reason the data classes are the standard
library's.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from llmstep.backends import LLAMA_CPP
from llmstep.errors import LLMStepError
from llmstep.repair import LIBRARIES, broken_libraries

if TYPE_CHECKING:
    from llmstep.config import Settings
    from llmstep.service.catalog import ResolvedModel

Status = Literal["ok", "warn", "fail"]

GOAL = "p q : Prop\nhp : p\nhq : q\n⊢ p ∧ q"
FIX = "Run `llmstep doctor --fix`."
UNEXPECTED = (
    "Run `llmstep doctor --fix`; if that does not help, report it with what is printed here."
)
_MEBI = 1 << 20


@dataclasses.dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        name: What was looked at.
        status: ``ok``; ``warn`` (llmstep runs, but not as well as it could); ``fail``.
        detail: What was found.
        cure: What to do about it; empty when nothing is to be done.
    """

    name: str
    status: Status
    detail: str
    cure: str = ""


def run_checks(names: Collection[str] = ()) -> Iterator[Check]:
    """Run the checks of these names, or all, giving each outcome as soon as it is known."""
    for name, check in CHECKS.items():
        if names and name not in names:
            continue
        try:
            yield check()
        except LLMStepError as error:
            yield Check(name, "fail", error.message, error.hint)
        except Exception as error:
            # A doctor that falls ill is no help: the check failed, whatever the reason.
            yield Check(name, "fail", f"{type(error).__name__}: {error}", UNEXPECTED)


def check_python() -> Check:
    """Which Python is this? One older than 3.11 cannot have installed llmstep."""
    detail = f"{platform.python_version()} ({platform.machine()}, {sys.executable})"
    return Check("Python", "ok", detail)


def check_libraries() -> Check:
    """Can the libraries of the core be imported?"""
    broken = broken_libraries()
    if broken:
        detail = "; ".join(f"{name}: {reason}" for name, reason in broken.items())
        return Check("libraries", "fail", detail, FIX)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return Check("libraries", "ok", ", ".join(versions))


def check_llama_cpp() -> Check:
    """Does llama-cpp-python load?"""
    from llmstep.install.background import read_build
    from llmstep.install.probe import PACKAGE, probe_llama_cpp

    found = probe_llama_cpp(Path(sys.executable))
    if found.problem is not None:
        build = read_build(Path(sys.prefix))
        if build is not None and build.state == "running":
            cure = "Wait, or `llmstep doctor --fix` to watch: library, file and portfolio answer."
            return Check("llama.cpp", "warn", f"being built: {build.describe()}", cure)
        model = _model()
        status: Status = "fail" if model is None or model.backend == LLAMA_CPP else "warn"
        if build is not None and build.state in ("failed", "died"):
            detail = f"{PACKAGE}: {build.describe()} (log: {build.log})"
            return Check("llama.cpp", status, detail, build.hint or FIX)
        return Check("llama.cpp", status, f"{PACKAGE}: {found.problem}", FIX)
    features = ", ".join(re.findall(r"(\w+) = 1\b", found.system))
    return Check("llama.cpp", "ok", f"{PACKAGE} {found.version} ({features})")


def check_first_version() -> Check:
    """Does a server of the first llmstep run here? Its variables are among the settings."""
    from llmstep.first_version import find_server

    server = find_server(os.environ)
    if server is None:
        return Check("2023", "ok", "no server of the first llmstep runs here")
    return Check("2023", "warn", server.found, server.cure)


def check_settings() -> Check:
    """Are all settings, from the file and the environment, names and values that exist?"""
    from llmstep import paths
    from llmstep.config import LEFT_OVER, resolve
    from llmstep.first_version import find_leftovers

    resolved = resolve()
    file = paths.config_file()
    if resolved.problems:
        left = find_leftovers(os.environ)
        wrong = [problem for problem in resolved.problems if problem.origin != LEFT_OVER]
        found = [*map(str, wrong), *(leftover.found for leftover in left)]
        cures = [leftover.cure for leftover in left]
        if wrong:
            cures.append(f"correct {file} or the environment; `llmstep config show` lists all")
        cure = "; ".join(cures)
        return Check("settings", "warn", "; ".join(found), cure[0].upper() + cure[1:])
    own = [name for name, origin in resolved.origins.items() if origin != "default"]
    there = str(file) if file.exists() else f"no {file}, none is needed"
    return Check("settings", "ok", f"{there}; {', '.join(own) or 'nothing'} set")


def check_model() -> Check:
    """Is the model's file there, and is it the file its card describes?"""
    from llmstep.service.catalog import find_model, missing_backend
    from llmstep.service.verification import verify_model

    model = find_model(_settings().model)
    missing = missing_backend(model.card)
    if missing:
        return Check("model", "fail", f"{model.id} {missing}", FIX)
    if model.path is None or model.path.is_dir():
        place = f"{model.path}, " if model.path else ""
        return Check("model", "ok", f"{model.id} ({place}backend {model.backend}, no checksum)")
    checked = verify_model(model)
    size = f"{checked.size_bytes / 1e6:.1f} MB"
    return Check("model", "ok", f"{model.id}: {model.path} ({size}, {checked})")


def check_sources() -> Check:
    """Can the sources of suggestions besides the model be read?"""
    from llmstep.sources.library_index import LibraryIndex
    from llmstep.sources.mixing import load_mixing
    from llmstep.sources.portfolio import load_portfolio
    from llmstep.sources.sources import library_path

    settings = _settings()
    found = []
    if settings.sources != ("model",):
        load_mixing()
    if "library" in settings.sources:
        index = LibraryIndex(library_path(settings.library))
        found.append(f"{len(index):,} steps in {index.path}")
    if "portfolio" in settings.sources:
        found.append(f"{len(load_portfolio().closers)} closers")
    detail = ", ".join(settings.sources) + (f" ({'; '.join(found)})" if found else "")
    return Check("sources", "ok", detail)


def check_machine() -> Check:
    """Cores, threads and memory; is there room for the model?"""
    import psutil

    from llmstep.backends.machine_memory import free_memory, whole_memory

    logical = psutil.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    threads = _settings().threads
    free = free_memory()
    detail = (
        f"{physical} physical cores, {logical} logical; "
        f"{f'{threads} threads set' if threads else 'threads chosen by the backend'}; "
        f"{free / 1e9:.1f} of {whole_memory() / 1e9:.1f} GB memory free"
    )
    if threads > logical:
        cure = "Set `threads` to 0, or to at most the number of physical cores: more are slower."
        return Check("machine", "warn", detail, cure)
    needed = _model_bytes() + 300 * _MEBI
    if free < needed:
        cure = f"The model needs about {needed / 1e9:.1f} GB: close programs or take a smaller one."
        return Check("machine", "warn", detail, cure)
    return Check("machine", "ok", detail)


def check_cache() -> Check:
    """Can the cache folder be written?"""
    from llmstep import paths
    from llmstep.user_files import make_private_folder

    folder = paths.cache_dir()
    try:
        make_private_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"llmstep")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        cure = f"Make {folder} writable, or set LLMSTEP_HOME to a folder of your own."
        return Check("cache", "warn", f"answers are not kept: {error}", cure)
    detail = f"{folder} ({free / 1e9:.1f} GB free)"
    if free < 100 * _MEBI:
        return Check("cache", "warn", detail, "The disk is nearly full: free some space.")
    return Check("cache", "ok", detail)


def check_lean() -> Check:
    """Is Lean there? Nothing is asked of it: the first run of `lean` may download a toolchain."""
    lake = _find_lean_tool("lake")
    if lake is None:
        cure = (
            "Install Lean: https://lean-lang.org/install. "
            "Not needed for `llmstep suggest` or an editor's second server."
        )
        return Check("Lean", "warn", "lake is neither on the PATH nor in ~/.elan/bin", cure)
    return Check("Lean", "ok", f"{lake}{_list_toolchains()}")


def check_command() -> Check:
    """Will the Lean package and editors find the `llmstep` command?"""
    found = shutil.which("llmstep")
    if found:
        return Check("command", "ok", found)
    folder = Path(sys.executable).parent
    cure = (
        f"Add {folder} to the PATH, or in VS Code's settings.json: "
        f'"lean4.envPathExtensions": ["{folder.as_posix()}"]. '
        "After `lake run llmstep/setup` the Lean package finds its own copy without it."
    )
    return Check("command", "warn", "`llmstep` is not on the PATH", cure)


def check_engine() -> Check:
    """Is there a folder where front and engine can meet, and is an engine running?"""
    from llmstep.runtime.control import ask_engine, list_places
    from llmstep.runtime.place import NoPlaceError

    try:
        reports = [ask_engine(place, "describe") for place in list_places()]
    except (NoPlaceError, OSError) as error:
        cure = "Let XDG_RUNTIME_DIR name a folder of yours; until then each client has its own."
        return Check("engine", "warn", f"no folder for its socket: {error}", cure)
    running = [report.values for report in reports if report.values]
    if not running:
        return Check("engine", "ok", "none is running; the first client starts one")
    words = [f"{engine['pid']} (version {engine['version']})" for engine in running]
    return Check("engine", "ok", f"running: {', '.join(words)}; `llmstep ps` shows more")


def check_sidecar() -> Check:
    """Start a real sidecar, ask about a small goal, end it."""
    from llmstep.handshake import converse

    talk = converse([sys.executable, "-m", "llmstep", "serve"], GOAL)
    times = f"started in {talk.start_ms:.0f} ms, answered in {talk.suggest_ms:.0f} ms"
    if not talk.suggestions:
        cure = "Run `llmstep suggest` on a goal of yours and see whether that is empty too."
        return Check("sidecar", "warn", f"{times}, but {talk.model} suggested nothing", cure)
    if talk.silent:
        cure = "See the checks above; until then the other sources answer in the model's place."
        return Check("sidecar", "warn", f"{times}, without the model: {talk.silent}", cure)
    return Check("sidecar", "ok", f"{times}: {talk.model} suggests `{talk.suggestions[0]}`")


CHECKS: dict[str, Callable[[], Check]] = {
    "Python": check_python,
    "libraries": check_libraries,
    "llama.cpp": check_llama_cpp,
    "settings": check_settings,
    "2023": check_first_version,
    "model": check_model,
    "sources": check_sources,
    "machine": check_machine,
    "cache": check_cache,
    "Lean": check_lean,
    "command": check_command,
    "engine": check_engine,
    "sidecar": check_sidecar,
}


def _settings() -> Settings:
    from llmstep.config import resolve

    return resolve().settings


def _model() -> ResolvedModel | None:
    """The chosen model; ``None`` where there is none (its own check tells)."""
    from llmstep.service.catalog import find_model

    try:
        return find_model(_settings().model)
    except LLMStepError:
        return None


def _model_bytes() -> int:
    model = _model()
    file = model.path if model is not None else None
    return file.stat().st_size if file is not None and file.is_file() else 0


def _find_lean_tool(name: str) -> str | None:
    from llmstep import paths

    elan = paths.expand(os.environ.get("ELAN_HOME") or "~/.elan") / "bin"
    return shutil.which(name) or shutil.which(name, path=str(elan))


def _list_toolchains() -> str:
    """Installed toolchains by elan's own list, which downloads nothing."""
    elan = _find_lean_tool("elan")
    if elan is None:
        return ""
    try:
        result = subprocess.run(
            [elan, "toolchain", "list"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    names = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    if result.returncode != 0 or not names:
        return ""
    return f"; toolchains: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}"
