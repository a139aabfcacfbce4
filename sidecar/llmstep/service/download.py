"""Getting a model's files from the Hugging Face hub, once, when the user says so.

What lies in the hub's cache on this machine is copied from there. Files come into a staging folder,
where an interrupted transfer is resumed, also by a later process; only what has the right size and
checksum moves to its place.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from llmstep.backends.base import CancelToken
from llmstep.errors import CancelledError, ModelFileError
from llmstep.service.card import ModelCard
from llmstep.service.catalog import folder
from llmstep.service.checksums import hash_file
from llmstep.service.hub import DownloadError, RemoteFile, hub_errors, look_up
from llmstep.service.lockfile import LockedFile, LockedModel, read_lock, write_lock
from llmstep.user_files import inside, make_folder

# What a model folder needs at its top: weights as safetensors, configuration and tokenizer.
_FOLDER_SUFFIXES = (".safetensors", ".json", ".model", ".txt", ".jinja")
_PICKLES = (".bin", ".pt", ".pth")
_SPARE_BYTES = 64 << 20

OnBytes = Callable[[str, int, int], None]


@attrs.frozen
class PullPlan:
    """What is to be fetched, at one commit; ``locked`` are the files as they once were."""

    card: ModelCard
    revision: str
    files: tuple[RemoteFile, ...]
    locked: Mapping[str, LockedFile] = attrs.Factory(dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.files)


def plan_pull(card: ModelCard) -> PullPlan:
    """Ask the hub what a card's files are, at the pinned revision.

    The revision is the card's, else the one of the last download, else the newest, which the
    download then pins.

    Raises:
        DownloadError: The card names no repository, or the hub cannot answer; says why.
        BackendUnavailableError: ``huggingface_hub`` is not installed.
        ModelFileError: The hub's files are not those of the card or of the last download.
    """
    if not card.repo:
        raise DownloadError(
            f"the card of {card.id!r} names no repository to fetch from",
            hint="Fetch the file by hand and run `llmstep models import`.",
        )
    known = read_lock().get(card.id)
    if known is not None and known.repo != card.repo:
        known = None
    found = look_up(card.repo, card.revision or (known.revision if known else None))
    # What is locked of another commit says nothing of this one.
    locked = known.files if known is not None and found.commit == known.revision else {}
    plan = PullPlan(card, found.commit, _choose(card, found.files), locked)
    for file in plan.files:
        _compare_promises(plan, file)
    return plan


def pull(
    plan: PullPlan,
    *,
    bars: bool = False,
    on_bytes: OnBytes | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """Fetch a plan's files, check them, put them in their place and lock them.

    Args:
        plan: What to fetch.
        bars: Show a progress bar per file on stderr.
        on_bytes: Called with a file's name, its bytes so far and in all (0 if unknown).
        cancel: Ends the transfer when set, at the next piece that comes in.

    Returns:
        The model's file, or its folder.

    Raises:
        CancelledError: ``cancel`` was set; a second call goes on from there.
        DownloadError: The transfer failed, or the disk is full; a second call resumes it.
        ModelFileError: A file is not what was promised; it has been deleted.
    """
    place = folder(plan.card)
    # Named by the commit: a part of another version must not be continued.
    staging = inside(place.parent, ".incoming", plan.card.id, plan.revision)
    _check_room(plan, place.parent, staging)
    locked: dict[str, LockedFile] = {}
    for file in plan.files:
        path = inside(staging, file.name)
        if not path.is_file():
            with hub_errors(plan.card.repo, plan.revision, file.name):
                make_folder(staging)
                _fetch(plan, file, path, _bar_class(file.name, bars, on_bytes, cancel))
        locked[file.name] = _check_file(plan, file, path)
    _move(staging, place, [file.name for file in plan.files])
    write_lock({**read_lock(), plan.card.id: LockedModel(plan.card.repo, plan.revision, locked)})
    return place / plan.card.file if plan.card.file else place


def _choose(card: ModelCard, files: Mapping[str, RemoteFile]) -> tuple[RemoteFile, ...]:
    if card.file:
        if card.file not in files:
            raise DownloadError(
                f"the repository {card.repo} has no file {card.file}",
                hint="It was renamed or taken away: look for another version of the model.",
            )
        return (files[card.file],)
    # On Windows a backslash would lead out of the folder.
    top = [file for name, file in files.items() if not set(name) & set("/\\:")]
    chosen = [file for file in top if file.name.endswith(_FOLDER_SUFFIXES)]
    if not any(file.name.endswith(".safetensors") for file in chosen):
        # Fetched all the same: the backend refuses a pickle until the user allows it.
        chosen += [file for file in top if file.name.endswith(_PICKLES)]
    if not any(file.name == "config.json" for file in chosen):
        raise DownloadError(
            f"the repository {card.repo} is no model folder: it has no config.json",
            hint="Choose a repository with weights for the transformers library.",
        )
    return tuple(sorted(chosen, key=lambda file: file.name))


def _promises(plan: PullPlan, file: RemoteFile) -> Iterator[tuple[str, int | None, str | None]]:
    if plan.card.file:
        yield "its card", plan.card.size_bytes, plan.card.sha256
    locked = plan.locked.get(file.name)
    if locked is not None:
        yield "the lock file", locked.size_bytes, locked.sha256
    yield "the hub", file.size_bytes, file.sha256


def _compare_promises(plan: PullPlan, file: RemoteFile) -> None:
    """Find a contradiction before gigabytes are moved."""
    for who, size, sha256 in _promises(plan, file):
        for said, other in ((size, file.size_bytes), (sha256, file.sha256)):
            if said is not None and other is not None and said != other:
                raise ModelFileError(
                    f"{file.name} of {plan.card.repo}: {who} says {said}, the hub {other}",
                    hint="The repository has changed since. Nothing was fetched; look there at "
                    "what is new, and correct the card or delete the model's lock entry.",
                )


def _check_file(plan: PullPlan, file: RemoteFile, path: Path) -> LockedFile:
    size = path.stat().st_size
    sha256 = hash_file(path)
    for who, said_size, said_sha256 in _promises(plan, file):
        wrong = None
        if said_size is not None and said_size != size:
            wrong = f"has {size} bytes, {who} says {said_size}"
        elif said_sha256 is not None and said_sha256 != sha256:
            wrong = f"has the sha256 {sha256}, {who} says {said_sha256}"
        elif who == "the hub" and file.git_oid and file.git_oid != _git_oid(path):
            wrong = f"is not the file with the git id {file.git_oid}"
        if wrong is not None:
            path.unlink()
            raise ModelFileError(
                f"{file.name} of {plan.card.repo} {wrong}",
                hint="It was damaged on the way and has been deleted; pull it again.",
            )
    return LockedFile(size, sha256)


def _git_oid(path: Path) -> str:
    """The id git gives a file: SHA-1 over the word blob, its size, a zero byte and its bytes."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _check_room(plan: PullPlan, place: Path, staging: Path) -> None:
    make_folder(place)
    kept = sum(file.stat().st_size for file in staging.iterdir()) if staging.is_dir() else 0
    free = shutil.disk_usage(place).free
    if plan.size_bytes - kept + _SPARE_BYTES > free:
        raise DownloadError(
            f"{plan.card.id} needs {plan.size_bytes / 1e9:.1f} GB, {place} has "
            f"{free / 1e9:.1f} GB left",
            hint="Make room, or set LLMSTEP_HOME to a folder on another disk.",
        )


def _fetch(plan: PullPlan, file: RemoteFile, path: Path, bar: Any) -> None:
    """Bring one file to ``path``: from the hub's cache on this machine, else over the network.

    Not ``hf_hub_download``: its newer versions throw a part away when the process ends.
    """
    from huggingface_hub import hf_hub_url, try_to_load_from_cache
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    part = path.with_name(f"{path.name}.part")
    cached = try_to_load_from_cache(plan.card.repo, file.name, revision=plan.revision)
    if isinstance(cached, str):
        shutil.copyfile(cached, part)
    else:
        with part.open("ab") as stream:
            if file.size_bytes is not None and stream.tell() > file.size_bytes:
                stream.truncate(0)
                stream.seek(0)
            if stream.tell() == 0 or stream.tell() != file.size_bytes:
                http_get(
                    hf_hub_url(plan.card.repo, file.name, revision=plan.revision),
                    stream,
                    resume_size=stream.tell(),
                    headers=build_hf_headers(library_name="llmstep"),
                    expected_size=file.size_bytes,
                    tqdm_class=bar,
                )
    part.replace(path)


def _move(staging: Path, place: Path, names: list[str]) -> None:
    make_folder(place)
    for name in names:
        inside(staging, name).replace(inside(place, name))
    shutil.rmtree(inside(place.parent, ".incoming", place.name), ignore_errors=True)


def _bar_class(name: str, bars: bool, on_bytes: OnBytes | None, cancel: CancelToken | None) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # The hub's own argument, by which its bars are switched off in groups.
            kwargs.pop("name", None)
            # Not `disable`: a disabled bar does not count.
            kwargs |= {"disable": False, "desc": name, "leave": bars}
            if not bars:
                kwargs["file"] = _Nowhere()
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            if cancel is not None and cancel.is_set():
                raise CancelledError("the download was cancelled")
            shown = super().update(n)
            if on_bytes is not None:
                on_bytes(name, int(self.n), int(self.total or 0))
            return shown

    return Bar


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""
