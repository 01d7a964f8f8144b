"""A real Celery worker, over a real broker, killed without warning."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.library.conftest import _make
from tests.waiting import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def environment(tmp_path: Path, valkey_url: str) -> dict[str, str]:
    socket = valkey_url.removeprefix("unix://")
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": "",
        "ENVIRONMENT": "test",
        "SECRET_KEY": "only-for-tests",
        "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
        "ALLOWED_HOSTS": "localhost",
        "DATABASE_URL": "",
        "AWS_STORAGE_BUCKET_NAME": "",
        "DATA_DIR": str(tmp_path),
        "REDIS_URL": valkey_url,
        "CELERY_BROKER_URL": f"redis+socket://{socket}?virtual_host={os.getpid() % 15 + 1}",
        "DEFAULT_PROFILE": "480p30-economy",
        "ENCODE_PRESET": "medium",
    }


@pytest.fixture
def act(environment: dict[str, str]) -> Callable[..., None]:
    def run(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.library.actor", *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]

    return run


@contextlib.contextmanager
def worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in its own process group; whatever is left of it is killed at the end."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config", "worker", "-c", "1",
             "-Q", "default,media", "-l", "INFO", "--without-gossip", "--without-mingle"],
            cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_killed_workers_preparation_is_taken_over(environment, act, tmp_path):
    film = _make(
        tmp_path / "film.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=8"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
    )
    log = tmp_path / "worker.log"
    act("receive", str(film))

    def video() -> dict[str, object]:
        with contextlib.closing(sqlite3.connect(tmp_path / "db.sqlite3", timeout=20)) as database:
            database.row_factory = sqlite3.Row
            row = database.execute("SELECT * FROM library_track WHERE kind = 'video'").fetchone()
        return dict(row) if row else {"state": ""}

    with worker(environment, log) as first:
        wait_until(lambda: video()["state"] == "running", lambda: log.read_text()[-3000:])
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    left = video()
    assert (left["state"], left["attempt"]) == ("running", 1)
    with worker(environment, log):
        act("sweep")
        wait_until(
            lambda: video()["state"] in ("ready", "failed"),
            lambda: log.read_text()[-3000:],
            seconds=120,
        )
    done = video()
    assert (done["state"], done["attempt"]) == ("ready", 2)
    tracks = tmp_path / "media" / "tracks"
    assert [path.name for path in tracks.iterdir()] == [Path(done["prefix"]).name]
