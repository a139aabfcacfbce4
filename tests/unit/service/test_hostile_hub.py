"""A hub or mirror that means harm: nothing outside the models folder changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from llmstep.errors import LLMStepError
from llmstep.service.adoption import Wish, adopt, parse_reference, plan_adoption
from llmstep.service.card import read_card
from llmstep.service.catalog import find_model
from llmstep.service.download import PullPlan, pull
from llmstep.service.hub import DownloadError, RemoteFile
from llmstep.service.user_models import plan_removal, remove

from .fake_hub import COMMIT, FakeHub

DATA = b"GGUF" + bytes(64)
CLIMBING = (
    "..",
    ".",
    "../../..",
    "../../../../../precious/docs",
    "/etc",
    "a/../../../..",
    "..\\..\\..",
    "C:\\Windows",
    "main",
    COMMIT[:39],
    f"{COMMIT}/..",
    COMMIT.upper(),
    "",
    "\u0000",
)


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """What stands beside the program's own folder and must outlive every answer."""
    for name in ("precious/docs/thesis.tex", "precious/other.txt", "home/data/models/mine.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.fixture
def hub(precious: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("LLMSTEP_HOME", str(precious / "home"))
    with FakeHub("ada/m", {"m.gguf": DATA}) as server:
        server.take_over(monkeypatch, precious / "hub-cache")
        yield server
        server.shutdown()


def listing(root: Path) -> dict[str, str]:
    """Every file below, but for what belongs to the model that is being pulled."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
        and not str(path.relative_to(root)).startswith("home/data/models/m/")
        and "/.incoming/m/" not in str(path)
    }


@pytest.mark.parametrize("told", CLIMBING)
def test_a_commit_is_40_hexadecimal_digits(hub: FakeHub, precious: Path, told: str) -> None:
    hub.facts["sha"] = told
    before = listing(precious)
    with pytest.raises(LLMStepError, match="names no commit"):
        adopt(plan_adoption("ada/m"))
    assert listing(precious) == before


def test_a_mirror_that_tells_no_commit_is_told_of(hub: FakeHub, precious: Path) -> None:
    hub.facts["sha"] = None
    hub.revisions.add("v1")
    with pytest.raises(DownloadError, match="names no commit of ada/m: 'v1'"):
        plan_adoption("ada/m@v1")
    # The commit that the user names himself will do.
    assert plan_adoption(f"ada/m@{COMMIT}").plan is not None


@pytest.mark.parametrize("revision", [told for told in CLIMBING if told not in ("main", "")])
def test_a_plan_from_elsewhere_is_held_to_its_folder_as_well(
    hub: FakeHub, precious: Path, revision: str
) -> None:
    adoption = plan_adoption("ada/m")
    assert adoption.plan is not None
    plan = PullPlan(adoption.card, revision, adoption.plan.files)
    before = listing(precious)
    with pytest.raises((LLMStepError, ValueError)):
        pull(plan)
    assert listing(precious) == before


@pytest.mark.parametrize(
    "name", ["..", "../x.gguf", "../../../../precious/docs/thesis.tex", "..\\x.gguf", "C:x.gguf"]
)
def test_a_file_cannot_be_named_out_of_its_folder(hub: FakeHub, precious: Path, name: str) -> None:
    before = listing(precious)
    adoption = plan_adoption("ada/m")
    evil = (RemoteFile(name, len(DATA), None, None),)
    with pytest.raises(LLMStepError):
        pull(PullPlan(adoption.card, COMMIT, evil))
    hub.files = {name: DATA, "config.json": b"{}", "tokenizer.json": b"{}"}
    hub.files |= {f"{name}.safetensors": b"weights", "model.safetensors": b"weights"}
    with contextlib.suppress(LLMStepError):
        adopt(plan_adoption("ada/m", Wish(model_id="m")))
    own = ("home/data/models/m.", "home/data/models.lock")
    after = {name: what for name, what in listing(precious).items() if not name.startswith(own)}
    assert after == before


@pytest.mark.parametrize("model_id", ["..", ".", "../x", "a/b", "a\\b", "/etc", "C:x", "x\n"])
def test_neither_the_wire_nor_the_command_line_names_a_folder_above(
    hub: FakeHub, precious: Path, model_id: str
) -> None:
    before = listing(precious)
    with pytest.raises(LLMStepError):
        adopt(plan_adoption("ada/m", Wish(model_id=model_id)))
    with pytest.raises(LLMStepError):
        remove(plan_removal(model_id))
    assert listing(precious) == before


@pytest.mark.parametrize("name", ["ada/m@..", "ada/m@../..", "ada/m@a/../../..", "ada/m@..:m.gguf"])
def test_a_reference_with_dots_is_none(hub: FakeHub, precious: Path, name: str) -> None:
    assert parse_reference(name) is None
    before = listing(precious)
    with pytest.raises(LLMStepError):
        adopt(plan_adoption(name))
    with pytest.raises(LLMStepError):
        find_model(name)
    assert listing(precious) == before


def test_a_token_that_a_mirror_repeats_stays_here(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789abcdef")
    monkeypatch.setattr(FakeHub, "refuse_with", "got hf_0123456789abcdef", raising=False)
    with pytest.raises(LLMStepError) as caught:
        plan_adoption("ada/m")
    assert "0123456789" not in caught.value.message + caught.value.hint
    assert "got ***" in caught.value.message


@pytest.mark.parametrize("model_id", ["..", ".", "a/b", "a\\b", "C:x", "a\tb"])
@pytest.mark.parametrize("key", ["id", "file"])
def test_a_card_names_no_folder_above(tmp_path: Path, model_id: str, key: str) -> None:
    values = {"id": "m", "name": "m", "file": "m.gguf", key: model_id}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    card = tmp_path / "m.toml"
    card.write_text("\n".join([*lines, 'backends = ["llama_cpp"]']))
    if (key, model_id) == ("file", "a\tb"):
        return  # odd, but in its folder
    with pytest.raises(LLMStepError, match=f"key `{key}`"):
        read_card(card)


def test_removing_a_model_removes_the_link_and_not_what_it_leads_to(
    hub: FakeHub, precious: Path
) -> None:
    link = precious / "home" / "data" / "models" / "linked"
    link.symlink_to(precious / "precious")
    remove(plan_removal("linked"))
    assert not link.is_symlink()
    assert (precious / "precious" / "docs" / "thesis.tex").is_file()
