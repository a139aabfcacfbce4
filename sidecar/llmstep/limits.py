"""What a machine that has run out of something says, in words that name it and the cure."""

from __future__ import annotations

import errno

from llmstep.errors import LLMStepError

_FILES = (errno.EMFILE, errno.ENFILE)
_SPACE = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
# How a loader says that a library found no place in memory (glibc, musl, OpenBLAS, Windows).
_NO_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "cannot apply additional memory protection",
    "memory allocation",
    "paging file is too small",
)


class LimitError(LLMStepError):
    """The machine, or a limit set on this process, does not let the work be done."""


def explain_limit(error: BaseException) -> LimitError | None:
    """The error that says which limit was met; ``None`` if this is another kind of failure."""
    for cause in _chain(error):
        if isinstance(cause, LLMStepError):
            return None
        found = _explain(cause)
        if found is not None:
            return found
    return None


def raise_limit(error: BaseException) -> None:
    """Raise the error that says which limit was met, if one was: it is no fault of a file then."""
    if (limit := explain_limit(error)) is not None:
        raise limit from error


def _chain(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _explain(error: BaseException) -> LimitError | None:
    words = str(error).lower()
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, RuntimeError) and "start new thread" in words:
        return LimitError(
            "no further thread can be started",
            hint="Raise the limit of processes (`ulimit -u`, or the container's pids limit) or of "
            "memory (`ulimit -v`), or end other programs.",
        )
    if number in _FILES or (isinstance(error, ImportError) and "too many open files" in words):
        return LimitError(
            "too many files are open", hint="Raise the limit, for example with `ulimit -n 1024`."
        )
    if number in _SPACE:
        place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return LimitError(
            f"the disk is full{place}",
            hint="Make room where it was to be written; what llmstep keeps itself lies below "
            "LLMSTEP_HOME, which may be a folder on another disk.",
        )
    if (
        isinstance(error, MemoryError)
        or number == errno.ENOMEM
        or (isinstance(error, (ImportError, OSError)) and any(w in words for w in _NO_MEMORY))
    ):
        return LimitError(
            "there is not enough memory",
            hint="Close other programs, raise the limit (`ulimit -v`), or take a smaller model.",
        )
    return None
