"""`playout air` through many joins, judged by what strangers received."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from judges.airing import Air, Track, expected_stretches, item_at, prepare
from judges.clips import Clip, ClipShelf
from judges.listener import FfmpegListener
from judges.nginx import NginxRtmp
from judges.prepared import flv_of
from judges.recording import Recording, payload_md5
from judges.thinning import first
from judges.tls import Authority, ServerCertificate, TlsTerminator
from judges.tools import wait_until

pytestmark = pytest.mark.integration

KEY = "joins-key-7f3a"
SECONDS = 18
FRAMES = 30 * SECONDS
AAC_FRAME_MS = 1024 / 44.1

# Nothing agrees: size, shape, frame rate, channels, sample rate, length.
SOURCES = (
    Clip("red", 440, size=(640, 360), fps="25", seconds=3, audio="stereo", sample_rate=48_000),
    Clip("green", 660, size=(320, 240), fps="60000/1001", seconds=3, audio="mono"),
    Clip("blue", 880, size=(360, 640), fps="24", seconds=2, audio="5.1", sample_rate=48_000),
)
JOINS = len(expected_stretches([Track(Path(), c, 30 * c.seconds) for c in SOURCES], FRAMES)) - 1


@pytest.fixture(scope="module")
def tracks(make_clip: ClipShelf, tmp_path_factory: pytest.TempPathFactory) -> list[Track]:
    root = tmp_path_factory.mktemp("tracks")
    return [prepare(make_clip(clip), clip, root / clip.colour) for clip in SOURCES]


@pytest.fixture(scope="module")
def received(
    tracks: list[Track], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Recording]]:
    """The same programme on air to three receivers at the same time, each in its own process."""
    root = tmp_path_factory.mktemp("received")
    authority = Authority(root)
    servers = []
    for name in ("plain", "behind-tls"):
        (root / name).mkdir()
        servers.append(NginxRtmp(root / name))
    plain, behind = servers
    (root / "tls").mkdir()
    terminator = TlsTerminator(root / "tls", authority.issue(), behind.port)
    listener = FfmpegListener(root)
    airs: dict[str, Air] = {}
    length = ("--loop", "--seconds", str(SECONDS))
    try:
        for server in (plain, behind, terminator):
            server.start()
        airs["nginx"] = Air(plain.url(KEY), tracks, *length)
        airs["listener"] = Air(listener.url, tracks, *length)
        airs["rtmps"] = Air(terminator.url(KEY), tracks, "--ca-file", str(authority.file), *length)
        for name, air in airs.items():
            assert air.wait() == 0, f"{name}: {air.text}"
            assert air.events("ended")[-1]["sessions"] == 1, f"{name}: {air.text}"
            assert air.events("on_air"), f"{name}: {air.text}"
            assert not air.events("lost"), f"{name}: {air.text}"
        listener.wait_for_end()
        for server in servers:
            server.wait_for_end()
            assert server.connections == server.publishers == 1
            assert [call.key for call in server.gate.events("publish")] == [KEY]
        yield {
            "nginx": plain.recording(),
            "listener": listener.recording(),
            "rtmps": behind.recording(),
        }
    finally:
        for air in airs.values():
            air.close()
        listener.close()
        terminator.stop()
        for server in servers:
            server.close()


@pytest.fixture(params=["nginx", "listener", "rtmps"])
def recording(request: pytest.FixtureRequest, received: dict[str, Recording]) -> Recording:
    return received[request.param]


def test_every_frame_arrives_once_and_on_the_grid(recording: Recording) -> None:
    assert JOINS >= 6
    assert len(recording.video) == FRAMES
    assert len(recording.audio) == round(SECONDS * 44_100 / 1024)
    assert set(recording.video_deltas) == {33, 34}
    assert set(recording.presentation_deltas) == {33, 34}
    assert set(recording.audio_deltas) == {23, 24}
    assert recording.negative_times == []


def test_all_of_it_decodes(recording: Recording) -> None:
    assert recording.decode_errors == []


def test_the_pictures_of_every_item_are_there_in_order(
    recording: Recording, tracks: list[Track]
) -> None:
    found = [(stretch.colour, stretch.frames) for stretch in recording.stretches]
    assert found == expected_stretches(tracks, FRAMES)


def test_the_sound_of_every_item_is_there_with_its_pictures(
    recording: Recording, tracks: list[Track]
) -> None:
    tones = {track.clip.colour: track.clip.tone_hz for track in tracks}
    for stretch in recording.stretches:
        for after_ms in (100, 600):
            heard = recording.tone_hz(stretch.start_ms + after_ms)
            assert heard == pytest.approx(tones[stretch.colour], abs=12), stretch


def test_sound_stays_within_one_aac_frame_of_the_pictures(
    recording: Recording, tracks: list[Track]
) -> None:
    offsets = recording.offsets()
    played = expected_stretches(tracks, FRAMES)
    assert len(offsets) == sum((frames - 1) // 30 for _, frames in played)
    assert {offset.colour for offset in offsets} == {"red", "green", "blue"}
    assert max(abs(offset.error_ms) for offset in offsets) <= AAC_FRAME_MS, offsets


def test_the_payload_is_what_was_prepared(
    recording: Recording, tracks: list[Track], tmp_path: Path
) -> None:
    prepared: dict[str, list[str]] = {}
    for track in tracks:
        file = flv_of(track.directory, tmp_path / f"{track.clip.colour}.flv")
        prepared[track.clip.colour] = payload_md5(file, "video")
    expected = [
        digest
        for colour, frames in expected_stretches(tracks, FRAMES)
        for digest in prepared[colour][:frames]
    ]
    assert recording.payload_md5("video") == expected


# -- keys, certificates, and the end ------------------------------------------------------------


@pytest.fixture
def start() -> Iterator[Callable[..., Air]]:
    running: list[Air] = []

    def begin(url: str, tracks: list[Track], *options: str, **values: dict[str, str]) -> Air:
        running.append(Air(url, tracks, *options, **values))
        return running[-1]

    yield begin
    for air in running:
        air.close()


def visible_to_others(pid: int) -> str:
    """What any user of the machine can read about a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.mark.parametrize("way", first(2, ["address", "file", "environment"]))
def test_the_key_is_published_and_seen_nowhere(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air], tmp_path: Path, way: str
) -> None:
    key = "secret-key-55aa?token=x&y"
    if way == "address":
        air = start(nginx_rtmp.url(key), tracks, "--loop")
    elif way == "file":
        file = tmp_path / "key"
        file.write_text(f"{key}\n")
        air = start(nginx_rtmp.url(), tracks, "--loop", "--key-file", str(file))
    else:
        air = start(nginx_rtmp.url(), tracks, "--loop", env={"PLAYOUT_KEY": key})
    air.wait_for("on_air")
    assert nginx_rtmp.gate.events("publish")[0].key == "secret-key-55aa"
    assert "secret" not in visible_to_others(air.pid)
    assert air.stop() == 0
    assert "secret" not in air.text


def test_asked_to_stop_it_ends_gracefully_and_the_tail_is_complete(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    air = start(nginx_rtmp.url(KEY), tracks, "--loop")
    air.wait_for("on_air")
    os.kill(air.pid, signal.SIGINT)
    asked = time.monotonic()
    assert air.wait() == 0
    assert time.monotonic() - asked < 3
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert set(recording.video_deltas) == {33, 34}
    assert recording.decode_errors == []
    # Sound and pictures end together: nothing was cut off in the middle.
    assert abs(recording.video[-1].dts - recording.audio[-1].dts) < 100


def test_it_ends_by_itself_after_the_last_item(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    air = start(nginx_rtmp.url(KEY), [tracks[2], tracks[1]])
    assert air.wait() == 0, air.text
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert [(s.colour, s.frames) for s in recording.stretches] == [
        ("blue", tracks[2].frames), ("green", tracks[1].frames),
    ]  # fmt: skip
    assert recording.decode_errors == []


def test_radio_mode_plays_sound_and_pictures_in_loops_of_their_own(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    red, green, blue = tracks
    air = start(nginx_rtmp.url(KEY), [blue], "--loop", "--seconds", "9",
                "--audio", str(red.directory), str(green.directory))  # fmt: skip
    assert air.wait() == 0, air.text
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert [(s.colour, s.frames) for s in recording.stretches] == [("blue", 270)]
    heard = [recording.tone_hz(ms) for ms in (500, 2500, 3600, 5600, 6600, 8600)]
    assert heard == pytest.approx([440, 440, 660, 660, 440, 440], abs=12)
    assert set(recording.audio_deltas) == {23, 24}
    assert set(recording.video_deltas) == {33, 34}


@pytest.mark.parametrize("fault", first(2, ["wrong name", "expired", "unknown authority"]))
def test_a_wrong_certificate_is_refused_and_the_key_is_not_sent(
    fault: str,
    nginx_rtmp: NginxRtmp,
    authority: Authority,
    stranger_authority: Authority,
    tls_terminator: Callable[[ServerCertificate], TlsTerminator],
    tracks: list[Track],
    start: Callable[..., Air],
) -> None:
    certificate = {
        "wrong name": lambda: authority.issue("elsewhere.example"),
        "expired": lambda: authority.issue(expired=True),
        "unknown authority": stranger_authority.issue,
    }[fault]()
    terminator = tls_terminator(certificate)
    air = start(terminator.url(KEY), tracks, "--loop", "--ca-file", str(authority.file))
    air.wait_for("lost", count=2)
    assert air.is_running, "it keeps trying"
    for event in air.events("lost"):
        assert event["code"] == "ingest.certificate"
        assert "certificate of localhost is not valid" in event["text"]
    assert not air.events("on_air")
    assert nginx_rtmp.connections == 0
    assert sum(terminator.bytes_from_clients) == 0
    assert KEY not in air.text
    assert air.stop() == 1


def test_the_systems_authorities_do_not_know_a_test_authority(
    authority: Authority,
    nginx_rtmp: NginxRtmp,
    tls_terminator: Callable[[ServerCertificate], TlsTerminator],
    tracks: list[Track],
    start: Callable[..., Air],
) -> None:
    terminator = tls_terminator(authority.issue())
    air = start(terminator.url(KEY), tracks, "--seconds", "1")
    assert air.wait() == 1
    assert "certificate" in air.text
    assert nginx_rtmp.connections == 0


def test_rtmps_to_a_port_without_tls_says_so(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    url = nginx_rtmp.url(KEY).replace("rtmp://", "rtmps://")
    air = start(url, tracks, "--loop")
    air.wait_for("lost")
    assert air.events("lost")[0]["code"] in ("ingest.tls", "ingest.timeout")
    assert KEY not in air.text


def test_a_stream_begins_with_one_publisher(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    start(nginx_rtmp.url(KEY), tracks, "--loop")
    nginx_rtmp.wait_for_media(bytes_more=1000)
    wait_until(lambda: nginx_rtmp.publishers == 1, what="one publisher")


def test_item_at_follows_the_loop(tracks: list[Track]) -> None:
    assert [item_at(tracks, frame).clip.colour for frame in (0, 89, 90, 180, 240)] == [
        "red", "red", "green", "blue", "red",
    ]  # fmt: skip


@pytest.mark.parametrize("ahead", first(1, [None, 3]))
def test_a_short_first_item_is_not_left_out(
    make_clip: ClipShelf, tmp_path: Path, ahead: int | None
) -> None:
    clips = (Clip("red", 440, seconds=1), Clip("green", 660, seconds=2))
    shown = [prepare(make_clip(clip), clip, tmp_path / clip.colour) for clip in clips]
    lines = [] if ahead is None else [f"epoch = {time.time_ns() + ahead * 1_000_000_000}"]
    lines += [f'[[items]]\npath = "{track.directory}"' for track in shown]
    (tmp_path / "two.toml").write_text("\n".join(lines) + "\n")
    listener = FfmpegListener(tmp_path)
    air = Air(listener.url, [], "--programme", str(tmp_path / "two.toml"))
    try:
        assert air.wait() == 0, air.text
        listener.wait_for_end()
        recording = listener.recording()
    finally:
        air.close()
        listener.close()

    assert len(recording.video) == 90
    assert [stretch.colour for stretch in recording.stretches] == ["red", "green"]
