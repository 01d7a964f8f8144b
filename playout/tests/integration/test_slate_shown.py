"""The slate as a decoder sees and hears it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from judges.prepared import flv_of
from judges.recording import Recording
from judges.thinning import first
from judges.tools import ffmpeg

from playout.media import video_profile
from playout.tracks import slate

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", first(1, ["480p30-economy", "vertical-720p25", "1080p60"]))
def test_it_decodes_to_a_calm_picture_with_words_and_a_soft_sound(
    name: str, tmp_path: Path
) -> None:
    profile = video_profile(name)
    file = flv_of(slate.unpack(profile, tmp_path), tmp_path / "slate.flv")
    recording = Recording(file)
    assert recording.decode_errors == []
    assert len(recording.video) == slate.frames(profile)
    done = subprocess.run(
        [ffmpeg(), "-nostdin", "-i", str(file), "-af", "volumedetect", "-vf",
         "crop=iw/2:ih/8,signalstats,metadata=print:key=lavfi.signalstats.YMAX", "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    brightest = [
        float(line.partition("YMAX=")[2])
        for line in done.stderr.splitlines()
        if "signalstats.YMAX=" in line
    ]
    assert len(brightest) == slate.frames(profile)
    assert min(brightest) > 150, "there are words in the middle"
    loudest = float(done.stderr.partition("max_volume: ")[2].partition(" dB")[0])
    assert -40 < loudest < -12
