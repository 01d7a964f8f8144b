"""`backup` and `restore`, as an operator runs them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests import servers

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
FILL = """
from apps.accounts import services
from apps.streaming.models import Destination, Output, Playlist, Stream
services.ensure_demo_account(password="a long enough pass phrase")
from apps.accounts.models import Workspace
workspace = Workspace.objects.get()
stream = Stream.objects.create(workspace=workspace, title="Night", profile="480p30@1", desired="on")
there = Destination.objects.create(
    workspace=workspace, name="There", address="rtmp://a.rtmp.youtube.com/live2",
    key="planted-secret-key", fingerprint="f",
)
Output.objects.create(stream=stream, destination=there, profile=stream.profile)
"""
SPOIL = """
from apps.streaming.models import Output, Stream
Output.objects.all().delete()
Stream.objects.update(title="Day")
"""
TELL = """
from apps.streaming.models import Destination, Event, Stream
stream = Stream.objects.get()
event = Event.objects.create(workspace=stream.workspace, stream=stream, code="x", text="x")
print(stream.title, stream.outputs.get().destination.key, event.pk)
"""


class Installation:
    def __init__(self, home: Path, database: str) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "ENV_FILE": "",
            "ENVIRONMENT": "development",
            "SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests-0123456789",
            "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
            "DATA_DIR": str(home),
            "DATABASE_URL": database,
        }
        home.mkdir(exist_ok=True)

    def manage(self, *words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if not status else done.stderr

    def media(self, name: str) -> Path:
        path = self.home / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request, tmp_path):
    if request.param == "sqlite":
        yield Installation(tmp_path / "here", f"sqlite:///{tmp_path}/db.sqlite3")
        return
    try:
        with servers.postgresql() as database:
            yield Installation(tmp_path / "here", database)
    except servers.ServerMissing as missing:
        pytest.skip(str(missing))


def test_what_was_backed_up_comes_back_whole(installation, tmp_path):
    archive = tmp_path / "all.tar"
    installation.manage("migrate", "-v0")
    installation.manage("shell", "-v0", "-c", FILL)
    installation.media("tracks/a b/ü.track").write_bytes(b"media" * 100_000)
    said = installation.manage("backup", str(archive))
    assert "1 media files" in said
    assert "FIELD_ENCRYPTION_KEYS" in said
    assert archive.stat().st_mode & 0o077 == 0
    assert b"planted-secret-key" not in archive.read_bytes()
    assert "exists" in installation.manage("backup", str(archive), status=1)

    installation.manage("shell", "-v0", "-c", SPOIL)
    installation.media("tracks/a b/ü.track").unlink()
    assert "--replace" in installation.manage("restore", str(archive), status=1)
    assert "1 streams are wished on air" in installation.manage(
        "restore", "--replace", str(archive)
    )
    assert installation.manage("shell", "-v0", "-c", TELL).split()[:2] == [
        "Night",
        "planted-secret-key",
    ]
    assert installation.media("tracks/a b/ü.track").read_bytes() == b"media" * 100_000


def test_a_damaged_or_foreign_file_changes_nothing(tmp_path):
    here = Installation(tmp_path / "here", f"sqlite:///{tmp_path}/db.sqlite3")
    archive, other = tmp_path / "all.tar", tmp_path / "other.tar"
    here.manage("migrate", "-v0")
    here.manage("shell", "-v0", "-c", FILL)
    here.manage("backup", str(archive))
    whole = archive.read_bytes()
    for damaged in (b"no archive", whole[:-20_000], whole.replace(b"Night", b"Light")):
        other.write_bytes(damaged)
        assert "other.tar" in here.manage("restore", "--replace", str(other), status=1)
    with tarfile.open(other, "w") as tar:
        tar.add(__file__, "media/../../escaped")
    assert "other.tar" in here.manage("restore", "--replace", str(other), status=1)
    assert "no-such" in here.manage("restore", "--replace", str(tmp_path / "no-such"), status=1)
    here.manage("restore", status=2)
    here.manage("backup", "--everything", status=2)
    assert here.manage("shell", "-v0", "-c", TELL).startswith("Night planted")


def test_nothing_is_restored_under_what_runs(tmp_path):
    here = Installation(tmp_path / "here", f"sqlite:///{tmp_path}/db.sqlite3")
    here.manage("migrate", "-v0")
    here.manage("backup", str(tmp_path / "all.tar"))
    (here.home / "run").mkdir(exist_ok=True)
    with (here.home / "run" / "up.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Stop it" in here.manage("restore", str(tmp_path / "all.tar"), status=1)
    node = (
        "from apps.streaming.models import Node\nfrom django.utils import timezone\n"
        "Node.objects.create(pk='n1', name='one', version='1', last_seen=timezone.now())"
    )
    here.manage("shell", "-v0", "-c", node)
    assert "node one" in here.manage("restore", str(tmp_path / "all.tar"), status=1)
