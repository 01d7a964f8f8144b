"""The network between a publisher process and an ingest: the shipped proxy, without a loop."""

from __future__ import annotations

from playout.testing.in_thread import InThread
from playout.testing.proxy import FaultProxy


class Proxy:
    """Passes bytes between `port` and `behind`; the kernel keeps little for those that wait."""

    def __init__(self, behind: int) -> None:
        self._running = InThread(lambda: FaultProxy("127.0.0.1", behind)).start()
        self.port: int = self._running.it.port

    def url(self, key: str, *, app: str = "live") -> str:
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    @property
    def blocked(self) -> bool:
        """Neither read nor write, and keep all connections open."""
        return self._running.it.conditions.lost_up

    @blocked.setter
    def blocked(self, blocked: bool) -> None:
        self.change(lost_up=blocked, lost_down=blocked)

    def change(self, **values: object) -> None:
        """See `playout.testing.proxy.FaultProxy`."""
        self._running.call(lambda: self._running.it.change(**values))

    def reset(self) -> None:
        """Break all connections with a TCP reset."""
        self._running.call(self._running.it.reset)

    def hang_up(self) -> None:
        """End all connections as a server that closes them does."""
        self._running.call(self._running.it.hang_up)

    def close(self) -> None:
        self._running.stop()
