"""Sockets that never block the loop: plain ones send slices as they lie, TLS ones encrypt once.

A transport takes a list of buffers per tick. What the kernel does not take at once stays behind as
slices of the same maps; nothing is copied but, with TLS, the encrypted bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import functools
import itertools
import mmap
import os
import socket
import ssl
import struct
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from playout.errors import (
    AddressNotAllowed,
    CertificateInvalid,
    ConnectionLost,
    ConnectionRefused,
    HostNotFound,
    IngestError,
    IngestTimeout,
    TlsFailed,
    TrackUnreadable,
)
from playout.publisher.address import Address

Buffer = bytes | memoryview

SEND_BUFFER_BYTES = 256 << 10
"""The kernel doubles what is asked for, so at most 512 KiB wait unsent in one socket."""
USER_TIMEOUT_MS = 12_000
_IOV_MAX = 1000
_READ_BYTES = 64 << 10
_RECORD_BYTES = 16 << 10
_GATHER_BYTES = 320 << 10
"""What is encrypted and sent by one call: half a second of 5 Mbit/s."""

_TCP_INFO_BYTES = 256
_BYTES_ACKED = struct.Struct("=Q")
_BYTES_ACKED_AT = 120
_AT_ONCE = struct.pack("ii", 1, 0)

MAX_ADDRESSES = 4
REMEMBERED_SECONDS = 24 * 3600.0

_Candidate = tuple[int, int, int, str, Any]
"""One answer of getaddrinfo."""

AddressCheck = Callable[[str, int], bool]
"""Says whether a resolved IP address and port may be connected to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that each step of a connection may take."""

    resolve: float = 5.0
    connect: float = 5.0
    tls: float = 5.0
    answer: float = 10.0
    next_address: float = 0.3
    """A host with several addresses: the next one is tried beside one that hesitates so long."""
    total: float = 15.0
    """All addresses together, encryption included."""


class Transport(Protocol):
    """What a session needs from its connection."""

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """Send or keep `buffers` of `size` bytes in all; False while some wait.

        Takes over the list. Raises `IngestError` when the connection is over, and
        `TrackUnreadable` when nothing of it was sent or kept, since media cannot be read.
        """
        ...

    def flush(self) -> bool:
        """Try to send what waits; True when nothing does.

        Raises `IngestError` as `send` does, also when media that waited cannot be read.
        """
        ...

    def receive(self) -> bytes | None:
        """What has arrived, or a part of it; None for nothing yet, b"" for the end.

        Call it until it gives None: what it keeps itself does not show at `fileno`.
        """
        ...

    def fileno(self) -> int:
        """The descriptor to watch."""
        ...

    def acked_bytes(self) -> int:
        """Bytes of the connection that the far end's kernel has acknowledged."""
        ...

    def unsent_bytes(self) -> int:
        """Bytes that waited in the kernel when `acked_bytes` was last called, or wait here."""
        ...

    def shutdown(self) -> None:
        """Say that nothing more will be sent."""
        ...

    def close(self) -> None:
        """Release the connection; the kernel goes on delivering what it holds."""
        ...

    def abort(self) -> None:
        """Release the connection and what the kernel holds: nothing of it arrives any more."""
        ...


class _Socket:
    """What plain and encrypted connections share: the descriptor and the kernel's counts."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sendmsg = sock.sendmsg
        self._acked = _acked(sock)
        self._written = self._acked + _outstanding(sock)
        """Bytes given to the kernel in all, so that what it holds needs no call of its own."""
        self.on_close: Callable[[], None] = lambda: None

    def fileno(self) -> int:
        """See `Transport`."""
        return self._socket.fileno()

    def acked_bytes(self) -> int:
        """See `Transport`."""
        # It counts the end of the stream as well, once that was said.
        self._acked = min(_acked(self._socket), self._written)
        return self._acked

    def close(self) -> None:
        """See `Transport`."""
        raise NotImplementedError

    def _release(self) -> None:
        self._socket.close()
        self.on_close()

    def abort(self) -> None:
        """See `Transport`."""
        with contextlib.suppress(OSError):
            # Closing now throws the send buffer away and resets the connection.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.close()


class PlainTransport(_Socket):
    """RTMP over TCP."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._waiting: list[Buffer] = []
        self._is_dry = False
        """The last look took all there was, so that the next need not ask."""

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """See `Transport`."""
        sent = 0
        if not self._waiting:
            sent = self._try(buffers)
            if sent == size:
                return True
        self._waiting.extend(_behind(buffers, sent) if sent else buffers)
        return False

    def flush(self) -> bool:
        """See `Transport`."""
        while self._waiting:
            try:
                sent = self._try(self._waiting)
            except TrackUnreadable as error:
                raise _cut_off(error) from error
            if not sent:
                return False
            self._waiting = _behind(self._waiting, sent)
        return True

    def _try(self, buffers: list[Buffer]) -> int:
        """The bytes of `buffers` that the kernel takes now."""
        try:
            sent = self._sendmsg(buffers if len(buffers) <= _IOV_MAX else buffers[:_IOV_MAX])
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            if error.errno == errno.EFAULT:
                raise _unreadable(error) from error
            raise _lost(error) from error
        self._written += sent
        return sent

    def receive(self) -> bytes | None:
        """See `Transport`."""
        if self._is_dry:
            self._is_dry = False
            return None
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            raise _lost(error) from error
        self._is_dry = 0 < len(data) < _READ_BYTES
        return data

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        return self._written - self._acked + sum(map(len, self._waiting))

    def shutdown(self) -> None:
        """See `Transport`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """See `Transport`."""
        self._waiting.clear()
        self._release()


class _Scratch:
    """Memory in which the slices of one send are gathered for encryption; one for a process.

    The kernel copies them there, as it does for a plain send: a track that was cut short under its
    mapping gives an error, where reading it ourselves would end the process with SIGBUS.
    """

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("playout-gather", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, _GATHER_BYTES)
        self._memory = memoryview(mmap.mmap(self._descriptor, _GATHER_BYTES))

    def gather(self, buffers: list[Buffer], size: int) -> memoryview:
        """The `size` bytes of `buffers` in a row, until the next call.

        Raises `TrackUnreadable` when they cannot be read.
        """
        done = 0
        while done < size:
            try:
                done += os.pwritev(self._descriptor, buffers[:_IOV_MAX], done)
            except OSError as error:
                raise _unreadable(error) from error
            if done < size:
                buffers = _behind(buffers, done)
        return self._memory[:size]


@functools.cache
def _scratch() -> _Scratch:
    return _Scratch()


class TlsTransport(_Socket):
    """RTMP over TLS: each tick is gathered once, encrypted once and sent by one call.

    OpenSSL never gives back the memory that its largest piece took, so the tick passes through it
    in records of 16 KiB. What the kernel does not take waits encrypted; while it waits nothing
    more is encrypted, so that at most `_GATHER_BYTES` and the overhead of their records do.
    """

    def __init__(
        self,
        sock: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        super().__init__(sock)
        self._tls = tls
        self._incoming = incoming
        self._outgoing = outgoing
        self._clear: list[Buffer] = []
        self._waiting: list[Buffer] = []

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """See `Transport`."""
        if self._clear or self._waiting or size > _GATHER_BYTES:
            self._clear.extend(buffers)
            return self.flush()
        self._encrypt(buffers, size)
        return self._flush_encrypted()

    def _encrypt(self, buffers: list[Buffer], size: int) -> None:
        """Make records of `buffers`, behind what waits."""
        clear = _scratch().gather(buffers, size)
        write, read, waiting = self._tls.write, self._outgoing.read, self._waiting
        try:
            for at in range(0, size, _RECORD_BYTES):
                write(clear[at : at + _RECORD_BYTES])
                waiting.append(read())
        except ssl.SSLError as error:
            raise ConnectionLost("The encrypted connection broke.") from error

    def _encrypt_more(self) -> bool:
        """Encrypt as much as fits of what waits in clear; False when nothing does."""
        room, taken = _GATHER_BYTES, 0
        portion: list[Buffer] = []
        for buffer in self._clear:
            if len(buffer) > room:
                if room:
                    rest = memoryview(buffer)
                    portion.append(rest[:room])
                    self._clear[taken] = rest[room:]
                    room = 0
                break
            portion.append(buffer)
            room -= len(buffer)
            taken += 1
        if not portion:
            return False
        del self._clear[:taken]
        self._encrypt(portion, _GATHER_BYTES - room)
        return True

    def flush(self) -> bool:
        """See `Transport`."""
        while self._flush_encrypted():
            try:
                if not self._encrypt_more():
                    return True
            except TrackUnreadable as error:
                raise _cut_off(error) from error
        return False

    def _flush_encrypted(self) -> bool:
        """Send the records that wait; True when none does any more."""
        if self._outgoing.pending:
            # Not ours: an answer that the protocol itself asked for.
            self._waiting.append(self._outgoing.read())
        while self._waiting:
            try:
                sent = self._sendmsg(self._waiting[:_IOV_MAX])
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                raise _lost(error) from error
            self._written += sent
            self._waiting = _behind(self._waiting, sent)
        return True

    def receive(self) -> bytes | None:
        """See `Transport`."""
        try:
            clear = self._decrypt()
            if clear is None and self._fetch():
                clear = self._decrypt()
        finally:
            if self._outgoing.pending:
                self._flush_encrypted()
        return clear

    def _decrypt(self) -> bytes | None:
        """What can be read without the socket; a record at most."""
        try:
            return self._tls.read(_READ_BYTES)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            return b""
        except ssl.SSLError as error:
            raise ConnectionLost("The encrypted connection broke.") from error

    def _fetch(self) -> bool:
        """Take from the kernel, but only once all that was taken before is read."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise _lost(error) from error
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        waiting = sum(map(len, self._waiting)) + sum(map(len, self._clear))
        return self._written - self._acked + waiting + self._outgoing.pending

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
        self._waiting.clear()
        self._release()


def _behind(buffers: list[Buffer], sent: int) -> list[Buffer]:
    """What is left of `buffers` after their first `sent` bytes."""
    for number, buffer in enumerate(buffers):
        if sent < len(buffer):
            return [memoryview(buffer)[sent:], *buffers[number + 1 :]]
        sent -= len(buffer)
    return []


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
    """Connect once; see `Connector`, which remembers addresses from one time to the next."""
    return await Connector()(address, context=context, limits=limits, allowed=allowed)


class Connector:
    """Connects to hosts by name, and remembers where they were found.

    When a name cannot be resolved, the addresses that were good last are tried, for a day after
    the last connection to them.
    """

    def __init__(self) -> None:
        self._good: dict[tuple[str, int], tuple[float, list[_Candidate]]] = {}
        self._looking_up: dict[tuple[str, int], asyncio.Future[list[_Candidate] | Exception]] = {}

    async def __call__(
        self,
        address: Address,
        *,
        context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        allowed: AddressCheck | None = None,
    ) -> Transport:
        """Connect to the address of the host that answers first, and encrypt when it is rtmps.

        An address that has not answered after `limits.next_address` seconds gets a rival.
        `allowed` is asked for each address, and exactly that address is connected to. Raises an
        `IngestError` that says which step failed.
        """
        limits = limits or Limits()
        found = await self._resolve(address, limits)
        candidates = [entry for entry in found if allowed is None or allowed(*entry[4][:2])]
        if not candidates:
            raise AddressNotAllowed(f"Publishing to {address.host} is not allowed here.")
        candidates = _alternating(candidates)[:MAX_ADDRESSES]
        try:
            async with asyncio.timeout(limits.total):
                return await self._connect(address, candidates, found, context, limits)
        except TimeoutError as error:
            raise IngestTimeout(f"{address.host} did not answer in time.") from error

    async def _connect(
        self,
        address: Address,
        candidates: list[_Candidate],
        found: list[_Candidate],
        context: ssl.SSLContext | None,
        limits: Limits,
    ) -> Transport:
        while True:
            sock, winner = await _race(address, candidates, limits)
            try:
                transport = (
                    await _encrypt(sock, address, context or tls_context(), limits)
                    if address.tls
                    else PlainTransport(sock)
                )
            except BaseException as error:
                sock.close()
                candidates = [entry for entry in candidates if entry is not winner]
                if (
                    not isinstance(error, IngestError)
                    or isinstance(error, CertificateInvalid)
                    or not candidates
                ):
                    raise
            else:
                self._remember(address, found, transport)
                return transport

    def _remember(
        self, address: Address, found: list[_Candidate], transport: PlainTransport | TlsTransport
    ) -> None:
        key, now = (address.host, address.port), asyncio.get_running_loop().time
        self._good[key] = now(), found

        def closed() -> None:
            # They were good for as long as somebody was connected, which may be weeks.
            _, known = self._good[key]
            self._good[key] = now(), known

        transport.on_close = closed

    async def _resolve(self, address: Address, limits: Limits) -> list[_Candidate]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limits.resolve):
                found = await self._look_up(address.host, address.port)
                if isinstance(found, Exception):
                    raise found
                return found
        except (OSError, UnicodeError, TimeoutError) as error:
            at, known = self._good.get((address.host, address.port), (0.0, []))
            if known and loop.time() - at < REMEMBERED_SECONDS:
                return known
            if isinstance(error, TimeoutError):
                text = f"The name {address.host} was not resolved in time."
            else:
                text = f"There is no host called {address.host}."
            raise HostNotFound(text) from error

    async def _look_up(self, host: str, port: int) -> list[_Candidate] | Exception:
        """What the system's resolver says. All who ask for one host at a time share its answer.

        A resolver may hang for much longer than we wait, and a thread of the loop's own could then
        keep the process from ending.
        """
        loop, key = asyncio.get_running_loop(), (host, port)
        pending = self._looking_up.get(key)
        if pending is None:
            pending = self._looking_up[key] = loop.create_future()
            thread = threading.Thread(
                target=_resolve_in_thread,
                args=(loop, self._found, key),
                name="resolve",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError as error:
                self._found(key, OSError(str(error)))
        return await asyncio.shield(pending)

    def _found(self, key: tuple[str, int], found: list[_Candidate] | Exception) -> None:
        self._looking_up.pop(key).set_result(found)


def _resolve_in_thread(
    loop: asyncio.AbstractEventLoop,
    tell: Callable[[tuple[str, int], list[_Candidate] | Exception], None],
    key: tuple[str, int],
) -> None:
    found: list[_Candidate] | Exception
    try:
        found = list(socket.getaddrinfo(*key, type=socket.SOCK_STREAM))
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        found = error
    with contextlib.suppress(RuntimeError):  # the loop is over, and nobody waits any more
        loop.call_soon_threadsafe(tell, key, found)


def _alternating(candidates: list[_Candidate]) -> list[_Candidate]:
    """The same, with the address families taking turns: one of them may lead nowhere."""
    families: dict[int, list[_Candidate]] = {}
    for entry in candidates:
        families.setdefault(entry[0], []).append(entry)
    turns = itertools.zip_longest(*families.values())
    return [entry for turn in turns for entry in turn if entry is not None]


async def _race(
    address: Address, candidates: list[_Candidate], limits: Limits
) -> tuple[socket.socket, _Candidate]:
    """The first connection that stands; later ones begin when earlier ones hesitate or fail."""
    waiting, failure = list(candidates), None
    running: dict[asyncio.Task[socket.socket], _Candidate] = {}
    try:
        while waiting or running:
            if waiting:
                entry = waiting.pop(0)
                running[asyncio.ensure_future(_open(address, entry, limits))] = entry
            patience = limits.next_address if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                entry = running.pop(task)
                error = task.exception()
                if error is None:
                    return task.result(), entry
                failure = error
    finally:
        for task in running:
            task.cancel()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, socket.socket):
                outcome.close()
    raise failure or HostNotFound(f"There is no host called {address.host}.")


async def _open(address: Address, entry: _Candidate, limits: Limits) -> socket.socket:
    family, kind, protocol, _, where = entry
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        # No descriptor or memory is left here: those on air go on, and this one tries again.
        raise _not_connected(address, error) from error
    try:
        sock.setblocking(False)
        _tune(sock)
        async with asyncio.timeout(limits.connect):
            await asyncio.get_running_loop().sock_connect(sock, where)
    except TimeoutError as error:
        sock.close()
        raise IngestTimeout(f"{address.host} did not answer in time.") from error
    except OSError as error:
        sock.close()
        raise _not_connected(address, error) from error
    except BaseException:
        sock.close()
        raise
    return sock


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
        reason = (error.verify_message or "verification failed").rstrip(".")
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


def _unreadable(error: OSError) -> TrackUnreadable:
    reason = error.strerror or type(error).__name__
    return TrackUnreadable(f"A track on air cannot be read any more: {reason}.")


def _cut_off(error: TrackUnreadable) -> ConnectionLost:
    return ConnectionLost(f"The message that was being sent cannot be finished. {error}")


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
