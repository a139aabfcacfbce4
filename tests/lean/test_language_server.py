"""What a user of an editor sees: ``lean --server`` on the bed, with the real sidecar behind it."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import check
import language_client
import psutil
import pytest
from language_client import LanguageClient

pytestmark = pytest.mark.leanbed

HEAD = 'import LLMstep\nset_option llmstep.command "llmstep serve --model echo"\n'
SEEN_SECONDS = 60
BUILT_IN = check.ROOT / "models" / "llmstep-builtin.gguf"


@pytest.fixture(scope="module")
def package(checker: check.LeanChecker) -> check.LeanChecker:
    assert not checker.check(check.ROOT / "LLMstep.lean")
    return checker


@pytest.fixture
def client(package: check.LeanChecker, tmp_path: Path) -> Iterator[LanguageClient]:
    client = LanguageClient(package, tmp_path)
    yield client
    client.stop()


def theorem(*tactics: str, kind: str = "", target: str = "p ∧ q") -> str:
    """A theorem with these tactics, from line 3 on; ``echo.json`` answers by the goal's texts."""
    binders = "(p q : Prop) (hp : p) (hq : q)" + (f" (_{kind} : True)" if kind else "")
    return (
        HEAD + f"theorem here {binders} : {target} := by\n" + "".join(f"  {t}\n" for t in tactics)
    )


def test_a_suggestion_is_shown_and_a_click_puts_it_in_place(client: LanguageClient) -> None:
    client.open("Click.lean", theorem("llmstep", "exact ⟨hp, hq⟩", kind="k_closes"))
    messages = client.elaborated()
    assert any("Try these:" in text and "exact ⟨hp, hq⟩" in text for text in messages), messages
    actions = [a for a in client.actions(3) if "Try this: exact" in a["title"]]
    assert len(actions) == 1
    client.change(theorem("llmstep", kind="k_closes"))
    assert any("unsolved goals" in text for text in client.elaborated())
    (action,) = [a for a in client.actions(3) if "Try this: exact" in a["title"]]
    assert client.apply(action) == theorem("exact ⟨hp, hq⟩", kind="k_closes")
    assert client.elaborated() == []


def test_a_tactic_of_several_lines_keeps_its_shape(client: LanguageClient) -> None:
    client.open("Lines.lean", theorem("skip", "(llmstep)", kind="k_lines"))
    client.elaborated()
    (action,) = [a for a in client.actions(4) if a["title"].startswith("Try this")]
    text = client.apply(action)
    assert text.endswith("  (refine And.intro\n     hp\n     hq)\n")
    assert client.elaborated() == []


def test_an_edit_withdraws_the_question(client: LanguageClient, tmp_path: Path) -> None:
    record = tmp_path / "record"
    mute = f"python3 tests/lean/misbehaving_sidecar.py mute record={record}"
    body = theorem("llmstep", "exact ⟨hp, hq⟩").replace("llmstep serve --model echo", mute)
    client.open("Cancel.lean", body)
    wait_for(lambda: record.exists() and "llmstep/suggest" in record.read_text(encoding="utf-8"))
    client.change(body.replace("  llmstep\n", ""))
    wait_for(lambda: "$/cancelRequest" in record.read_text(encoding="utf-8"))
    assert client.elaborated() == []


def test_the_goals_below_are_shown_while_calls_above_wait(
    client: LanguageClient, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    mute = f"python3 tests/lean/misbehaving_sidecar.py mute record={record}"
    # Longer than the client waits for an answer.
    head = (
        HEAD.replace("llmstep serve --model echo", mute) + "set_option llmstep.timeoutMs 600000\n"
    )
    calls = [
        theorem("llmstep", "exact ⟨hp, hq⟩").replace("here", f"waiting{i}").replace(HEAD, "")
        for i in range(4)
    ]
    below = theorem("constructor", "· exact hp", "· exact hq").replace(HEAD, "")
    text = head + "".join(calls) + below
    client.open("Below.lean", text)
    wait_for(
        lambda: (
            record.exists()
            and record.read_text(encoding="utf-8").count("llmstep/suggest") == len(calls)
        )
    )
    position = {"line": text.count("\n") - 2, "character": 4}
    document = {"textDocument": {"uri": client.uri}, "position": position}
    goals = client.request("$/lean/plainGoal", document)
    assert "⊢ p" in goals["rendered"]
    # The calls were not given up meanwhile.
    assert client.diagnostics == []
    client.change(below)


def test_a_menu_tells_what_a_step_does(client: LanguageClient) -> None:
    text = theorem("llmstep", "exact ⟨hp, hq⟩", kind="k_closes").replace(
        "theorem", "set_option llmstep.finish false in theorem"
    )
    client.open("Menu.lean", text)
    client.elaborated()
    titles = [a["title"] for a in client.actions(3) if a["title"].startswith("Try this")]
    assert titles == [
        "Try this: exact ⟨hp, hq⟩ (🎉 closes the goal)",
        "Try this: constructor (2 goals left)",
    ]


def test_two_proofs_ask_at_once(client: LanguageClient) -> None:
    one = theorem("llmstep", "exact ⟨hp, hq⟩", kind="k_slow").replace("here", "one")
    two = theorem("llmstep", "exact ⟨hp, hq⟩", kind="k_closes").replace("here", "two")
    client.open("Two.lean", one + two.replace(HEAD, ""))
    messages = client.elaborated()
    assert sum("exact ⟨hp, hq⟩" in text for text in messages) == 1, messages
    assert sum("none of the candidates runs here" in text for text in messages) == 1, messages


@pytest.mark.parametrize(
    ("tactics", "line", "wanted"),
    [
        (("sorry",), 3, ("exact ⟨hp, hq⟩",)),
        (("admit",), 3, ("exact ⟨hp, hq⟩",)),
        (("skip",), 3, ("skip", "exact ⟨hp, hq⟩")),
        ((), 2, None),
        (("constructor", "· exact hp", "· skip"), 5, None),
    ],
    ids=["sorry", "admit", "unsolved goals", "empty by", "unsolved goals in a bullet"],
)
def test_the_code_action_suggests_a_step(
    client: LanguageClient, tactics: tuple[str, ...], line: int, wanted: tuple[str, ...] | None
) -> None:
    client.open("Step.lean", theorem(*tactics, kind="k_step"))
    client.elaborated()
    actions = [a for a in client.actions(line) if a["title"] == "llmstep: suggest a step"]
    assert len(actions) == 1
    assert "edit" not in actions[0]
    resolved = client.request("codeAction/resolve", actions[0])
    text = client.apply(resolved)
    assert client.elaborated() == []
    if wanted:
        assert text == theorem(*wanted, kind="k_step")


@pytest.mark.parametrize(
    ("tactics", "line", "call"),
    [
        (("sorry",), 3, 'llmstep ""'),
        (("exact sorry",), 3, 'exact by llmstep ""'),
        (("skip",), 3, 'skip\n  llmstep ""'),
        ((), 2, 'llmstep ""'),
        (("constructor", "· exact hp", "· skip"), 5, 'llmstep ""'),
    ],
    ids=["sorry", "a term", "unsolved goals", "empty by", "unsolved goals in a bullet"],
)
def test_the_call_takes_the_place_where_an_action_is_not_resolved(
    package: check.LeanChecker, tmp_path: Path, tactics: tuple[str, ...], line: int, call: str
) -> None:
    """As in an editor that knows neither that nor edits of a version."""
    client = LanguageClient(package, tmp_path, {})
    client.open("Plain.lean", theorem(*tactics, kind="k_step"))
    client.elaborated()
    actions = [a for a in client.actions(line) if a["title"] == "llmstep: suggest a step"]
    assert len(actions) == 1
    text = client.apply(actions[0])
    messages = client.elaborated()
    client.stop()
    assert call in text
    assert any("Try these:" in message for message in messages), messages


def test_an_empty_proof_is_seen_by_an_editor_that_sends_no_complaint(
    client: LanguageClient,
) -> None:
    client.open("Empty.lean", theorem(kind="k_step"))
    client.elaborated()
    client.diagnostics = []
    end = len(client.text.splitlines()[2])
    (action,) = [a for a in client.actions(2, end) if a["title"] == "llmstep: suggest a step"]
    client.apply(client.request("codeAction/resolve", action))
    assert client.elaborated() == []


def test_an_edit_is_of_no_version_where_the_editor_knows_none(
    package: check.LeanChecker, tmp_path: Path
) -> None:
    capabilities = {"textDocument": language_client.CAPABILITIES["textDocument"]}
    client = LanguageClient(package, tmp_path, capabilities)
    client.open("Plain.lean", theorem("sorry", kind="k_step"))
    client.elaborated()
    (action,) = [a for a in client.actions(3) if a["title"] == "llmstep: suggest a step"]
    resolved = client.request("codeAction/resolve", action)
    assert "documentChanges" not in resolved["edit"]
    assert client.apply(resolved) == theorem("exact ⟨hp, hq⟩", kind="k_step")
    client.stop()


def test_no_code_action_where_no_step_is_missing(client: LanguageClient) -> None:
    client.open("Done.lean", theorem("constructor", "· exact hp", "· exact hq"))
    assert client.elaborated() == []
    assert [a["title"] for line in range(6) for a in client.actions(line)] == []


def test_the_code_action_says_why_it_cannot_help(client: LanguageClient) -> None:
    client.open("Why.lean", theorem("sorry", kind="k_nothing"))
    client.elaborated()
    (action,) = [a for a in client.actions(3) if a["title"] == "llmstep: suggest a step"]
    answer = client.exchange("codeAction/resolve", action)
    assert "the model has no suggestion" in answer["error"]["message"]


def test_the_status_waits_for_a_sidecar_that_is_starting(client: LanguageClient) -> None:
    client.open("Status.lean", theorem("llmstep", kind="k_closes") + "\n#llmstep_status\n")
    (status,) = [m for m in client.elaborated() if "found through" in m]
    assert "backend: echo" in status
    assert "when this was read" in status


@pytest.mark.parametrize(
    "command",
    ["   ", "llmstep --model echo", "{python} -m llmstep --model echo"],
    ids=["blanks", "an option, but no serve", "a module with an option"],
)
def test_the_command_is_read_as_it_is_meant(
    package: check.LeanChecker, tmp_path: Path, command: str
) -> None:
    command = command.replace("{python}", sys.executable)
    client = LanguageClient(package, tmp_path, LLMSTEP_COMMAND=command)
    client.open("Command.lean", theorem("llmstep", kind="k_closes"))
    messages = client.elaborated()
    client.stop()
    assert any("Try these:" in text for text in messages), messages


@pytest.mark.parametrize("isolated", [True, False])
def test_the_python_settings_of_another_program_do_no_harm(
    package: check.LeanChecker, tmp_path: Path, isolated: bool
) -> None:
    """A program of a virtual environment does not get them; of another, they are told."""
    (tmp_path / "json.py").write_text("raise ImportError('json of another program')\n")
    (tmp_path / "lakefile.toml").touch()
    program = tmp_path / ".venv" / "bin" / "llmstep"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("llmstep"))
    command = "" if isolated else f'"{program}" serve --model echo'
    variables = {"PYTHONPATH": str(tmp_path), "LLMSTEP_COMMAND": command, "LLMSTEP_MODEL": "echo"}
    client = LanguageClient(package, tmp_path, **variables)
    client.open("Env.lean", theorem("llmstep", kind="k_closes").replace(HEAD, "import LLMstep\n"))
    messages = client.elaborated()
    client.stop()
    if isolated:
        assert any("Try these:" in text for text in messages), messages
    else:
        assert any("meant for another Python: PYTHONPATH" in text for text in messages), messages


@pytest.mark.parametrize("option", ["onSorry", "onEmptyProof"])
def test_suggestions_come_by_themselves_and_few_are_asked_for(
    package: check.LeanChecker, client: LanguageClient, tmp_path: Path, option: str
) -> None:
    """One question, however many keys are pressed; none for a goal that was answered."""
    assert not package.check(check.ROOT / "LLMstep" / "Try.lean")
    record = tmp_path / "record"
    helpful = f"python3 tests/lean/misbehaving_sidecar.py helpful record={record}"
    head = (
        f'import LLMstep.Try\nset_option llmstep.command "{helpful}"\n'
        "set_option debug.tactic.try.onlyUserSuggestions true\nset_option llmstep.try true\n"
    )
    proof = "theorem here (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n"
    proof += "  sorry\n" if option == "onSorry" else "\n"

    def asked() -> int:
        return record.read_text(encoding="utf-8").count("llmstep/suggest") if record.exists() else 0

    client.open("ByItself.lean", head + proof)
    assert not any("exact ⟨hp, hq⟩" in text for text in client.elaborated())
    assert not asked()
    head += f"set_option autoTry.{option} true\n"
    for keys in range(8):
        client.change(f"{head}-- {'x' * keys}\n{proof}")
        time.sleep(0.05)
    assert any("exact ⟨hp, hq⟩" in text for text in client.elaborated())
    assert asked() == 1
    for keys in range(8):
        client.change(f"{head}-- {'y' * keys}\n{proof}")
        assert any("exact ⟨hp, hq⟩" in text for text in client.elaborated())
    assert asked() == 1
    client.change(head + proof.replace("(hq : q)", "(hq : q) (r : Prop)"))
    assert any("exact ⟨hp, hq⟩" in text for text in client.elaborated())
    assert asked() == 2


@pytest.mark.gguf
@pytest.mark.skipif(not BUILT_IN.exists(), reason="the built-in model is not in this checkout")
@pytest.mark.skipif(not importlib.util.find_spec("llama_cpp"), reason="no llama-cpp-python")
def test_the_built_in_model_suggests_a_step(client: LanguageClient) -> None:
    text = theorem("llmstep", "left", "exact hp", target="p ∨ q")
    client.open("BuiltIn.lean", text.replace(" --model echo", ""))
    messages = client.elaborated()
    assert any("Try these:" in message for message in messages), messages


def test_the_sidecar_ends_with_the_file(client: LanguageClient) -> None:
    client.open("End.lean", theorem("llmstep", "exact ⟨hp, hq⟩", kind="k_closes"))
    client.elaborated()
    sidecars = find_sidecars()
    assert len(sidecars) == 1
    client.close()
    _gone, alive = psutil.wait_procs(sidecars, timeout=SEEN_SECONDS)
    assert not alive
    client.open("End.lean", theorem("llmstep", "exact ⟨hp, hq⟩", kind="k_closes"))
    assert any("Try these:" in text for text in client.elaborated())
    assert len(find_sidecars()) == 1


def find_sidecars() -> list[psutil.Process]:
    """The sidecars below this process."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "serve" in child.cmdline() and "echo" in child.cmdline()
    ]


def wait_for(seen: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + SEEN_SECONDS
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)
