"""Nobody waits for a reader; what is left out is counted."""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import sys
import time
from collections.abc import Iterator

import pytest

from playout.lines import LineHandler, LineWriter, never_wait_for_stderr, shortened


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that holds a page."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def read_all(reading: int, until: str) -> list[str]:
    text, deadline = "", time.monotonic() + 60
    os.set_blocking(reading, False)
    while until not in text and time.monotonic() < deadline:
        try:
            text += os.read(reading, 65536).decode()
        except BlockingIOError:
            time.sleep(0.005)
    return text.splitlines()


def test_lines_come_out_in_their_order(pipe) -> None:
    reading, writing = pipe
    lines = LineWriter(writing)
    for n in range(200):
        lines.write(f"line {n}\n")
    assert lines.flush(10)
    assert read_all(reading, "line 199\n") == [f"line {n}" for n in range(200)]


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time(pipe) -> None:
    reading, writing = pipe
    lines = LineWriter(writing, most=50)
    for n in range(5000):
        lines.write(f"line {n:0400}\n")
    assert not lines.flush(0.01)
    lines.write("the last one\n")
    found = read_all(reading, "the last one\n")
    assert found[-1] == "the last one"
    notices = [int(line.split()[0]) for line in found if "left out" in line]
    assert len(found) - len(notices) + sum(notices) == 5001
    assert sum(notices) > 4900
    assert lines.flush(10)


def test_a_reader_that_is_gone_is_no_reason_to_stop(pipe) -> None:
    reading, writing = pipe
    os.close(reading)
    lines = LineWriter(writing)
    lines.write("nobody hears this\n")
    assert lines.flush(10)
    lines.write("nor this\n")
    assert lines.flush(10)


def test_log_records_keep_formatter_level_and_filters(monkeypatch, tmp_path) -> None:
    class NoSecrets(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return "secret" not in record.getMessage()

    root = logging.getLogger()
    with (tmp_path / "log").open("w+") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        old = logging.StreamHandler(stderr)
        old.setFormatter(logging.Formatter("said: %(message)s"))
        old.setLevel(logging.WARNING)
        old.addFilter(NoSecrets())
        elsewhere = logging.StreamHandler(io.StringIO())
        monkeypatch.setattr(root, "handlers", [old, elsewhere])
        never_wait_for_stderr()
        assert old not in root.handlers
        assert elsewhere in root.handlers
        (handler,) = [each for each in root.handlers if isinstance(each, LineHandler)]
        log = logging.getLogger("tests.lines")
        for text in ("a secret", "all is well"):
            log.warning(text)
        log.info("too little")
        handler.flush()
        stderr.seek(0)
        assert stderr.read() == "said: all is well\n"


@pytest.mark.parametrize(
    ("text", "columns", "fits"),
    [
        ("00:00:01  film", 14, "00:00:01  film"),
        ("00:00:01  a long film", 14, "00:00:01  a l…"),
        ("夜に駆ける", 10, "夜に駆ける"),
        ("夜に駆ける", 9, "夜に駆け…"),
        ("夜に駆ける", 8, "夜に駆…"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
        ("", 0, ""),
    ],
)
def test_a_line_is_shortened_to_the_columns_of_a_terminal(
    text: str, columns: int, fits: str
) -> None:
    assert shortened(text, columns) == fits
