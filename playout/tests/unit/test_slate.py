"""The slate: one for every house format, ready to be spliced into it without an encoder."""

import shutil
import subprocess
import sys
import threading

import pytest

from playout.errors import TrackNotFound
from playout.media import HOUSE_AUDIO, VIDEO_PROFILES, TrackKind, VideoProfile, video_profile
from playout.prepare import headers
from playout.prepare.plan import audio_header
from playout.pump.slate import slate_item
from playout.tracks import slate
from playout.tracks.reader import Track


@pytest.mark.parametrize("name", sorted(VIDEO_PROFILES))
def test_it_fits_its_profile_byte_for_byte_in_the_header(name, tmp_path):
    profile = VIDEO_PROFILES[name]
    item = slate_item(profile, tmp_path)
    video, audio = (Track.open(slate.unpack(profile, tmp_path), kind) for kind in TrackKind)
    assert video.description.codec_header == headers.video_header(profile)
    assert audio.description.codec_header == audio_header(HOUSE_AUDIO)
    assert video.description.rate == profile.rate
    assert (video.description.width, video.description.height) == (profile.width, profile.height)
    assert list(video.keys) == [0, profile.gop_frames]
    assert video.frames == item.frames == 2 * profile.gop_frames
    assert audio.frames >= round(video.frames / profile.rate * HOUSE_AUDIO.rate) + 1
    video.verify()
    audio.verify()


def test_all_of_it_is_small():
    assert slate.DATA_FILE.stat().st_size < 3_000_000


def test_it_is_unpacked_once_and_again_when_it_was_broken(tmp_path):
    profile = video_profile("480p30")
    directory = slate.unpack(profile, tmp_path)
    before = (directory / "video.track").stat().st_mtime_ns
    assert slate.unpack(profile, tmp_path) == directory
    assert (directory / "video.track").stat().st_mtime_ns == before
    (directory / "video.index").write_bytes(b"")
    slate.unpack(profile, tmp_path)
    Track.open(directory, TrackKind.VIDEO).verify()
    shutil.rmtree(directory)
    slate.unpack(profile, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [directory.name]


def test_many_at_once_make_one(tmp_path):
    profile, found = video_profile("480p30"), []
    threads = [
        threading.Thread(target=lambda: found.append(slate.unpack(profile, tmp_path)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["slate-480p30@1"]


def test_an_unknown_format_has_none(tmp_path):
    strange = VideoProfile("strange", 1, 320, 180, 30, 500, "3.1")
    with pytest.raises(TrackNotFound):
        slate.unpack(strange, tmp_path)


def test_showing_it_needs_no_encoder():
    script = (
        "import sys; from playout.pump.slate import slate_item; "
        "print([m for m in sys.modules if m.startswith(('playout.prepare', 'PIL', 'av'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
