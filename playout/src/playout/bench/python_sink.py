"""The load receiver for machines without a C compiler: `python -m playout.bench.python_sink`.

It speaks as sink.c does, on the wire and on stdin and stdout, and costs a good deal more.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import sys
from typing import cast

_HANDSHAKE = 1536
# What YouTube's ingest announces.
_WINDOW = 2_500_000
_PEER_BANDWIDTH = 10_000_000
_SMALLEST_CHUNK = 128
_COMMANDS = (b"connect", b"createStream", b"publish")


def _message(
    chunk_stream: int, kind: int, stream: int, body: bytes, chunk_size: int = _SMALLEST_CHUNK
) -> bytes:
    size = len(body).to_bytes(3, "big")
    parts = [body[at : at + chunk_size] for at in range(0, len(body), chunk_size)]
    # A type 3 header between the parts says that the same message goes on.
    whole = bytes([0xC0 | chunk_stream]).join(parts)
    return bytes([chunk_stream, 0, 0, 0]) + size + bytes([kind, stream, 0, 0, 0]) + whole


def _name(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _string(text: str) -> bytes:
    return b"\x02" + _name(text)


def _status(code: str) -> bytes:
    values = {"level": "status", "code": code, "description": "Taken."}
    return b"\x03" + b"".join(_name(k) + _string(v) for k, v in values.items()) + b"\0\0\x09"


class _Peer(asyncio.Protocol):
    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self._commands = b""
        self._greeted = 0
        self._step = 0
        self._received = self._acknowledged = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sink.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.connections -= 1
        self._sink.publishing -= self._step == len(_COMMANDS)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        self._sink.bytes += len(data)
        if self._step == len(_COMMANDS):
            if self._received - self._acknowledged >= _WINDOW:
                self._acknowledged = self._received
                count = struct.pack(">I", self._received & 0xFFFFFFFF)
                self._transport.write(_message(2, 3, 0, count))
            return
        self._commands += data
        if self._greeted == 0 and len(self._commands) > _HANDSHAKE:
            first = self._commands[1 : 1 + _HANDSHAKE]
            self._transport.write(b"\x03" + bytes(_HANDSHAKE) + first)
            self._commands = self._commands[1 + _HANDSHAKE :]
            self._greeted = 1
        if self._greeted == 1 and len(self._commands) >= _HANDSHAKE:
            self._commands = self._commands[_HANDSHAKE:]
            self._greeted = 2
        while self._greeted == 2 and self._step < len(_COMMANDS):
            wanted = _string(_COMMANDS[self._step].decode()) + b"\0"
            at = self._commands.find(wanted) + len(wanted)
            if at < len(wanted) or len(self._commands) < at + 8:
                break
            self._answer(self._commands[at : at + 8])
            self._step += 1
            self._sink.publishing += self._step == len(_COMMANDS)

    def _answer(self, transaction: bytes) -> None:
        window = struct.pack(">I", _WINDOW)
        if self._step == 0:
            self._transport.write(
                _message(2, 5, 0, window)
                + _message(2, 6, 0, struct.pack(">IB", _PEER_BANDWIDTH, 2))
            )
            if self._sink.chunk_size != _SMALLEST_CHUNK:
                announced = struct.pack(">I", self._sink.chunk_size)
                self._transport.write(_message(2, 1, 0, announced))
            known = b"\x03" + _name("fmsVer") + _string("FMS/3,0,1,123") + b"\0\0\x09"
            body = _string("_result") + b"\0" + transaction + known
            body += _status("NetConnection.Connect.Success")
            stream_id = 0
        elif self._step == 1:
            stream = b"\0" + struct.pack(">d", 1)
            body = _string("_result") + b"\0" + transaction + b"\x05" + stream
            stream_id = 0
        else:
            body = _string("onStatus") + b"\0" + bytes(8) + b"\x05"
            body += _status("NetStream.Publish.Start")
            stream_id = 1
        self._transport.write(_message(3, 20, stream_id, body, self._sink.chunk_size))


class _Sink:
    def __init__(self, chunk_size: int) -> None:
        self.connections = self.publishing = self.bytes = 0
        self.chunk_size = max(chunk_size, _SMALLEST_CHUNK)

    async def run(self, certificate: list[str]) -> None:
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Peer(self), "127.0.0.1", 0, ssl=context, backlog=4096
        )
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
        while await lines.readline():
            counts = f"connections {self.connections} publishing {self.publishing}"
            print(f"{counts} bytes {self.bytes}", flush=True)


if __name__ == "__main__":
    asyncio.run(_Sink(int(sys.argv[1])).run(sys.argv[2:]))
