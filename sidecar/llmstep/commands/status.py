"""``llmstep status``: what is there and what is under way, without loading anything."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import click

from llmstep import __version__, paths


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Say what is there and what is being built; nothing is loaded or asked.

    `llmstep doctor` tries everything out and names the cures.
    """
    found = collect()
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for name in ("llmstep", "model", "llama.cpp", "sources", "settings"):
        click.echo(f"{name:<10} {found[name]}")
    for name, folder in found["folders"].items():
        click.echo(f"{name:<10} {folder}")
    for note in found["notes"]:
        click.echo(f"note: {note}", err=True)


def collect() -> dict[str, Any]:
    """All that `status` shows, by the names it has there."""
    from llmstep.config import resolve
    from llmstep.first_version import find_server

    resolved = resolve()
    settings = resolved.settings
    own = [name for name, origin in resolved.origins.items() if origin != "default"]
    notes = [f"not taken: {problem}" for problem in resolved.problems]
    if (server := find_server(os.environ)) is not None:
        notes.append(str(server))
    return {
        "llmstep": f"{__version__}, Python {platform.python_version()} ({sys.executable})",
        "model": _describe_model(settings.model),
        "llama.cpp": describe_llama_cpp(Path(sys.prefix)),
        "sources": ", ".join(settings.sources),
        "settings": ", ".join(f"{name} ({resolved.origins[name]})" for name in own) or "defaults",
        "folders": {
            "config": str(paths.config_file()),
            "data": str(paths.data_dir()),
            "cache": str(paths.cache_dir()),
            "logs": str(paths.log_dir()),
        },
        "notes": notes,
    }


def _describe_model(name: str) -> str:
    from llmstep.errors import LLMStepError
    from llmstep.service.catalog import find_model

    try:
        model = find_model(name)
    except LLMStepError as error:
        return f"{name}: {error.message} {error.hint}"
    size = ""
    if model.path is not None and model.path.is_file():
        size = f", {model.path.stat().st_size / 1e6:.1f} MB"
    return f"{model.id} (backend {model.backend}{size})"


def describe_llama_cpp(prefix: Path) -> str:
    """Whether llama.cpp is in this environment, is being built for it, or what to do."""
    from llmstep.install.background import read_build
    from llmstep.install.probe import PACKAGE

    build = read_build(prefix)
    if build is not None and build.state == "running":
        return f"being built: {build.describe()} (log: {build.log})"
    if importlib.util.find_spec("llama_cpp") is not None:
        try:
            return importlib.metadata.version(PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            return "there, of unknown version"
    others = "until then the other sources answer"
    if build is not None and build.state in ("failed", "died"):
        return f"not there: {build.describe()} {build.hint} (log: {build.log}); {others}"
    return f"not installed: `llmstep doctor --fix` installs it; {others}"
