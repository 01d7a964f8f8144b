"""Two nodes: one gives its streams away when asked to, and the other takes over when it dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Installation, without_settings
from tests.e2e.test_recovery import demo, is_running, moving
from tests.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MOST_SECONDS_DRAINED = 5.0
MOST_SECONDS_LOST = 45.0


@dataclass
class Node:
    """A second node on the same database and media."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    environment: dict[str, str]

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def id(self) -> str:
        return (self.data_dir / "node" / "id").read_text().strip()

    def pump(self) -> int:
        lock = self.data_dir / "node" / "pump-0.lock"
        return int(wait_until(lambda: lock.exists() and lock.read_text().strip(), "no pump"))


@pytest.fixture
def second(installation: Installation) -> Iterator[Node]:
    data_dir = Path(tempfile.mkdtemp(prefix="streamer-node-", dir="/tmp"))
    (data_dir / "media").symlink_to(installation.data_dir / "media")
    environment = {
        **without_settings(os.environ),
        "ENV_FILE": str(installation.data_dir / ".env"),
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": f"sqlite:///{installation.data_dir}/db.sqlite3",
        "NODE_NAME": "second",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    with (data_dir / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_playout"],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    node = Node(process, data_dir, environment)
    pump = 0
    try:
        wait_until(lambda: (data_dir / "node" / "id").exists(), "the node does not start")
        pump = node.pump()
        yield node
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
        if pump and is_running(pump):
            os.kill(pump, signal.SIGKILL)
        shutil.rmtree(data_dir, ignore_errors=True)


def back_after(installation: Installation, before: dict[str, Any], seconds: float) -> float:
    """How long until the receiver has another session of the demo, with pictures."""
    began = time.monotonic()

    def is_back() -> bool:
        now = demo(installation)
        return (
            now is not None
            and now["connected_since"] != before["connected_since"]
            and now["video_messages"] > 0
        )

    wait_until(is_back, "nobody took the stream over", seconds=seconds)
    return time.monotonic() - began


@pytest.mark.slow
def test_a_stream_moves_when_its_node_is_drained_and_when_its_node_dies(
    installation: Installation, second: Node
) -> None:
    first_id = (installation.data_dir / "node" / "id").read_text().strip()
    # It must have looked at the database for a while before it may take anything from the dead.
    time.sleep(2)
    before = moving(installation)
    said: list[str] = []
    began = time.monotonic()
    said.append(second.manage("drain_node", first_id, "--wait", "30"))
    gap = back_after(installation, before, 20)
    assert "holds no stream" in said[0]
    assert gap <= MOST_SECONDS_DRAINED
    after = moving(installation)
    elapsed = time.monotonic() - began
    assert abs((after["last_video_ms"] - before["last_video_ms"]) / 1000 - elapsed) < 4

    second.manage("drain_node", first_id, "--undo")
    before = moving(installation)
    pump = second.pump()
    second.process.kill()
    second.process.wait()
    os.kill(pump, signal.SIGKILL)
    assert back_after(installation, before, 60) <= MOST_SECONDS_LOST
    moving(installation)

    refused = subprocess.run(
        [sys.executable, "manage.py", "drain_node", first_id, "--forget"],
        cwd=ROOT, env=second.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "still there" in refused.stderr
    assert "no longer registered" in second.manage("drain_node", second.id(), "--forget")
