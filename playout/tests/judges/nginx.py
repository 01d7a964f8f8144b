"""nginx with its rtmp module: an ingest that is no relative of ours, recording to FLV."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from judges.gate import Gate
from judges.recording import Recording
from judges.tools import end, free_port, listens, nginx_module, program, wait_until

_RTMP = """
load_module {module};
daemon off;
master_process off;
{user}
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 4096; }}
rtmp {{
    access_log {prefix}/access.log;
    server {{
        listen 127.0.0.1:{port};
        chunk_size 4096;
        max_message 2M;
        ping 30s;
        notify_method post;
        on_connect http://127.0.0.1:{gate}/connect;
        application {app} {{
            live on;
            record all;
            record_path {prefix}/recordings;
            record_unique on;
            record_suffix .flv;
            record_max_size {max_size};
            on_publish http://127.0.0.1:{gate}/publish;
            on_publish_done http://127.0.0.1:{gate}/publish_done;
            on_record_done http://127.0.0.1:{gate}/record_done;
        }}
    }}
}}
"""


def user_line() -> str:
    """nginx started by root gives its workers away; here it must write as whoever runs the test."""
    who = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    return f"user {who};" if who == "root" else ""


class Nginx:
    """One nginx process with its own prefix; starts and stops on the same port."""

    def __init__(self, prefix: Path, configuration: str, port: int) -> None:
        self.prefix = prefix
        self.port = port
        self._file = prefix / "nginx.conf"
        self._file.write_text(configuration)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start listening; returns when it does."""
        assert self._process is None, "it runs already"
        with (self.prefix / "stderr.log").open("ab") as stderr:
            self._process = subprocess.Popen(
                [program("nginx"), "-p", str(self.prefix), "-c", str(self._file),
                 "-e", str(self.prefix / "error.log")],
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            )  # fmt: skip
        wait_until(self._is_up, what=f"nginx on port {self.port}")

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.prefix / "stderr.log").read_text()
        return listens(self.port)

    def stop(self) -> None:
        """End it at once, connections included; the port answers "refused" afterwards."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def kill(self) -> None:
        """End it the hard way, as a crash of the receiver does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Stop reading, with all connections open: a black hole. `thaw` ends it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        return (self.prefix / "error.log").read_text(errors="replace")


class NginxRtmp(Nginx):
    """An RTMP ingest at `url` that records each session to a file of its own."""

    app = "live"

    def __init__(self, prefix: Path, *, record_max_size: str = "") -> None:
        self.gate = Gate()
        port = free_port()
        self.recordings_dir = prefix / "recordings"
        self.recordings_dir.mkdir()
        text = _RTMP.format(
            module=nginx_module("ngx_rtmp_module.so"), prefix=prefix, port=port, app=self.app,
            gate=self.gate.port, user=user_line(), max_size=record_max_size,
        )  # fmt: skip
        if not record_max_size:
            text = "\n".join(row for row in text.splitlines() if "record_max_size" not in row)
        super().__init__(prefix, text, port)

    def url(self, key: str = "") -> str:
        """The publishing address, with the stream key when one is given."""
        return f"rtmp://127.0.0.1:{self.port}/{self.app}" + (f"/{key}" if key else "")

    @property
    def connections(self) -> int:
        """RTMP connections that came as far as naming an application."""
        return len(self.gate.events("connect"))

    @property
    def publishers(self) -> int:
        """Sessions that asked to publish, refused ones included."""
        return len(self.gate.events("publish"))

    def recorded_files(self) -> list[Path]:
        """One file for each session that published, oldest first."""
        found = self.recordings_dir.glob("*.flv")
        return sorted(found, key=lambda file: file.stat().st_ctime_ns)

    def recorded_bytes(self) -> int:
        """Bytes recorded so far, which is how a test sees media arrive."""
        return sum(file.stat().st_size for file in self.recorded_files())

    def wait_for_media(self, *, bytes_more: int = 20_000) -> None:
        """Wait until the recordings have grown by `bytes_more`."""
        before = self.recorded_bytes()
        wait_until(
            lambda: self.recorded_bytes() >= before + bytes_more,
            what=f"{bytes_more} bytes of media at the receiver",
        )  # fmt: skip

    def wait_for_end(self, *, sessions: int = 1) -> None:
        """Wait until `sessions` recordings are complete."""
        wait_until(
            lambda: len(self.gate.events("record_done")) >= sessions,
            what=f"the end of {sessions} recording(s)",
        )  # fmt: skip

    def recording(self) -> Recording:
        """The one recording there must be."""
        files = self.recorded_files()
        assert len(files) == 1, f"expected one session, found {[file.name for file in files]}"
        return Recording(files[0])

    def close(self) -> None:
        self.stop()
        self.gate.close()
