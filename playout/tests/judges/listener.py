"""ffmpeg as a one-session RTMP server: the second, unrelated ingest."""

from __future__ import annotations

import subprocess
from pathlib import Path

from judges.recording import Recording
from judges.tools import end, ffmpeg, free_port, listens, wait_until


class FfmpegListener:
    """Receives one session at `url` and copies it to a file; ends when the publisher leaves."""

    def __init__(
        self, directory: Path, *, app: str = "app", key: str = "key", absolute: bool = False
    ) -> None:
        """With `absolute` the file keeps the timestamps that came; else it begins at 0."""
        self.port = free_port()
        self.url = f"rtmp://127.0.0.1:{self.port}/{app}/{key}"
        self.file = directory / f"listener-{self.port}.flv"
        self._log = directory / f"listener-{self.port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [ffmpeg(), "-nostdin", "-hide_banner", "-y", "-listen", "1", "-i", self.url,
                 "-c", "copy", *(["-copyts"] if absolute else []), "-flush_packets", "1",
                 str(self.file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(lambda: listens(self.port), what="ffmpeg to listen")

    def wait_for_end(self) -> None:
        """Wait until the publisher has left and the file is complete."""
        wait_until(
            lambda: self._process.poll() is not None,
            what="the listener to see the end of the stream",
        )  # fmt: skip

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def recording(self) -> Recording:
        return Recording(self.file)

    def close(self) -> None:
        end(self._process)
