"""The only HTTP caller of this app: reads the live FLV of the installation's own receiver."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

CONNECT_SECONDS = 3.0
SILENT_SECONDS = 15.0
_READ_BYTES = 64 << 10
_HEAD_BYTES = 16 << 10


class ReceiverSilent(Exception):
    """The receiver does not answer, or has nothing of this stream."""


async def open_live(base: str, path: str) -> AsyncIterator[bytes]:
    """Begin to read `path` of the receiver at `base`; the pieces come as they arrive.

    Closing the iterator closes the connection. Raises `ReceiverSilent`.
    """
    url = urlsplit(base)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                url.hostname, url.port or 80, limit=_HEAD_BYTES
            )
    except (OSError, TimeoutError) as error:
        raise ReceiverSilent("The test receiver does not answer. Is it running?") from error
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            # HTTP/1.0: the answer is the bytes as they are, until the connection ends.
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode("ascii"))
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if head.split(" ", 2)[1:2] != ["200"]:
            raise ReceiverSilent("The test receiver gets nothing of this stream just now.")
        if "transfer-encoding: chunked" in head.lower():
            raise ReceiverSilent("The test receiver answered in a way we do not read.")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        writer.close()
        raise ReceiverSilent("The test receiver broke off its answer.") from error
    except BaseException:
        writer.close()
        raise
    return _pieces(reader, writer)


async def _pieces(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                piece = await reader.read(_READ_BYTES)
            if not piece:
                return
            yield piece
    except (OSError, TimeoutError):
        # The player notices that the stream ended, and asks again.
        return
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
