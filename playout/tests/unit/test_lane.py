"""A group that is cut short leaves no hole and no picture behind its end."""

from __future__ import annotations

import os
from bisect import bisect_left

import pytest

from playout.media import HOUSE_AUDIO, TrackKind, video_profile
from playout.pump.lane import Lane
from playout.timebase import frame_ms
from playout.tracks.packetiser import message_body
from playout.tracks.reader import Track
from playout.tracks.writer import TrackWriter


def house_order(frames: int, gop: int) -> list[int]:
    """The numbers of showing in the order of decoding: two B pictures before each P."""
    order: list[int] = []
    for start in range(0, frames, gop):
        size = min(gop, frames - start)
        order.append(start)
        for p in range(3, size + 2, 3):
            last = min(p, size - 1)
            if last > p - 3:
                order += [start + last, *(start + b for b in range(p - 2, last))]
    return order


@pytest.fixture(params=[24, 30, 60])
def track(request, tmp_path):
    profile = video_profile(f"480p{request.param}")
    order = house_order(3 * profile.gop_frames, profile.gop_frames)
    assert sorted(order) == list(range(3 * profile.gop_frames))
    with TrackWriter.video(tmp_path, profile, b"golden") as writer:
        for decoded, shown in enumerate(order):
            writer.add_picture(f"{shown}".encode(), shown, decoded % profile.gop_frames == 0)
        writer.finish()
    return Track.open(tmp_path, TrackKind.VIDEO)


@pytest.mark.parametrize("cut", range(1, 75))
def test_every_place_is_shown_once_wherever_it_is_cut(track, cut):
    rate, start = track.description.rate, 1000
    lane = Lane(TrackKind.VIDEO, rate, 0)
    lane.enter(track, start, start, start + cut)
    out: list = []
    lane.emit(lane.index_at(10**9), out)
    data, at, now, shown = b"".join(out), 0, lane.base_ms, []
    while at < len(data):
        now += int.from_bytes(data[at + 1 : at + 4], "big") if at else 0
        size = 8 + int.from_bytes(data[at + 4 : at + 7], "big")
        body = message_body(data[at : at + size])
        shown.append(now + int.from_bytes(body[2:5], "big"))
        at += size
    places = [frame_ms(start + n + 2, rate) for n in range(cut)]
    assert all(abs(a - b) <= 1 for a, b in zip(sorted(shown), places, strict=True))


def test_a_cut_that_comes_too_late_changes_nothing_that_was_sent(track):
    lane = Lane(TrackKind.VIDEO, track.description.rate, 0)
    lane.enter(track, 0, 0, track.frames)
    lane.emit(11, [])
    lane.resize(11)
    assert lane.retimed == {}
    lane.resize(12)
    assert all(message >= 11 for message in lane.retimed)


def test_pictures_shown_at_other_times_are_sent_without_a_look_at_a_file_that_is_cut_short(track):
    lane = Lane(TrackKind.VIDEO, track.description.rate, 0)
    lane.enter(track, 0, 0, 20)
    assert lane.retimed
    # From here on, whoever reads the mapping himself ends the process.
    os.truncate(track.directory / "video.track", 0)
    out: list = []
    lane.emit(20, out)
    heads = [buffer for buffer in out if isinstance(buffer, bytes)]
    assert {len(head) for head in heads[1:]} == {13}


@pytest.mark.parametrize("origin_ms", [0, 67, -5])
def test_what_is_due_is_worked_out_as_it_was_written(track, origin_ms):
    lane = Lane(TrackKind.VIDEO, track.description.rate, origin_ms)
    lane.enter(track, 41, 41, 41 + track.frames)
    for ms in range(lane.base_ms - 100, lane.base_ms + track.timestamps[-1] + 100):
        assert lane.index_at(ms) == bisect_left(track.timestamps, ms - lane.base_ms)


def test_the_same_of_sound(tmp_path):
    with TrackWriter.audio(tmp_path, HOUSE_AUDIO, b"golden") as writer:
        for n in range(2000):
            writer.add_frame(f"{n}".encode())
        writer.finish()
    track = Track.open(tmp_path, TrackKind.AUDIO)
    lane = Lane(TrackKind.AUDIO, track.description.rate, 67)
    lane.enter(track, 12_345, 12_345, 12_345 + track.frames)
    for ms in range(lane.base_ms - 100, lane.base_ms + track.timestamps[-1] + 100):
        assert lane.index_at(ms) == bisect_left(track.timestamps, ms - lane.base_ms)
