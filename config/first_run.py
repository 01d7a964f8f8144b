"""What `manage.py up` settles before Django reads its settings: a complete data directory.

Its `.env` has two parts: secrets, written once, and addresses of the embedded services, written
again whenever a remembered port is taken or the directory has moved. What an operator adds is kept,
also where it was put at the end of the file.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

_LONGEST_SOCKET_PATH = 100
"""The kernel's limit is 107 bytes; a little is left for what clients append."""

_SECRETS = """\
# Written by the first `make up`: secrets of this installation. Keep it private and backed up.
ENVIRONMENT=development
DEBUG=false
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEYS={field_key}
ALLOWED_HOSTS=127.0.0.1,localhost
"""
_GOOGLE = """\
GOOGLE_CLIENT_ID=simulator.apps.googleusercontent.com
GOOGLE_CLIENT_SECRET=simulator-secret
GOOGLE_AUTHORIZE_URL={base}/o/oauth2/v2/auth
GOOGLE_TOKEN_URL={base}/token
GOOGLE_REVOKE_URL={base}/revoke
GOOGLE_USERINFO_URL={base}/oauth2/v2/userinfo
YOUTUBE_API_BASE={base}
YOUTUBE_WATCH_BASE={base}/watch?v=
"""
"""The client that every simulator knows; its secret opens nothing else."""
_MANAGED_NAMES = frozenset(
    (
        "REDIS_URL",
        "CELERY_BROKER_URL",
        "INGEST_SIMULATOR_URL",
        "INGEST_SIMULATOR_HTTP",
        "DESTINATION_ALLOWLIST",
        *(line.partition("=")[0] for line in _GOOGLE.splitlines()),
    )
)
_MANAGED = "# Below: addresses of the embedded services, kept up to date by `make up`.\n"


def settle(environment: MutableMapping[str, str]) -> Path:
    """Make the data directory and its `.env`, point the settings there, and return the directory.

    What the environment already says wins over the file.

    Raises:
        PermissionError: the directory for sockets belongs to somebody else.
    """
    data_dir = Path(environment.get("DATA_DIR") or BASE_DIR / "var").expanduser().absolute()
    for directory in (data_dir, data_dir / "run", data_dir / "log"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment["DATA_DIR"] = str(data_dir)
    environment["ENV_FILE"] = str(data_dir / ".env")
    with lock_path(data_dir).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # It runs: its ports are taken by itself, and its addresses must stay. `up` says so.
            return data_dir
        _write_env(data_dir, has_google=bool(environment.get("GOOGLE_CLIENT_ID")))
    return data_dir


def lock_path(data_dir: Path) -> Path:
    """The file that is locked while somebody runs everything in `data_dir`."""
    return data_dir / "run" / "up.lock"


def _write_env(data_dir: Path, *, has_google: bool) -> None:
    env_file = data_dir / ".env"
    known = env_file.read_text(encoding="utf-8") if env_file.exists() else ""
    kept, _, managed = known.partition(_MANAGED)
    if not kept.strip():
        kept = _SECRETS.format(
            secret_key=secrets.token_urlsafe(48),
            field_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )
    theirs = [line for line in managed.splitlines() if line.strip() and not _is_managed(line)]
    if theirs:
        kept = kept.rstrip("\n") + "\n" + "\n".join(theirs) + "\n"
    has_google = has_google or "GOOGLE_CLIENT_ID=" in kept
    addresses = _addresses(data_dir, managed, simulates_google=not has_google)
    content = kept.rstrip("\n") + "\n\n" + _MANAGED + addresses
    if content != known:
        _write_privately(env_file, content)


def _is_managed(line: str) -> bool:
    name = line.partition("=")[0].strip()
    if name.startswith("GOOGLE_CLIENT_"):
        # Any other client is one that the operator brought.
        return line in _GOOGLE.splitlines()
    return name in _MANAGED_NAMES


def socket_path(data_dir: Path) -> Path:
    """Where the embedded Valkey listens: in the data directory, or, when that path is too long
    for a socket, in a private directory with a name of its own.

    Raises:
        PermissionError: somebody else made that directory.
    """
    usual = data_dir / "run" / "valkey.sock"
    if len(os.fsencode(usual)) <= _LONGEST_SOCKET_PATH:
        return usual
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    private = Path(tempfile.gettempdir()) / f"streamer-{os.getuid()}-{digest}"
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise PermissionError(f"{private} is not a private directory of ours. Remove it.")
    return private / "valkey.sock"


def _addresses(data_dir: Path, remembered: str, *, simulates_google: bool) -> str:
    ports: dict[str, int] = {}
    for line in remembered.splitlines():
        name, _, value = line.partition("=")
        if name in ("INGEST_SIMULATOR_URL", "INGEST_SIMULATOR_HTTP"):
            digits = value.split(":")[2].partition("/")[0] if value.count(":") == 2 else ""
            ports[name] = int(digits) if digits.isdigit() else 0
    rtmp = _usable_port(ports.get("INGEST_SIMULATOR_URL", 0))
    http = _usable_port(ports.get("INGEST_SIMULATOR_HTTP", 0), other_than=rtmp)
    path = socket_path(data_dir)
    # Whoever brings a client of Google's means the real one: the simulator's addresses stay away.
    google = _GOOGLE.format(base=f"http://127.0.0.1:{http}") if simulates_google else ""
    return (
        f"REDIS_URL=unix://{path}?db=1\n"
        f"CELERY_BROKER_URL=redis+socket://{path}?virtual_host=0\n"
        f"INGEST_SIMULATOR_URL=rtmp://127.0.0.1:{rtmp}/live2\n"
        f"INGEST_SIMULATOR_HTTP=http://127.0.0.1:{http}\n"
        f"DESTINATION_ALLOWLIST=127.0.0.1:{rtmp}\n"
        f"{google}"
    )


def _usable_port(wanted: int, *, other_than: int = 0) -> int:
    """`wanted` when nothing listens there, else a port that the system chooses."""
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                wanted = 0
                continue
            port = int(probe.getsockname()[1])
        if port != other_than:
            return port
        wanted = 0


def _write_privately(path: Path, content: str) -> None:
    # Complete or absent: a half-written file would lose the keys of everything encrypted later.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
