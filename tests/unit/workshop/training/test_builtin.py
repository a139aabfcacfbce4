from __future__ import annotations

from gguf import GGUFReader

from llmstep.paths import models_dir
from llmstep.service.catalog import find_model
from llmstep.service.verification import verify_model
from llmstep_workshop.training.recipe import load_recipe


def test_the_built_in_model_is_the_one_on_its_card_and_in_its_recipe() -> None:
    model = find_model("builtin")
    assert model.path is not None
    assert verify_model(model).compared == ("size", "sha256")
    assert model.path.stat().st_size <= 20_000_000
    recipes = models_dir() / "recipes"
    first, recipe = (load_recipe(recipes / f"builtin{stage}.toml") for stage in ("", "-grown"))
    assert recipe.base is not None
    reader = GGUFReader(model.path)

    def read(key: str) -> object:
        field = reader.get_field(key)
        assert field is not None, key
        return field.contents()

    assert read("general.name") == recipe.about.name == model.card.name
    assert read("general.license") == recipe.about.licence == model.card.licence
    assert read("llama.block_count") == recipe.base.layers == 2 * first.architecture.layers
    assert read("llama.embedding_length") == first.architecture.hidden
    tokens = read("tokenizer.ggml.tokens")
    assert isinstance(tokens, list)
    assert tokens[:5] == ["<pad>", "<s>", "</s>", "[GOAL]", "[PROOFSTEP]"]
    tied = {"token_embd.weight"}
    assert tied <= {tensor.name for tensor in reader.tensors}
    assert sum(int(tensor.n_elements) for tensor in reader.tensors) == model.card.parameters
    assert recipe.max_state_tokens < (model.card.context_length or 0)
