from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmstep.logs import ClientLogHandler, close_logging, set_level, set_up_logging


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("llmstep", level, __file__, 1, text, (), None)


def test_records_wait_for_the_client() -> None:
    handler = ClientLogHandler()
    handler.handle(record(logging.WARNING, "early"))
    sent: list[tuple[int, str]] = []
    handler.attach(lambda level, text: sent.append((level, text)))
    handler.handle(record(logging.ERROR, "late"))
    assert sent == [(logging.WARNING, "early"), (logging.ERROR, "late")]


def test_only_the_latest_records_wait() -> None:
    handler = ClientLogHandler()
    for number in range(1000):
        handler.handle(record(logging.INFO, str(number)))
    sent: list[str] = []
    handler.attach(lambda _level, text: sent.append(text))
    assert len(sent) == 256
    assert sent[-1] == "999"


def test_a_record_made_while_sending_does_not_come_round_again() -> None:
    handler = ClientLogHandler()
    sent: list[str] = []

    def send(_level: int, text: str) -> None:
        sent.append(text)
        handler.handle(record(logging.ERROR, "the pipe is full"))

    handler.attach(send)
    handler.handle(record(logging.WARNING, "first"))
    handler.handle(record(logging.WARNING, "second"))
    assert sent == ["first", "second"]


def test_a_record_that_cannot_be_formatted_stops_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = ClientLogHandler()
    sent: list[str] = []
    handler.attach(lambda _level, text: sent.append(text))
    broken = record(logging.WARNING, "%d")
    broken.args = ("no number",)
    handler.handle(broken)
    handler.handle(record(logging.WARNING, "fine"))
    assert sent == ["fine"]
    assert "Logging error" in capsys.readouterr().err


def test_a_record_that_nobody_takes_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ClientLogHandler()

    def refuse(_level: int, _text: str) -> None:
        raise RuntimeError("the loop is closed")

    handler.attach(refuse)
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "said", (), None))
    assert "the loop is closed" in capsys.readouterr().err


def test_the_log_goes_to_stderr_and_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "llmstep.log"
    set_up_logging("info", path)
    logging.getLogger("llmstep.x").info("⊢ shown")
    logging.getLogger("llmstep.x").debug("hidden")
    close_logging()
    captured = capsys.readouterr()
    assert captured.out == ""
    for text in (captured.err, path.read_text(encoding="utf-8")):
        assert "⊢ shown" in text
        assert "hidden" not in text


def test_a_log_file_that_cannot_be_opened_is_done_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    set_up_logging("warning", tmp_path / "file" / "log")
    assert "no log file" in capsys.readouterr().err


def test_pygls_is_quiet_unless_everything_is_wanted() -> None:
    set_level("info")
    assert not logging.getLogger("pygls.protocol").isEnabledFor(logging.INFO)
    assert logging.getLogger("llmstep").isEnabledFor(logging.INFO)
    set_level("debug")
    assert logging.getLogger("pygls.protocol").isEnabledFor(logging.DEBUG)
    set_level("warning")
