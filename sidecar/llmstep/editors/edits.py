"""For each editor: which files hold its settings, and what llmstep would have in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import attrs

from llmstep.editors import jsonc
from llmstep.errors import LLMStepError
from llmstep.paths import editor_files
from llmstep.user_files import read_file

EDITORS = ("vscode", "neovim", "emacs", "helix", "zed")

_PROGRAMS = {"vscode": "code", "neovim": "nvim", "emacs": "emacs", "helix": "hx", "zed": "zed"}
_TASK_PROGRAM = re.compile(r'"\$\{workspaceFolder\}[^"]*llmstep(?:\.exe)?"')
_ZED = "Zed takes language servers from extensions only: the tactic works there without set-up"
_BEGIN, _END = "llmstep setup: begin", "llmstep setup: end"


@attrs.frozen
class Edit:
    """The text of one file as it is and as it would be; ``None`` where there is no file."""

    path: Path
    before: str | None
    after: str | None

    @property
    def changes(self) -> bool:
        """Whether anything would be different."""
        return self.before != self.after


@attrs.frozen
class EditPlan:
    """What one editor would get, and what the user has to know or do by hand."""

    edits: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = ()


def find_editors(project: Path | None) -> list[str]:
    """The editors on the PATH, and those whose settings lie in the project."""
    found = [name for name in EDITORS if shutil.which(_PROGRAMS[name])]
    if project is not None and (project / ".vscode").is_dir() and "vscode" not in found:
        found.insert(0, "vscode")
    return found


def plan(editor: str, project: Path | None, program: str, *, remove: bool = False) -> EditPlan:
    """What would be written for one of `EDITORS`, or taken out; ``program`` is ``llmstep``."""
    if editor == "vscode":
        return _plan_vscode(project, program, remove)
    if editor == "zed":
        return EditPlan(notes=(_ZED,))
    makers = {"neovim": _plan_neovim, "emacs": _plan_emacs, "helix": _plan_helix}
    return makers[editor](program, remove)


def _plan_vscode(project: Path | None, program: str, remove: bool) -> EditPlan:
    if project is None:
        return EditPlan(notes=("no Lean project here: run it in a folder with a lean-toolchain",))
    folder = project / ".vscode"
    settings = jsonc.read_object((editor_files() / "settings.json").read_text(encoding="utf-8"))
    settings["lean4.envPathExtensions"] = [str(Path(program).parent)]
    extensions = jsonc.read_object((editor_files() / "extensions.json").read_text("utf-8"))
    edits: list[Edit] = []
    notes: list[str] = []
    for name, values in (("settings.json", settings), ("extensions.json", extensions)):
        path = folder / name
        before = _read(path)
        if remove:
            edits.append(_removal(path, before, jsonc.remove_marked(before or "")))
            continue
        try:
            after = jsonc.add_keys(before or "", values)
            present = jsonc.read_object(before) if before else {}
        except jsonc.UnreadableError as error:
            notes.append(f"{path} is left alone, it cannot be read: {error}")
            continue
        notes += [
            f"{path}: your own {key} is kept"
            for key, value in values.items()
            if key in present and present[key] != value
        ]
        edits.append(Edit(path, before, after))
    for name in ("llmstep.code-snippets", "tasks.json"):
        path, text = folder / name, (editor_files() / name).read_text(encoding="utf-8")
        # The tasks run the program that is here, wherever that is.
        text = _TASK_PROGRAM.sub(lambda _: json.dumps(program), text)
        before = _read(path)
        if before not in (None, text):
            notes.append(f"{path} is yours and is left alone")
            continue
        edits.append(Edit(path, before, None if remove else text))
    keys = editor_files() / "keybindings.json"
    notes.append(f"keys are kept per user: copy what you like from {keys}")
    return EditPlan(tuple(edits), tuple(notes))


def _plan_neovim(program: str, remove: bool) -> EditPlan:
    base = _config_home("nvim", "LOCALAPPDATA")
    text = f"""\
-- {_BEGIN}
-- The sidecar beside Lean's own server: completion and code actions that write the call.
if vim.lsp.config then
  vim.lsp.config('llmstep', {{
    cmd = {{ {_lua(program)}, 'serve' }},
    filetypes = {{ 'lean' }},
    root_markers = {{ 'lean-toolchain', 'lakefile.toml', 'lakefile.lean' }},
  }})
  vim.lsp.enable('llmstep')
end
-- {_END}
"""
    return EditPlan((_own_file(base / "plugin" / "llmstep.lua", text, remove),))


def _plan_emacs(program: str, remove: bool) -> EditPlan:
    # Emacs reads the first of these that exists.
    home = Path.home()
    known = [home / ".emacs", home / ".emacs.el", home / ".emacs.d" / "init.el"]
    known.append(_config_home("emacs", "APPDATA") / "init.el")
    path = next((file for file in known if file.is_file()), known[2])
    text = f"""\
;; {_BEGIN}
(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection '({_quoted(program)} "serve"))
    :major-modes '(lean4-mode)
    :server-id 'llmstep
    :add-on? t)))
;; {_END}
"""
    note = "eglot runs one server per buffer: there the tactic alone is the way"
    return EditPlan((_block(path, text, remove),), (note,))


def _plan_helix(program: str, remove: bool) -> EditPlan:
    path = _config_home("helix", "APPDATA") / "languages.toml"
    text = f"""\
# {_BEGIN}
[language-server.llmstep]
command = {_quoted(program)}
args = ["serve"]

[[language]]
name = "lean"
language-servers = ["lean", {{ name = "llmstep", only-features = ["code-action", "completion"] }}]
# {_END}
"""
    rest = _without_block(_read(path) or "")
    if not remove and re.search(r'^\s*name\s*=\s*"lean"', rest, re.MULTILINE):
        by_hand = '{ name = "llmstep", only-features = ["code-action", "completion"] }'
        note = f"{path} has a [[language]] for lean already: add {by_hand} to its language-servers"
        return EditPlan(notes=(note,))
    return EditPlan((_block(path, text, remove),))


def _own_file(path: Path, text: str, remove: bool) -> Edit:
    """A file that is llmstep's alone; one that somebody else wrote is left as it is."""
    before = _read(path)
    if before is not None and _BEGIN not in before:
        return Edit(path, before, before)
    return Edit(path, before, None if remove else text)


def _block(path: Path, text: str, remove: bool) -> Edit:
    """A marked block at the end of a user's file."""
    before = _read(path)
    rest = _without_block(before or "")
    if remove:
        return _removal(path, before, rest)
    gap = "" if not rest or rest.endswith("\n\n") else "\n" if rest.endswith("\n") else "\n\n"
    return Edit(path, before, rest + gap + text)


def _without_block(text: str) -> str:
    lines = text.splitlines(keepends=True)
    begin = next((at for at, line in enumerate(lines) if _BEGIN in line), None)
    end = next((at for at, line in enumerate(lines) if _END in line), None)
    if begin is None or end is None or end < begin:
        return text
    head = "".join(lines[:begin])
    tail = "".join(lines[end + 1 :])
    return (head[:-1] if head.endswith("\n\n") and not tail else head) + tail


def _removal(path: Path, before: str | None, rest: str) -> Edit:
    """What is left of a file; the file goes if only an empty frame would be left."""
    if before is None or rest == before:
        return Edit(path, before, before)
    return Edit(path, before, None if re.fullmatch(r"\s*(\{\s*\}\s*)?", rest) else rest)


def _read(path: Path) -> str | None:
    try:
        # Line ends and a byte order mark stay as they are; a pipe is refused, not waited for.
        return read_file(path).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise LLMStepError(
            f"{path} cannot be read: {error}",
            hint="Make it a text file in UTF-8 that you can read, or move it aside.",
        ) from error


def _config_home(name: str, windows: str) -> Path:
    """A program's folder of settings; ``windows`` is the variable that says where it is there."""
    if sys.platform == "win32" and os.environ.get(windows):
        return Path(os.environ[windows]) / name
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / name


def _lua(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quoted(text: str) -> str:
    """A string of Emacs Lisp and of TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
