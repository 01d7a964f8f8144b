"""What goes wrong between `playout air` and an ingest: said in plain words, and mended alone."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from judges.airing import GOP_SECONDS, LEAD_SECONDS, Air, Track, opening_seconds, prepare
from judges.clips import Clip, ClipShelf
from judges.nginx import NginxRtmp
from judges.proxy import Proxy
from judges.recording import Recording
from judges.thinning import first
from judges.tools import ffmpeg, free_port, wait_until

pytestmark = pytest.mark.integration

KEY = "faults-key-9c1e"
SOURCES = (
    Clip("red", 440, seconds=3),
    Clip("green", 660, seconds=3, audio=None),
    Clip("blue", 880, seconds=2, audio="mono"),
)


@pytest.fixture(scope="module")
def tracks(make_clip: ClipShelf, tmp_path_factory: pytest.TempPathFactory) -> list[Track]:
    root = tmp_path_factory.mktemp("tracks")
    return [prepare(make_clip(clip), clip, root / clip.colour) for clip in SOURCES]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Track:
    """A clip full of noise, which takes all of its profile's bit rate, as real pictures do."""
    root = tmp_path_factory.mktemp("busy")
    source = root / "noise.mp4"
    subprocess.run(
        [ffmpeg(), "-nostdin", "-v", "error", "-f", "lavfi",
         "-i", "testsrc2=s=1280x720:r=30,noise=alls=60:allf=t", "-f", "lavfi", "-i", "sine",
         "-t", "6", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-c:a", "aac",
         str(source)],
        check=True,
    )  # fmt: skip
    return prepare(source, Clip(seconds=6), root / "tracks", profile="720p30")


@pytest.fixture
def start(tracks: list[Track]) -> Iterator[Callable[..., Air]]:
    running: list[Air] = []

    usual = tracks

    def begin(url: str, *options: str, tracks: list[Track] | None = None) -> Air:
        running.append(Air(url, tracks or usual, "--loop", *options))
        return running[-1]

    yield begin
    for air in running:
        air.close()


def assert_clean(recording: Recording) -> None:
    """A session that says nothing twice, begins with a key frame, and decodes."""
    assert recording.decode_errors == []
    assert recording.negative_times == []
    assert recording.video[0].key
    assert set(recording.audio_deltas) <= {23, 24}
    assert set(recording.video_deltas) <= {33, 34}


def assert_where_the_clock_says(server: NginxRtmp, tracks: list[Track]) -> None:
    """The last session began where a programme that had gone on all the time would be."""
    first, *_, last = server.gate.events("publish")
    elapsed = last.at - first.at
    recording = Recording(server.recorded_files()[-1])
    opened = opening_seconds(recording, tracks, elapsed + LEAD_SECONDS - GOP_SECONDS / 2)
    latest = elapsed + LEAD_SECONDS
    assert latest - GOP_SECONDS - 0.3 <= opened <= latest + 0.3


# -- a receiver that is not there, or says no ---------------------------------------------------


def test_a_refused_key_is_said_in_plain_words_and_tried_again_for_ever(
    nginx_rtmp: NginxRtmp, start: Callable[..., Air]
) -> None:
    nginx_rtmp.gate.refused.add(KEY)
    air = start(nginx_rtmp.url(KEY))
    air.wait_for("lost", count=2)
    for event in air.events("lost"):
        assert event["code"] == "ingest.key_rejected"
        assert "stream key" in event["text"]
        assert event["retry_seconds"] >= 1.5, "it must not hammer"
    assert not air.events("on_air")
    assert air.is_running
    assert KEY not in air.text
    assert KEY not in Path(f"/proc/{air.pid}/cmdline").read_text()

    nginx_rtmp.gate.refused.clear()
    air.wait_for("on_air")
    assert air.stop() == 0
    assert KEY not in air.text


def test_a_key_in_use_is_said_to_be_so_and_taken_when_it_is_free(
    nginx_rtmp: NginxRtmp, start: Callable[..., Air]
) -> None:
    holder = start(nginx_rtmp.url(KEY))
    holder.wait_for("on_air")
    second = start(nginx_rtmp.url(KEY))
    second.wait_for("lost")
    assert second.events("lost")[0]["code"] == "ingest.key_rejected"
    assert "in use" in second.events("lost")[0]["text"]
    assert not holder.events("lost"), "the first publisher stays on air"
    assert holder.stop() == 0
    second.wait_for("on_air")
    assert KEY not in holder.text + second.text


def test_a_receiver_that_comes_late_is_found(tmp_path: Path, start: Callable[..., Air]) -> None:
    server = NginxRtmp(tmp_path)
    try:
        air = start(server.url(KEY))
        air.wait_for("lost", count=3)
        for event in air.events("lost"):
            assert event["code"] == "ingest.refused"
            assert "Nothing listens at 127.0.0.1 port" in event["text"]
            assert "Next attempt in" in event["text"]
        server.start()
        server.wait_for_media(bytes_more=1000)
        air.wait_for("on_air")
        assert air.stop() == 0
        server.wait_for_end()
        assert server.publishers == 1
        assert KEY not in air.text
    finally:
        server.close()


def test_a_host_that_does_not_exist_is_named(start: Callable[..., Air]) -> None:
    air = start(f"rtmp://nowhere.invalid/live/{KEY}")
    air.wait_for("lost")
    assert air.events("lost")[0]["code"] == "ingest.host_not_found"
    assert "nowhere.invalid" in air.events("lost")[0]["text"]
    assert KEY not in air.text


@contextlib.contextmanager
def impostor(answer: bytes | None) -> Iterator[int]:
    """A server on a port of its own that says `answer` to whoever connects, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()
        kept: list[socket.socket] = []

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = server.accept()
                    kept.append(connection)
                    if answer is not None:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()
            for connection in kept:
                connection.close()


def test_a_server_that_speaks_something_else_is_told_apart(start: Callable[..., Air]) -> None:
    with impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 4000) as port:
        air = start(f"rtmp://127.0.0.1:{port}/live/{KEY}")
        air.wait_for("lost")
        assert air.events("lost")[0]["code"] == "ingest.protocol"
        assert KEY not in air.text


@pytest.mark.slow
def test_a_server_that_says_nothing_is_given_up_in_time(start: Callable[..., Air]) -> None:
    with impostor(None) as port:
        air = start(f"rtmp://127.0.0.1:{port}/live/{KEY}")
        air.wait_for("lost")
        assert air.events("lost")[0]["code"] == "ingest.timeout"


def test_a_run_whose_time_is_over_before_it_was_on_air_has_failed(
    start: Callable[..., Air],
) -> None:
    with impostor(None) as port:
        air = start(f"rtmp://127.0.0.1:{port}/live/{KEY}", "--seconds", "1")
        assert air.wait() == 1
        assert "did not let the stream begin in 1 seconds" in air.text


# -- a receiver that goes away ------------------------------------------------------------------


@pytest.mark.parametrize("how", first(1, ["kill", "stop"]))
def test_a_restarted_receiver_has_the_stream_back_within_five_seconds(
    how: str, nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    air = start(nginx_rtmp.url(KEY))
    air.wait_for("on_air")
    getattr(nginx_rtmp, how)()
    air.wait_for("lost")
    time.sleep(4)
    nginx_rtmp.start()
    nginx_rtmp.wait_for_media(bytes_more=1000)
    air.wait_for("on_air", count=2)
    time.sleep(4)
    assert air.stop() == 0
    wait_until(lambda: len(nginx_rtmp.gate.events("record_done")) >= 1, what="the end")
    assert nginx_rtmp.publishers == len(nginx_rtmp.recorded_files()) == 2
    for file in nginx_rtmp.recorded_files():
        assert_clean(Recording(file))
    assert_where_the_clock_says(nginx_rtmp, tracks)
    assert air.events("ended")[0]["sessions"] == 2


@pytest.mark.slow
def test_after_a_long_outage_it_is_back_as_soon(
    nginx_rtmp: NginxRtmp, tracks: list[Track], start: Callable[..., Air]
) -> None:
    air = start(nginx_rtmp.url(KEY))
    air.wait_for("on_air")
    nginx_rtmp.kill()
    time.sleep(20)
    nginx_rtmp.start()
    nginx_rtmp.wait_for_media(bytes_more=1000)
    time.sleep(4)
    assert air.stop() == 0
    nginx_rtmp.wait_for_end()
    assert_where_the_clock_says(nginx_rtmp, tracks)


@pytest.mark.slow
def test_a_receiver_that_pauses_briefly_loses_nothing(
    nginx_rtmp: NginxRtmp, start: Callable[..., Air]
) -> None:
    air = start(nginx_rtmp.url(KEY), "--seconds", "12")
    air.wait_for("on_air")
    nginx_rtmp.freeze()
    time.sleep(3)
    nginx_rtmp.thaw()
    assert air.wait() == 0
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert_clean(recording)
    assert len(recording.video) == 360
    assert not air.events("lost")


@pytest.mark.slow
def test_a_frozen_receiver_with_room_in_its_kernel_is_found_out(
    nginx_rtmp: NginxRtmp, busy: Track, start: Callable[..., Air]
) -> None:
    """Its kernel goes on taking bytes, but the server has stopped acknowledging them."""
    air = start(nginx_rtmp.url(KEY), tracks=[busy])
    air.wait_for("on_air")
    time.sleep(4)
    nginx_rtmp.freeze()
    frozen = time.monotonic()
    try:
        air.wait_for("lost")
        assert time.monotonic() - frozen < 12
    finally:
        nginx_rtmp.thaw()
    assert air.events("lost")[0]["code"] == "ingest.stalled"
    assert air.events("degraded")
    air.wait_for("on_air", count=2)


# -- a network that breaks ----------------------------------------------------------------------


@pytest.fixture
def proxy(nginx_rtmp: NginxRtmp) -> Iterator[Proxy]:
    between = Proxy(nginx_rtmp.port)
    yield between
    between.close()


@pytest.mark.parametrize("how", ["reset", "hang_up"])
def test_a_broken_connection_is_replaced(
    how: str, nginx_rtmp: NginxRtmp, proxy: Proxy, tracks: list[Track], start: Callable[..., Air]
) -> None:
    air = start(proxy.url(KEY))
    air.wait_for("on_air")
    getattr(proxy, how)()
    air.wait_for("lost")
    assert air.events("lost")[0]["code"] == "ingest.lost"
    wait_until(lambda: nginx_rtmp.publishers >= 2, what="a second session")
    air.wait_for("on_air", count=2)
    time.sleep(3)
    assert air.stop() == 0
    wait_until(lambda: len(nginx_rtmp.gate.events("record_done")) == 2, what="the end")
    for file in nginx_rtmp.recorded_files():
        assert_clean(Recording(file))
    assert_where_the_clock_says(nginx_rtmp, tracks)


def test_a_black_hole_is_doubted_no_sooner_than_at_five_seconds_and_left_at_eight(
    proxy: Proxy, busy: Track, start: Callable[..., Air]
) -> None:
    air = start(proxy.url(KEY), tracks=[busy])
    air.wait_for("on_air")
    time.sleep(2)
    proxy.blocked = True
    begun = time.monotonic()
    air.wait_for("degraded")
    assert time.monotonic() - begun > 4
    air.wait_for("lost")
    assert time.monotonic() - begun > 7
    assert air.events("lost")[0]["code"] == "ingest.stalled"
    proxy.blocked = False
    proxy.reset()
    air.wait_for("on_air", count=2)


@pytest.mark.slow
def test_after_a_stall_it_leaves_out_what_is_overdue_and_goes_on_cleanly(
    nginx_rtmp: NginxRtmp, proxy: Proxy, busy: Track, start: Callable[..., Air]
) -> None:
    air = start(proxy.url(KEY), "--seconds", "20", tracks=[busy])
    air.wait_for("on_air")
    time.sleep(2)
    # The socket holds one second of it and the lead is 1.5: more than four seconds are overdue
    # at the end. Eight without progress would end the session, and of the second in which the
    # last byte moved nobody knows when that was.
    proxy.blocked = True
    time.sleep(6.8)
    proxy.blocked = False
    assert air.wait() == 0
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert not air.events("lost"), air.text
    assert recording.decode_errors == []
    assert recording.negative_times == []
    # One gap, of the same length in pictures and sound, and the grid before and after it.
    video = [step for step in recording.video_deltas.elements() if step not in (33, 34)]
    audio = [step for step in recording.audio_deltas.elements() if step not in (23, 24)]
    assert len(video) == len(audio) == 1
    # Sound is stamped later than the pictures it belongs to by the reorder delay of 67 ms.
    assert abs(video[0] - audio[0]) < 67 + 34 + 24
    assert 500 < video[0] < 8000


# -- wrong usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/live/faults-key-9c1e", "must begin with rtmp:// or rtmps://"),
        ("rtmp://127.0.0.1", "no stream key"),
        ("rtmp://127.0.0.1:99999/live/faults-key-9c1e", "port"),
    ],
)
def test_a_senseless_address_ends_at_once_and_says_why(
    url: str, words: str, start: Callable[..., Air]
) -> None:
    air = start(url)
    assert air.wait() == 2
    assert words in air.text
    assert KEY not in air.text


def test_tracks_that_are_not_there_end_it_at_once(tmp_path: Path) -> None:
    air = Air(
        f"rtmp://127.0.0.1:{free_port()}/live/{KEY}", [Track(tmp_path / "none", SOURCES[0], 1)]
    )
    try:
        assert air.wait() == 1
        assert f"no video track in {tmp_path / 'none'}" in air.text
        assert KEY not in air.text
    finally:
        air.close()
