"""What a GGUF file says about itself, from the folder it was made from.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#general-metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pathlib import Path

    from llmstep.backends.hf_files import Checkpoint


@attrs.frozen
class About:
    """What a model file says about the model."""

    name: str
    description: str
    licence: str
    author: str
    url: str | None = None


def describe_checkpoint(checkpoint: Checkpoint, licence: str = "") -> About:
    """What a folder tells: its hub id, and the licence of its model card (README.md).

    Args:
        checkpoint: The folder.
        licence: Goes before the model card's.
    """
    owner, _, name = checkpoint.name.rpartition("/")
    return About(
        name=name,
        description="",
        licence=licence or _read_licence(checkpoint.folder),
        author=owner,
        url=f"https://huggingface.co/{checkpoint.name}" if owner else None,
    )


def _read_licence(folder: Path) -> str:
    """The licence in the YAML head of a hub's model card; empty if it names none."""
    import gguf
    import yaml  # which gguf needs

    try:
        licence = gguf.Metadata.load_model_card(folder).get("license")
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ""
    return licence.strip() if isinstance(licence, str) else ""
