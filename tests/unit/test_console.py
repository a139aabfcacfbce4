from __future__ import annotations

import io
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from llmstep.console import (
    CommandError,
    Console,
    Progress,
    _Watch,
    describe_progress,
    explain_failure,
    format_seconds,
)


def make(**options) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(stream, **options), stream


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s")],
)
def test_spans_of_time_read_well(seconds, text):
    assert format_seconds(seconds) == text


def test_steps_are_numbered():
    console, stream = make()
    console.plan(2)
    console.step("first")
    console.note("detail")
    console.step("second")
    assert stream.getvalue() == "[1/2] first\n      detail\n[2/2] second\n"


def test_a_command_gives_its_output_and_fills_the_log(tmp_path: Path):
    log = tmp_path / "log"
    console, stream = make(log=log)
    output = console.run(
        "talking", python("import sys; print('out'); print('err', file=sys.stderr)")
    )
    assert set(output.splitlines()) == {"out", "err"}
    assert "talking" in stream.getvalue()
    assert "done in" in stream.getvalue()
    assert {"out", "err"} <= set(log.read_text().splitlines())


def test_an_unwritable_log_stops_nothing(tmp_path: Path):
    console, _ = make(log=tmp_path / "no" / "such" / "folder" / "log")
    assert console.run("talking", python("print('out')")) == "out"


def test_a_failed_command_raises_with_its_last_lines():
    console, _ = make()
    with pytest.raises(CommandError, match="failed after") as caught:
        console.run("failing", python("print('last words'); raise SystemExit(3)"))
    assert "last words" in caught.value.output


def test_a_command_that_does_not_exist_is_an_error_of_ours():
    console, _ = make()
    with pytest.raises(CommandError, match="cannot be started"):
        console.run("nothing", ["/no/such/program"])


def test_output_that_is_no_utf8_is_survived():
    console, _ = make()
    code = "import sys; sys.stdout.buffer.write(b'a\\xff\\n')"
    assert console.run("bytes", python(code)) == "a\ufffd"


def test_without_a_terminal_there_is_a_heartbeat_and_no_carriage_return():
    console, stream = make(live=False, heartbeat_s=0.0)
    code = "import time; print('[3/40] Building', flush=True); time.sleep(1.2)"
    console.run("building", python(code))
    assert "... " in stream.getvalue()
    assert "[3/40]" in stream.getvalue()
    assert "\r" not in stream.getvalue()


def counting(seconds_per_file: float, files: int = 40) -> _Watch:
    """A watch that has seen ninja finish some files."""
    watch = object.__new__(_Watch)
    watch._counter = (10, files)
    watch._counting_since = 0.0
    watch.now = 10 * seconds_per_file
    return watch


def test_the_rest_is_told_from_what_the_files_so_far_took():
    watch = counting(6.0)
    progress = watch.progress("building", 65.0, watch.now)
    assert (progress.done, progress.total, progress.left_s) == (10, 40, 180.0)
    assert describe_progress(progress) == "[10/40] about 3 min 00 s left"
    # A file that takes for ever makes the estimate grow, not stand still.
    assert watch.progress("building", 365.0, 360.0).left_s == 1080.0


def test_the_first_files_say_nothing_yet():
    watch = counting(6.0)
    watch._counter = (7, 40)
    assert watch.progress("building", 60.0, 60.0).left_s is None
    assert describe_progress(watch.progress("building", 60.0, 60.0)) == "[7/40]"


@pytest.mark.parametrize(
    ("per_file", "corrected"),
    [(6.0, False), (4.7, False), (18.0, True), (2.0, True)],
)
def test_an_estimate_that_proves_wrong_is_corrected_once(per_file, corrected):
    console, stream = make(live=False, heartbeat_s=1e9)
    watch = counting(per_file)
    ticks = iter([False, False, False, True])
    watch.wait = lambda timeout_s: next(ticks)
    real = watch.progress
    watch.progress = lambda title, elapsed_s, now: real(title, watch.now, watch.now)
    console._wait(watch, 0.0, "building", (200.0, 300.0))
    lines = stream.getvalue().splitlines()
    assert len(lines) == corrected
    if corrected:
        assert f"about {format_seconds(40 * per_file)} in all" in lines[0]


def test_whoever_asks_is_told_how_far_it_is():
    told: list[Progress] = []
    console, _ = make(live=False, on_progress=told.append)
    code = "import time; print('[3/40] Building', flush=True); time.sleep(1.3)"
    console.run("building", python(code))
    assert told[-1].title == "building"
    assert (told[-1].done, told[-1].total) == (3, 40)


def test_on_a_terminal_one_line_is_redrawn_and_wiped():
    console, stream = make(live=True)
    console.run("building", python("import time; print('[3/40] x', flush=True); time.sleep(0.8)"))
    assert "[3/40]" in stream.getvalue()
    assert stream.getvalue().rpartition("\r\x1b[K")[2].strip().startswith("done in")


def test_ci_is_never_live(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CI", "true")
    stream = Terminal()
    Console(stream).run("short", python("pass"))
    assert "\r" not in stream.getvalue()


def test_a_stream_of_a_narrow_code_page_gets_question_marks():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Console(stream).say("a ⊢ b")
    assert raw.getvalue().rstrip() == b"a ? b"


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
def test_an_interrupt_ends_the_command_and_what_it_started(tmp_path: Path):
    marker = tmp_path / "pid"
    child = "import time; time.sleep(600)"
    code = (
        "import pathlib, subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"pathlib.Path({str(marker)!r}).write_text(str(p.pid))\n"
        "time.sleep(600)\n"
    )
    console, _ = make(live=False)
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def interrupt() -> None:
        while not marker.exists() or not marker.read_text():
            time.sleep(0.02)
        import signal

        signal.pthread_kill(main_thread, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        console.run("sleeping", python(code))
    pid = int(marker.read_text())
    while _runs(pid):
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that nobody has reaped yet is dead all the same.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and ") Z " in status.read_text())


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("Failed to resolve 'index' ([Errno -3] Temporary failure in name resolution)", "network"),
        ("ERROR: Could not find a version that satisfies x (from versions: none)", "network"),
        ("error: dns error: failed to lookup address information", "network"),
        ("ssl.SSLError: CERTIFICATE_VERIFY_FAILED", "certificate"),
    ],
)
def test_known_causes_are_named(output, cause):
    explanation = explain_failure(output)
    assert explanation is not None
    assert cause in explanation


def test_an_unknown_failure_is_not_explained_away():
    assert explain_failure("SyntaxError: invalid syntax") is None
