"""A TCP proxy that misbehaves on demand: the network between a publisher and an ingest."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time

_CHUNK = 4096


class Proxy:
    """Passes bytes between `port` and `behind`; the kernel keeps little for those that wait."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._listener = socket.socket()
        # Set before listening, so that connections inherit it and stall soon when nobody reads.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.blocked = False
        """Neither read nor write, and keep all connections open."""
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ending = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def url(self, key: str, *, app: str = "live") -> str:
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    def reset(self) -> None:
        """Break all connections with a TCP reset."""
        for side in list(self._pairs):
            with contextlib.suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop_all()

    def hang_up(self) -> None:
        """End all connections as a server that closes them does."""
        for side in list(self._pairs):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _drop_all(self) -> None:
        for side in list(self._pairs):
            self._drop(side)

    def _drop(self, side: socket.socket) -> None:
        for each in (side, self._pairs.get(side)):
            if each is not None and self._pairs.pop(each, None) is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()

    def _run(self) -> None:
        while not self._ending:
            if self.blocked:
                time.sleep(0.02)
                continue
            for key, _ in self._selector.select(0.05):
                side = key.fileobj
                assert isinstance(side, socket.socket)
                try:
                    self._accept() if side is self._listener else self._pass(side)
                except (OSError, KeyError):
                    self._drop(side)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._behind))
        except OSError:
            near.close()
            return
        self._pairs[near], self._pairs[far] = far, near
        for side in (near, far):
            side.settimeout(5)
            self._selector.register(side, selectors.EVENT_READ)

    def _pass(self, side: socket.socket) -> None:
        data = side.recv(_CHUNK)
        if data:
            self._pairs[side].sendall(data)
        else:
            self._drop(side)

    def close(self) -> None:
        self._ending = True
        self._thread.join()
        self._drop_all()
        self._selector.close()
        self._listener.close()
