"""Where a conversion writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from llmstep.replacement import replacing
from llmstep_workshop.errors import ConversionError


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """A path to write to that becomes ``target`` when the block ends well.

    Raises:
        ConversionError: It cannot be written; an older file is whole.
    """
    try:
        with replacing(target) as partial:
            yield partial
    except OSError as error:
        raise ConversionError(
            f"{target}: could not be written: {error.strerror or error}",
            hint="Free some disk space, or choose another --output.",
        ) from error
