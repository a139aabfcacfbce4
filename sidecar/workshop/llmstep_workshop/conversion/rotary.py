"""Rotary position embeddings: what config.json says of them, in the terms of a GGUF file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from llmstep_workshop.errors import ConversionError

if TYPE_CHECKING:
    import gguf

    from llmstep_workshop.conversion.weights import Array


@attrs.frozen
class Rotary:
    """A rotary position embedding.

    Attributes:
        size: How many of a head's values are turned.
        base: The frequencies are powers of it.
        kind: ``default``, ``linear``, ``yarn`` or ``llama3``.
        scaling: Further values of the kind, by the names of transformers.
    """

    size: int
    base: float
    kind: str
    scaling: Mapping[str, Any]

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Write the embedding as metadata; ``llama3`` keeps its numbers in `frequency_factors`."""
        import gguf

        writer.add_rope_dimension_count(self.size)
        writer.add_rope_freq_base(self.base)
        if self.kind == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(float(self.scaling["factor"]))
        elif self.kind == "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(float(self.scaling["factor"]))
            writer.add_rope_scaling_orig_ctx_len(
                int(self.scaling["original_max_position_embeddings"])
            )

    def frequency_factors(self) -> Array | None:
        """What each frequency is divided by, shape (size / 2,); ``None`` if by nothing.

        The rule of Llama 3.1 (``_compute_llama3_parameters`` of transformers): long waves are
        stretched by the factor, short ones are not, those between by something between.
        """
        if self.kind != "llama3":
            return None
        factor = float(self.scaling["factor"])
        low = float(self.scaling["low_freq_factor"])
        high = float(self.scaling["high_freq_factor"])
        window = float(self.scaling["original_max_position_embeddings"])
        turns = window / (2 * math.pi * self.base ** (np.arange(0, self.size, 2) / self.size))
        blend = np.clip((turns - low) / (high - low), 0.0, 1.0)
        return (1 / ((1 - blend) / factor + blend)).astype(np.float32)


def read_rotary(config: Mapping[str, Any], head_size: int) -> Rotary:
    """Read the rotary embedding from config.json, of transformers 5 or of an older version.

    Raises:
        ConversionError: It is of a kind llama.cpp does not compute.
        KeyError: A value of its kind is missing.
    """
    old = config.get("rope_scaling") or {}
    values: dict[str, Any] = {**old, **(config.get("rope_parameters") or {})}
    kind = str(values.get("rope_type") or values.get("type") or "default")
    base = values.get("rope_theta") or config.get("rope_theta") or config.get("rotary_emb_base")
    share = values.get("partial_rotary_factor") or config.get("partial_rotary_factor")
    if share is None:
        # GPT-NeoX turns a quarter of each head where nothing is said.
        share = config.get("rotary_pct", 0.25 if config["model_type"] == "gpt_neox" else 1.0)
    if kind not in ("default", "linear", "yarn", "llama3"):
        raise ConversionError(
            f"positions of the kind {kind!r} (rope_scaling) cannot be converted",
            hint="Take a version of the model with an ordinary context window.",
        )
    if kind == "yarn":
        values.setdefault(
            "original_max_position_embeddings", int(config["max_position_embeddings"])
        )
        odd = [
            key
            for key, usual in (("beta_fast", 32), ("beta_slow", 1), ("truncate", True))
            if values.get(key, usual) not in (usual, None)
        ]
        odd += [key for key in ("mscale", "mscale_all_dim", "attention_factor") if values.get(key)]
        if odd:
            raise ConversionError(f"YaRN positions with {odd[0]} of their own cannot be converted")
    return Rotary(int(head_size * share), float(base or 10000.0), kind, values)
