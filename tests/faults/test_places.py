"""Where front and engine meet: stale files, long paths, other users, other versions, no place."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import GOAL, Client, engine_pids, is_gone, wait_until

import llmstep
from llmstep.runtime.channel import Channel, ChannelError, connect
from llmstep.runtime.identity import shared_variables
from llmstep.runtime.place import EnginePlace, NoPlaceError, find_place, make_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX sockets")
Start = Callable[..., Client]
MANY = int(os.environ.get("LLMSTEP_FAULT_FILES", "12"))


def place_of(home: Path, **environ: str) -> EnginePlace:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LLMSTEP_")]:
            patch.delenv(name)
        patch.setenv("LLMSTEP_HOME", str(home))
        for name, value in environ.items():
            patch.setenv(name, value)
        return find_place(shared_variables(os.environ))


def test_what_a_dead_engine_left_is_no_hindrance(start: Start, home: Path) -> None:
    place = place_of(home)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(place.socket)
    dead.close()  # nobody listens there any more
    Path(place.lock).write_text("4242")
    Path(place.death).write_text("no json")
    Path(place.casualties).write_text("[[[")
    Path(place.work).write_bytes(b"\xff" * 10)
    assert start().tactics()
    assert engine_pids(home)


def test_a_plain_file_in_place_of_the_socket(start: Start, home: Path) -> None:
    Path(place_of(home).socket).write_text("not a socket")
    assert start().tactics()


def test_all_files_are_the_users_alone(start: Start, home: Path) -> None:
    start().tactics()
    folder = home / "run"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name


def test_a_home_too_long_for_a_socket(start: Start, home: Path) -> None:
    long = home / ("x" * 100)
    long.mkdir()
    first, second = start(home=long), start(home=long)
    assert first.tactics()
    assert first.engine()["pid"] == second.engine()["pid"]
    (pid,) = engine_pids(long)
    os.kill(pid, 9)


def test_a_home_that_cannot_be_written_to(start: Start, home: Path) -> None:
    # A file where the folder should be stops root, too.
    (home / "run").write_text("")
    client = start()
    assert client.tactics()
    for pid in engine_pids(home):
        os.kill(pid, 9)


def test_no_place_at_all_serves_in_the_process(start: Start, home: Path) -> None:
    (home / "run").write_text("")
    nowhere = home / "file"
    nowhere.write_text("")
    client = start(environ={"LLMSTEP_NO_SHARED_FOLDER": "1"})
    assert client.tactics()
    assert "engine" not in client.ask("llmstep/status")["result"]
    assert "serving in this process" in client.stderr.read_text()
    assert client.end() == 0


def test_in_process_on_request(start: Start, home: Path) -> None:
    client = start("--in-process")
    assert client.tactics()
    assert "engine" not in client.ask("llmstep/status")["result"]
    assert engine_pids(home) == []


def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    mine, link = tmp_path / "mine", tmp_path / "link"
    mine.mkdir(mode=0o755)
    make_private(str(mine))
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700
    link.symlink_to(mine)
    with pytest.raises(NoPlaceError):
        make_private(str(link))
    if os.getuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 1002, 1002)
        with pytest.raises(NoPlaceError, match="not this user's"):
            make_private(str(theirs))


OTHER_USER = """
import os, sys
os.setgid(1002); os.setuid(1002)
sys.path.insert(0, {root!r})
from llmstep.runtime.channel import ChannelError, connect
try:
    connect({path!r}, 5)
except ChannelError as error:
    print("refused:", error)
else:
    print("let in")
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs a second user")
def test_a_second_user_gets_nothing(start: Start, home: Path) -> None:
    client = start()
    client.tactics()
    path = place_of(home).socket
    root = str(Path(llmstep.__file__).parents[1])
    program = OTHER_USER.format(root=root, path=path)

    def try_it() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
        )
        return done.stdout

    assert "let in" not in try_it()
    # Even where the folder lets them in, the kernel's word on who they are does not.
    for folder in (home / "run", home, home.parent):
        os.chmod(folder, 0o755)
    os.chmod(path, 0o777)
    assert "let in" not in try_it()
    assert client.tactics()


def test_strangers_are_turned_away(start: Start, home: Path) -> None:
    client = start()
    client.tactics()
    path = place_of(home).socket
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"Content-Length: 2\r\n\r\n{}", b"\x80\x04pickle" * 99):
        with connect(path, 5).socket as stranger:
            stranger.sendall(data)
            stranger.settimeout(60)
            assert stranger.recv(10) == b""
    hello: dict[str, Any] = {"hello": {"link": 99}}
    channel = connect(path, 5)
    channel.send(hello)
    assert "refused" in channel.receive(20)
    assert client.tactics()


def test_settings_of_each_client_are_its_own(start: Start, home: Path) -> None:
    script = [{"candidates": [{"tactic": f"t{n}", "score": -n - 1} for n in range(5)]}]
    plain = start(script=script)
    few = start(environ={"LLMSTEP_N": "2"})
    bad = start(environ={"LLMSTEP_N": "many"})
    assert len(plain.tactics()) == 5
    assert len(few.tactics()) == 2
    answer = bad.answer(bad.suggest())["result"]
    assert len(answer["suggestions"]) == 5
    assert "LLMSTEP_N" in answer["warnings"][0]
    assert "warnings" not in plain.answer(plain.suggest())["result"]
    assert len({client.engine()["pid"] for client in (plain, few, bad)}) == 1


@pytest.mark.parametrize("in_process", ["", "1"])
def test_relative_paths_are_those_of_each_clients_folder(
    start: Start, home: Path, in_process: str
) -> None:
    for name in ("one", "two"):
        (home / name).mkdir()
        rules = [{"candidates": [{"tactic": f"step_{name}", "score": -1}]}]
        (home / name / "rules.json").write_text(json.dumps(rules))
    environ = {
        "LLMSTEP_HOME": os.pardir,
        "LLMSTEP_ECHO_SCRIPT": "rules.json",
        "LLMSTEP_IN_PROCESS": in_process,
    }
    for name in ("one", "two"):
        client = start(environ=environ, folder=home / name)
        assert client.tactics() == [f"step_{name}"]
        assert ("engine" in client.ask("llmstep/status")["result"]) != bool(in_process)
        for model in ("none.gguf", "./none"):
            answer = client.answer(client.suggest(model=model))
            assert str(home / name / "none") in answer["error"]["message"]


def test_another_environment_has_another_engine(start: Start, home: Path) -> None:
    one, other = start(), start(environ={"HTTPS_PROXY": "http://127.0.0.1:9"})
    assert one.tactics()
    assert other.tactics()
    assert one.engine()["pid"] != other.engine()["pid"]


def _copy_program(folder: Path, version: str) -> Path:
    shutil.copytree(Path(llmstep.__file__).parent, folder / "llmstep")
    init = folder / "llmstep" / "__init__.py"
    init.write_text(init.read_text().replace(llmstep.__version__, version))
    models = Path(llmstep.__file__).parents[2] / "models"
    (folder / "llmstep" / "_models").symlink_to(models)
    return folder


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return _copy_program(tmp_path / "newer", "9.9.9")


def test_a_newer_version_takes_over_at_once(
    start: Start, home: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = [{"goal": "slow", "candidates": [{"tactic": "simp", "score": -1, "delayMs": 700}]},
              {"candidates": [{"tactic": "rfl", "score": -1}]}]  # fmt: skip
    old = start(script=script)
    assert old.tactics() == ["rfl"]
    pid = old.engine()["pid"]
    running = old.suggest("⊢ slow")
    wait_until(old.is_running, "nothing runs")
    # The variables that engines share must agree, so the newer program is named by its folder.
    monkeypatch.chdir(newer)
    young = start()
    monkeypatch.undo()
    assert young.welcome["result"]["serverInfo"]["version"] == "9.9.9"
    assert young.tactics() == ["rfl"]
    # What ran was answered, and the older front has moved over.
    assert "result" in old.answer(running)
    assert old.tactics() == ["rfl"]
    wait_until(lambda: is_gone(pid), "the older engine stays")
    assert old.engine()["pid"] == young.engine()["pid"]
    assert young.engine()["version"] == "9.9.9"
    assert old.end() == young.end() == 0


def test_the_same_version_written_anew_takes_over(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _copy_program(tmp_path / "copy", llmstep.__version__)
    monkeypatch.chdir(folder)
    first = start()
    assert first.tactics()
    pid = first.engine()["pid"]
    time.sleep(0.05)
    (folder / "llmstep" / "replacement.py").touch()
    second = start()
    assert second.tactics()
    assert second.engine()["pid"] != pid
    assert first.tactics()
    assert first.engine()["pid"] == second.engine()["pid"]


def test_many_files(start: Start) -> None:
    clients = [start() for _ in range(MANY)]
    ids = [(client, client.suggest(f"{GOAL} ∧ {n}")) for client in clients for n in range(2)]
    assert all("result" in client.answer(identifier) for client, identifier in ids)
    assert len({client.engine()["pid"] for client in clients}) == 1
    for client in clients:
        assert client.end() == 0


def test_fronts_that_start_at_once_start_one_engine(home: Path) -> None:
    environ = {**os.environ, "LLMSTEP_HOME": str(home), "LLMSTEP_MODEL": "echo"}
    command = [sys.executable, "-m", "llmstep", "serve"]
    fronts = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environ)
        for _ in range(6)
    ]
    wait_until(lambda: engine_pids(home), "no engine")
    for front in fronts:
        assert front.stdin is not None
        front.stdin.close()
        assert front.wait(60) == 0
    assert len(engine_pids(home)) == 1


def test_the_loopback_channel_of_windows(start: Start, home: Path) -> None:
    client = start(environ={"LLMSTEP_LOOPBACK": "1"})
    assert client.tactics()
    assert client.engine()["connections"]
    path = place_of(home).socket
    port = int(Path(path).read_text().partition('"port": ')[2].partition(",")[0])
    # Who cannot read the file proves nothing.
    stranger = socket.create_connection(("127.0.0.1", port), 5)
    channel = Channel(stranger)
    channel.send({"control": "describe"})
    with pytest.raises(ChannelError):
        channel.receive(20)
    stranger = socket.create_connection(("127.0.0.1", port), 5)
    channel = Channel(stranger)
    channel.send({"challenge": "00"})
    channel.receive(20)
    channel.send({"proof": "0" * 64})
    with pytest.raises(ChannelError):
        channel.receive(20)
    (pid,) = [client.engine()["pid"]]
    os.kill(pid, 9)
