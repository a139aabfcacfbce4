"""What the Hugging Face hub tells of a repository, and what it means when it does not.

``huggingface_hub`` speaks with the hub, so ``HF_HOME``, ``HF_ENDPOINT``, ``HF_TOKEN``,
``HF_HUB_OFFLINE`` and the proxies hold.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from llmstep import paths
from llmstep.errors import BackendUnavailableError, LLMStepError
from llmstep.redaction import hide_secrets, shorten

# A commit of git, as the hub tells it.
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


class DownloadError(LLMStepError):
    """A model could not be fetched."""

    default_hint = "Try again later; what has been fetched so far is kept."


@attrs.frozen
class RemoteFile:
    """A file of a repository.

    Attributes:
        size_bytes: Its size, if the hub tells it.
        sha256: Its checksum, for files the hub keeps in large-file storage.
        git_oid: Its git blob id (SHA-1), for the others.
    """

    name: str
    size_bytes: int | None
    sha256: str | None
    git_oid: str | None


@attrs.frozen
class Repository:
    """What the hub tells of a repository at one revision.

    Attributes:
        name: ``owner/name``.
        commit: The commit the revision stands for.
        tags: Its tags, e.g. ``license:mit``.
        gguf: What the hub read from its GGUF file (``architecture``, ``context_length``); may be
            empty.
        parameters: Number of weights, where the hub has counted them.
    """

    name: str
    commit: str
    files: Mapping[str, RemoteFile]
    tags: tuple[str, ...] = ()
    gguf: Mapping[str, Any] = attrs.Factory(dict)
    parameters: int | None = None

    @property
    def licence(self) -> str:
        """The licence its owner states; may be empty."""
        named = (tag.partition(":")[2] for tag in self.tags if tag.startswith("license:"))
        return next(named, "")

    @property
    def originals(self) -> tuple[str, ...]:
        """Repositories whose weights these are, in another number format."""
        start = "base_model:quantized:"
        return tuple(tag.removeprefix(start) for tag in self.tags if tag.startswith(start))


def look_up(repo: str, revision: str | None) -> Repository:
    """Ask the hub for a repository; the newest revision if ``None``.

    Raises:
        DownloadError: It cannot answer; says why.
        BackendUnavailableError: ``huggingface_hub`` is not installed.
    """
    with hub_errors(repo, revision):
        from huggingface_hub import HfApi

        found = HfApi().model_info(repo, revision=revision, files_metadata=True)
    gguf = found.gguf if isinstance(found.gguf, dict) else {}
    counted = found.safetensors.total if found.safetensors else gguf.get("total")
    return Repository(
        repo,
        _read_commit(repo, found.sha or revision),
        {file.rfilename: _remote_file(file) for file in found.siblings or []},
        tuple(found.tags or ()),
        gguf,
        counted if isinstance(counted, int) and counted > 0 else None,
    )


def _read_commit(repo: str, told: str | None) -> str:
    """The commit, which names a folder later on: nothing but 40 hexadecimal digits will do."""
    if told is not None and _COMMIT.fullmatch(told):
        return told
    raise DownloadError(
        f"{_endpoint()} names no commit of {repo}: {told!r:.60}",
        hint="Unset HF_ENDPOINT, or take another mirror: this one does not answer as the hub does.",
    )


def _remote_file(file: Any) -> RemoteFile:
    if file.lfs is not None:
        return RemoteFile(file.rfilename, file.lfs.size, file.lfs.sha256, None)
    return RemoteFile(file.rfilename, file.size, None, file.blob_id)


@contextlib.contextmanager
def hub_errors(repo: str, revision: str | None, file: str = "") -> Iterator[None]:
    """Turn what the hub library raises into errors that say what to do."""
    try:
        import huggingface_hub.errors as hub
    except ImportError as error:
        raise BackendUnavailableError(
            "huggingface_hub is not installed", hint=f"Run `{paths.install_command('hub')}`."
        ) from error
    try:
        yield
    except hub.GatedRepoError as error:
        raise DownloadError(
            f"{repo} asks to accept its licence first",
            hint=f"Accept it at {_page(repo)}, then set HF_TOKEN or run `hf auth login`.",
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise DownloadError(
            f"there is no repository {repo} at {_endpoint()}, or it is private",
            hint="Check the name; for a private one set HF_TOKEN or run `hf auth login`.",
        ) from error
    except hub.RevisionNotFoundError as error:
        raise DownloadError(
            f"the revision {revision} of {repo} is gone",
            hint=f"See {_page(repo)} for those there are, and correct the revision.",
        ) from error
    except hub.OfflineModeIsEnabled as error:
        raise DownloadError(
            "HF_HUB_OFFLINE is set, so nothing is fetched",
            hint="Unset it for this one command, or run `llmstep models import` on a file.",
        ) from error
    except hub.LocalEntryNotFoundError as error:
        raise _no_network(repo) from error
    except hub.EntryNotFoundError as error:
        raise DownloadError(
            f"{repo} has no file {file} at the revision {revision}",
            hint=f"See {_page(repo)} for what there is.",
        ) from error
    except hub.HFValidationError as error:
        raise DownloadError(
            f"{repo!r} is no repository's name", hint="Write it as owner/name."
        ) from error
    except hub.HfHubHTTPError as error:
        raise DownloadError(f"{_endpoint()} answers: {_clean(str(error))}") from None
    # The transport's own errors, which are not the operating system's.
    except (OSError, getattr(hub, "HTTPError", OSError)) as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise DownloadError(
                f"{paths.data_dir() / 'models'} cannot be written to: {error.strerror}",
                hint="Make room on the disk, or set LLMSTEP_HOME to another folder.",
            ) from error
        raise _no_network(repo) from error


def _clean(words: str) -> str:
    """The hub's words without the user's token, which a mirror may repeat."""
    from huggingface_hub import get_token

    return shorten(hide_secrets(words, (get_token(),)))


def _no_network(repo: str) -> DownloadError:
    return DownloadError(
        f"{_endpoint()} cannot be reached",
        hint="Check the network, HTTPS_PROXY, or HF_ENDPOINT for a mirror; or fetch "
        f"{_page(repo)} on another machine and run `llmstep models import`.",
    )


def _endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _page(repo: str) -> str:
    return f"{_endpoint()}/{repo}"
