"""Fixtures of the engine's tests: the judges, each in a directory of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from judges.clips import ClipShelf
from judges.listener import FfmpegListener
from judges.nginx import NginxRtmp
from judges.tls import Authority, ServerCertificate, TlsTerminator


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory) -> ClipShelf:
    """Call it with a `judges.clips.Clip`; gives the file, made once for each session."""
    return ClipShelf(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def nginx_rtmp(tmp_path: Path) -> Iterator[NginxRtmp]:
    """nginx with its rtmp module, listening and recording to FLV."""
    prefix = tmp_path / "nginx-rtmp"
    prefix.mkdir()
    server = NginxRtmp(prefix)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def ffmpeg_listener(tmp_path: Path) -> Iterator[FfmpegListener]:
    """ffmpeg waiting for one publisher."""
    listener = FfmpegListener(tmp_path)
    yield listener
    listener.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority; trust it through its `file`."""
    directory = tmp_path / "authority"
    directory.mkdir()
    return Authority(directory)


@pytest.fixture
def stranger_authority(tmp_path: Path) -> Authority:
    """Another authority, which nobody trusts."""
    directory = tmp_path / "stranger"
    directory.mkdir()
    return Authority(directory, "Unknown authority")


@pytest.fixture
def tls_terminator(
    tmp_path: Path, nginx_rtmp: NginxRtmp
) -> Iterator[Callable[[ServerCertificate], TlsTerminator]]:
    """Call it with a certificate; gives nginx ending TLS in front of `nginx_rtmp`."""
    running: list[TlsTerminator] = []

    def start(certificate: ServerCertificate) -> TlsTerminator:
        prefix = tmp_path / f"tls-{len(running)}"
        prefix.mkdir()
        running.append(TlsTerminator(prefix, certificate, nginx_rtmp.port))
        running[-1].start()
        return running[-1]

    yield start
    for terminator in running:
        terminator.stop()
