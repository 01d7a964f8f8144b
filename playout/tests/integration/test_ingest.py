"""ffmpeg publishes to our receiver; ffprobe judges what was recorded and what viewers get."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from judges.clips import Clip, ClipShelf
from judges.nginx import Nginx, user_line
from judges.recording import Recording, payload_md5
from judges.tools import ffmpeg, free_port, nginx_module

from playout.ingest.server import IngestServer
from playout.ingest.session import Limits
from playout.rtmp.chunks import encode_delta_message, encode_message
from playout.rtmp.connection import Publisher
from playout.rtmp.events import Event, PublishStarted, Rejected

pytestmark = pytest.mark.integration

KEY = "abcd-efgh-ijkl-mnop-qrst"
KEY_ID = hashlib.sha256(KEY.encode()).hexdigest()[:16]


def url(server: IngestServer, name: str, app: str = "live") -> str:
    return f"rtmp://127.0.0.1:{server.port}/{app}/{name}"


async def ffmpeg_publishes(
    clip: Path, address: str, *before: str, loop: bool = False
) -> asyncio.subprocess.Process:
    again = ["-stream_loop", "-1"] if loop else []
    return await asyncio.create_subprocess_exec(
        ffmpeg(), "-nostdin", "-v", "error", *before, *again, "-i", str(clip), "-c", "copy",
        "-f", "flv", address,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@asynccontextmanager
async def publishing(clip: Path, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """ffmpeg publishing `clip` in a loop, at the pace of a clock, until the block ends."""
    process = await ffmpeg_publishes(clip, address, "-re", loop=True)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def finish(process: asyncio.subprocess.Process) -> str:
    """Wait for ffmpeg; what it complained about."""
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return said.decode()


class Caller:
    """Our publisher on a plain socket."""

    def __init__(
        self, server: IngestServer | SimpleNamespace, name: str, app: str = "live"
    ) -> None:
        self._port = server.port
        self.publisher = Publisher(
            app=app,
            tc_url=f"rtmp://127.0.0.1/{app}",
            stream_name=name,
            handshake_random=secrets.token_bytes(1528),
        )

    async def __aenter__(self) -> Caller:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def wait_for(self, kind: type[Event]) -> Event:
        async with asyncio.timeout(60):
            while True:
                self.writer.write(self.publisher.bytes_to_send())
                data = await self.reader.read(65536)
                assert data, "the receiver closed the connection"
                for event in self.publisher.receive(data):
                    if isinstance(event, kind):
                        return event

    async def begin(self) -> None:
        await self.wait_for(PublishStarted)
        self.writer.write(encode_message(6, 9, 1, 0, b"\x17\x00\0\0\0head", 4096))
        self.writer.write(encode_message(4, 8, 1, 0, b"\xaf\x00\x12\x10", 4096))

    async def send_picture(self, body: bytes, *, key: bool = False) -> None:
        head = b"\x17\x01\0\0\0" if key else b"\x27\x01\0\0\0"
        self.writer.write(encode_delta_message(6, 9, 33, head + body, 4096))
        await self.writer.drain()


async def get(
    server: IngestServer, path: str, *headers: str, method: str = "GET"
) -> tuple[str, bytes]:
    """One HTTP request by hand: the head of the answer, and its body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    lines = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""])
    writer.write(lines.encode())
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


async def status(server: IngestServer) -> dict[str, object]:
    head, body = await get(server, "/status.json")
    assert head.startswith("HTTP/1.1 200 OK")
    found: dict[str, object] = json.loads(body)
    return found


@pytest.fixture
def clip(make_clip: ClipShelf) -> Path:
    return make_clip(Clip(seconds=3))


class TestRecording:
    async def test_it_records_all_that_ffmpeg_publishes(self, clip: Path, tmp_path: Path) -> None:
        async with IngestServer(record=tmp_path / "new" / "records") as server:
            assert await finish(await ffmpeg_publishes(clip, url(server, "demo"))) == ""
            session = await server.wait_for_publish()
            await session.wait_ended()
        assert session.recording == tmp_path / "new" / "records" / "demo-1.flv"
        assert session.end == "the client ended the stream"
        recording = Recording(session.recording)
        assert recording.decode_errors == []
        assert len(recording.video) == 90
        for kind in ("video", "audio"):
            assert payload_md5(session.recording, kind) == payload_md5(clip, kind)
        assert (session.live.width, session.live.height) == (320, 180)
        assert session.live.fps == pytest.approx(30, abs=0.5)

    async def test_each_session_has_a_file_of_its_own(self, clip: Path, tmp_path: Path) -> None:
        (tmp_path / "demo-2.flv").write_bytes(b"from an earlier run")
        async with IngestServer(record=tmp_path) as server:
            for number in (1, 2):
                await finish(await ffmpeg_publishes(clip, url(server, "demo")))
                await (await server.wait_for_publish(number)).wait_ended()
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            "demo-1.flv", "demo-2.flv", "demo-3.flv",
        ]  # fmt: skip
        assert (tmp_path / "demo-2.flv").read_bytes() == b"from an earlier run"
        assert len(Recording(tmp_path / "demo-3.flv").video) == 90

    async def test_a_silent_film_is_recorded_as_one(
        self, make_clip: ClipShelf, tmp_path: Path
    ) -> None:
        silent = make_clip(Clip(seconds=1, audio=None))
        async with IngestServer(record=tmp_path) as server:
            await finish(await ffmpeg_publishes(silent, url(server, "demo")))
            await (await server.wait_for_publish()).wait_ended()
        assert set(Recording(tmp_path / "demo-1.flv").streams) == {"video"}
        assert (tmp_path / "demo-1.flv").read_bytes()[4] == 1

    @pytest.mark.parametrize("name", [KEY, "..%2f..", "a" * 200, "sp ace", "é", ".hidden", "-rf"])
    async def test_file_names_are_plain_and_no_keys(self, name: str, tmp_path: Path) -> None:
        async with IngestServer(record=tmp_path) as server, Caller(server, name) as caller:
            await caller.begin()
            (file,) = tmp_path.iterdir()
        assert file.name == hashlib.sha256(name.encode()).hexdigest()[:16] + "-1.flv"

    async def test_what_was_received_is_in_the_file_while_it_grows(self, tmp_path: Path) -> None:
        async with IngestServer(record=tmp_path) as server, Caller(server, "demo") as caller:
            await caller.begin()
            for number in range(1, 4):
                await caller.send_picture(b"picture %d" % number, key=number == 1)
                async with asyncio.timeout(60):
                    while b"picture %d" % number not in (tmp_path / "demo-1.flv").read_bytes():
                        await asyncio.sleep(0.01)

    async def test_receiving_goes_on_where_recording_cannot(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        async with (
            IngestServer(record=tmp_path / "file" / "below") as server,
            Caller(server, "demo") as caller,
        ):
            await caller.begin()
            session = await server.wait_for_publish()
            assert session.recording is None

    async def test_stopping_the_receiver_completes_the_recording(
        self, clip: Path, tmp_path: Path
    ) -> None:
        async with (
            IngestServer(record=tmp_path) as server,
            publishing(clip, url(server, "demo")),
        ):
            session = await server.wait_for_publish()
            while session.live.video_messages < 20:
                await asyncio.sleep(0.02)
            await server.stop()
        assert session.end == "the receiver stopped"
        assert session.recording is not None
        assert Recording(session.recording).decode_errors == []
        assert len(Recording(session.recording).video) == session.live.video_messages


class TestWhoMayPublish:
    async def test_a_second_publisher_is_refused_until_the_first_leaves(self) -> None:
        async with IngestServer() as server:
            async with Caller(server, KEY) as first:
                await first.begin()
                async with Caller(server, KEY) as second:
                    refused = await second.wait_for(Rejected)
                    assert isinstance(refused, Rejected)
                    assert refused.code == "NetStream.Publish.BadName"
                async with Caller(server, KEY, "live?backup=1") as backup:
                    await backup.begin()
                    assert len(server.running) == 2
            await server.sessions[0].wait_ended()
            async with Caller(server, KEY) as third:
                await third.begin()
            assert server.session_count == 3

    async def test_ffmpeg_is_told_that_the_name_is_taken(self, clip: Path) -> None:
        async with IngestServer() as server, Caller(server, "demo") as first:
            await first.begin()
            said = await finish(await ffmpeg_publishes(clip, url(server, "demo")))
            assert "Somebody publishes under this name" in said

    async def test_only_known_keys_are_let_in(self, clip: Path, tmp_path: Path) -> None:
        told: list[str] = []
        async with IngestServer(keys=["good", KEY], record=tmp_path, tell=told.append) as server:
            said = await finish(await ffmpeg_publishes(clip, url(server, "wrong")))
            assert "This stream key is not known here" in said
            assert server.session_count == 0
            async with Caller(server, "good") as caller:
                await caller.begin()
                session = await server.wait_for_publish()
        assert "good" not in repr(session) + "".join(told)
        assert not [file for file in tmp_path.iterdir() if "good" in file.name]

    async def test_silent_and_slow_clients_are_dropped(self) -> None:
        limits = Limits(publish_seconds=0.3, idle_seconds=0.4)
        async with IngestServer(limits=limits) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            assert await asyncio.wait_for(reader.read(), 60) == b""
            writer.close()

            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            with pytest.raises(OSError):  # a byte now and then does not help
                for _ in range(100):
                    writer.write(b"\x03")
                    await writer.drain()
                    await asyncio.sleep(0.05)

            async with Caller(server, "demo") as caller:
                await caller.begin()
                session = await server.wait_for_publish()
                for _ in range(12):
                    await caller.send_picture(b"on time")
                    await asyncio.sleep(0.05)
                assert not session.end
                await session.wait_ended(seconds=2)
                assert session.end == "it sent nothing for too long"

    async def test_nonsense_ends_one_connection_only(self) -> None:
        async with IngestServer() as server, Caller(server, "demo") as caller:
            await caller.begin()
            for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x03" + bytes(3072) + b"\xff" * 50):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(nonsense)
                with pytest.raises((OSError, asyncio.IncompleteReadError)):
                    await asyncio.wait_for(reader.readexactly(4000), 60)
                writer.close()
            await caller.send_picture(b"still here", key=True)
            session = await server.wait_for_publish()
            async with asyncio.timeout(60):
                while not session.live.video_messages:
                    await asyncio.sleep(0.01)
            caller.writer.write(b"\xff" * 50)
            await session.wait_ended()
            assert "broke the protocol" in session.end


class TestWatching:
    async def test_a_viewer_sees_the_stream_from_a_key_frame_on(
        self, clip: Path, tmp_path: Path
    ) -> None:
        async with (
            IngestServer(http=("127.0.0.1", 0)) as server,
            publishing(clip, url(server, KEY)),
        ):
            session = await server.wait_for_publish()
            while session.live.video_messages < 20:
                await asyncio.sleep(0.02)
            seen = tmp_path / "seen.flv"
            viewer = await asyncio.create_subprocess_exec(
                ffmpeg(), "-nostdin", "-v", "error", "-i",
                f"http://127.0.0.1:{server.http_port}/live/{KEY_ID}.flv",
                "-c", "copy", "-t", "1.5", str(seen),
            )  # fmt: skip
            assert await asyncio.wait_for(viewer.wait(), 60) == 0
        recording = Recording(seen)
        assert recording.decode_errors == []
        assert recording.video[0].key
        assert len(recording.video) >= 40
        assert set(recording.streams) == {"video", "audio"}

    async def test_a_viewer_gets_headers_then_the_last_group_then_what_comes(self) -> None:
        async with (
            IngestServer(http=("127.0.0.1", 0)) as server,
            Caller(server, "demo") as caller,
        ):
            await caller.begin()
            caller.publisher.queue_metadata({"width": 640, "height": 360})
            caller.writer.write(caller.publisher.bytes_to_send())
            for number in range(6):
                await caller.send_picture(b"picture %d." % number, key=number in (0, 3))
            session = await server.wait_for_publish()
            async with asyncio.timeout(60):
                while session.live.video_messages < 6:
                    await asyncio.sleep(0.01)
            watching = asyncio.create_task(get(server, f"/live/{session.id}.flv"))
            async with asyncio.timeout(60):
                while not session.viewers:
                    await asyncio.sleep(0.01)
            await caller.send_picture(b"picture 6.")
            caller.publisher.unpublish()
            caller.writer.write(caller.publisher.bytes_to_send())
            head, body = await watching
        assert "Content-Type: video/x-flv" in head
        assert body.startswith(b"FLV\x01\x05")
        order = [b"onMetaData", b"head", b"\xaf\x00\x12\x10", b"picture 3.", b"picture 4.",
                 b"picture 5.", b"picture 6."]  # fmt: skip
        places = [body.index(part) for part in order]
        assert places == sorted(places)
        assert b"picture 2." not in body

    async def test_a_viewer_who_stops_reading_is_dropped_and_nobody_waits(self) -> None:
        limits = Limits(viewer_bytes=200_000, write_seconds=1)
        async with (
            IngestServer(http=("127.0.0.1", 0), limits=limits) as server,
            Caller(server, "demo") as caller,
        ):
            await caller.begin()
            await caller.send_picture(b"first", key=True)
            session = await server.wait_for_publish()
            _, writer = await asyncio.open_connection("127.0.0.1", server.http_port, limit=1000)
            writer.write(f"GET /live/{session.id}.flv HTTP/1.1\r\n\r\n".encode())
            async with asyncio.timeout(20):
                while not session.viewers:
                    await asyncio.sleep(0.01)
                sent = 0
                while session.viewers:
                    await caller.send_picture(bytes(100_000))
                    sent += 1
                    await asyncio.sleep(0)
                while session.live.video_messages < sent + 1:
                    await asyncio.sleep(0.01)
            assert not session.end
            writer.transport.abort()

    async def test_a_viewer_who_leaves_is_forgotten(self) -> None:
        async with (
            IngestServer(http=("127.0.0.1", 0)) as server,
            Caller(server, "demo") as caller,
        ):
            await caller.begin()
            session = await server.wait_for_publish()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
            writer.write(f"GET /live/{session.id}.flv HTTP/1.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            assert len(session.viewers) == 1
            writer.close()
            async with asyncio.timeout(60):
                while session.viewers:
                    await asyncio.sleep(0.01)

    async def test_the_status_tells_figures_and_no_keys(self, clip: Path) -> None:
        async with IngestServer(http=("127.0.0.1", 0)) as server:
            assert await status(server) == {"streams": [], "sessions": 0}
            async with publishing(clip, url(server, KEY)):
                session = await server.wait_for_publish()
                while session.live.video_messages < 40:
                    await asyncio.sleep(0.02)
                found = await status(server)
        assert KEY not in json.dumps(found)
        (stream,) = found["streams"]  # type: ignore[misc]
        assert stream["id"] == stream["name"] == KEY_ID
        assert stream["app"] == "live"
        assert (stream["width"], stream["height"]) == (320, 180)
        assert stream["fps"] == pytest.approx(30, abs=0.5)
        assert stream["sessions"] == found["sessions"] == 1
        assert stream["last_video_ms"] > 1000
        assert abs(stream["last_audio_ms"] - stream["last_video_ms"]) < 500
        assert stream["bytes"] > 1000
        assert stream["connected_since"].endswith("+00:00")

    @pytest.mark.parametrize(
        ("origin", "allowed"), [("http://127.0.0.1:8000", True), ("http://evil.example", False)]
    )
    async def test_only_pages_of_allowed_origins_may_read(self, origin: str, allowed: bool) -> None:
        async with IngestServer(
            http=("127.0.0.1", 0), allow_origins=["http://127.0.0.1:8000"]
        ) as server:
            for method in ("GET", "OPTIONS"):
                head, _ = await get(server, "/status.json", f"Origin: {origin}", method=method)
                assert (f"Access-Control-Allow-Origin: {origin}" in head) is allowed
                assert "*" not in head
            assert "Access-Control" not in (await get(server, "/status.json"))[0]

    @pytest.mark.parametrize(
        ("method", "path", "expected"),
        [
            ("GET", "/", 404),
            ("GET", "/live/0123456789abcdef.flv", 404),
            ("GET", "/live/../status.json", 404),
            ("POST", "/status.json", 405),
            ("HEAD", "/status.json", 200),
            ("GET", "/status.json?fresh=1", 200),
            ("GET", "/a path", 400),
        ],
    )
    async def test_it_answers_in_plain_http(self, method: str, path: str, expected: int) -> None:
        async with IngestServer(http=("127.0.0.1", 0)) as server:
            head, body = await get(server, path, method=method)
        assert head.startswith(f"HTTP/1.1 {expected} ")
        assert f"Content-Length: {len(body)}" in head or method == "HEAD"

    async def test_an_endless_request_is_cut(self) -> None:
        async with IngestServer(http=("127.0.0.1", 0)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
            writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 60)
            writer.close()


class TestTheServer:
    async def test_it_says_when_the_port_is_taken(self) -> None:
        async with IngestServer() as server:
            with pytest.raises(OSError):
                await IngestServer(port=server.port).__aenter__()

    async def test_it_leaves_nothing_running(self, tmp_path: Path) -> None:
        before = asyncio.all_tasks()
        async with (
            IngestServer(http=("127.0.0.1", 0), record=tmp_path) as server,
            Caller(server, "demo") as caller,
        ):
            await caller.begin()
            session = await server.wait_for_publish()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
            writer.write(f"GET /live/{session.id}.flv HTTP/1.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            await server.stop()
            assert session.ended_at is not None
            writer.close()
        assert asyncio.all_tasks() == before


class TestOtherClients:
    async def test_it_records_what_nginx_pushes_on(self, clip: Path, tmp_path: Path) -> None:
        """nginx-rtmp as a client: chunk sizes, headers and commands of another maker."""
        prefix = tmp_path / "nginx"
        prefix.mkdir()
        async with IngestServer(record=tmp_path) as server:
            port = free_port()
            nginx = Nginx(prefix, _RELAY.format(
                module=nginx_module("ngx_rtmp_module.so"), prefix=prefix, user=user_line(),
                port=port, target=f"rtmp://127.0.0.1:{server.port}/live",
            ), port)  # fmt: skip
            await asyncio.to_thread(nginx.start)
            try:
                address = f"rtmp://127.0.0.1:{port}/relay/demo"
                process = await ffmpeg_publishes(clip, address, "-re", "-t", "4.5", loop=True)
                session = await server.wait_for_publish()
                await finish(process)
                await session.wait_ended()
            finally:
                await asyncio.to_thread(nginx.stop)
        assert session.recording is not None
        recording = Recording(session.recording)
        assert recording.decode_errors == []
        # nginx begins with the first key frame after it has connected.
        pictures = payload_md5(session.recording, "video")
        assert len(pictures) >= 40
        assert pictures == (2 * payload_md5(clip, "video"))[: len(pictures)]

    async def test_it_records_ffmpeg_across_24_bits_of_time(
        self, clip: Path, tmp_path: Path
    ) -> None:
        async with IngestServer(record=tmp_path) as server:
            process = await asyncio.create_subprocess_exec(
                ffmpeg(), "-nostdin", "-v", "error", "-i", str(clip), "-c", "copy",
                "-output_ts_offset", "16776", "-f", "flv", url(server, "demo"),
            )  # fmt: skip
            assert await asyncio.wait_for(process.wait(), 60) == 0
            session = await server.wait_for_publish()
            await session.wait_ended()
        assert session.recording is not None
        recording = Recording(session.recording)
        assert recording.decode_errors == []
        assert payload_md5(session.recording, "video") == payload_md5(clip, "video")
        assert recording.video[0].dts < 2**24 < recording.video[-1].dts


class TestTheCommand:
    async def test_it_receives_until_it_is_told_to_stop(self, clip: Path, tmp_path: Path) -> None:
        keys = tmp_path / "keys.json"
        keys.write_text(json.dumps([KEY]))
        command = await start_command(
            "--http", "127.0.0.1:0", "--record", str(tmp_path / "out"), "--key-file", str(keys)
        )
        address = f"{await where(command)}/live/{KEY}"
        assert await finish(await ffmpeg_publishes(clip, address)) == ""
        said, errors = await stop(command)
        assert errors == ""
        assert f"{KEY_ID}: session 1 began." in said
        assert KEY not in said
        (file,) = (tmp_path / "out").iterdir()
        assert file.name == f"{KEY_ID}-1.flv"
        assert len(Recording(file).video) == 90

    async def test_it_receives_when_nobody_reads_what_it_says(self) -> None:
        ours, theirs = os.pipe()
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "playout", "ingest", "--listen", "127.0.0.1:0",
            stdout=theirs, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(theirs)
        line = await asyncio.to_thread(os.read, ours, 200)
        os.close(ours)
        port = int(line.split(b":")[2].split(b"/")[0])
        for name in ("first", "second"):
            async with Caller(SimpleNamespace(port=port), name) as caller:
                await caller.begin()
                await caller.send_picture(b"picture", key=True)
        _, errors = await stop(command)
        assert errors == ""

    async def test_a_full_disk_ends_the_recording_and_not_the_session(
        self, clip: Path, tmp_path: Path
    ) -> None:
        def allow_small_files_only() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        command = await start_command("--record", str(tmp_path), before=allow_small_files_only)
        address = f"{await where(command)}/live/demo"
        assert await finish(await ffmpeg_publishes(clip, address, "-re")) == ""
        said, errors = await stop(command)
        assert "demo: recording stopped: File too large; receiving goes on" in errors
        assert "demo: session 1 ended: the client ended the stream." in said
        recording = Recording(tmp_path / "demo-1.flv")
        assert recording.path.stat().st_size <= 20_000
        assert recording.decode_errors == [], "it ends with a whole tag"
        assert len(recording.video) > 5


async def start_command(
    *arguments: str, before: Callable[[], None] | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "playout", "ingest", "--listen", "127.0.0.1:0", *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=before,
    )  # fmt: skip


async def where(command: asyncio.subprocess.Process) -> str:
    """The address at which the command says that it listens."""
    assert command.stdout is not None
    line = (await asyncio.wait_for(command.stdout.readline(), 60)).decode()
    found = re.fullmatch(r"Receiving at (rtmp://127\.0\.0\.1:\d+)/APP/STREAM\n", line)
    assert found is not None, line
    return found[1]


async def stop(command: asyncio.subprocess.Process) -> tuple[str, str]:
    """Ask the command to end; what it said, on both channels."""
    command.send_signal(signal.SIGTERM)
    out, errors = await asyncio.wait_for(command.communicate(), 60)
    assert command.returncode == 0
    return (out or b"").decode(), errors.decode()


_RELAY = """
load_module {module};
daemon off;
master_process off;
{user}
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 64; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        application relay {{
            live on;
            push {target};
        }}
    }}
}}
"""
