"""The judges are judged first: ffmpeg, which is not ours, publishes known clips to them."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from judges.clips import Clip, ClipShelf
from judges.listener import FfmpegListener
from judges.nginx import NginxRtmp
from judges.recording import Recording, payload_md5
from judges.tls import Authority, ServerCertificate, TlsTerminator
from judges.tools import ffmpeg, listens, wait_until

pytestmark = pytest.mark.integration

CLIP = Clip(colour="green", tone_hz=660, seconds=4)


def push(clip: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [ffmpeg(), "-nostdin", "-v", "error", "-re", "-i", str(clip), "-c", "copy",
               "-f", "flv", "-flvflags", "no_duration_filesize", *options, url]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_nginx_records_what_ffmpeg_pushes(nginx_rtmp: NginxRtmp, make_clip: ClipShelf) -> None:
    clip = make_clip(CLIP)
    assert push(clip, nginx_rtmp.url("one")).returncode == 0
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()

    assert nginx_rtmp.connections == nginx_rtmp.publishers == 1
    assert [call.key for call in nginx_rtmp.gate.events("publish")] == ["one"]
    assert len(recording.video) == CLIP.frames
    assert set(recording.video_deltas) == {33, 34}
    assert set(recording.audio_deltas) <= {23, 24}
    assert recording.decode_errors == []
    assert recording.payload_md5("video") == payload_md5(clip, "video")
    assert [stretch.colour for stretch in recording.stretches] == ["green"]
    assert recording.stretches[0].frames == CLIP.frames
    assert recording.tone_hz(500) == pytest.approx(CLIP.tone_hz, abs=8)
    assert recording.tone_hz(2050) == pytest.approx(3000, abs=8)
    offsets = recording.offsets()
    assert [round(offset.at_ms / 1000) for offset in offsets] == [1, 2, 3]
    assert all(abs(offset.error_ms) < 12 for offset in offsets), offsets


def test_the_listener_records_what_ffmpeg_pushes(
    ffmpeg_listener: FfmpegListener, make_clip: ClipShelf
) -> None:
    clip = make_clip(CLIP)
    push(clip, ffmpeg_listener.url)
    ffmpeg_listener.wait_for_end()
    recording = ffmpeg_listener.recording()
    assert len(recording.video) == CLIP.frames
    assert recording.decode_errors == []
    assert recording.payload_md5("video") == payload_md5(clip, "video")


@pytest.mark.parametrize("late_ms", [-60, 60])
def test_sound_that_is_off_is_found_out(tmp_path: Path, make_clip: ClipShelf, late_ms: int) -> None:
    shifted = tmp_path / "shifted.flv"
    clip = str(make_clip(CLIP))
    subprocess.run(
        [ffmpeg(), "-nostdin", "-v", "error", "-i", clip, "-itsoffset", str(late_ms / 1000),
         "-i", clip, "-map", "0:v", "-map", "1:a", "-c", "copy", str(shifted)],
        check=True,
    )  # fmt: skip
    offsets = Recording(shifted).offsets()
    assert len(offsets) == 3
    assert all(abs(offset.error_ms - late_ms) < 25 for offset in offsets), offsets


def test_missing_sound_and_damage_are_found_out(tmp_path: Path, make_clip: ClipShelf) -> None:
    silent = tmp_path / "silent.flv"
    subprocess.run(
        [ffmpeg(), "-nostdin", "-v", "error", "-i", str(make_clip(CLIP)), "-f", "lavfi",
         "-i", "anullsrc=r=44100:cl=stereo", "-map", "0:v", "-map", "1:a", "-shortest",
         "-c:v", "copy", "-c:a", "aac", str(silent)],
        check=True,
    )  # fmt: skip
    recording = Recording(silent)
    assert {offset.error_ms for offset in recording.offsets()} == {math.inf}
    assert recording.tone_hz(500) == 0

    damaged = tmp_path / "damaged.flv"
    content = bytearray(silent.read_bytes())
    for at in range(len(content) // 3, len(content) - 200, 500):
        content[at : at + 40] = b"\xa5" * 40
    damaged.write_bytes(content)
    assert Recording(damaged).decode_errors


def test_the_gate_refuses_a_key(nginx_rtmp: NginxRtmp, make_clip: ClipShelf) -> None:
    nginx_rtmp.gate.refused.add("wrong")
    assert push(make_clip(CLIP), nginx_rtmp.url("wrong")).returncode != 0
    assert nginx_rtmp.publishers == 1
    assert nginx_rtmp.recorded_files() == []


def test_each_session_is_a_file_and_the_server_restarts_on_its_port(
    nginx_rtmp: NginxRtmp, make_clip: ClipShelf
) -> None:
    clip = make_clip(Clip(seconds=1))
    push(clip, nginx_rtmp.url("one"))
    nginx_rtmp.wait_for_end(sessions=1)
    nginx_rtmp.stop()
    assert not listens(nginx_rtmp.port)
    assert push(clip, nginx_rtmp.url("one")).returncode != 0
    nginx_rtmp.start()
    push(clip, nginx_rtmp.url("one"))
    nginx_rtmp.wait_for_end(sessions=2)
    assert nginx_rtmp.publishers == len(nginx_rtmp.recorded_files()) == 2


def test_the_terminator_passes_rtmps_on_and_only_its_authority_is_trusted(
    nginx_rtmp: NginxRtmp,
    tls_terminator: Callable[[ServerCertificate], TlsTerminator],
    authority: Authority,
    stranger_authority: Authority,
    make_clip: ClipShelf,
) -> None:
    clip = make_clip(Clip(seconds=1))
    terminator = tls_terminator(authority.issue())
    assert push(clip, terminator.url("one")).returncode == 0
    nginx_rtmp.wait_for_end()
    assert len(nginx_rtmp.recording().video) == 30

    def trusted(certificate: ServerCertificate) -> bool:
        port = tls_terminator(certificate).port
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
             str(authority.file), "-verify_hostname", "localhost", "-verify_return_error"],
            input="", capture_output=True, text=True, timeout=20,
        )  # fmt: skip
        return done.returncode == 0

    assert trusted(authority.issue())
    assert not trusted(authority.issue("elsewhere.example"))
    assert not trusted(authority.issue(expired=True))
    assert not trusted(stranger_authority.issue())
    wait_until(lambda: max(terminator.bytes_from_clients, default=0) > 1000, what="the log")
