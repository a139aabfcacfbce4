from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llmstep.console import Console, Progress
from llmstep.errors import LLMStepError
from llmstep.install import background
from llmstep.install.background import FILE_NAME, Build, read_build
from llmstep.install.llama_cpp import InstallError
from llmstep.replacement import replacing


def write(prefix: Path, **values) -> None:
    now = time.time()
    build = {"state": "running", "pid": os.getpid(), "began": now - 90, "seen": now, **values}
    with replacing(prefix / FILE_NAME) as path:  # as the build does: nobody reads half of it
        path.write_text(json.dumps(build))


def read(prefix: Path) -> Build:
    build = read_build(prefix)
    assert build is not None
    return build


def test_where_nothing_was_started_there_is_nothing(tmp_path: Path):
    assert read_build(tmp_path) is None
    (tmp_path / FILE_NAME).write_text('{"half": ')
    assert read_build(tmp_path) is None
    (tmp_path / FILE_NAME).write_text('{"a later version": 1}')
    assert read_build(tmp_path) is None


def test_a_running_build_says_how_far_it_is(tmp_path: Path):
    write(tmp_path, title="building llama.cpp with c++", done=45, total=180, left_s=244.0)
    text = read(tmp_path).describe()
    assert text == "building llama.cpp with c++, 1 min 30 s so far [45/180] about 4 min 00 s left"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere its silence tells")
def test_a_build_whose_process_is_gone_is_dead(tmp_path: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write(tmp_path, pid=ended.pid)
    assert read(tmp_path).state == "died"
    assert "doctor --fix" in read(tmp_path).hint


def test_a_number_that_now_belongs_to_another_process_does_not_count(tmp_path: Path):
    write(tmp_path, seen=time.time() - 3600)
    assert read(tmp_path).state == "died"


def test_the_build_runs_by_itself_and_the_state_is_kept(tmp_path: Path):
    # A Python whose build fails at once: nothing can be reached, and there is no compiler.
    child = (
        "import sys; from llmstep.install import background as b, llama_cpp\n"
        "from llmstep.console import Progress\n"
        "def build(console, python):\n"
        "    console._on_progress(Progress('building', 1.0, 5, 10, 1.0))\n"
        "    raise llama_cpp.InstallError('no compiler', hint='get one')\n"
        "b.build_llama_cpp = build\n"
        "from pathlib import Path\n"
        "sys.exit(b.run_build(Path(sys.argv[-1])))\n"
    )
    wrapper = tmp_path / ("python.cmd" if os.name == "nt" else "python")
    script = tmp_path / "child.py"
    script.write_text(child)
    if os.name == "nt":
        pytest.skip("the stand-in is a shell script")
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    wrapper.chmod(0o755)
    started = background.start_build(wrapper, tmp_path)
    assert started.state == "running"
    assert background.start_build(wrapper, tmp_path).pid == started.pid
    with pytest.raises(LLMStepError, match="no compiler") as caught:
        background.follow_build(Console(io.StringIO()), tmp_path)
    assert caught.value.hint == "get one"
    build = read(tmp_path)
    assert (build.state, build.done, build.total) == ("failed", 5, 10)
    assert Path(build.log).exists()


def test_a_finished_build_says_so(tmp_path: Path, monkeypatch):
    def build(console, python):
        assert python == Path(sys.executable)
        console._on_progress(Progress("building", 1.0, 9, 10, 1.0))

    monkeypatch.setattr(background, "build_llama_cpp", build)
    monkeypatch.setattr(os, "nice", lambda by: by, raising=False)
    assert background.run_build(tmp_path) == 0
    assert read(tmp_path).state == "done"
    assert background.follow_build(Console(io.StringIO()), tmp_path) == read(tmp_path)


@pytest.mark.parametrize("error", [InstallError("no", hint="so"), RuntimeError("boom")])
def test_whatever_ends_it_is_written_down(tmp_path: Path, monkeypatch, error):
    def build(console, python):
        raise error

    monkeypatch.setattr(background, "build_llama_cpp", build)
    monkeypatch.setattr(os, "nice", lambda by: by, raising=False)
    assert background.run_build(tmp_path) == 1
    assert read(tmp_path).state == "failed"
    assert str(error) in read(tmp_path).describe()
    assert read(tmp_path).hint


def test_whoever_waits_sees_it_move(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(background, "_EVERY_S", 0.05)
    write(tmp_path, title="building", done=10, total=100)
    stream = io.StringIO()

    def go_on() -> None:
        while "[10/100]" not in stream.getvalue():
            time.sleep(0.01)
        write(tmp_path, title="building", done=60, total=100)
        while "[60/100]" not in stream.getvalue():
            time.sleep(0.01)
        write(tmp_path, state="done")

    threading.Thread(target=go_on, daemon=True).start()
    build = background.follow_build(Console(stream), tmp_path)
    assert build is not None
    assert build.state == "done"


def test_a_folder_that_cannot_be_written_leaves_the_foreground(tmp_path: Path):
    with pytest.raises(LLMStepError) as caught:
        background.start_build(Path(sys.executable), tmp_path / "no" / "folder")
    assert "doctor --fix" in caught.value.hint
