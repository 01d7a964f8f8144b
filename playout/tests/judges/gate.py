"""The callbacks of nginx-rtmp: counts connections and publishers, and can refuse keys."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Call:
    """One callback: what happened, to which key, at which monotonic second."""

    event: str
    key: str
    at: float
    path: str = ""


@dataclass
class Gate:
    """A tiny HTTP server that nginx-rtmp asks before it lets anybody publish."""

    refused: set[str] = field(default_factory=set)
    """Keys that may not publish; change it while running."""
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                values = {name: found[0] for name, found in parse_qs(body).items()}
                event, key = values.get("call", ""), values.get("name", "")
                gate.calls.append(Call(event, key, time.monotonic(), values.get("path", "")))
                refused = event == "publish" and key in gate.refused
                self.send_response(403 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def events(self, name: str) -> list[Call]:
        """All callbacks of one kind: `connect`, `publish`, `publish_done`, `record_done`."""
        return [call for call in list(self.calls) if call.event == name]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
