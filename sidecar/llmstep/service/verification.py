"""Whether a model's file is what its card, or an earlier pull, says it is."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from llmstep import paths
from llmstep.errors import ModelFileError
from llmstep.service.catalog import ResolvedModel, how_to_get, is_shipped
from llmstep.service.checksums import hash_file
from llmstep.service.lockfile import read_lock


@attrs.frozen
class Verification:
    """What a check of a model's file found to be right.

    Attributes:
        compared: What was compared: any of ``size`` and ``sha256``.
        source: What it was compared with: ``its card``, or ``the lock file`` of an earlier pull.
    """

    size_bytes: int
    sha256: str
    compared: tuple[str, ...]
    source: str = "its card"

    def __str__(self) -> str:
        if not self.compared:
            return f"sha256 {self.sha256}; the card names none to compare with"
        place = "on the card" if self.source == "its card" else f"in {self.source}"
        return f"{' and '.join(self.compared)} as {place}"


def verify_model(
    model: ResolvedModel, on_progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Compare a model's file with its card, or with what was locked when it was pulled.

    Raises:
        ModelFileError: There is no file, it cannot be read, or size or checksum differ.
    """
    path, card = model.path, model.card
    if path is None or not path.is_file():
        raise ModelFileError(
            f"the model {card.id!r} has no single file to verify",
            hint="Only models of one file have a checksum; nothing is known to be wrong.",
        )
    size = path.stat().st_size
    cure = f"Delete {path} and fetch it again: it is damaged, or of another version."
    if is_shipped(card) and path.parent == paths.models_dir():
        cure = f"It is damaged, or of another version. {how_to_get(card)}"
    locked = read_lock()
    entry = locked[card.id].files.get(path.name) if card.id in locked else None
    source = "its card"
    wanted_size, wanted_digest = card.size_bytes, card.sha256
    if wanted_digest is None and entry is not None:
        source = "the lock file"
        wanted_size, wanted_digest = entry.size_bytes, entry.sha256
    if wanted_size is not None and size != wanted_size:
        raise ModelFileError(f"{path} has {size} bytes, {source} says {wanted_size}", hint=cure)
    digest = hash_file(path, on_progress)
    if wanted_digest is not None and digest != wanted_digest:
        raise ModelFileError(
            f"{path} has the sha256 {digest}, {source} says {wanted_digest}", hint=cure
        )
    known = (("size", wanted_size), ("sha256", wanted_digest))
    compared = tuple(label for label, value in known if value is not None)
    return Verification(size, digest, compared, source)
