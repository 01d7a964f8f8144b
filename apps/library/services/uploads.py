"""Receiving files: rows hold how far an upload has come, a part file holds its bytes.

The row is the truth. A part file longer than its row is cut back before more is written, so that a
crash between writing and noting costs a piece, never a byte in the wrong place.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.billing.entitlements import entitlements_for
from apps.core.lines import one_line
from apps.core.wake import wake_task_on_commit
from apps.library import preparation
from apps.library.models import UPLOAD_LIFETIME, Asset, AssetState, Upload
from apps.library.selectors import storage_used, totals

DISK_RESERVE_BYTES = 512 << 20
"""Left free on the disk whatever people upload: what is on air needs its cache and its logs."""


class UploadRefused(Exception):
    """A file, or a piece of one, was not accepted; nothing of it was kept."""

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class UploadConflict(Exception):
    """The sender and we disagree about how much has arrived; `offset` is what we have."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"{offset} bytes have arrived.")
        self.offset = offset


class UploadBusy(Exception):
    """Another request is writing to this upload."""


def create_upload(*, workspace: Workspace, by: User, name: str, length: int) -> Upload:
    """Promise room for a file of `length` bytes called `name`.

    Raises:
        UploadRefused: it is empty or too large, or the disk or the plan has no room for it.
    """
    if length <= 0:
        raise UploadRefused("upload.empty", _("The file is empty."), status=400)
    if length > settings.UPLOAD_MAX_BYTES:
        raise UploadRefused(
            "upload.too_large",
            _("The file is larger than %(limit)s, the most that this installation accepts.")
            % {"limit": _spoken_bytes(settings.UPLOAD_MAX_BYTES)},
            status=413,
        )
    _require_disk(length)
    shown = displayed_name(name)
    with transaction.atomic():
        # The workspace row makes two uploads at the same moment count each other.
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        allowed = entitlements_for(workspace).storage_bytes
        used = storage_used(workspace)
        if used + length > allowed:
            raise UploadRefused(
                "upload.quota",
                _("Your plan holds %(allowed)s; %(used)s are used. Delete files you do not need.")
                % {"allowed": _spoken_bytes(allowed), "used": _spoken_bytes(used)},
                status=413,
            )
        asset = Asset.objects.create(
            workspace=workspace,
            uploaded_by=by,
            title=_title_of(shown),
            original_name=shown,
            size_bytes=length,
            state=AssetState.UPLOADING,
        )
        totals.forget(workspace.pk)
        return Upload.objects.create(
            asset=asset, length=length, expires_at=timezone.now() + UPLOAD_LIFETIME
        )


def received_bytes(upload: Upload) -> int:
    """How many bytes are safely here; fewer than noted when the disk lost some."""
    if upload.asset.state != AssetState.UPLOADING:
        return upload.length
    try:
        return min(upload.offset, part_path(upload.pk).stat().st_size)
    except FileNotFoundError:
        return upload.offset if _is_stored(upload) else 0


def append_to_upload(*, upload: Upload, offset: int, pieces: Iterable[bytes]) -> int:
    """Write `pieces` behind what has arrived and return the new offset.

    What arrived before the sender went away is kept. The upload is finished when it is complete.

    Raises:
        UploadBusy: another request is writing.
        UploadConflict: `offset` is not where we are.
        UploadRefused: more bytes than promised, or the disk is full.
    """
    if _is_finished(upload):
        if offset != upload.length:
            raise UploadConflict(upload.length)
        return upload.length
    with _locked_part(upload.pk) as part:
        upload.refresh_from_db(fields=["offset", "length"])
        here = min(upload.offset, os.fstat(part.fileno()).st_size)
        if upload.offset == upload.length and _is_stored(upload):
            here = upload.length
        if offset != here:
            raise UploadConflict(here)
        if here < upload.length:
            part.truncate(here)
            part.seek(here)
        reached = here
        try:
            for piece in pieces:
                if reached + len(piece) > upload.length:
                    raise UploadRefused(
                        "upload.longer",
                        _("More bytes came than the file was said to have."),
                        status=413,
                    )
                part.write(piece)
                reached += len(piece)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise _no_room() from error
        finally:
            with contextlib.suppress(OSError):
                part.flush()
            if reached != upload.offset:
                upload.offset = reached
                Upload.objects.filter(pk=upload.pk).update(
                    offset=reached, expires_at=timezone.now() + UPLOAD_LIFETIME
                )
        if reached == upload.length:
            part.flush()
            os.fsync(part.fileno())
            _store(upload)
    return reached


def finish_upload(*, upload: Upload) -> None:
    """Hand a complete upload over to checking; harmless when that has happened."""
    if _is_finished(upload):
        return
    with _locked_part(upload.pk):
        _store(upload)


def receive_file(*, workspace: Workspace, by: User, file: UploadedFile[bytes]) -> Asset:
    """Take a file that came as one form field.

    Raises:
        UploadRefused: as `create_upload` and `append_to_upload` do.
    """
    upload = create_upload(workspace=workspace, by=by, name=file.name or "", length=file.size or 0)
    try:
        append_to_upload(upload=upload, offset=0, pieces=file.chunks(1 << 20))
    except BaseException:
        discard_upload(upload=upload)
        raise
    return upload.asset


def discard_upload(*, upload: Upload) -> None:
    """Forget an unfinished upload and its bytes."""
    asset = upload.asset
    deleted, _rows = Asset.objects.filter(pk=asset.pk, state=AssetState.UPLOADING).delete()
    if deleted:
        totals.forget(asset.workspace_id)
        part_path(upload.pk).unlink(missing_ok=True)


def expire_uploads() -> int:
    """Throw away uploads nobody goes on with, and part files that belong to none; how many."""
    thrown = 0
    late = Upload.objects.select_related("asset").filter(expires_at__lt=timezone.now())
    for upload in late[:200]:
        if upload.asset.state != AssetState.UPLOADING:
            upload.delete()
            continue
        if upload.offset == upload.length:
            with contextlib.suppress(UploadBusy, OSError):
                finish_upload(upload=upload)
            continue
        discard_upload(upload=upload)
        thrown += 1
    known = {str(pk) for pk in Upload.objects.values_list("pk", flat=True)}
    oldest = (timezone.now() - UPLOAD_LIFETIME).timestamp()
    for path in _uploads_directory().glob("*.part"):
        with contextlib.suppress(FileNotFoundError):
            if path.stem not in known and path.stat().st_mtime < oldest:
                path.unlink()
                thrown += 1
    return thrown


def part_path(upload_id: uuid.UUID) -> Path:
    """Where the bytes of an unfinished upload lie; a name of our own making."""
    return _uploads_directory() / f"{upload_id}.part"


def source_name(asset: Asset) -> str:
    """Storage name of the source file; a name of our own making."""
    return f"sources/{asset.workspace_id}/{asset.pk}"


def displayed_name(name: str) -> str:
    """The sender's name for a file, fit to be shown: one line, no path, nothing invisible."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return one_line(last)[:255] or "untitled"


def _title_of(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    title = stem if dot and stem and len(extension) <= 5 else name
    return " ".join(title.replace("_", " ").split())[:200] or "untitled"


def _store(upload: Upload) -> None:
    """Move the bytes into storage and queue the check. Called with the part file locked."""
    asset = upload.asset
    name = source_name(asset)
    part = part_path(upload.pk)
    if not _is_stored(upload):
        if preparation.is_local():
            target = Path(default_storage.path(name))
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.chmod(0o600)
            try:
                part.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.move(part, target)
        else:
            with part.open("rb") as file:
                default_storage.save(name, File(file))
    with transaction.atomic():
        Asset.objects.filter(pk=asset.pk, state=AssetState.UPLOADING).update(
            state=AssetState.CHECKING,
            storage_key=name,
            size_bytes=upload.length,
            updated_at=timezone.now(),
        )
        wake_task_on_commit("apps.library.tasks.check_asset", str(asset.pk))
    asset.state, asset.storage_key = AssetState.CHECKING, name
    part.unlink(missing_ok=True)


def _is_finished(upload: Upload) -> bool:
    """Whether the file was handed over. The row stays a while: the sender may have missed it."""
    upload.asset.refresh_from_db(fields=["state"])
    return upload.asset.state != AssetState.UPLOADING


def _is_stored(upload: Upload) -> bool:
    """Whether all bytes are in storage: true after a crash between moving and noting it."""
    name = source_name(upload.asset)
    return default_storage.exists(name) and default_storage.size(name) == upload.length


@contextlib.contextmanager
def _locked_part(upload_id: uuid.UUID) -> Iterator[IO[bytes]]:
    path = part_path(upload_id)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadBusy(f"Upload {upload_id} is being written to.") from error
        yield part


def _uploads_directory() -> Path:
    directory: Path = settings.DATA_DIR / "uploads"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _require_disk(length: int) -> None:
    promised = Upload.objects.aggregate(left=Sum(F("length") - F("offset")))["left"] or 0
    free = shutil.disk_usage(_uploads_directory()).free
    if free - promised - length < DISK_RESERVE_BYTES:
        raise _no_room()


def _no_room() -> UploadRefused:
    return UploadRefused(
        "upload.no_space",
        _("The server's disk has no room for this file. Tell the operator, or delete files here."),
        status=507,
    )


def _spoken_bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}".replace(".0", "")
        size /= 1000
    return f"{size:.1f} TB".replace(".0", "")
