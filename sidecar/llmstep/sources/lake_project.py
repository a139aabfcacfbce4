"""A Lake project as its files tell: root, folders of sources, packages. Nothing of it is run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from llmstep.lean_text.late_pattern import late_pattern
from llmstep.sources.lean_files import Note, decode, read_regular

_ROOT_FILES = ("lakefile.toml", "lakefile.lean", "lean-toolchain")
_LARGEST = 4_000_000
_SOURCE_DIR = late_pattern(r'\bsrcDir\s*:=\s*"([^"\n]{1,200})"')
_SAFE = late_pattern(r"[^A-Za-z0-9._-]+")
_COMMIT = late_pattern(r"[0-9a-f]{40}")


@attrs.frozen
class Package:
    """A package that a project depends on, at a commit; at none if it is a folder of the user's."""

    name: str
    root: Path
    revision: str

    @property
    def key(self) -> str:
        """What its index is kept under: the same for all projects that pin this revision."""
        if self.revision:
            return f"{_SAFE.sub('_', self.name)[:60]}-{self.revision[:16]}"
        return f"{_SAFE.sub('_', self.name)[:60]}-at-{digest(str(self.root))}"


def digest(text: str) -> str:
    """A short checksum, for names of files."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def path_of(uri: str) -> Path | None:
    """The file that a document's uri names, if it names one of this machine."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = unquote(parts.path)
    if "\0" in path:
        return None
    if os.name == "nt":
        path = path.lstrip("/")
    return Path(path) if path else None


def find_root(path: Path) -> Path | None:
    """The folder of the project that a file belongs to: the nearest one with a lakefile.

    A folder with ``lean-toolchain`` alone counts if none above it has a lakefile.
    """
    second: Path | None = None
    for folder in path.parents:
        if any((folder / name).is_file() for name in _ROOT_FILES[:2]):
            return folder
        if second is None and (folder / _ROOT_FILES[2]).is_file():
            second = folder
    return second


def source_folders(root: Path) -> tuple[Path, ...]:
    """Folders that module names are counted from, those inside others first."""
    named: list[str] = []
    with contextlib.suppress(OSError, ValueError, RecursionError):
        toml = tomllib.loads(decode(read_regular(root / "lakefile.toml", _LARGEST)))
        named += _source_dirs(toml)
    with contextlib.suppress(OSError):
        named += _SOURCE_DIR.findall(decode(read_regular(root / "lakefile.lean", _LARGEST)))
    folders = {root}
    for name in named:
        folder = Path(os.path.normpath(root / name))
        if folder.is_relative_to(root):
            folders.add(folder)
    return tuple(sorted(folders, key=lambda folder: (-len(folder.parts), str(folder))))


def _source_dirs(toml: dict[str, Any]) -> list[str]:
    libraries = toml.get("lean_lib", [])
    tables = [toml, *(libraries if isinstance(libraries, list) else [])]
    found = [table.get("srcDir") for table in tables if isinstance(table, dict)]
    return [name for name in found if isinstance(name, str)]


def find_packages(root: Path, note: Note) -> list[Package]:
    """The packages of a project whose folders lie on disk, by its manifest.

    Where the manifest cannot be read, the folders in ``.lake/packages`` count.
    """
    folder = root / ".lake" / "packages"
    listed: list[tuple[str, Path, str]] = []
    try:
        manifest = json.loads(decode(read_regular(root / "lake-manifest.json", _LARGEST)))
        if isinstance(named := manifest.get("packagesDir"), str):
            folder = root / named
        listed = [
            _entry(entry, root, folder)
            for entry in manifest["packages"]
            if isinstance(entry, dict) and isinstance(entry.get("name"), str)
        ]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        note(f"{root / 'lake-manifest.json'} cannot be read ({error}); folders are taken as found")
        listed = []
    if not listed:
        listed = [(path.name, path, "") for path in _folders_in(folder)]
    packages: list[Package] = []
    for name, place, revision in listed:
        if place.is_dir():
            packages.append(Package(name, place, head_commit(place) or revision))
    return packages


def _entry(entry: dict[str, Any], root: Path, folder: Path) -> tuple[str, Path, str]:
    name = str(entry["name"]).replace("«", "").replace("»", "")
    if entry.get("type") == "path":
        return name, Path(os.path.normpath(root / str(entry.get("dir", name)))), ""
    revision = str(entry.get("rev") or "")
    inner = entry.get("subDir")
    place = folder / name / inner if isinstance(inner, str) else folder / name
    return name, place, revision if _COMMIT.fullmatch(revision) else digest(revision)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def head_commit(folder: Path) -> str:
    """The commit that a clone has checked out, if its ``HEAD`` names one; else nothing."""
    try:
        head = read_regular(folder / ".git" / "HEAD", 1000).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return head if _COMMIT.fullmatch(head) else ""
