"""A recording ingest on a simulated network."""

from __future__ import annotations

from playout.errors import ConnectionLost, ProtocolViolation
from playout.testing.network import SimulatedNetwork, SimulatedSocket
from playout.testing.recording import IngestConnection, Manners, RecordingIngest, SessionRecord


class SimulatedIngest(RecordingIngest):
    """Listens at `host`:`port` of `network` from the beginning."""

    def __init__(
        self,
        network: SimulatedNetwork,
        host: str,
        port: int = 1935,
        *,
        manners: Manners | None = None,
    ) -> None:
        super().__init__(manners)
        self._network = network
        self._served: dict[SimulatedSocket, IngestConnection] = {}
        self.socket_of: dict[SessionRecord, SimulatedSocket] = {}
        """The server's end of each accepted session."""
        self.is_reading = True
        """Cleared, nothing is read any more while all connections stay open."""
        network.listen(host, port, self._accept)

    def _accept(self, socket: SimulatedSocket) -> None:
        connection = self.connection(self._network.chance.randbytes(1528))
        self._served[socket] = connection
        loop = self._network.loop
        loop.add_reader(socket.fileno(), self._readable, socket, connection)

    def _now_ns(self) -> int:
        return self._network.loop.clock.boottime_ns()

    def read_on(self, is_reading: bool) -> None:
        """Stop reading, as a frozen server does, or go on."""
        self.is_reading = is_reading
        for socket, connection in list(self._served.items()):
            if is_reading:
                self._network.loop.add_reader(socket.fileno(), self._readable, socket, connection)
            else:
                self._network.loop.remove_reader(socket.fileno())

    def restart(self) -> None:
        """The server process dies: all connections are reset."""
        for socket in list(self._served):
            self._leave(socket, "the server died")
            socket.abort()

    def hang_up(self) -> int:
        """Close all connections in good order; how many there were."""
        found = list(self._served)
        for socket in found:
            self._leave(socket, "the server hung up")
            socket.close()
        return len(found)

    def ping_all(self) -> None:
        """Ask all publishers whether they are alive."""
        for socket, connection in list(self._served.items()):
            if connection.session is not None:
                self._send(socket, connection.ping())

    def _readable(self, socket: SimulatedSocket, connection: IngestConnection) -> None:
        if not self.is_reading:
            self._network.loop.remove_reader(socket.fileno())
            return
        try:
            data = socket.receive()
            if data is None:
                return
            if not data:
                self._leave(socket, "closed")
                socket.close()
                return
            answer = connection.receive(data, now_ns=self._now_ns())
        except ConnectionLost:
            self._leave(socket, "reset")
            socket.close()
            return
        except (ProtocolViolation, ConnectionAbortedError) as error:
            self._leave(socket, str(error))
            socket.close()
            return
        if connection.session is not None:
            self.socket_of[connection.session] = socket
        self._send(socket, answer)

    def _send(self, socket: SimulatedSocket, answer: bytes) -> None:
        if answer:
            try:
                if not socket.send([answer], len(answer)):
                    self._network.loop.add_writer(socket.fileno(), self._writable, socket)
            except ConnectionLost:
                self._leave(socket, "reset")
                socket.close()

    def _writable(self, socket: SimulatedSocket) -> None:
        try:
            if socket.flush():
                self._network.loop.remove_writer(socket.fileno())
        except ConnectionLost:
            self._leave(socket, "reset")
            socket.close()

    def _leave(self, socket: SimulatedSocket, why: str) -> None:
        connection = self._served.pop(socket, None)
        if connection is not None:
            self._network.loop.remove_reader(socket.fileno())
            self._network.loop.remove_writer(socket.fileno())
            connection.end(why, now_ns=self._now_ns())
