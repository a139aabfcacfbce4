from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the [train] extra is not installed")
pytest.importorskip("transformers", reason="the [train] extra is not installed")
pytest.importorskip("gguf", reason="the [train] extra is not installed")

from tests.unit.workshop.conversion.folders import write_folder


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny model folder; see `folders.write_folder`."""

    def make(*kinds: str, **values: object) -> Path:
        return write_folder(tmp_path / "model", *kinds, **values)  # pyright: ignore

    return make
