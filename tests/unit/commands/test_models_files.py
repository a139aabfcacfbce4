from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from llmstep import paths
from llmstep.commands.models import models
from llmstep.errors import LLMStepError

from ..service.fake_hub import FakeHub

CARD = 'id = "tiny"\nname = "tiny"\nbackends = ["llama_cpp"]\nrepo = "s/tiny"\nfile = "t.gguf"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(CARD)
    return tmp_path


def call(*arguments: str, **options: Any) -> str:
    result = CliRunner().invoke(models, list(arguments), catch_exceptions=False, **options)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_model_that_is_here_is_not_pulled_again(home: Path) -> None:
    place = home / "data" / "models" / "tiny" / "t.gguf"
    place.parent.mkdir()
    place.write_bytes(b"x")
    assert call("pull", "tiny").strip() == str(place)


def test_pulling_what_no_card_names() -> None:
    with pytest.raises(LLMStepError, match="no model card 'nothing'"):
        call("pull", "nothing")


def test_importing_needs_a_known_prompt(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(LLMStepError, match="nosuch"):
        call("import", str(file), "--prompt", "nosuch")


def test_import_then_remove_the_built_in_model_under_another_name(home: Path) -> None:
    model = paths.models_dir() / "llmstep-builtin.gguf"
    if not model.is_file():
        pytest.skip("the built-in model is not there")
    arguments = ("--id", "copy", "--link", "--prompt", "proofstep")
    assert call("import", str(model), *arguments).strip() == "copy"
    assert any(json.loads(row)["id"] == "copy" for row in call("list", "--json").splitlines())
    result = CliRunner().invoke(models, ["rm", "copy"], input="n\n")
    assert result.exit_code == 1
    call("rm", "copy", "--yes")
    assert not (home / "data" / "models" / "copy.toml").exists()
    assert model.is_file()


def test_pulling_in_a_real_process_from_a_mirror(home: Path) -> None:
    pytest.importorskip("huggingface_hub")
    environ = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "llmstep", "models", "pull", "tiny"]
    with FakeHub("s/tiny", {"t.gguf": b"GGUF" * 100}) as hub:
        environ |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf")}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        hub.shutdown()
    assert done.returncode == 0, done.stderr
    place = home / "data" / "models" / "tiny" / "t.gguf"
    assert done.stdout.strip() == str(place)
    assert place.read_bytes() == b"GGUF" * 100
    assert "from s/tiny" in done.stderr


def test_offline_in_a_real_process(home: Path) -> None:
    pytest.importorskip("huggingface_hub")
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "llmstep", "models", "pull", "tiny"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE is set" in done.stderr
    assert "Traceback" not in done.stderr


def test_pulling_any_model_of_the_hub_in_a_real_process(home: Path) -> None:
    pytest.importorskip("huggingface_hub")
    model = paths.models_dir() / "llmstep-builtin.gguf"
    if not model.is_file():
        pytest.skip("the built-in model is not there")
    environ = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "llmstep", "models", "pull", "someone/prover"]
    with FakeHub("someone/prover", {"p.gguf": model.read_bytes()}) as hub:
        environ |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf")}
        dry = subprocess.run([*command, "--dry-run"], env=environ, capture_output=True, check=False)
        assert (dry.returncode, dry.stdout) == (0, b"")
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        hub.shutdown()
    assert done.returncode == 0, done.stderr
    assert "asked with 'llemma-fewshot'" in done.stderr
    assert "`--model p`" in done.stderr
    assert json.loads(call("verify", "p", "--json"))["compared"] == ["size", "sha256"]
    call("rm", "p", "--yes")
