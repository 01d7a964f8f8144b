"""Sockets that never block the loop: plain ones send slices as they lie, TLS ones encrypt once.

A transport takes a list of buffers per tick. What the kernel does not take at once stays behind as
slices of the same maps; nothing is copied but, with TLS, the encrypted bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from playout.errors import (
    AddressNotAllowed,
    CertificateInvalid,
    ConnectionLost,
    ConnectionRefused,
    HostNotFound,
    IngestError,
    IngestTimeout,
    TlsFailed,
)
from playout.publisher.address import Address

Buffer = bytes | memoryview

SEND_BUFFER_BYTES = 256 << 10
"""The kernel doubles what is asked for, so at most 512 KiB wait unsent in one socket."""
USER_TIMEOUT_MS = 12_000
_IOV_MAX = 1000
_READ_BYTES = 64 << 10
_TLS_PIECE_BYTES = 32 << 10
_TCP_INFO_BYTES = 256
_BYTES_ACKED = struct.Struct("=Q")
_BYTES_ACKED_AT = 120

AddressCheck = Callable[[str, int], bool]
"""Says whether a resolved IP address and port may be connected to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that each step of a connection may take."""

    resolve: float = 5.0
    connect: float = 5.0
    tls: float = 5.0
    answer: float = 10.0


class Transport(Protocol):
    """What a session needs from its connection."""

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """Send or keep `buffers` of `size` bytes in all; False while some wait.

        Raises `IngestError` when the connection is over.
        """
        ...

    def flush(self) -> bool:
        """Try to send what waits; True when nothing does."""
        ...

    def receive(self) -> bytes | None:
        """What has arrived; None for nothing yet, b"" for the end."""
        ...

    def fileno(self) -> int:
        """The descriptor to watch."""
        ...

    def acked_bytes(self) -> int:
        """Bytes of the connection that the far end's kernel has acknowledged."""
        ...

    def unsent_bytes(self) -> int:
        """Bytes that wait in the kernel or here."""
        ...

    def shutdown(self) -> None:
        """Say that nothing more will be sent."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class PlainTransport:
    """RTMP over TCP."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._waiting: list[Buffer] = []

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """See `Transport`."""
        sent = 0
        if not self._waiting:
            sent = self._try(buffers)
            if sent == size:
                return True
        self._waiting.extend(buffers)
        self._take_off(sent)
        return False

    def flush(self) -> bool:
        """See `Transport`."""
        while self._waiting:
            sent = self._try(self._waiting)
            if not sent:
                return False
            self._take_off(sent)
        return True

    def _try(self, buffers: list[Buffer]) -> int:
        """The bytes of `buffers` that the kernel takes now."""
        try:
            return self._socket.sendmsg(buffers[:_IOV_MAX])
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            raise _lost(error) from error

    def _take_off(self, sent: int) -> None:
        """Forget the first `sent` bytes of what waits."""
        done, waiting = 0, self._waiting
        for buffer in waiting:
            if sent < len(buffer):
                break
            sent -= len(buffer)
            done += 1
        del waiting[:done]
        if sent:
            waiting[0] = memoryview(waiting[0])[sent:]

    def receive(self) -> bytes | None:
        """See `Transport`."""
        try:
            return self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise _lost(error) from error

    def fileno(self) -> int:
        """See `Transport`."""
        return self._socket.fileno()

    def acked_bytes(self) -> int:
        """See `Transport`."""
        return _acked(self._socket)

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        return _outstanding(self._socket) + sum(len(buffer) for buffer in self._waiting)

    def shutdown(self) -> None:
        """See `Transport`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See `Transport`."""
        self._waiting.clear()
        self._socket.close()


class TlsTransport:
    """RTMP over TLS, encrypted in memory piece by piece.

    OpenSSL never gives back the memory that its largest piece took, so a whole lead must not pass
    through at once; and what the kernel does not take waits as slices of the maps, unencrypted.
    """

    def __init__(
        self,
        sock: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        self._socket = sock
        self._tls = tls
        self._incoming = incoming
        self._outgoing = outgoing
        self._clear: list[Buffer] = []
        self._waiting = memoryview(b"")

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """See `Transport`."""
        self._clear.extend(buffers)
        return self.flush()

    def _encrypt(self) -> bool:
        """Encrypt the next piece of what waits; False when nothing does."""
        taken, room = 0, _TLS_PIECE_BYTES
        piece: list[Buffer] = []
        for buffer in self._clear:
            if len(buffer) > room:
                rest = memoryview(buffer)
                piece.append(rest[:room])
                self._clear[taken] = rest[room:]
                break
            piece.append(buffer)
            room -= len(buffer)
            taken += 1
        del self._clear[:taken]
        if not piece:
            return False
        clear = memoryview(b"".join(piece))
        try:
            while clear:
                clear = clear[self._tls.write(clear) :]
        except ssl.SSLError as error:
            raise ConnectionLost("The encrypted connection broke.") from error
        return True

    def flush(self) -> bool:
        """See `Transport`."""
        while True:
            if not self._waiting:
                if not self._outgoing.pending and not self._encrypt():
                    return True
                self._waiting = memoryview(self._outgoing.read())
            try:
                sent = self._socket.send(self._waiting)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                raise _lost(error) from error
            self._waiting = self._waiting[sent:]

    def receive(self) -> bytes | None:
        """See `Transport`."""
        with contextlib.suppress(BlockingIOError, InterruptedError):
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError as error:
                if isinstance(error, BlockingIOError | InterruptedError):
                    raise
                raise _lost(error) from error
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
        try:
            clear = self._tls.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            return b""
        except ssl.SSLError as error:
            raise ConnectionLost("The encrypted connection broke.") from error
        finally:
            if self._outgoing.pending:
                self.flush()
        return clear

    def fileno(self) -> int:
        """See `Transport`."""
        return self._socket.fileno()

    def acked_bytes(self) -> int:
        """See `Transport`."""
        return _acked(self._socket)

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        clear = sum(len(buffer) for buffer in self._clear)
        return _outstanding(self._socket) + len(self._waiting) + self._outgoing.pending + clear

    def shutdown(self) -> None:
        """See `Transport`."""
        # SSLObject has no one-sided close: unwrap queues our close_notify and then wants theirs.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        with contextlib.suppress(IngestError):
            self.flush()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See `Transport`."""
        self._clear.clear()
        self._waiting = memoryview(b"")
        self._socket.close()


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """A context that verifies certificate and host name; `ca_file` replaces the system's roots."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connect(
    address: Address,
    *,
    context: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    allowed: AddressCheck | None = None,
) -> Transport:
    """Connect to the first address of the host that answers, and encrypt when it is rtmps.

    `allowed` is asked for each resolved address, and exactly that address is connected to. Raises
    an `IngestError` that says which step failed.
    """
    limits = limits or Limits()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.resolve):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise HostNotFound(f"The name {address.host} was not resolved in time.") from error
    except (OSError, UnicodeError) as error:
        raise HostNotFound(f"There is no host called {address.host}.") from error
    candidates = [entry for entry in found if allowed is None or allowed(*entry[4][:2])]
    if not candidates:
        raise AddressNotAllowed(f"Publishing to {address.host} is not allowed here.")
    failure: IngestError | None = None
    for family, kind, protocol, _, where in candidates[:4]:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            _tune(sock)
            try:
                async with asyncio.timeout(limits.connect):
                    await loop.sock_connect(sock, where)
            except TimeoutError as error:
                raise IngestTimeout(f"{address.host} did not answer in time.") from error
            except OSError as error:
                raise _not_connected(address, error) from error
            if not address.tls:
                return PlainTransport(sock)
            return await _encrypt(sock, address, context or tls_context(), limits)
        except IngestError as error:
            sock.close()
            failure = error
            if isinstance(error, CertificateInvalid):
                raise
        except BaseException:
            sock.close()
            raise
    raise failure or HostNotFound(f"There is no host called {address.host}.")


async def _encrypt(
    sock: socket.socket, address: Address, context: ssl.SSLContext, limits: Limits
) -> TlsTransport:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=address.host)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.tls):
            while True:
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    await loop.sock_sendall(sock, outgoing.read())
                    data = await loop.sock_recv(sock, _READ_BYTES)
                    if not data:
                        raise TlsFailed(f"{address.host} closed the connection instead of "
                                        "encrypting it.") from None  # fmt: skip
                    incoming.write(data)
                else:
                    await loop.sock_sendall(sock, outgoing.read())
                    return TlsTransport(sock, tls, incoming, outgoing)
    except TimeoutError as error:
        raise IngestTimeout(f"{address.host} did not finish the TLS handshake in time.") from error
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message or "verification failed"
        raise CertificateInvalid(
            f"The certificate of {address.host} is not valid: {reason}."
        ) from error
    except ssl.SSLError as error:
        raise TlsFailed(f"{address.host} does not speak TLS as expected.") from error
    except OSError as error:
        raise _lost(error) from error


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _not_connected(address: Address, error: OSError) -> IngestError:
    where = f"{address.host} port {address.port}"
    if error.errno == errno.ECONNREFUSED:
        return ConnectionRefused(f"Nothing listens at {where}.")
    if error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
        return IngestTimeout(f"{where} cannot be reached.")
    return ConnectionLost(f"Connecting to {where} failed: {error.strerror}.")


def _lost(error: OSError) -> ConnectionLost:
    reason = error.strerror or type(error).__name__
    return ConnectionLost(f"The connection to the ingest broke: {reason}.")


def _acked(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    if len(info) < _BYTES_ACKED_AT + _BYTES_ACKED.size:
        return 0
    value: int = _BYTES_ACKED.unpack_from(info, _BYTES_ACKED_AT)[0]
    # The kernel counts the SYN as well.
    return max(0, value - 1)


def _outstanding(sock: socket.socket) -> int:
    answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    value: int = struct.unpack("=i", answer)[0]
    return value
