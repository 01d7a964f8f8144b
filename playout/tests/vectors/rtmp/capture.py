"""Records what real programs say in RTMP, for the golden vectors beside this file.

    cd playout/tests && ../../.venv/bin/python vectors/rtmp/capture.py

Needs nginx with its rtmp module and ffmpeg. Each capture is one direction of one connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from judges.listener import FfmpegListener  # noqa: E402
from judges.nginx import NginxRtmp  # noqa: E402
from judges.tools import ffmpeg  # noqa: E402

from playout.rtmp import chunks  # noqa: E402
from playout.rtmp.connection import Publisher, Receiver  # noqa: E402
from playout.rtmp.events import PublishRequested, PublishStarted, Rejected, Unpublished  # noqa: E402
from playout.rtmp.states import PublisherState  # noqa: E402

NAME = "golden"


@asynccontextmanager
async def busy(port: int, app: str) -> AsyncIterator[None]:
    """Somebody publishes under the name while the block runs."""
    other = Publisher(
        app=app, tc_url="rtmp://x/live", stream_name=NAME, handshake_random=bytes(1528)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while other.state is not PublisherState.PUBLISHING:
        writer.write(other.bytes_to_send())
        other.receive(await reader.read(65536))
    yield
    writer.close()


async def what_a_server_says(port: int, app: str, until: type) -> bytes:
    """All bytes of a server to whom our publisher sends 9 kB of media."""
    publisher = Publisher(
        app=app,
        tc_url=f"rtmp://127.0.0.1/{app}",
        stream_name=NAME,
        handshake_random=bytes(1528),
        window_ack_size=2500,
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    found: set[type] = set()
    # ffmpeg neither confirms the end nor closes: what came within the time is all there is.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3):
            while until not in found:
                writer.write(publisher.bytes_to_send())
                data = await reader.read(65536)
                if not data:
                    break
                heard += data
                events = publisher.receive(data)
                found |= {type(event) for event in events}
                if any(isinstance(event, PublishStarted) for event in events):
                    config = bytes.fromhex("1700000000 0142c00dffe10004 6742c00d 010004 68ce3c80")
                    writer.write(chunks.encode_message(6, 9, 1, 0, config, 4096))
                    writer.write(chunks.encode_message(4, 8, 1, 0, b"\xaf\x00\x12\x10", 4096))
                    for _ in range(6):
                        body = b"\x27\x01\0\0\0" + bytes(1500)
                        writer.write(chunks.encode_delta_message(6, 9, 40, body, 4096))
                        await writer.drain()
                        await asyncio.sleep(0.05)
                    publisher.unpublish()
    writer.close()
    return heard


async def what_ffmpeg_says(offset: str) -> bytes:
    """All bytes of ffmpeg publishing half a second of a tiny picture and sound."""
    heard = b""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        receiver = Receiver(handshake_random=bytes(1528))
        while data := await reader.read(65536):
            heard += data
            for event in receiver.receive(data):
                if isinstance(event, PublishRequested):
                    receiver.accept()
            writer.write(receiver.bytes_to_send())
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        ffmpeg(), "-nostdin", "-v", "error",
        "-f", "lavfi", "-i", "color=red:s=32x32:r=10:d=0.5",
        "-f", "lavfi", "-i", "anullsrc=r=44100:cl=mono", "-shortest",
        "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "8k",
        "-output_ts_offset", offset, "-f", "flv", f"rtmp://127.0.0.1:{port}/live/{NAME}",
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    await process.wait()
    await asyncio.wait_for(done.wait(), 60)
    server.close()
    return heard


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        prefix = Path(directory)
        nginx = NginxRtmp(prefix)
        nginx.start()
        try:
            said = await what_a_server_says(nginx.port, nginx.app, Unpublished)
            (HERE / "nginx-receives.bin").write_bytes(said)
            async with busy(nginx.port, nginx.app):
                said = await what_a_server_says(nginx.port, nginx.app, Rejected)
            (HERE / "nginx-refuses.bin").write_bytes(said)
        finally:
            nginx.close()
        listener = FfmpegListener(prefix, app="live", key=NAME)
        try:
            said = await what_a_server_says(listener.port, "live", Unpublished)
            (HERE / "ffmpeg-receives.bin").write_bytes(said)
        finally:
            listener.close()
    (HERE / "ffmpeg-publishes.bin").write_bytes(await what_ffmpeg_says("0"))
    (HERE / "ffmpeg-publishes-late.bin").write_bytes(await what_ffmpeg_says("16777"))


asyncio.run(main())
