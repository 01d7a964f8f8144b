"""What `playout air` says to arguments that cannot be meant: one line, and no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from playout.cli import main
from playout.rtmp.events import MessageKind
from playout.testing.sink import RecordingSink
from playout.testing.tracks import write_item

KEY = "air-command-key-51d2"


def air(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str, to: str = "rtmp") -> int:
    """The exit status of a run that must end before it connects."""
    monkeypatch.setenv("PLAYOUT_KEY", KEY)
    write_item(tmp_path, "film", 60)
    arguments = ["air", "--to", f"{to}://127.0.0.1:1/live", str(tmp_path / "film"), *more]
    try:
        return main(arguments)
    except SystemExit as over:
        return int(str(over.code))


@pytest.mark.parametrize("seconds", ["1/0", "soon", "", "nan", "inf", "1e400", "1e30", "0", "-1"])
def test_it_wants_a_sensible_number_of_seconds(
    seconds: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert air(tmp_path, monkeypatch, f"--seconds={seconds}") == 2
    said = capsys.readouterr().err
    assert "argument --seconds: " in said
    assert "_seconds" not in said


def test_a_key_file_that_holds_no_text_is_named_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY.encode() + b"\xa9\xff")
    assert air(tmp_path, monkeypatch, "--key-file", str(file)) == 1
    said = capsys.readouterr().err
    assert f"The key file {file} cannot be read" in said
    assert KEY not in said


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_named(
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    assert air(tmp_path, monkeypatch, "--ca-file", str(file), to="rtmps") == 1
    assert f"The file of certificates {file} cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "to", [["--to", "{}"], ["--to={}"], ["--t={}"], ["--t", "{}"]], ids=" ".join
)
def test_a_key_in_the_address_leaves_the_process_list_however_the_option_is_written(
    to: list[str], tmp_path: Path
) -> None:
    write_item(tmp_path, "film", 60)
    url = f"rtmp://127.0.0.1:1/live/{KEY}"
    environment = {name: value for name, value in os.environ.items() if name != "PLAYOUT_KEY"}
    command = [sys.executable, "-m", "playout", "air", *(each.format(url) for each in to)]
    running = subprocess.Popen(
        [*command, str(tmp_path / "film"), "--json"], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert running.stdout is not None
        assert b"connecting" in running.stdout.readline()
        assert KEY not in Path(f"/proc/{running.pid}/cmdline").read_text()
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_it_airs_with_standard_descriptors_closed(closed: str, tmp_path: Path) -> None:
    write_item(tmp_path, "film", 60, gop=30, picture_bytes=4000)
    async with RecordingSink() as sink:
        arguments = ["air", "--to", f"rtmp://127.0.0.1:{sink.port}/live", str(tmp_path / "film")]
        command = shlex.join([sys.executable, "-m", "playout", *arguments, "--seconds", "1"])
        running = await asyncio.create_subprocess_shell(
            f"{command} {closed}", env={**os.environ, "PLAYOUT_KEY": KEY}
        )
        assert await asyncio.wait_for(running.wait(), 60) == 0
        (session,) = sink.of(KEY)
        assert len(list(session.media(MessageKind.VIDEO))) == 30
        assert session.end == "unpublished"


@pytest.mark.parametrize(
    "again",
    [
        f"rtmp://127.0.0.1:1/live/{KEY}",
        f"RTMP://127.0.0.1:1/live?backup=1/{KEY}",
        f"rtmp://127.0.0.1:1/live/{KEY}?from=us",
    ],
)
def test_no_key_is_published_twice_to_one_place(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])  # of this process nothing is hidden
    write_item(tmp_path, "film", 60)
    first = f"rtmp://127.0.0.1:1/live/{KEY}"
    other = "rtmp://127.0.0.1:1/live/another-key"
    more = [str(tmp_path / "film"), "--seconds", "1"]
    assert main(["air", "--to", first, "--to", other, "--to", again, *more]) == 2
    said = capsys.readouterr().err
    assert "Destinations 1 and 3 are one and the same" in said
    assert KEY not in said


def test_without_anything_to_play_the_usage_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ["--to", f"rtmp://127.0.0.1:1/live/{KEY}"]
    for more in ([], [str(tmp_path), "--programme", str(tmp_path / "file.toml")]):
        assert main(["air", *to, *more]) == 2
        assert "--programme FILE.toml" in capsys.readouterr().err


def test_two_keys_at_one_host_are_told_apart(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])
    write_item(tmp_path, "film", 60)
    to = [f"--to=rtmp://127.0.0.1:1/live/{key}" for key in ("one", "two")]
    assert main(["air", *to, str(tmp_path / "film"), "--seconds", "0.1", "--json"]) == 1
    said = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {event["number"] for event in said if event["event"] == "ended"} == {1, 2}
    assert main(["air", *to, str(tmp_path / "film"), "--seconds", "0.1"]) == 1
    assert "127.0.0.1:1 (2): Ended" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["--to", "rtmp://127.0.0.1:1/live", "none"], "track.not_found", 1),
        (["--to", "rtmp://127.0.0.1:1/live", "--programme", "none"], "programme.invalid", 1),
        (["--to", "rtmp://127.0.0.1:1/live"], "programme.invalid", 2),
        (["--to", "http://127.0.0.1:1/live", "film"], "ingest.address_invalid", 2),
        (
            ["--to", "rtmp://127.0.0.1:1/live", "film", "--key-file=none"],
            "ingest.address_invalid",
            1,
        ),
    ],
)
def test_whoever_reads_the_events_learns_why_it_did_not_begin(
    arguments: list[str],
    code: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLAYOUT_KEY", KEY)
    write_item(tmp_path, "film", 60)
    assert main(["air", *arguments, "--json"]) == status
    printed = capfd.readouterr()
    (said,) = [json.loads(line) for line in printed.out.splitlines()]
    assert (said["event"], said["code"]) == ("failed", code)
    assert printed.err == f"playout air: {said['text']}\n"
    assert main(["air", *arguments]) == status
    assert not capfd.readouterr().out
