from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.backends.hf_models import build_model

from llmstep.backends.base import BackendOptions, CancelToken, Candidate, GenerationRequest
from llmstep.backends.hf_tokenizer import TextTokens, open_splitter
from llmstep.backends.transformers import TransformersBackend
from llmstep.errors import BackendUnavailableError, ConfigError, ModelNotFoundError
from llmstep.prompts.goal import trim_goal
from llmstep.prompts.template import build_prompts, load_template
from llmstep_workshop.data.rows import Row
from llmstep_workshop.errors import MemoryShortageError, RecipeError
from llmstep_workshop.training import pretrained
from llmstep_workshop.training.pretrained import PretrainedLearner
from llmstep_workshop.training.prompt_encoder import count_lost_symbols, describe_lost_symbols
from llmstep_workshop.training.recipe import Recipe, structure_recipe
from llmstep_workshop.training.runs import export_checkpoint
from llmstep_workshop.training.trainer import Trainer

ROWS = [
    Row("h₁ : p\nh₂ : q\n⊢ p ∧ q", "exact ⟨h₁, h₂⟩"),
    Row("a b : ℕ\n⊢ a + b = b + a", "omega"),
    Row("⊢ True ∨ False", "left"),
]
PROMPTS = {"neox": "proofstep-plain", "llama": "proofstep", "byt5": "byt5", "t5": "byt5"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with rows.jsonl and four base models."""
    folder = tmp_path_factory.mktemp("bases")
    rows = [json.dumps({"state": row.state, "tactic": row.tactic}) for row in ROWS]
    (folder / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    for kind in PROMPTS:
        build_model(folder / kind, kind)
    return folder


def recipe_for(kind: str, base: dict[str, Any] | None = None, **optimization: Any) -> Recipe:
    plan = {"budget_steps": 3, "bf16": False, "warmup_steps": 1} | optimization
    return structure_recipe(
        {
            "id": "tuned",
            "about": {"name": "t", "description": "", "licence": "MIT", "author": "nobody"},
            "sources": [{"path": "rows.jsonl"}],
            "max_state_tokens": 80,
            "max_tactic_tokens": 40,
            "base": {"model": kind, "prompt": PROMPTS[kind]} | (base or {}),
            "optimization": plan,
        },
        "tuned.toml",
    )


def suggest(folder: Path, prompt: str, state: str) -> list[str]:
    """What the serving backend makes of a state, the likeliest first."""
    backend = TransformersBackend(BackendOptions(path=folder, precision="float32"))
    template = load_template(prompt)
    built = build_prompts(template, [state], "", 120, backend.count_tokens)[0]
    found: list[Candidate] = []
    backend.generate(GenerationRequest(built.parts), CancelToken(), found.append)
    backend.close()
    return [candidate.text for candidate in sorted(found, key=lambda found: -found.mean_logprob)]


@pytest.mark.parametrize(
    ("kind", "lora"), [("neox", None), ("byt5", None), ("llama", {"rank": 16, "alpha": 64})]
)
def test_what_was_learned_is_what_is_served(
    bases: Path, tmp_path: Path, kind: str, lora: dict[str, Any] | None
) -> None:
    base = {"lora": lora} if lora else {}
    recipe = recipe_for(kind, base, budget_steps=100, adam_rate=1e-2, dropout=0.0)
    Trainer(recipe, bases, tmp_path).run()
    folder, _ = export_checkpoint(recipe, bases, tmp_path)
    for row in ROWS:
        assert suggest(folder, PROMPTS[kind], row.state)[0] == row.tactic
    assert json.loads((folder / "config.json").read_text())["model_type"] in (
        "gpt_neox",
        "llama",
        "t5",
    )


@pytest.mark.parametrize("kind", PROMPTS)
def test_the_loss_is_that_of_the_tactic_alone(bases: Path, kind: str) -> None:
    learner = PretrainedLearner(recipe_for(kind), bases / kind)
    learner.model.eval()
    pairs = learner.encode(ROWS)
    expected = 0.0
    with torch.no_grad():
        for pair in pairs:
            prompt, target = torch.tensor([pair.prompt]), torch.tensor([pair.target])
            if kind in ("byt5", "t5"):
                logits = learner.model(input_ids=prompt, labels=target).logits[0]
            else:
                whole = learner.model(input_ids=torch.cat([prompt, target], 1)).logits[0]
                logits = whole[len(pair.prompt) - 1 : -1]
            chosen = torch.log_softmax(logits, -1).gather(1, target[0][:, None])
            expected -= float(chosen.sum())
        batch = learner.collate(pairs)
        losses = learner.compute_losses(batch, with_prompts=kind in ("neox", "llama"))
    assert float(losses.tactic) == pytest.approx(expected, rel=1e-4)
    assert (losses.prompt is not None) == (kind in ("neox", "llama"))


def test_adapters_alone_learn_and_are_merged(bases: Path, tmp_path: Path) -> None:
    recipe = recipe_for(
        "neox", {"lora": {"rank": 4, "target": ["query_key_value"]}}, adam_rate=1e-2
    )
    run = Trainer(recipe, bases, tmp_path)
    before = {name: value.clone() for name, value in run.learner.model.state_dict().items()}
    run.run()
    after = run.learner.model.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed
    assert all("lora_" in name and "query_key_value" in name for name in changed)
    stored = torch.load(tmp_path / "checkpoint.pt")["model"]
    assert all("lora_" in name for name in stored)
    learned = run.measure_loss(run.learner.encode(ROWS))
    folder, _ = export_checkpoint(recipe, bases, tmp_path)
    merged = PretrainedLearner(recipe_for("neox"), folder)
    run.learner = merged
    assert run.measure_loss(merged.encode(ROWS)) == pytest.approx(learned, rel=1e-4)


def test_gradient_checkpointing_changes_no_gradient(bases: Path) -> None:
    gradients = []
    for saving in (False, True):
        recipe = recipe_for("llama", {"gradient_checkpointing": saving})
        learner = PretrainedLearner(recipe, bases / "llama")
        batch = learner.collate(learner.encode(ROWS))
        learner.compute_losses(batch, with_prompts=False).tactic.backward()
        gradients.append([p.grad for p in learner.model.parameters()])
    for plain, saved in zip(*gradients, strict=True):
        assert torch.allclose(plain, saved, atol=1e-6)


def test_long_states_are_shortened_as_served_ones_are(bases: Path) -> None:
    learner = PretrainedLearner(recipe_for("byt5"), bases / "byt5")
    state = "\n".join([f"x{i} : Nat" for i in range(30)] + ["h : x3 = x4", "⊢ x3 + 1 = x4 + 1"])
    (pair,) = learner.encode([Row(state, "omega")])
    text = bytes(token - 3 for token in pair.prompt[:-1]).decode()
    assert text == trim_goal(state, 80, lambda part: len(part.encode())).text
    assert len(pair.prompt) <= 81
    (pair,) = learner.encode([Row("⊢ " + "x" * 500, "simp [" + "a, " * 40)])
    assert len(pair.prompt) <= 81
    assert len(pair.target) == 40


@pytest.mark.parametrize(
    ("kind", "base", "plan", "error", "complaint"),
    [
        ("neox", {"prompt": "llemma"}, {}, RecipeError, "asks for more"),
        ("neox", {"prompt": "llemma-file"}, {}, RecipeError, "asks for more"),
        ("neox", {"prompt": "absent"}, {}, ConfigError, "no prompt template 'absent'"),
        ("byt5", {}, {"prompt_weight": 0.3}, RecipeError, "prompt_weight is for decoders"),
        ("neox", {"lora": {"target": ["q_proj"]}}, {}, RecipeError, "q_proj"),
    ],
)
def test_recipes_that_do_not_fit_the_model(
    bases: Path, kind: str, base: dict, plan: dict, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        PretrainedLearner(recipe_for(kind, base, **plan), bases / kind)


def test_a_window_that_is_too_small_is_told_before_training(bases: Path) -> None:
    table = {"max_state_tokens": 250}
    recipe = structure_recipe(
        {
            "id": "long",
            "about": {"name": "t", "description": "", "licence": "MIT", "author": "nobody"},
            "sources": [{"path": "rows.jsonl"}],
            "base": {"model": "neox"},
            "optimization": {"budget_steps": 1},
        }
        | table,
        "long.toml",
    )
    with pytest.raises(RecipeError, match="do not fit the window of neox, 256 tokens"):
        PretrainedLearner(recipe, bases / "neox")


def test_a_model_without_an_end_and_a_model_that_is_not_here(bases: Path, tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    shutil.copytree(bases / "neox", endless)
    for name in ("config.json", "generation_config.json"):
        config = json.loads((endless / name).read_text())
        (endless / name).write_text(json.dumps(config | {"eos_token_id": None}))
    with pytest.raises(RecipeError, match="no end-of-text token"):
        PretrainedLearner(recipe_for("neox"), endless)
    with pytest.raises(ModelNotFoundError, match="nobody/no-such-model"):
        Trainer(recipe_for("neox", {"model": "nobody/no-such-model"}), bases, tmp_path / "run")


def test_memory_is_counted_before_the_weights_are_read(
    bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "_TRAINED_BYTES", 2**24)
    with pytest.raises(MemoryShortageError, match="memory for training") as caught:
        PretrainedLearner(recipe_for("neox"), bases / "neox", free_bytes=2**30)
    assert "[base.lora]" in caught.value.hint
    PretrainedLearner(recipe_for("neox", {"lora": {}}), bases / "neox", free_bytes=2**30)


def test_lora_without_its_library_names_the_extra(
    bases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(BackendUnavailableError, match="LoRA needs") as caught:
        PretrainedLearner(recipe_for("neox", {"lora": {}}), bases / "neox")
    assert "train" in caught.value.hint


def test_symbols_that_a_tokenizer_loses_are_named_with_their_counts(
    bases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    byte_level = TextTokens(open_splitter(bases / "neox"), 512, [0])
    assert not count_lost_symbols([Row("⊢ ✝ ₁ 𝕜 \n\t é", "rfl")], byte_level)
    words = TextTokens(open_splitter(bases / "t5"), 165, [1])
    lost = count_lost_symbols([Row("x₁✝ : 𝕜\n⊢ x₁✝ = x₁✝", "rfl")], words)
    assert lost["✝"] == 3
    assert lost["𝕜"] == lost["\n"] == 1
    assert "x" not in lost
    text = describe_lost_symbols(lost)
    assert "'✝' 3" in text
    assert "'\\n' 1" in text
    Trainer(recipe_for("t5"), bases, tmp_path)
    assert "cannot write" in capsys.readouterr().err
    Trainer(recipe_for("neox"), bases, tmp_path / "other")
    assert "cannot write" not in capsys.readouterr().err


def test_a_run_goes_on_only_with_its_own_base_model(
    bases: Path, tmp_path: Path, make_recipe: Callable[..., Recipe]
) -> None:
    from llmstep_workshop.errors import CheckpointError

    Trainer(recipe_for("neox"), bases, tmp_path).run()
    with pytest.raises(CheckpointError, match="model_type gpt_neox there, llama here"):
        Trainer(recipe_for("llama"), bases, tmp_path)
    with pytest.raises(CheckpointError, match="lora_rank 0 there, 8 here"):
        Trainer(recipe_for("neox", {"lora": {"rank": 8}}), bases, tmp_path)
    with pytest.raises(CheckpointError, match="another architecture"):
        Trainer(make_recipe(), bases, tmp_path)
