from __future__ import annotations

import http.server
import io
import os
import shutil
import socket
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmstep import paths
from llmstep.console import CommandError, Console
from llmstep.install import llama_cpp as install
from llmstep.install import packages, probe, wheels
from llmstep.install.compiler import Compiler
from llmstep.install.llama_cpp import InstallError
from llmstep.install.probe import LlamaCpp

PYTHON = Path(sys.executable)
GOOD = LlamaCpp(installed=True, version="0.3.36")
MISSING = LlamaCpp(installed=False, problem="it is not installed")
BROKEN = LlamaCpp(installed=True, problem="it does not work here: illegal instruction")
WHEEL = "llama_cpp_python-0.3.36-py3-none-any.whl"


class Machine:
    """A machine without pip or network: what is asked of it is written down.

    ``installs`` decides what an installation leads to; by default it succeeds and works.
    """

    def __init__(self, monkeypatch, tmp_path: Path) -> None:
        monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path / "home"))
        for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
            monkeypatch.setenv(name, str(tmp_path / "platform"))
        monkeypatch.delenv("CMAKE_ARGS", raising=False)
        monkeypatch.setattr(install, "install_packages", self._install)
        monkeypatch.setattr(install, "probe_llama_cpp", lambda python: self.state)
        monkeypatch.setattr(install, "is_reachable", lambda url: self.online)
        monkeypatch.setattr(install, "find_compiler", lambda: self.compiler)
        monkeypatch.setattr(install, "ensure_pip", lambda console, python: None)
        monkeypatch.setattr(install, "_uninstall", self._uninstall)
        monkeypatch.setattr(install, "wrap_zig", lambda packages, folder: Compiler("zig"))
        self.state = MISSING
        self.online = False
        self.compiler: Compiler | None = Compiler("g++", {"CC": "gcc", "CXX": "g++"})
        self.installed: list[str] = []
        self.removed = 0
        self.installs: Callable[[str], LlamaCpp] = lambda what: GOOD
        self.stream = io.StringIO()
        self.console = Console(self.stream)
        self.env: dict[str, str] = {}
        monkeypatch.setattr(self.console, "run", self._run)

    def _install(self, console, python, title, arguments) -> None:
        what = str(arguments[-1])
        self.installed.append(" ".join(str(a) for a in arguments))
        if "ziglang" not in what:
            self.state = self.installs(what)

    def _uninstall(self, console, python) -> None:
        self.removed += 1
        self.state = MISSING

    def _run(self, title, command, *, expect="", expect_s=None, env=None) -> str:
        assert "wheel" in command
        self.env = dict(env or {})
        folder = Path(command[command.index("--wheel-dir") + 1])
        folder.mkdir(parents=True)
        (folder / WHEEL).write_bytes(b"wheel")
        return ""

    def keep_wheel(self) -> None:
        wheels.wheel_dir().mkdir(parents=True)
        (wheels.wheel_dir() / WHEEL).write_bytes(b"kept")

    def ensure(self) -> str:
        return install.ensure_llama_cpp(self.console, PYTHON)


@pytest.fixture
def machine(monkeypatch, tmp_path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_where_the_package_works_nothing_is_done(machine):
    machine.state = GOOD
    machine.keep_wheel()
    assert machine.ensure() == "present"
    assert machine.installed == []


def test_a_kept_wheel_is_taken_before_the_network_is_asked(machine):
    machine.keep_wheel()
    machine.online = True
    assert machine.ensure() == "kept"
    assert machine.installed == [str(wheels.wheel_dir() / WHEEL)]


def test_a_home_of_ones_own_does_not_hide_what_was_built_before_it(machine, monkeypatch):
    own = os.environ["LLMSTEP_HOME"]
    monkeypatch.delenv("LLMSTEP_HOME")
    machine.keep_wheel()
    built = wheels.wheel_dir() / WHEEL
    monkeypatch.setenv("LLMSTEP_HOME", own)
    assert wheels.wheel_dir() != built.parent
    assert machine.ensure() == "kept"
    assert machine.installed == [str(built)]


def test_a_kept_wheel_that_does_not_work_gives_way_to_the_next(machine, monkeypatch):
    machine.keep_wheel()
    own = wheels.wheel_dir() / WHEEL
    monkeypatch.delenv("LLMSTEP_HOME")
    machine.keep_wheel()
    other = wheels.wheel_dir() / WHEEL
    monkeypatch.setenv("LLMSTEP_HOME", str(own.parents[3]))
    machine.installs = lambda what: BROKEN if what == str(own) else GOOD
    assert machine.ensure() == "kept"
    assert machine.installed == [str(own), str(other)]
    assert machine.removed == 1


def test_flags_of_ones_own_take_no_wheel_that_was_built_without_them(machine, monkeypatch):
    machine.keep_wheel()
    machine.online = True
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=ON")
    assert machine.ensure() == "built"
    machine.state = MISSING
    assert machine.ensure() == "kept"
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_METAL=ON")
    machine.state = MISSING
    assert machine.ensure() == "built"


def test_what_takes_seconds_is_all_that_is_tried_where_nobody_waits(machine):
    assert install.install_ready_made(machine.console, PYTHON) is None
    assert machine.installed == []
    machine.keep_wheel()
    assert install.install_ready_made(machine.console, PYTHON) == "kept"


def test_the_prebuilt_wheel_is_taken_where_its_index_answers(machine):
    machine.online = True
    assert machine.ensure() == "prebuilt"
    (asked,) = machine.installed
    assert f"--only-binary {install.PACKAGE}" in asked
    assert install.PREBUILT_INDEX in asked


def test_without_the_index_it_is_built_and_the_wheel_is_kept(machine):
    assert machine.ensure() == "built"
    kept = wheels.wheel_dir() / WHEEL
    assert kept.read_bytes() == b"wheel"
    assert machine.installed == [str(kept)]
    assert [p.name for p in wheels.wheel_dir().iterdir()] == [WHEEL]


def test_a_second_environment_uses_the_wheel_the_first_one_built(machine):
    machine.ensure()
    machine.state = MISSING
    assert machine.ensure() == "kept"


def test_no_prebuilt_wheel_for_this_machine_leads_to_a_build(machine):
    machine.online = True

    def installs(what: str) -> LlamaCpp:
        if not what.endswith(".whl"):
            raise CommandError("installing: failed", "No matching distribution found")
        return GOOD

    machine.installs = installs
    assert machine.ensure() == "built"


def test_a_prebuilt_wheel_that_crashes_here_is_removed_and_replaced_by_a_build(machine):
    machine.online = True
    machine.installs = lambda what: GOOD if what.endswith(".whl") else BROKEN
    assert machine.ensure() == "built"
    assert machine.removed == 1


def test_a_broken_installation_is_removed_first(machine):
    machine.state = BROKEN
    machine.keep_wheel()
    assert machine.ensure() == "kept"
    assert machine.removed == 1


def test_a_build_that_does_not_work_is_an_error_and_is_not_kept(machine):
    machine.installs = lambda what: BROKEN
    with pytest.raises(InstallError, match="illegal instruction"):
        machine.ensure()
    assert not wheels.wheel_dir().exists()


def test_without_a_compiler_zig_is_fetched(machine):
    machine.compiler = None
    assert machine.ensure() == "built"
    assert machine.installed[0].endswith(install.ZIG_REQUIREMENT)


def test_a_mac_without_a_compiler_is_told_the_one_command(machine, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    machine.compiler = None
    with pytest.raises(InstallError) as caught:
        machine.ensure()
    assert "xcode-select --install" in caught.value.hint
    assert machine.installed == []


def test_the_users_cmake_flags_come_last_so_that_they_win(machine, monkeypatch):
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=ON")
    machine.compiler = Compiler("zig", {"CC": "zig-cc", "CMAKE_ARGS": "-DGGML_OPENMP=OFF"})
    machine.ensure()
    flags = machine.env["CMAKE_ARGS"].split()
    assert flags == [*install.CMAKE_FLAGS, "-DGGML_OPENMP=OFF", "-DGGML_CUDA=ON"]
    assert machine.env["CC"] == "zig-cc"


def test_a_compile_error_advises_a_compiler_and_names_the_log(machine, monkeypatch, tmp_path):
    machine.console.log = tmp_path / "build.log"

    def fail(title, command, *, expect="", expect_s=None, env=None):
        raise CommandError("building llama.cpp: failed after 3 s", "CMake Error: no compiler")

    monkeypatch.setattr(machine.console, "run", fail)
    with pytest.raises(InstallError, match=r"build\.log") as caught:
        machine.ensure()
    assert "compiler" in caught.value.hint


def test_a_cache_that_cannot_be_written_does_not_lose_the_build(machine, tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    assert machine.ensure() == "built"
    assert "could not be kept" in machine.stream.getvalue()


def test_wheels_lie_in_the_cache_folder_of_the_program(tmp_path, monkeypatch):
    monkeypatch.delenv("LLMSTEP_HOME", raising=False)
    assert wheels.wheel_dir().parents[1] == paths.cache_dir()
    monkeypatch.setenv("LLMSTEP_HOME", str(tmp_path))
    assert wheels.wheel_dir().parents[1] == paths.cache_dir()


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("0.3.36", True),
        ("0.3.40", True),
        ("0.3.36+cpu", True),
        ("0.3.35", False),
        ("0.4.0", False),
        ("unknown", False),
    ],
)
def test_versions_outside_the_requirement_are_not_taken(version, wanted):
    assert probe.is_wanted(version) is wanted


def test_the_requirement_is_the_one_of_the_package():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["optional-dependencies"]["gguf"] == [probe.REQUIREMENT]


def test_a_busy_machine_gets_a_longer_estimate(monkeypatch):
    monkeypatch.setattr(wheels, "_core_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    assert wheels.estimate_build() == wheels.estimate_build(2)
    monkeypatch.setattr(os, "getloadavg", lambda: (2.0, 2.0, 2.0), raising=False)
    low, high = wheels.estimate_build()
    assert (low, high) == tuple(2 * seconds for seconds in wheels.estimate_build(2))


@pytest.mark.parametrize(
    ("cores", "text"),
    [
        (1, "8 to 12 minutes on 1 core"),
        (2, "4 to 6 minutes on 2 cores"),
        (16, "1 to 2 minutes on 16 cores"),
    ],
)
def test_the_estimate_follows_the_cores(cores, text):
    assert wheels.describe_estimate(wheels.estimate_build(cores), cores) == text


def test_the_probe_tells_missing_from_broken(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    package = tmp_path / "llama_cpp"
    package.mkdir()
    (package / "__init__.py").write_text("import os; os.abort()")
    found = probe.probe_llama_cpp(PYTHON)
    assert found.installed
    assert "does not work here" in (found.problem or "")
    (package / "__init__.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    if os.name == "posix":
        found = probe.probe_llama_cpp(PYTHON)
        assert "another processor" in (found.problem or "")
    (package / "__init__.py").write_text(
        "__version__ = '0.2.9'\n"
        "def llama_backend_init(): print('noise')\n"
        "def llama_print_system_info(): return b'CPU : AVX2 = 1 | '\n"
        "from types import SimpleNamespace\n"
        "llama_cpp = SimpleNamespace(_lib=SimpleNamespace())\n"
    )
    found = probe.probe_llama_cpp(PYTHON)
    assert (found.version, found.system) == ("0.2.9", "CPU : AVX2 = 1 |")
    assert "0.2.9 does not meet" in (found.problem or "")


@pytest.mark.gguf
def test_the_probe_lets_the_real_library_compute(monkeypatch):
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    # The product is 128; a probe that skipped the computation would not notice the change.
    monkeypatch.setattr(probe, "PROBE", probe.PROBE.replace("2.0)", "3.0)"))
    assert "64 * 2 = 192.0" in (probe.probe_llama_cpp(PYTHON).problem or "")
    monkeypatch.undo()
    assert probe.probe_llama_cpp(PYTHON).problem is None


def test_the_probe_finds_nothing_in_an_empty_environment(monkeypatch):
    monkeypatch.setattr(probe, "PROBE", probe.PROBE.replace('"llama_cpp"', '"no_such"'))
    assert probe.probe_llama_cpp(PYTHON) == MISSING


def test_uv_comes_first_and_pip_follows_where_uv_fails(monkeypatch):
    commands: list[list[str]] = []

    class Recorder(Console):
        def run(self, title, command, *, expect="", expect_s=None, env=None):
            commands.append([str(part) for part in command])
            if commands[-1][0] == "/opt/uv":
                raise CommandError("uv failed", "")
            return ""

    monkeypatch.setattr(shutil, "which", lambda name: "/opt/uv" if name == "uv" else None)
    packages.install_packages(Recorder(io.StringIO()), PYTHON, "installing", ["thing"])
    assert [command[1:3] for command in commands] == [["pip", "install"], ["-m", "pip"]]
    assert all(command[-1] == "thing" for command in commands)


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/there" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def site(monkeypatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_index_that_answers_is_reachable(site):
    assert packages.is_reachable(f"{site}/there", timeout_s=60)
    assert not packages.is_reachable(f"{site}/not-there", timeout_s=60)


def test_a_server_that_never_answers_is_given_up(site):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not packages.is_reachable(address, timeout_s=0.3)


def test_an_address_that_is_none_is_not_reachable():
    assert not packages.is_reachable("no address at all", timeout_s=60)
