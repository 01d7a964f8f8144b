"""One file with all that an installation keeps: its database, and its media when they lie here.

A tar: `manifest.json` comes last, so that what was cut off is noticed. Secrets stay sealed in it
as they are in the database; the keys that open them (`FIELD_ENCRYPTION_KEYS`) are not in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.apps import apps
from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.streaming.models import Node
from apps.streaming.selectors import NODE_ALIVE

FORMAT = 1
_MANIFEST = "manifest.json"
_DATABASE = "database"
_MEDIA = "media"
_PIECE_BYTES = 1 << 20
_MANIFEST_MAX_BYTES = 256 << 20


class ArchiveRefused(Exception):
    """Nothing was changed; the text says why and what to do."""


@dataclass(slots=True)
class Contents:
    """What an archive holds."""

    made_at: str
    vendor: str
    migrations: list[list[str]]
    """Application and name of each that had been applied."""
    tables: dict[str, list[str]] = field(default_factory=dict)
    """Columns by table, where the database is kept table by table."""
    members: dict[str, list[Any]] = field(default_factory=dict)
    """Size and SHA-256 by name."""
    format: int = FORMAT

    @property
    def files(self) -> int:
        """How many media files there are."""
        return sum(name.startswith(f"{_MEDIA}/") for name in self.members)

    @property
    def size_bytes(self) -> int:
        """All members together."""
        return sum(size for size, _digest in self.members.values())


# -- writing ------------------------------------------------------------------------------------


def write(path: Path, *, with_media: bool = True) -> Contents:
    """Write everything to `path`, which appears there whole or not at all.

    The installation may run meanwhile: the database is that of one moment.

    Raises:
        OSError: the disk is full, or the file cannot be written there.
    """
    contents = Contents(
        made_at=timezone.now().isoformat(timespec="seconds"),
        vendor=connection.vendor,
        migrations=sorted(list(name) for name in _applied()),
    )
    part = path.with_name(f"{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = _Writer(tar, contents)
                for name, data in _database(path.parent, contents):
                    writer.add(name, data)
                if with_media:
                    for name, source in _media():
                        with contextlib.suppress(FileNotFoundError), source.open("rb") as data:
                            writer.add(name, data)
                text = json.dumps(
                    {name: getattr(contents, name) for name in Contents.__slots__}
                ).encode()
                writer.add(_MANIFEST, io.BytesIO(text))
                del contents.members[_MANIFEST]
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return contents


class _Writer:
    def __init__(self, tar: tarfile.TarFile, contents: Contents) -> None:
        self._tar = tar
        self._contents = contents

    def add(self, name: str, data: IO[bytes]) -> None:
        """All bytes that `data` has now; one that grows is taken as it is."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = data.seek(0, os.SEEK_END), 0o600
        data.seek(0)
        digest = _Digesting(data)
        self._tar.addfile(info, digest)
        self._contents.members[name] = [info.size, digest.sha256.hexdigest()]


class _Digesting:
    def __init__(self, data: IO[bytes]) -> None:
        self._data = data
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on, and remember the digest."""
        piece = self._data.read(size)
        self.sha256.update(piece)
        return piece


def _applied() -> set[tuple[str, str]]:
    return set(MigrationExecutor(connection).loader.applied_migrations)


def _database(directory: Path, contents: Contents) -> Iterator[tuple[str, IO[bytes]]]:
    if connection.vendor == "sqlite":
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".backup-") as file:
            with (
                contextlib.closing(sqlite3.connect(_sqlite_path())) as source,
                contextlib.closing(sqlite3.connect(file.name)) as copy,
            ):
                source.backup(copy)
            with Path(file.name).open("rb") as data:
                yield f"{_DATABASE}/db.sqlite3", data
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        tables = connection.introspection.django_table_names(
            only_existing=True, include_views=False
        )
        for table in sorted({*tables, "django_migrations"}):
            described = connection.introspection.get_table_description(cursor, table)
            contents.tables[table] = [column.name for column in described]
            with tempfile.TemporaryFile(dir=directory) as file:
                with cursor.cursor.copy(_copy(table, contents, "TO STDOUT")) as rows:
                    for piece in rows:
                        file.write(piece)
                yield f"{_DATABASE}/{table}.copy", file


def _copy(table: str, contents: Contents, how: str) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(column) for column in contents.tables[table])
    return f"COPY {quote(table)} ({columns}) {how}"


def _sqlite_path() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _media_root() -> Path | None:
    """Where media lie; None when that is not on this machine."""
    storage = storages["default"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def _media() -> Iterator[tuple[str, Path]]:
    root = _media_root()
    if root is None:
        return
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield f"{_MEDIA}/{path.relative_to(root).as_posix()}", path


# -- reading ------------------------------------------------------------------------------------


def examine(path: Path) -> Contents:
    """What `path` holds, after every byte of it was checked.

    Raises:
        ArchiveRefused: it is no archive of ours, is damaged, or does not fit this installation.
    """
    found: dict[str, list[Any]] = {}
    contents = None
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                data = tar.extractfile(info) if info.isreg() else None
                if data is None or contents is not None:
                    raise ArchiveRefused(f"{path} is not a backup of this product.")
                if info.name == _MANIFEST and info.size <= _MANIFEST_MAX_BYTES:
                    contents = Contents(**json.loads(data.read()))
                    continue
                digest = _Digesting(data)
                while digest.read(_PIECE_BYTES):
                    pass
                found[info.name] = [info.size, digest.sha256.hexdigest()]
    except (tarfile.TarError, EOFError, ValueError, TypeError):
        raise ArchiveRefused(
            f"{path} is not a backup of this product, or it is damaged. Take another one."
        ) from None
    if contents is None or contents.format != FORMAT:
        raise ArchiveRefused(f"{path} is cut off, or was made by another release.")
    if found != contents.members or not all(_is_ours(name) for name in found):
        raise ArchiveRefused(f"{path} is damaged. Nothing was changed; take another backup.")
    _refuse_other_releases(path, contents)
    return contents


def _is_ours(name: str) -> bool:
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return inside and len(path.parts) > 1 and path.parts[0] in (_DATABASE, _MEDIA)


def _refuse_other_releases(path: Path, contents: Contents) -> None:
    if contents.vendor != connection.vendor:
        raise ArchiveRefused(
            f"{path} is of a {contents.vendor} database, and the one here is {connection.vendor}. "
            "Restore it into one of its own kind: see DATABASE_URL."
        )
    known = {tuple(name) for name in MigrationExecutor(connection).loader.disk_migrations}
    made = {(app, name) for app, name in contents.migrations}
    if made - known:
        raise ArchiveRefused(f"{path} was made by a newer release. Install that one first.")
    if connection.vendor != "sqlite" and known - made:
        raise ArchiveRefused(
            f"{path} was made by an older release. Restore it with that one, then update."
        )


def refuse_what_runs() -> None:
    """Raises `ArchiveRefused` while something of this installation uses database or media."""
    lock = Path(settings.DATA_DIR) / "run" / "up.lock"
    if lock.exists():
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ArchiveRefused(
                    f"The installation in {settings.DATA_DIR} runs. Stop it first."
                ) from None
    with contextlib.suppress(DatabaseError):
        alive = Node.objects.filter(last_seen__gt=timezone.now() - NODE_ALIVE).first()
        if alive is not None:
            raise ArchiveRefused(
                f"The node {alive.name} is running. Stop all nodes, workers and web first, and "
                f"wait {NODE_ALIVE.total_seconds():.0f} s."
            )


def is_empty() -> bool:
    """Whether there is nothing here that a restore would replace."""
    try:
        return not apps.get_model("accounts", "User").objects.exists()
    except DatabaseError:
        return True
    finally:
        connection.close()


def restore(path: Path, contents: Contents) -> None:
    """Put back what `examine` found in `path`: the database as a whole, media file by file.

    Media that are not in the archive stay. A database of an older release is brought up to date.
    """
    with tarfile.open(path, "r:") as tar:
        if connection.vendor == "sqlite":
            _restore_sqlite(tar)
        else:
            call_command("migrate", interactive=False, verbosity=0)
            _restore_tables(tar, contents)
        root = _media_root()
        for info in tar:
            if root is not None and info.name.startswith(f"{_MEDIA}/"):
                _put(tar, info, root / info.name.removeprefix(f"{_MEDIA}/"))
    call_command("migrate", interactive=False, verbosity=0)


def _put(tar: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _written(tar, info, target).replace(target)


def _written(tar: tarfile.TarFile, info: tarfile.TarInfo, target: Path) -> Path:
    """A file beside `target` with what shall take its place."""
    part = target.with_name(f".{target.name[:200]}.restored")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in _pieces(tar, info):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return part


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo | str) -> Iterator[bytes]:
    data = tar.extractfile(member)
    while data is not None and (piece := data.read(_PIECE_BYTES)):
        yield piece


def _restore_sqlite(tar: tarfile.TarFile) -> None:
    target = _sqlite_path()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = _written(tar, tar.getmember(f"{_DATABASE}/db.sqlite3"), target)
    connections.close_all()
    # What the old one had not written back belongs to no other database.
    for leftover in ("-wal", "-shm"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    part.replace(target)


def _restore_tables(tar: tarfile.TarFile, contents: Contents) -> None:
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(quote(table) for table in contents.tables)} CASCADE")
        for table in contents.tables:
            with cursor.cursor.copy(_copy(table, contents, "FROM STDIN")) as rows:
                for piece in _pieces(tar, f"{_DATABASE}/{table}.copy"):
                    rows.write(piece)
        models = apps.get_models(include_auto_created=True)
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
