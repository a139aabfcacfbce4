from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from llmstep.cli import COMMANDS
from llmstep.commands.setup import setup
from llmstep.commands.workshop import WORKSHOP
from llmstep.config import BY_NAME

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "vscode-config"
DOCS = [ROOT / "docs" / "editors.md", ROOT / "docs" / "troubleshooting.md", FOLDER / "README.md"]
FILES = ["settings.json", "extensions.json", "tasks.json", "llmstep.code-snippets"]
FILES += ["keybindings.json"]


def load_module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


JSONC = load_module(Path(__file__).with_name("jsonc.py"))
KINDS = {
    "bool": lambda value: isinstance(value, bool),
    "list of str": lambda value: isinstance(value, list) and all(isinstance(v, str) for v in value),
}
SETTINGS = json.loads((Path(__file__).parent / "lean4_settings.json").read_text())


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def load(name: str) -> Any:
    return JSONC.parse(read(name))


def lean_sources() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "LLMstep").glob("*.lean")))


def block(text: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "// no comment", /* one */ "b": 1} // two', {"a": "// no comment", "b": 1}),
        ('["\\"/*", "*/"]', ['"/*', "*/"]),
    ],
)
def test_the_reader_tells_comments_from_strings(text, value):
    assert JSONC.parse(text) == value


@pytest.mark.parametrize("text", ['{"a": 1,}', '{"a": 1, "a": 2}', "{'a': 1}"])
def test_the_reader_refuses_what_vs_code_underlines(text):
    with pytest.raises(ValueError, match=r"Expecting|Illegal|doubled"):
        JSONC.parse(text)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_json_with_comments_and_says_where_it_goes(name):
    load(name)
    assert read(name).startswith("// ")


def test_every_file_is_explained_in_the_readme():
    readme = read("README.md")
    assert sorted(FILES) == sorted(
        path.name for path in FOLDER.iterdir() if path.name != "README.md"
    )
    assert all(f"`{name}`" in readme for name in FILES)


def test_every_setting_of_the_lean_extension_exists():
    known = set(SETTINGS["settings"])
    named = {key for name in FILES for key in re.findall(r'"(lean4\.[\w.]+)"', read(name))}
    named |= {key for doc in DOCS for key in re.findall(r'"(lean4\.[\w.]+)"', doc.read_text())}
    assert named
    assert named <= known


def test_settings_of_the_lean_extension_have_values_of_its_kinds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lakefile.toml").touch()
    assert CliRunner().invoke(setup, ["vscode", "--write"]).exit_code == 0
    written = JSONC.parse((tmp_path / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    for settings in (load("settings.json"), written):
        named = {key: value for key, value in settings.items() if key.startswith("lean4.")}
        assert named
        for key, value in named.items():
            kind = SETTINGS["types"][key]
            assert KINDS[kind](value), f"{key} is a {kind}, not {value!r}"


def test_settings_that_were_removed_are_set_nowhere():
    for name in FILES:
        assert not any(f'"{key}' in read(name) for key in SETTINGS["removed"])


def test_the_commented_part_of_the_settings_works_when_it_is_uncommented():
    text = re.sub(r'^  // ("glspc)', r"  \1", read("settings.json"), flags=re.MULTILINE)
    # The comment asks for one comma above the block.
    head, _, tail = text.partition('  "glspc.server.command"')
    cut = head.rindex("}\n") + 1
    settings = JSONC.parse(head[:cut] + "," + head[cut:] + '  "glspc.server.command"' + tail)
    documented = JSONC.parse(block((ROOT / "docs" / "editors.md").read_text("utf-8"), "json"))
    assert documented.items() <= settings.items()


def test_tasks_run_commands_that_exist():
    for task in load("tasks.json")["tasks"]:
        if task["command"] == "lake":
            assert task["args"] in (["build"], ["run", "llmstep/setup"])
            continue
        assert task["args"][0] in {**COMMANDS, **WORKSHOP}
        assert task["command"].endswith("/.venv/bin/llmstep")
        assert task["windows"]["command"].endswith("\\.venv\\Scripts\\llmstep.exe")


def test_snippets_write_syntax_and_options_that_exist():
    lean = lean_sources()
    for snippet in load("llmstep.code-snippets").values():
        assert set(snippet["scope"].split(",")) == {"lean4", "lean"}
        body = snippet["body"]
        word = re.match(r"#?\w+", body)
        assert word is not None
        if word[0] == "set_option":
            choices = re.search(r"\|([^|]*)\|", body)
            assert choices is not None
            for option in choices[1].split(","):
                assert f"register_option llmstep.{option} " in lean
        elif word[0] != "import":
            assert f'"{word[0]}"' in lean


def test_keys_are_for_lean_files_only_and_all_different():
    bindings = load("keybindings.json")
    for binding in bindings:
        assert "editorLangId == lean4" in binding["when"]
        assert "!editorReadonly" in binding["when"]
    for system in ("key", "mac"):
        assert len({binding[system] for binding in bindings}) == len(bindings)


def test_the_helix_example_is_toml_that_attaches_the_server():
    config = tomllib.loads(block((ROOT / "docs" / "editors.md").read_text("utf-8"), "toml"))
    assert config["language-server"]["llmstep"] == {"command": "llmstep", "args": ["serve"]}
    (language,) = config["language"]
    names = [s if isinstance(s, str) else s["name"] for s in language["language-servers"]]
    assert names == ["lean", "llmstep"]


def test_the_neovim_and_emacs_examples_are_balanced_and_start_the_server():
    text = (ROOT / "docs" / "editors.md").read_text("utf-8")
    for language, command in {
        "lua": "{ 'llmstep', 'serve' }",
        "elisp": '("llmstep" "serve")',
    }.items():
        code = block(text, language)
        assert command in code
        for opening, closing in ("()", "{}"):
            assert code.count(opening) == code.count(closing)


def test_the_table_of_editors_is_what_was_seen():
    table = load_module(ROOT / "docs" / "editor_table.py")
    observed = json.loads((Path(__file__).parent / "observed.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
    assert table.replace_table(page, table.render_table(observed)) == page, (
        "run: python docs/editor_table.py"
    )
    for editor, seen in observed.items():
        assert set(seen) == set(table.ROWS), editor


def test_another_version_of_an_editor_starts_a_column_anew():
    table = load_module(ROOT / "docs" / "editor_table.py")
    kept = {"A": {"version": "1", "list": "yes", "take": "yes"}}
    table.merge(kept, {"A": {"version": "1", "take": "no"}, "B": {"version": "7"}})
    assert kept == {"A": {"version": "1", "list": "yes", "take": "no"}, "B": {"version": "7"}}
    table.merge(kept, {"A": {"version": "2", "take": "no"}})
    assert kept["A"] == {"version": "2", "take": "no"}
    assert "| **no** |" in table.render_table(kept)


def test_the_editor_page_claims_the_features_the_server_has():
    features = {path.stem for path in (ROOT / "sidecar/llmstep/server/features").glob("*.py")}
    assert {"completion", "code_action", "inline_completion"} <= features


def test_troubleshooting_quotes_messages_the_program_really_has():
    sources = [*(ROOT / "sidecar").rglob("*.py"), *(ROOT / "LLMstep").glob("*.lean")]
    sources.append(ROOT / "bootstrap.py")
    # Messages are often written over two lines, and with names filled in.
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    text = re.sub(r'"\s*\n\s*f?"', "", text).replace("\\\n", "")
    text = re.sub(r"\{PACKAGE\}", "llama-cpp-python", re.sub(r"[ \t]+", " ", text))
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) > 10
    missing = [message for message in messages if not any(p in text for p in pieces(message))]
    assert missing == []


def pieces(message: str) -> list[str]:
    """The whole of a message, and what of it stands between the names that were filled in."""
    parts = re.split(r"\([^)]*\)|: ", message)
    return [message, *(part.strip() for part in parts if len(part.strip()) >= 12)]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_commands_settings_and_options_named_in_the_docs_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    for command in re.findall(r"(?:`|^)llmstep ([a-z]+)", text, re.MULTILINE):
        assert command in {**COMMANDS, **WORKSHOP}
    extra = {"LLMSTEP_HOME", "LLMSTEP_COMMAND", "LLMSTEP_SERVER", "LLMSTEP_HOST"}
    extra |= {"LLMSTEP_OPENAI_BASE_URL", "LLMSTEP_COMPLETE", "LLMSTEP_IN_PROCESS"}
    extra |= {"LLMSTEP_NO_SHARED_FOLDER"}
    for variable in re.findall(r"\b_?LLMSTEP_\w+", text):
        variable = variable.removeprefix("_")
        assert variable in extra or variable.removeprefix("LLMSTEP_").lower() in BY_NAME
    lean = lean_sources()
    for option in re.findall(r"`(?:set_option )?(llmstep\.[a-zA-Z.]+)(?=[ `])", text):
        assert f"register_option {option} " in lean


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target
