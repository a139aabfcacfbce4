"""The official client of the Model Context Protocol, on stdio, against `llmstep mcp`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the [mcp] extra is not installed")

from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

pytestmark = pytest.mark.asyncio

PROOF = "constructor\n· exact hp\n· exact hq"
RULES = [
    {"goal": "endless", "answers": [{"text": "<think>" + "and then again " * 9000, "score": -1}]},
    {"goal": "whole", "answers": [{"text": f"```lean4\n{PROOF}\n```", "score": -0.25}]},
    {"goal": "slow", "candidates": [{"tactic": "simp", "score": -1, "delayMs": 60_000}]},
    {"goal": "broken", "error": "the model failed"},
    {
        "candidates": [
            {"tactic": "rfl", "score": -0.1},
            {"tactic": "exact h", "score": -0.2},
            {"tactic": "constructor\n· exact h\n· exact h", "score": -0.5},
        ]
    },
]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(RULES), encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "proofs"
    folder.mkdir()
    (folder / "lean-toolchain").write_text("leanprover/lean4:v4.27.0\n")
    return folder


@asynccontextmanager
async def agent(
    script: Path, folder: Path, *arguments: str, environ: dict[str, str] | None = None
) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "llmstep", "mcp", "--model", "echo", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "LLMSTEP_ECHO_SCRIPT": str(script),
            "LLMSTEP_SOURCES": "model",
            "LLMSTEP_CACHE": "false",
            **(environ or {}),
        },
    )
    async with Client(parameters) as client:
        yield client


def texts(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


async def test_each_tool_only_reads_and_describes_what_it_answers(
    script: Path, project: Path
) -> None:
    async with agent(script, project) as client:
        tools = (await client.list_tools()).tools
    names = {tool.name for tool in tools}
    assert names == {"suggest_tactics", "search_lemmas", "prove", "status"}
    for tool in tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
        assert not tool.annotations.open_world_hint
        assert tool.output_schema


async def test_suggestions_come_structured_with_progress(script: Path, project: Path) -> None:
    seen: list[str | None] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    async with agent(script, project) as client:
        result = await client.call_tool(
            "suggest_tactics", {"goal": "h : p\n⊢ p", "n": 2}, progress_callback=watch
        )
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["tactics"] == ["rfl", "exact h"]
    assert [step["origin"] for step in result.structured_content["steps"]] == [["model"]] * 2
    assert result.structured_content["notes"] == []
    assert set(seen) == {"rfl", "exact h"}


async def test_suggestions_are_what_lean_lsp_mcp_tries(script: Path, project: Path) -> None:
    other = StdioServerParameters(
        command=sys.executable, args=[str(Path(__file__).with_name("lean_lsp_server.py"))]
    )
    async with agent(script, project) as ours, Client(other) as lean:
        suggested = await ours.call_tool("suggest_tactics", {"goal": "h : p\n⊢ p"})
        assert suggested.structured_content is not None
        tactics = suggested.structured_content["tactics"]
        tried = await lean.call_tool(
            "lean_multi_attempt", {"file_path": "A.lean", "line": 3, "snippets": tactics}
        )
    assert not tried.is_error
    assert tried.structured_content is not None
    assert [item["snippet"] for item in tried.structured_content["items"]] == tactics
    assert len(tactics) == 3


async def test_several_goals_are_told_apart(script: Path, project: Path) -> None:
    async with agent(script, project) as client:
        goals = "case left\nh : p\n⊢ p\n\ncase right\nslow : q\n⊢ q"
        result = await client.call_tool("suggest_tactics", {"goal": goals})
    assert result.structured_content is not None
    assert result.structured_content["tactics"]


async def test_errors_name_the_cure(script: Path, project: Path) -> None:
    async with agent(script, project) as client:
        broken = await client.call_tool("suggest_tactics", {"goal": "broken : p\n⊢ p"})
        empty = await client.call_tool("suggest_tactics", {"goal": " "})
        too_many = await client.call_tool("suggest_tactics", {"goal": "⊢ p", "n": 1000})
    assert broken.is_error
    assert "the model failed" in texts(broken)
    assert "llmstep doctor" in texts(broken)
    assert empty.is_error
    assert "at least one goal" in texts(empty)
    assert too_many.is_error


async def test_a_withdrawn_question_leaves_the_way_free(script: Path, project: Path) -> None:
    async with agent(script, project) as client:
        slow = asyncio.ensure_future(client.call_tool("suggest_tactics", {"goal": "slow\n⊢ p"}))
        await asyncio.sleep(1)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        # It would wait for a minute behind the first, which runs alone.
        result = await asyncio.wait_for(
            client.call_tool("suggest_tactics", {"goal": "h : p\n⊢ p"}), 50
        )
    assert not result.is_error


@pytest.mark.parametrize("path", ["../Secret.lean", "/etc/passwd", "sub/../../x.lean", "a\0b"])
async def test_no_path_leads_out_of_the_project(script: Path, project: Path, path: str) -> None:
    async with agent(script, project) as client:
        result = await client.call_tool(
            "suggest_tactics", {"goal": "⊢ p", "file_path": path, "file_before": "x"}
        )
    assert result.is_error
    assert "project" in texts(result) or "no path" in texts(result)


async def test_a_link_out_of_the_project_is_no_way_either(script: Path, project: Path) -> None:
    try:
        (project / "out").symlink_to(project.parent)
    except OSError:
        pytest.skip("this system makes no links")
    async with agent(script, project) as client:
        result = await client.call_tool(
            "suggest_tactics", {"goal": "⊢ p", "file_path": "out/Secret.lean"}
        )
    assert result.is_error


async def test_without_a_project_a_path_is_refused_and_text_is_not(
    script: Path, tmp_path: Path
) -> None:
    async with agent(script, tmp_path) as client:
        path = await client.call_tool("suggest_tactics", {"goal": "⊢ p", "file_path": "A.lean"})
        text = await client.call_tool("suggest_tactics", {"goal": "⊢ p", "file_before": "--"})
    assert path.is_error
    assert "--project" in texts(path)
    assert not text.is_error


async def test_resources_tell_cards_and_state(script: Path, project: Path) -> None:
    async with agent(script, project) as client:
        cards = json.loads((await client.read_resource("llmstep://models")).contents[0].text)
        state = json.loads((await client.read_resource("llmstep://status")).contents[0].text)
        with pytest.raises(MCPError):
            await client.read_resource("llmstep://nothing")
    builtin = next(card for card in cards if card["id"] == "builtin")
    assert builtin["present"] is True
    assert builtin["licence"]
    assert state["versions"]["protocol"] == 1


async def test_the_sidecar_ends_with_the_agent(script: Path, project: Path) -> None:
    async with agent(script, project) as client:
        status = await client.call_tool("status", {})
        assert status.structured_content is not None
        pid = status.structured_content["status"]["pid"]
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"the sidecar {pid} is still there")


FILE = "theorem glorp_comm (a b : Nat) : glorp a b = glorp b a := sorry\n\nexample : True := by\n  "
LEMMAS = {"LLMSTEP_SOURCES": "file,library"}


async def test_lemmas_come_with_names_statements_and_steps(script: Path, project: Path) -> None:
    async with agent(script, project, environ=LEMMAS) as client:
        for_goal = await client.call_tool(
            "search_lemmas",
            {"goal": "x y : Nat\n⊢ glorp x y = glorp y x", "file_before": FILE, "k": 3},
        )
        for_words = await client.call_tool(
            "search_lemmas", {"text": "multiplication is commutative", "k": 3}
        )
        for_name = await client.call_tool("search_lemmas", {"text": "mul_left_cancel", "k": 1})
    assert not for_goal.is_error
    assert for_goal.structured_content is not None
    first = for_goal.structured_content["lemmas"][0]
    assert (first["name"], first["origin"], first["kind"]) == ("glorp_comm", "file", "theorem")
    assert first["statement"] == "(a b : Nat) : glorp a b = glorp b a"
    assert first["step"] in for_goal.structured_content["tactics"]
    assert "glorp_comm" in first["step"]
    assert for_words.structured_content is not None
    assert len(for_words.structured_content["lemmas"]) == 3
    assert for_words.structured_content["lemmas"][0]["name"] == "mul_comm"
    assert for_words.structured_content["tactics"] == []
    assert for_name.structured_content is not None
    assert [lemma["name"] for lemma in for_name.structured_content["lemmas"]] == ["mul_left_cancel"]


async def test_lemmas_of_the_projects_other_files_are_waited_for(
    script: Path, project: Path
) -> None:
    (project / "lakefile.toml").write_text('name = "proofs"\n[[lean_lib]]\nname = "Proofs"\n')
    (project / "Proofs").mkdir()
    (project / "Proofs" / "Basic.lean").write_text(
        "theorem zorp_assoc (a b c : Nat) : zorp (zorp a b) c = zorp a (zorp b c) := sorry\n"
    )
    seen: list[str | None] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    environ = {**LEMMAS, "LLMSTEP_HOME": str(project.parent / "home")}
    async with agent(script, project, environ=environ) as client:
        result = await client.call_tool(
            "search_lemmas", {"text": "zorp assoc", "wait_s": 100}, progress_callback=watch
        )
    assert not result.is_error
    assert result.structured_content is not None
    (first, *_) = result.structured_content["lemmas"]
    assert (first["name"], first["origin"]) == ("zorp_assoc", "project")
    assert first["module"] == "Proofs.Basic"
    assert all(message and message.startswith("reading ") for message in seen)


async def test_a_search_without_a_question_or_out_of_the_project_is_refused(
    script: Path, project: Path
) -> None:
    async with agent(script, project, environ=LEMMAS) as client:
        nothing = await client.call_tool("search_lemmas", {})
        both = await client.call_tool("search_lemmas", {"text": "x", "file_path": "../Other.lean"})
    assert nothing.is_error
    assert "one of `goal` and `text`" in texts(nothing)
    assert both.is_error
    assert both.structured_content is not None
    assert "leads out of the project" in both.structured_content["error"]["message"]
    assert both.structured_content["error"]["hint"]


async def test_whole_proofs_come_where_a_model_writes_them(script: Path, project: Path) -> None:
    seen: list[str | None] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    goal = "whole : p\nhp : p\nhq : q\n⊢ p ∧ q"
    async with agent(script, project) as client:
        result = await client.call_tool("prove", {"goal": goal}, progress_callback=watch)
        cut = await client.call_tool("prove", {"goal": "endless : p\n⊢ p"})
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["tactics"] == [PROOF]
    assert result.structured_content["proofs"][0]["stop"] == "end"
    assert all(message and message.endswith(" tokens") for message in seen)
    assert cut.structured_content is not None
    assert cut.structured_content["tactics"] == []
    assert "thought" in cut.structured_content["proofs"][0]["problem"]


async def test_a_model_of_single_steps_names_those_that_write_proofs(
    script: Path, project: Path
) -> None:
    async with agent(script, project, "--model", "builtin") as client:
        result = await client.call_tool("prove", {"goal": "⊢ 1 = 1"})
    assert result.is_error
    assert result.structured_content is not None
    error = result.structured_content["error"]
    assert error["reason"] == "noProofMode"
    assert "kimina-prover-rl-0.6b" in error["models"]
    assert "llmstep models pull" in error["hint"]
    assert "writes single steps" in texts(result)
    assert "llmstep models pull" in texts(result)
