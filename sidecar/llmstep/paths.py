"""Where llmstep keeps its files: the platform's folders, or all of it under ``LLMSTEP_HOME``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

from llmstep import environment

APP = "llmstep"


# Nothing can be made or read below it: what is optional is then done without.
_NOWHERE = Path(os.devnull) / APP


def expand(name: str) -> Path:
    """A path with ``~`` and ``~user`` replaced; as it is where there is no such home folder."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _folder(kind: str) -> Path:
    home = os.environ.get(environment.HOME)
    if home and home_problem() is None:
        return expand(home) / kind
    try:
        return Path(getattr(platformdirs, f"user_{kind}_path")(APP, appauthor=False))
    except RuntimeError:  # no HOME, and no entry in the table of users
        return _NOWHERE / kind


def home_problem() -> str | None:
    """Why ``LLMSTEP_HOME`` cannot be followed; ``None`` if it can, or is not set."""
    home = os.environ.get(environment.HOME, "")
    if home.startswith("~") and str(expand(home)).startswith("~"):
        return f"`LLMSTEP_HOME` names the home folder of a user there is not: {home!r}"
    return None


def config_file() -> Path:
    """The user's settings file; it need not exist."""
    return _folder("config") / "config.toml"


def cache_dir() -> Path:
    """Folder of the suggestion cache and of built wheels."""
    return _folder("cache")


def log_dir() -> Path:
    """Folder of log files."""
    return _folder("log")


def data_dir() -> Path:
    """Folder of models the user has pulled, converted or imported."""
    return _folder("data")


def models_dir() -> Path:
    """The cards, prompts and the built-in model that come with the package.

    A wheel carries them as ``llmstep/_models``; in a source checkout (editable install) they lie
    in ``models/`` at the top of the repository.
    """
    return _shipped("_models", "models")


def editor_files() -> Path:
    """The ready-made files for VS Code; packaged and found as `models_dir` is."""
    return _shipped("_vscode", "vscode-config")


def _shipped(packaged: str, in_checkout: str) -> Path:
    folder = Path(__file__).parent / packaged
    return folder if folder.is_dir() else Path(__file__).parents[2] / in_checkout


def checkout_dir() -> Path | None:
    """The source checkout that runs; ``None`` where llmstep was installed from a wheel."""
    root = Path(__file__).parents[2]
    return root if (root / "pyproject.toml").is_file() and models_dir().parent == root else None


def restore_models_command() -> str:
    """The command that brings back what belongs into :func:`models_dir`."""
    root = checkout_dir()
    if root is not None:
        return f'git -C "{root}" checkout -- models'
    return f'"{sys.executable}" -m pip install --force-reinstall --no-deps llmstep'


def install_command(extra: str) -> str:
    """The command that adds an extra's libraries to this installation."""
    return _pip_install("llmstep", Path(__file__).parents[2], f"[{extra}]")


def install_workshop_command(extra: str = "") -> str:
    """The command that installs the workshop, with an extra's libraries if one is named."""
    root = Path(__file__).parents[2] / "sidecar" / "workshop"
    return _pip_install("llmstep-workshop", root, f"[{extra}]" if extra else "")


def _pip_install(distribution: str, root: Path, extra: str) -> str:
    checkout = (root / "pyproject.toml").is_file()
    target = f'-e "{root}{extra}"' if checkout else f'"{distribution}{extra}"'
    return f'"{sys.executable}" -m pip install {target}'
