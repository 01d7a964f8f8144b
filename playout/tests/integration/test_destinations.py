"""One stream to several destinations: the same pictures at the same times, each on its own."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from judges.airing import Air, Track
from judges.clips import Clip
from judges.tools import PATIENCE_SECONDS, free_port

from playout.testing.sink import RecordingSink
from playout.testing.tracks import write_item

pytestmark = pytest.mark.integration

KEYS = ("first-key-2f6b", "second-key-a41c")


@pytest.fixture
def tracks(tmp_path: Path) -> list[Track]:
    found = []
    for name, frames in (("a", 100), ("b", 67)):
        write_item(tmp_path, name, frames, gop=30, picture_bytes=8000)
        found.append(Track(tmp_path / name, Clip(), frames))
    return found


async def until_it_ends(air: Air) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while air.is_running:
            await asyncio.sleep(0.1)


@pytest.mark.slow  # On simulated time it is judged in every run: test_output.
async def test_a_stalled_destination_delays_none_of_the_others(
    tracks: list[Track], tmp_path: Path
) -> None:
    files = []
    for key in KEYS:
        files.append(tmp_path / key)
        files[-1].write_text(key + "\n")
    async with RecordingSink() as primary, RecordingSink() as backup:
        urls = [f"rtmp://127.0.0.1:{sink.port}/live" for sink in (primary, backup)]
        keys = [f"--key-file={file}" for file in files]
        air = Air(urls, tracks, "--loop", "--seconds", "7", *keys)
        try:
            await primary.wait_for(lambda: primary.of(KEYS[0]))
            await backup.wait_for(lambda: backup.of(KEYS[1]))
            await asyncio.sleep(2)
            backup.read_on(False)
            await until_it_ends(air)
        finally:
            air.close()
        (first,), (second, *_) = primary.of(KEYS[0]), backup.of(KEYS[1])
        arrivals = list(first.media())
        assert max(b.at_ns - a.at_ns for a, b in pairwise(arrivals)) < 1e9
        assert not [
            e for e in air.events("lost") if e["destination"] == f"127.0.0.1:{primary.port}"
        ]
        common = {(a.kind, a.timestamp, a.digest) for a in second.media()}
        assert len(common) > 100
        assert common <= {(a.kind, a.timestamp, a.digest) for a in first.media()}
    for key in KEYS:
        assert key not in air.text


async def test_one_that_cannot_be_reached_does_not_fail_the_others(tracks: list[Track]) -> None:
    async with RecordingSink() as sink:
        nowhere = f"rtmp://127.0.0.1:{free_port()}/live/{KEYS[0]}"
        air = Air([nowhere, sink.url(KEYS[1])], tracks, "--loop", "--seconds", "3")
        try:
            await sink.wait_for(lambda: sink.of(KEYS[1]))
            command = Path(f"/proc/{air.pid}/cmdline").read_text()
            assert not any(key in command for key in KEYS)
            await until_it_ends(air)
        finally:
            air.close()
        assert air.wait() == 0
        ended = {event["destination"]: event["was_on_air"] for event in air.events("ended")}
        assert sorted(ended.values()) == [False, True]


async def test_each_has_ended_when_its_own_last_byte_was_taken(tracks: list[Track]) -> None:
    async with RecordingSink() as sink:
        nowhere = f"rtmp://127.0.0.1:{free_port()}/live/{KEYS[0]}"
        air = Air([nowhere, sink.url(KEYS[1])], tracks)
        try:
            # The other one is tried for as long as nobody stops it.
            await asyncio.to_thread(air.wait_for, "ended")
            assert air.is_running
            assert await asyncio.to_thread(air.stop) == 0
        finally:
            air.close()
        (session,) = sink.of(KEYS[1])
        assert session.end == "unpublished"
        assert [event["number"] for event in air.events("ended")] == [2, 1]
        assert air.events()[-1]["event"] == "ended"


def test_keys_and_destinations_must_go_together(tracks: list[Track], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("only-one")
    air = Air(["rtmp://127.0.0.1:1/a", "rtmp://127.0.0.1:1/b"], tracks, f"--key-file={file}")
    assert air.wait() == 2
    assert "2 destinations and 1 stream keys" in air.text
