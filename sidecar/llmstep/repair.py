"""What can be mended without asking: libraries, shipped files, llama.cpp.

Like the doctor, it imports nothing at the start that may be what is broken.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmstep.console import Console

# Distribution name to module name, of what the core cannot do without.
LIBRARIES = {
    "attrs": "attrs",
    "cattrs": "cattrs",
    "click": "click",
    "lsprotocol": "lsprotocol.types",
    "numpy": "numpy",
    "platformdirs": "platformdirs",
    "psutil": "psutil",
    "pygls": "pygls.lsp.server",
}
# Files of the models folder that the sidecar cannot do without, besides the built-in model's.
SHIPPED = ("builtin.toml", "llmstep-builtin.tactics", "mixing.toml", "portfolio.json")


def fix(console: Console) -> None:
    """Install or bring back what is missing: core libraries, shipped files, llama-cpp-python.

    A build that runs in the background is waited for.

    Raises:
        LLMStepError: Something could not be installed.
    """
    from llmstep.install import background, llama_cpp, packages

    python = Path(sys.executable)
    broken = broken_libraries()
    if broken:
        wanted = [_requirement(name) for name in broken]
        packages.install_packages(console, python, f"installing {', '.join(broken)}", wanted)
        importlib.invalidate_caches()
    restore_models(console)
    if background.find_running(Path(sys.prefix)) is not None:
        console.note("llama.cpp is being built in the background; an interrupt leaves it running")
        background.follow_build(console, Path(sys.prefix))
    llama_cpp.ensure_llama_cpp(console, python)


def restore_models(console: Console) -> None:
    """Bring back files that come with llmstep and are missing or damaged.

    Raises:
        LLMStepError: They could not be brought back.
    """
    from llmstep import __version__, paths
    from llmstep.install import packages

    damaged = find_damage()
    if not damaged:
        return
    console.note(f"missing or damaged: {', '.join(damaged)}")
    root = paths.checkout_dir()
    if root is not None:
        names = [f"models/{name}" for name in damaged]
        console.run("bringing them back", ["git", "-C", root, "checkout", "--", *names])
        return
    arguments = ["--force-reinstall", "--no-deps", f"llmstep=={__version__}"]
    packages.install_packages(console, Path(sys.executable), "installing llmstep anew", arguments)


def find_damage() -> list[str]:
    """Names of the files in the models folder that are missing, or not what their card says."""
    from llmstep import paths
    from llmstep.service.card import read_card
    from llmstep.service.checksums import hash_file

    folder = paths.models_dir()
    damaged = [name for name in SHIPPED if not (folder / name).is_file()]
    if "builtin.toml" in damaged:
        return damaged
    card, _ = read_card(folder / "builtin.toml")
    file = folder / card.file
    if not file.is_file() or hash_file(file) != card.sha256:
        damaged.append(card.file)
    return damaged


def broken_libraries() -> dict[str, str]:
    """The libraries of the core that cannot be imported, with the reason."""
    broken: dict[str, str] = {}
    for name, module in LIBRARIES.items():
        try:
            importlib.import_module(module)
        except Exception as error:
            broken[name] = f"{type(error).__name__}: {error}"
    return broken


def _requirement(name: str) -> str:
    """The requirement llmstep's own metadata states for a library, else its bare name."""
    for line in importlib.metadata.requires("llmstep") or ():
        requirement = line.split(";")[0].strip()
        if re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower() == name:
            return requirement
    return name
