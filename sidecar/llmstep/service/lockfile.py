"""What was downloaded, exactly: ``models.lock.json`` in the user's data folder.

A card may leave out a revision or a checksum that no public source states. The first download
takes both from the hub's own metadata and writes them here; every later one is held to them::

    {"version": 1, "models": {"<id>": {"repo": "...", "revision": "<commit>",
        "files": {"<name>": {"sizeBytes": 123, "sha256": "<64 hex digits>"}}}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from llmstep import paths
from llmstep.errors import ModelFileError
from llmstep.user_files import read_json_value, write_private

_VERSION = 1


@attrs.frozen
class LockedFile:
    """A file as it was downloaded."""

    size_bytes: int
    sha256: str


@attrs.frozen
class LockedModel:
    """A model as it was downloaded: a commit of a Hugging Face repository."""

    repo: str
    revision: str
    files: Mapping[str, LockedFile]


def lock_path() -> Path:
    """The user's lock file; it need not exist."""
    return paths.data_dir() / "models.lock.json"


def read_lock() -> dict[str, LockedModel]:
    """Read the lock file: models by id; empty if there is none.

    Raises:
        ModelFileError: It is damaged; going on would drop the checks it stands for.
    """
    path = lock_path()
    try:
        values = read_json_value(path)
        return {str(key): _parse(value) for key, value in values["models"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFileError(
            f"{path} cannot be read: {error!r}",
            hint="Delete it; the checksums of pulled models are then taken from the hub anew.",
        ) from error


def write_lock(models: Mapping[str, LockedModel]) -> None:
    """Write the lock file in one step, so that a crash leaves the old one.

    Raises:
        ModelFileError: It cannot be written.
    """
    path = lock_path()
    values = {
        "version": _VERSION,
        "models": {key: _unparse(model) for key, model in sorted(models.items())},
    }
    try:
        write_private(path, json.dumps(values, indent=1) + "\n")
    except OSError as error:
        raise ModelFileError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Make room on the disk, or make the folder writable.",
        ) from error


def _parse(value: Any) -> LockedModel:
    files = {
        str(name): LockedFile(int(file["sizeBytes"]), str(file["sha256"]))
        for name, file in value["files"].items()
    }
    return LockedModel(str(value["repo"]), str(value["revision"]), files)


def _unparse(model: LockedModel) -> dict[str, Any]:
    files = {
        name: {"sizeBytes": file.size_bytes, "sha256": file.sha256}
        for name, file in sorted(model.files.items())
    }
    return {"repo": model.repo, "revision": model.revision, "files": files}
