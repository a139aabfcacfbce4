"""From a checked folder to a model of the library: no network, no code from the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from llmstep.backends.hf_int8 import quantize_layers
from llmstep.errors import LLMStepError, ModelFileError

if TYPE_CHECKING:
    from llmstep.backends.hf_files import Checkpoint
    from llmstep.backends.hf_library import Placement

Kind = Literal["decoder", "encoder-decoder"]

NO_CONTINUATION = "Take a language model that continues texts, e.g. GPT-NeoX, Llama, Qwen or T5."
_KNOWN: dict[Kind, frozenset[str]] = {
    "decoder": frozenset(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
    "encoder-decoder": frozenset(MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES),
}
# What classes that write texts are called; others classify, or fill in gaps.
_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def read_kind(checkpoint: Checkpoint) -> Kind:
    """Whether a model has an encoder, from its configuration.

    Raises:
        ModelFileError: It is no language model, or not one the library knows.
    """
    name, model_type = checkpoint.name, checkpoint.config["model_type"]
    try:
        config = transformers.AutoConfig.from_pretrained(
            str(checkpoint.folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # an unknown type, a value that is refused, ...
        if "auto_map" in checkpoint.config:
            raise ModelFileError(
                f"{name} (type {model_type!r}) runs only with Python code from its own folder; "
                "such code is never run here",
                hint=NO_CONTINUATION,
            ) from error
        raise ModelFileError(
            f"transformers {transformers.__version__} cannot use the configuration of {name} "
            f"(type {model_type!r}): {first_line(error)}",
            hint=NO_CONTINUATION,
        ) from error
    kind: Kind = "encoder-decoder" if config.is_encoder_decoder else "decoder"
    made = checkpoint.config.get("architectures") or ()
    if model_type not in _KNOWN[kind] or (made and not any(c.endswith(_WRITERS) for c in made)):
        raise ModelFileError(
            f"{name} (type {model_type!r}) is made for another task than writing text"
            + (f": {', '.join(made)}" if made else ""),
            hint=NO_CONTINUATION,
        )
    return kind


def load_model(checkpoint: Checkpoint, kind: Kind, placement: Placement) -> Any:
    """The model on its device, in inference mode.

    Raises:
        ModelFileError: The weights cannot be read, or do not fit the configuration.
        BackendUnavailableError: They cannot be computed in the wanted format here.
    """
    factory: Any = (
        transformers.AutoModelForSeq2SeqLM
        if kind == "encoder-decoder"
        else transformers.AutoModelForCausalLM
    )
    name = checkpoint.name
    try:
        model, report = factory.from_pretrained(
            str(checkpoint.folder),
            # 8 bits are made of what is stored; a copy in 32 bits would take more than is needed.
            dtype="auto" if placement.int8 else placement.dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=not checkpoint.pickled,
            weights_only=True,
            output_loading_info=True,
        )
        missing = sorted(report["missing_keys"])
        if missing:
            # The library would fill them with random numbers and a warning.
            raise ModelFileError(
                f"{name} lacks {len(missing)} of its weights, e.g. {missing[0]}",
                hint="Download the model again.",
            )
        if placement.int8:
            quantize_layers(model, name)
        return model.eval().to(placement.device)
    except LLMStepError:
        raise
    except Exception as error:  # the library's loaders raise what they like
        raise ModelFileError(f"{name} cannot be loaded: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of a library's error: what follows is advice for programmers."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
