"""What is written comes back, and what was tampered with does not."""

import errno
import os
from pathlib import Path

import pytest

from playout.errors import (
    PrepareLimitExceeded,
    PrepareOutOfSpace,
    SourceCorrupt,
    TrackCorrupt,
    TrackNotFound,
    TrackVersionUnsupported,
)
from playout.media import CHUNK_SIZE, HOUSE_AUDIO, MAX_MESSAGE_BYTES, TrackKind, video_profile
from playout.tracks.packetiser import delta_head
from playout.tracks.reader import Track
from playout.tracks.writer import TrackWriter

PROFILE = video_profile("480p30")
# I P B B in decoding order: shown as 0, 3, 1, 2.
DISPLAY = [0, 3, 1, 2]


def write_video(directory: Path, frames: int = 8, size: int = 5000) -> list[bytes]:
    pictures = []
    with TrackWriter.video(directory, PROFILE, b"avc-header") as writer:
        for n in range(frames):
            picture = bytes([n % 251]) * (size + n)
            pictures.append(picture)
            writer.add_picture(picture, n - n % 4 + DISPLAY[n % 4], key=n % 4 == 0)
        writer.finish()
    return pictures


def test_it_gives_back_every_picture_with_its_timestamp(tmp_path):
    pictures = write_video(tmp_path)
    track = Track.open(tmp_path, TrackKind.VIDEO)
    assert [track.body(n)[5:] for n in range(track.frames)] == pictures
    assert list(track.timestamps) == [0, 33, 67, 100, 133, 167, 200, 233]
    assert list(track.keys) == [0, 4]
    assert track.description.codec_header == b"avc-header"


def test_presentation_times_step_as_evenly_as_the_clock_allows(tmp_path):
    write_video(tmp_path)
    track = Track.open(tmp_path, TrackKind.VIDEO)
    shown = sorted(
        track.timestamps[n] + int.from_bytes(track.body(n)[2:5], "big") for n in range(track.frames)
    )
    assert shown == [67, 100, 133, 167, 200, 233, 267, 300]


def test_a_slice_is_a_run_of_chunks_with_deltas(tmp_path):
    write_video(tmp_path, size=CHUNK_SIZE)
    track = Track.open(tmp_path, TrackKind.VIDEO)
    message = bytes(track.slice(1, 2))
    assert message[:4] == delta_head(TrackKind.VIDEO, 33)
    length = int.from_bytes(message[4:7], "big")
    assert length == CHUNK_SIZE + 1 + 5
    assert message[7] == 9
    assert message[8 + CHUNK_SIZE] == 0xC0 | 6
    assert len(message) == 8 + length + 1


def test_it_finds_key_frames_either_side(tmp_path):
    write_video(tmp_path)
    track = Track.open(tmp_path, TrackKind.VIDEO)
    assert [track.key_at_or_before(n) for n in (0, 3, 4, 7)] == [0, 0, 4, 4]
    assert [track.key_at_or_after(n) for n in (0, 1, 4, 5)] == [0, 4, 4, None]


def test_sound_frames_follow_the_aac_clock(tmp_path):
    with TrackWriter.audio(tmp_path, HOUSE_AUDIO, b"\x12\x10") as writer:
        for n in range(6):
            writer.add_frame(bytes([n]) * 300)
        writer.finish(content_frames=5)
    track = Track.open(tmp_path, TrackKind.AUDIO)
    assert list(track.timestamps) == [0, 23, 46, 70, 93, 116]
    assert track.description.content_frames == 5
    assert track.body(3) == b"\xaf\x01" + b"\x03" * 300


def test_a_block_that_leaves_without_finishing_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), TrackWriter.video(tmp_path, PROFILE, b"h") as writer:
        writer.add_picture(b"x" * 900_000, 0, key=True)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_it_refuses_a_picture_that_receivers_would_refuse(tmp_path):
    with TrackWriter.video(tmp_path, PROFILE, b"h") as writer, pytest.raises(SourceCorrupt):
        writer.add_picture(bytes(MAX_MESSAGE_BYTES), 0, key=True)


def test_it_refuses_an_empty_track(tmp_path):
    with TrackWriter.audio(tmp_path, HOUSE_AUDIO, b"h") as writer, pytest.raises(SourceCorrupt):
        writer.finish()


def test_it_stops_at_the_output_limit(tmp_path):
    with TrackWriter.video(tmp_path, PROFILE, b"h", max_bytes=10_000) as writer:
        writer.add_picture(bytes(6000), 0, key=True)
        with pytest.raises(PrepareLimitExceeded):
            writer.add_picture(bytes(6000), 1, key=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the full device")
def test_a_full_disk_is_named_as_such(tmp_path):
    (tmp_path / ".video.track.part").symlink_to("/dev/full")
    with (
        TrackWriter.video(tmp_path, PROFILE, b"h") as writer,
        pytest.raises(PrepareOutOfSpace) as caught,
    ):
        writer.add_picture(bytes(1_000_000), 0, key=True)
        writer.finish()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC


def test_it_notices_a_changed_block(tmp_path):
    write_video(tmp_path)
    track_file = tmp_path / "video.track"
    content = bytearray(track_file.read_bytes())
    content[1000] ^= 1
    track_file.write_bytes(content)
    with pytest.raises(TrackCorrupt, match="Block 0"):
        Track.open(tmp_path, TrackKind.VIDEO).verify()


def test_it_notices_a_shortened_track(tmp_path):
    write_video(tmp_path)
    track_file = tmp_path / "video.track"
    track_file.write_bytes(track_file.read_bytes()[:-1])
    with pytest.raises(TrackCorrupt, match="bytes instead of"):
        Track.open(tmp_path, TrackKind.VIDEO)


@pytest.mark.parametrize("at", [0, 12, 16, 24, 36, 40, 60, 200, -1])
def test_it_notices_a_changed_index(tmp_path, at):
    write_video(tmp_path)
    index_file = tmp_path / "video.index"
    content = bytearray(index_file.read_bytes())
    content[at] ^= 1
    index_file.write_bytes(content)
    with pytest.raises(TrackCorrupt):
        Track.open(tmp_path, TrackKind.VIDEO)


def test_it_names_another_format_version(tmp_path):
    write_video(tmp_path)
    index_file = tmp_path / "video.index"
    content = bytearray(index_file.read_bytes())
    content[8] = 2
    index_file.write_bytes(content)
    with pytest.raises(TrackVersionUnsupported):
        Track.open(tmp_path, TrackKind.VIDEO)


@pytest.mark.parametrize("content", [b"", b"PLAYTRK\0", b"x" * 500])
def test_it_refuses_an_index_that_is_none(tmp_path, content):
    write_video(tmp_path)
    (tmp_path / "video.index").write_bytes(content)
    with pytest.raises(TrackCorrupt):
        Track.open(tmp_path, TrackKind.VIDEO)


@pytest.mark.parametrize("name", ["video.index", "video.track"])
def test_it_does_not_wait_for_a_pipe_that_lies_in_the_place_of_a_file(tmp_path, name):
    write_video(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(TrackCorrupt, match="cannot be opened"):
        Track.open(tmp_path, TrackKind.VIDEO)


def test_it_says_where_a_track_is_missing(tmp_path):
    with pytest.raises(TrackNotFound, match="no audio track"):
        Track.open(tmp_path, TrackKind.AUDIO)


@pytest.mark.parametrize("name", ["film.mp4", "film.mp4/under"])
def test_a_file_where_a_folder_is_meant_is_called_one(tmp_path, name):
    (tmp_path / "film.mp4").write_bytes(b"film")
    with pytest.raises(
        TrackNotFound, match=r"film\.mp4.* leads to a file, .* Prepare it into"
    ) as found:
        Track.open(tmp_path / name, TrackKind.VIDEO)
    assert "Errno" not in str(found.value)


def test_why_a_track_cannot_be_opened_is_said_in_words(tmp_path):
    with pytest.raises(TrackCorrupt, match=r"cannot be opened: File name too long\. Prepare"):
        Track.open(tmp_path / ("n" * 300), TrackKind.VIDEO)


def test_a_name_that_is_not_text_is_said_all_the_same(tmp_path):
    with pytest.raises(TrackNotFound) as found:
        Track.open(tmp_path / "b\udcff\n", TrackKind.VIDEO)
    str(found.value).encode()
    assert "\n" not in str(found.value)


def test_blocks_are_hashed_one_by_one(tmp_path):
    write_video(tmp_path, frames=12, size=900_000)
    track = Track.open(tmp_path, TrackKind.VIDEO)
    assert track.layout.blocks == 3
    track.verify()
