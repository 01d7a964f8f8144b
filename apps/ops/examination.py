"""What the doctor examines: each finding says what is wrong and how to mend it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.core.fields import EncryptedTextField
from apps.library.preparation import fonts_here
from apps.ops import health
from apps.streaming.models import Node

LEAST_FREE_BYTES = 5 << 30
NEEDED_ENCODERS = ("libx264", "aac")


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one part; a healthy one with something to mend could do better."""

    part: str
    healthy: bool
    text: str
    mend: str = ""


class Unwell(Exception):
    """A part is not well; carries what is wrong and how to mend it."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


class Doubtful(Unwell):
    """A part works, but not as well as it could."""


def examine() -> Iterator[Finding]:
    """Findings one by one, as soon as each is known."""
    examinations: dict[str, tuple[Callable[[], str], str]] = {
        "ffmpeg": (_ffmpeg, "Install the locked requirements again: `make bootstrap`."),
        "fonts": (_fonts, "Install the locked requirements again: `make bootstrap`."),
        "database": (_database, "Check DATABASE_URL, and that the server runs and lets us in."),
        "broker": (_broker, "Check CELERY_BROKER_URL, and that the Redis or Valkey server runs."),
        "cache": (_cache, "Check REDIS_URL, and that the Redis or Valkey server runs."),
        "storage": (_storage, "Check AWS_*, or who owns DATA_DIR/media and how full the disk is."),
        "clock": (_clock, "Switch time synchronisation on (chrony or systemd-timesyncd)."),
        "disk": (_disk, "Free some space in DATA_DIR, or lower TRACK_CACHE_BYTES."),
        "nodes": (_nodes, "Check DATABASE_URL, and run `manage.py migrate`."),
        "credentials": (credentials, "Put the missing key back into FIELD_ENCRYPTION_KEYS."),
    }
    for part, (look, usual_mend) in examinations.items():
        try:
            yield Finding(part, healthy=True, text=look())
        except Doubtful as doubtful:
            yield Finding(part, healthy=True, text=str(doubtful), mend=doubtful.mend)
        except Unwell as unwell:
            yield Finding(part, healthy=False, text=str(unwell), mend=unwell.mend)
        except Exception as error:  # noqa: BLE001 - every failure is a finding
            text = f"does not work ({error.__class__.__name__})"
            yield Finding(part, healthy=False, text=text, mend=usual_mend)


def _ffmpeg() -> str:
    program = imageio_ffmpeg.get_ffmpeg_exe()

    def ask(*words: str) -> str:
        answer = subprocess.run(
            [program, "-hide_banner", *words],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return answer.stdout

    found = re.search(r"ffmpeg version (\S+)", ask("-version"))
    encoders = ask("-encoders")
    missing = [name for name in NEEDED_ENCODERS if not re.search(rf"\s{name}\s", encoders)]
    if missing:
        raise Unwell(
            f"it cannot encode {', '.join(missing)}",
            "Use the ffmpeg of the locked requirements: `make bootstrap`.",
        )
    return f"version {found.group(1) if found else 'unknown'}, {' and '.join(NEEDED_ENCODERS)}"


def _fonts() -> str:
    """Titles of songs are drawn with the fonts of the machine that runs the worker."""
    fonts = fonts_here()
    if not fonts.files:
        raise Doubtful(
            "none is installed: titles of songs can be shown in Latin letters only",
            "Install fonts where workers run, such as fonts-noto-core and fonts-noto-cjk.",
        )
    return f"{', '.join(fonts.scripts)}" + (
        f"; none for {', '.join(fonts.missing)}" if fonts.missing else ""
    )


def _database() -> str:
    health.check_database()
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        raise Unwell(f"{len(waiting)} migrations are waiting", "Run `manage.py migrate`.")
    return f"{connection.vendor}, all migrations applied"


def _broker() -> str:
    health.run_bounded(health.check_broker)
    return "answers"


def _cache() -> str:
    health.run_bounded(health.check_cache)
    return "keeps values"


def _storage() -> str:
    health.run_bounded(health.check_storage, 20)
    kind = "object store" if settings.AWS_STORAGE_BUCKET_NAME else "local disk"
    return f"{kind}: writes, reads, deletes"


def _clock() -> str:
    """Certificates and schedules need the right time; a shared database shows a wrong one."""
    with connection.cursor() as cursor:
        before = timezone.now().timestamp()
        query = (
            "SELECT extract(epoch FROM clock_timestamp())"
            if connection.vendor == "postgresql"
            else "SELECT (julianday('now') - 2440587.5) * 86400.0"
        )
        cursor.execute(query)
        theirs = float(cursor.fetchone()[0])
    apart = abs(theirs - before)
    if apart > 1.0:
        raise Unwell(
            f"this machine and the database are {apart:.1f} s apart",
            "Switch time synchronisation on at both (chrony or systemd-timesyncd).",
        )
    state = Path("/run/systemd/timesync/synchronized")
    return "agrees with the database" + (", synchronised" if state.exists() else "")


def _disk() -> str:
    usage = shutil.disk_usage(settings.DATA_DIR)
    free = f"{usage.free / (1 << 30):.1f} GiB free in {settings.DATA_DIR}"
    if usage.free < LEAST_FREE_BYTES:
        raise Unwell(free, "Free some space there, or lower TRACK_CACHE_BYTES.")
    return free


def _nodes() -> str:
    """Several nodes can ask each other whether the database is away for all of them."""
    nodes = list(Node.objects.order_by("name").values_list("name", "peer_address"))
    silent = [name for name, address in nodes if not address]
    if len(nodes) > 1 and silent:
        raise Unwell(
            f"{len(nodes)} nodes are registered, and {', '.join(silent)} cannot be asked whether "
            "the database can be reached: when it is away, streams stop at their deadline",
            "Set NODE_PEER_LISTEN on every node and start it again; remove one that is gone for "
            "good with `manage.py drain_node --forget`.",
        )
    return f"{len(nodes)} registered"


def credentials() -> str:
    """Every stored secret still opens."""
    for key in settings.FIELD_ENCRYPTION_KEYS:
        Fernet(key.encode())
    opened = 0
    for model in apps.get_models():
        columns = [
            field.name
            for field in model._meta.concrete_fields  # noqa: SLF001 - public by convention
            if isinstance(field, EncryptedTextField)
        ]
        for column in columns:
            try:
                for value in model._default_manager.values_list(column, flat=True).iterator():  # noqa: SLF001
                    opened += bool(value)
            except ImproperlyConfigured as error:
                raise Unwell(
                    f"a stored secret in {model._meta.label} does not open",  # noqa: SLF001
                    str(error),
                ) from None
    return f"{len(settings.FIELD_ENCRYPTION_KEYS)} keys, {opened} stored secrets open"
