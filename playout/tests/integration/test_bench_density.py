"""The measuring machine itself: its receivers, its sender, and one small measurement."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from judges.clips import Clip, ClipShelf
from judges.tools import ffmpeg, wait_until

from playout.bench.certificate import make_certificate
from playout.bench.native import build
from playout.bench.receiver import Receiver

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("language", ["c", "python"])
@pytest.mark.parametrize("tls", [False, True])
def test_the_receiver_takes_a_stranger_s_stream_whole(
    tmp_path: Path, make_clip: ClipShelf, language: str, tls: bool
) -> None:
    program = build("sink", tmp_path, tls=tls) if language == "c" else None
    if language == "c" and program is None:
        pytest.skip("no C compiler here")
    certificate = make_certificate(tmp_path) if tls else None
    clip = make_clip(Clip(seconds=2))
    with Receiver(program, certificate, chunk_size=256) as receiver:
        assert receiver.read().connections == 0
        process = subprocess.Popen(
            [ffmpeg(), "-nostdin", "-v", "error", "-re", "-i", str(clip), "-c", "copy",
             "-f", "flv", f"{receiver.address}/key"],
            stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_until(lambda: receiver.read().publishing == 1, what="a publisher")
        _, complaints = process.communicate(timeout=20)
        assert process.returncode == 0, complaints.decode()
        wait_until(lambda: receiver.read().connections == 0, what="the end")
        assert receiver.read().bytes > 0.9 * clip.stat().st_size


def test_without_a_compiler_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build("sink", tmp_path, tls=False) is None


def density(*options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "playout", "bench", "density", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "pump: " in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_density_measures_all_engines_in_one_run() -> None:
    found = density("--streams", "10", "--seconds", "3", "--unique-media", "20000000")
    assert (found["streams"], found["tls"]) == (10, False)
    for name in ["pump", "ffmpeg"] + (["c_sender"] if shutil.which("cc") else []):
        # 1080p30 at 4.5 Mbit/s with sound: whoever sends less has not kept up.
        assert found[name]["mbps_per_stream"] == pytest.approx(4.66, rel=0.15), found
        assert found[name]["private_kb_per_stream"] > 0
    assert found["pump"]["late_ms"].keys() == {"p50", "p99", "max"}
    assert found["ratio_to_ffmpeg"] > 1


@pytest.mark.slow
def test_density_measures_over_tls() -> None:
    found = density("--streams", "3", "--seconds", "2", "--tls", "--peer", "none")
    assert found["tls"] is True
    assert found["pump"]["mbps_per_stream"] == pytest.approx(4.66, rel=0.15), found
    assert found["ffmpeg"] is found["ratio_to_ffmpeg"] is None
