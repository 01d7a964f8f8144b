"""Arguments that cannot be meant are wrong usage, whatever the subcommand: exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from playout.cli import main


def status_of(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as over:
        return int(str(over.code))


@pytest.mark.parametrize("command", [["probe"], ["prepare", "--out", "tracks"]])
@pytest.mark.parametrize("profile", ["nope", "1080p30@99"])
def test_a_profile_that_does_not_exist_is_wrong_usage(
    command: list[str],
    profile: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(*command, "film.mp4", "--profile", profile, "--json") == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == "profile.unknown"
    assert profile in printed.err
    assert not Path("tracks").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["probe", ""],
        ["prepare", "film.mp4", "--profile", "1080p30", "--out", ""],
        ["prepare", "film.mp4", "--profile", "1080p30", "--out="],
        ["prepare", "--profile", "1080p30", "--out", "tracks", "--", ""],
        ["air", "--to", "rtmp://127.0.0.1:1/live/key", ""],
        ["air", "--to", "", "tracks"],
        ["air", "--to", "rtmp://127.0.0.1:1/live", "tracks", "--key-file="],
        ["air", "--to", "rtmps://127.0.0.1:1/live/key", "tracks", "--ca-file", ""],
        ["ingest", "--listen", "127.0.0.1:0", "--record", ""],
    ],
    ids=" ".join,
)
def test_an_empty_argument_stands_for_nothing(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(*arguments) == 2
    assert "empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_may_be_called_like_an_option_without_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("--out=").write_text("not a film")
    assert status_of("probe", "--", "--out=") == 1
    assert "Upload a video" in capsys.readouterr().err


def test_help_keeps_names_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("ingest", "--help") == 0
    assert "Receive RTMP, to try things out." in capsys.readouterr().out
