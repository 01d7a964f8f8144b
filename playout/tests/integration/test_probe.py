"""Real files, good and hostile, in front of the real probe."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from judges.clips import Clip
from judges.tools import ffmpeg

from playout.errors import (
    PrepareLimitExceeded,
    SourceCorrupt,
    SourceEmpty,
    SourceError,
    SourceIsImage,
    SourceIsPlaylist,
    SourceNotFound,
    SourceNotMedia,
    SourceTruncated,
)
from playout.media import VIDEO_PROFILES
from playout.probe import confine
from playout.probe.describe import describe
from playout.probe.parse import ProbeLimits
from playout.probe.run import probe

pytestmark = pytest.mark.integration


class Canary:
    """A web server that nobody may visit."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        canary = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canary.visits.append(self.path)
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/canary"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    server = Canary()
    yield server
    server.close()
    assert server.visits == []


def fast_probe(path: Path, seconds: float = 5) -> None:
    begun = time.monotonic()
    try:
        probe(path)
    finally:
        assert time.monotonic() - begun < seconds


def test_it_tells_what_a_film_is(make_clip: Callable[[Clip], Path]) -> None:
    info = probe(make_clip(Clip(fps="25", size=(640, 360), audio="mono", sample_rate=22_050)))

    assert info.video is not None
    assert info.audio is not None
    assert (info.video.width, info.video.height, info.video.frame_rate) == (640, 360, 25)
    assert not info.video.variable_rate
    assert (info.audio.channels, info.audio.sample_rate) == (1, 22_050)
    assert info.duration == pytest.approx(3, abs=0.1)
    text = describe(info, VIDEO_PROFILES["1080p30"]).text
    assert "640x360 H.264 video, 25 frames a second, mono AAC sound at 22.05 kHz" in text
    assert "enlarge it to 1920x1080" in text
    assert "exactly 30 frames a second" in text


def test_it_does_not_care_about_names(make_clip: Callable[[Clip], Path], tmp_path: Path) -> None:
    for name in ("film.txt", "film.m3u8", "-i", "-f lavfi", "file:x", "%d.png", "a;b$(c).jpg", "ü"):
        shutil.copy(make_clip(Clip()), tmp_path / name)
        assert probe(tmp_path / name).video is not None


def test_it_reads_a_name_that_begins_with_a_dash_in_the_current_folder(
    make_clip: Callable[[Clip], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(make_clip(Clip()), tmp_path / "-version")
    monkeypatch.chdir(tmp_path)

    assert probe(Path("-version")).video is not None


def test_it_refuses_text_that_calls_itself_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_text("This is not a film.\n" * 100)

    with pytest.raises(SourceNotMedia, match="text"):
        fast_probe(path)


def test_it_refuses_nothing_at_all(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.touch()

    with pytest.raises(SourceEmpty):
        fast_probe(path)


@pytest.mark.parametrize("gigabytes", [3, 3000])
def test_it_refuses_a_sparse_file_at_once(tmp_path: Path, gigabytes: int) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.truncate(gigabytes << 30)

    with pytest.raises(SourceEmpty, match="zeros"):
        fast_probe(path, 1)


def test_it_refuses_written_zeros(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(8 << 20))

    with pytest.raises(SourceEmpty, match="zeros"):
        fast_probe(path, 1)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tiff", "webp"])
def test_it_refuses_pictures(tmp_path: Path, kind: str) -> None:
    picture = tmp_path / f"picture.{kind}"
    make = [ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1"]
    subprocess.run([*make, str(picture)], check=True)
    path = picture.rename(tmp_path / "film.mp4")

    with pytest.raises(SourceIsImage):
        fast_probe(path)


def test_it_refuses_playlists_and_visits_nobody(tmp_path: Path, canary: Canary) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        f"#EXTM3U\n#EXTINF:5,\n{canary.address}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f"ffconcat version 1.0\nfile '{canary.address}'\n",
        f"concat:{secret}|{secret}",
        f"[playlist]\nFile1={canary.address}\n",
        f'<?xml version="1.0"?><MPD><BaseURL>{canary.address}</BaseURL></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nm=video 5004 RTP/AVP 96\n",
    ):
        path = tmp_path / "film.mp4"
        path.write_text(text)
        with pytest.raises(SourceIsPlaylist):
            fast_probe(path)


def test_a_playlist_behind_the_head_of_a_film_visits_nobody(tmp_path: Path, canary: Canary) -> None:
    playlist = f"#EXTM3U\n#EXTINF:5,\n{canary.address}\n#EXT-X-ENDLIST\n".encode()
    heads = {
        "mp4": b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov\0\0\x10\0mdat",
        "mkv": b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
        "ts": (b"G" + bytes(187)) * 4,
        "mp3": b"ID3\x04\0\0\0\0\0\0",
        "wav": b"RIFF\xff\xff\xff\xffWAVE",
    }
    for name, head in heads.items():
        path = tmp_path / f"film.{name}"
        path.write_bytes(head + playlist * 100)
        with pytest.raises(SourceError):
            fast_probe(path, 20)


def test_a_film_that_refers_to_another_file_does_not_read_it(
    make_clip: Callable[[Clip], Path], tmp_path: Path, canary: Canary
) -> None:
    """A data reference of QuickTime may name any file or address (ISO/IEC 14496-12, 8.7.2)."""
    data = make_clip(Clip()).read_bytes()
    self_contained = b"\0\0\0\x0curl \0\0\0\x01"
    assert data.count(self_contained) == 2
    there = canary.address.encode() + b"\0"
    grown = len(there)
    other = (12 + grown).to_bytes(4, "big") + b"url \0\0\0\0" + there
    # Every box around the reference grows with it; the media lie before the index and stay put.
    film = bytearray(data.replace(self_contained, other))
    index = film.index(b"moov") - 4
    assert index > film.index(b"mdat")
    for track in range(2):
        _grow(film, b"moov", 0, grown)
        for kind in (b"trak", b"mdia", b"minf", b"dinf", b"dref"):
            _grow(film, kind, track, grown)
    path = tmp_path / "film.mp4"
    path.write_bytes(film)

    with contextlib.suppress(SourceError):  # Refusing it is as good as not following it.
        probe(path)


def _grow(film: bytearray, kind: bytes, number: int, by: int) -> None:
    place = film.index(b"moov")
    if kind != b"moov":
        for _ in range(number + 1):
            place = film.index(kind, place + 4)
    size = int.from_bytes(film[place - 4 : place], "big")
    film[place - 4 : place] = (size + by).to_bytes(4, "big")


@pytest.mark.parametrize("percent", [1, 10, 35, 60, 90, 99])
@pytest.mark.parametrize("index_first", [True, False])
def test_it_sees_that_a_film_is_cut_off(
    make_clip: Callable[[Clip], Path], tmp_path: Path, percent: int, index_first: bool
) -> None:
    whole = tmp_path / "whole.mp4"
    flags = ["-movflags", "+faststart"] if index_first else []
    copy = [ffmpeg(), "-v", "error", "-i", str(make_clip(Clip())), "-c", "copy", *flags]
    subprocess.run([*copy, str(whole)], check=True)
    path = tmp_path / "film.mp4"
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) * percent // 100])

    with pytest.raises(SourceTruncated):
        fast_probe(path)


def test_it_refuses_a_film_whose_pictures_are_rubbish(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    data = bytearray(make_clip(Clip()).read_bytes())
    media = data.index(b"mdat") + 4
    index = data.index(b"moov") - 4
    data[media:index] = bytes(index - media)
    path = tmp_path / "film.mp4"
    path.write_bytes(data)

    with pytest.raises(SourceCorrupt, match="decoded"):
        fast_probe(path)


@pytest.mark.slow
def test_it_survives_bit_flips(make_clip: Callable[[Clip], Path], tmp_path: Path) -> None:
    data = make_clip(Clip()).read_bytes()
    index = data.index(b"moov")
    path = tmp_path / "film.mp4"
    for place in range(index, len(data), (len(data) - index) // 12):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            fast_probe(path)
        except SourceError:
            continue


def test_it_takes_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(SourceNotMedia, match="regular"):
            fast_probe(path, 1)
    for path in (tmp_path / "missing", Path("/nul\0byte")):
        with pytest.raises(SourceNotFound):
            fast_probe(path, 1)


def test_it_gives_up_in_time(make_clip: Callable[[Clip], Path]) -> None:
    with pytest.raises(PrepareLimitExceeded, match="more than 0 s"):
        probe(make_clip(Clip()), limits=ProbeLimits(wall_seconds=0.01))


def test_too_little_memory_is_an_error_and_no_crash(make_clip: Callable[[Clip], Path]) -> None:
    with pytest.raises(SourceError):
        probe(make_clip(Clip()), limits=ProbeLimits(memory_bytes=120 << 20))


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed while its child sleeps; the kernel must take the child along."""
    script = (
        "import sys, time\n"
        "from playout.probe import confine\n"
        "sleep = [sys.executable, '-I', '-c', 'import time; time.sleep(60)']\n"
        "child = confine.spawn(sleep, confine.Confinement(memory_bytes=1 << 30))\n"
        "time.sleep(0.5)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    deadline = time.monotonic() + 60
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_the_child_can_write_no_file_and_sees_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYOUT_KEY", "very-secret")
    code = (
        "import os, json, resource\n"
        f"path = {str(tmp_path / 'x')!r}\n"
        "try: wrote = open(path, 'wb', buffering=0).write(b'x')\n"
        "except OSError: wrote = 0\n"
        "print(json.dumps({'wrote': wrote, 'env': sorted(os.environ),\n"
        "  'open': sorted(os.listdir('/proc/self/fd'))}))\n"
    )
    child = confine.spawn(
        [sys.executable, "-I", "-c", code],
        confine.Confinement(memory_bytes=1 << 30),
        stdout=subprocess.PIPE,
    )
    output, _ = child.communicate(timeout=20)

    seen = json.loads(output)
    assert not seen["wrote"]
    assert "PLAYOUT_KEY" not in seen["env"]
    assert len(seen["open"]) == 4


def test_the_child_has_no_network(canary: Canary) -> None:
    code = (
        "import os, socket, sys\n"
        "print(os.readlink('/proc/self/ns/net'))\n"
        "try:\n    socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)\n"
        "except OSError: print('unreachable')\n"
    )
    port = canary.address.partition("1:")[2].partition("/")[0]
    child = confine.spawn(
        [sys.executable, "-I", "-c", code, port],
        confine.Confinement(memory_bytes=1 << 30),
        stdout=subprocess.PIPE,
    )
    output, _ = child.communicate(timeout=20)

    namespace, _, result = output.decode().strip().partition("\n")
    if namespace == str(Path("/proc/self/ns/net").readlink()):
        pytest.skip("this machine does not let us make network name spaces")
    assert result == "unreachable"
