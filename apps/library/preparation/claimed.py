"""Work on a row under a lease: renewing it, and what becomes of a failure."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from django.conf import settings

from apps.library import lease
from apps.library.models import Asset, TitleCard, Track
from playout.errors import PlayoutError, PrepareCancelled, Retry
from playout.prepare.run import Progress

ATTEMPTS = 5
"""Claims after which a row that keeps failing, or keeps killing its worker, is given up."""


def require(keep: Callable[[], bool]) -> None:
    """Raise `PrepareCancelled` when `keep` says that nobody wants the result any more."""
    if not keep():
        raise PrepareCancelled("The work was interrupted.")


class Keeper:
    """Renews a lease while work goes on, and notes progress, both no oftener than is of use."""

    def __init__(self, row: Asset | Track | TitleCard, owner: str) -> None:
        self._row = row
        self._owner = owner
        self._asset_id = row.pk if isinstance(row, Asset) else row.asset_id
        self._renew_at = time.monotonic() + lease.RENEW_EVERY_SECONDS
        self._note_at = 0.0
        self._noted = 0
        self.lost = False
        """Somebody else has the row, or the asset was deleted: stop and write nothing."""

    def keep(self) -> bool:
        """Whether to go on; asks the database every few seconds only."""
        if not self.lost and time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + lease.RENEW_EVERY_SECONDS
            wanted = Asset.objects.filter(pk=self._asset_id, deleted_at__isnull=True).exists()
            self.lost = not (wanted and lease.renew(self._row, self._owner))
        return not self.lost

    def note_progress(self, progress: Progress) -> None:
        """Write whole per cent, at most one a second."""
        percent = min(99, int(progress.fraction * 100))
        now = time.monotonic()
        if percent > self._noted and now >= self._note_at:
            self._noted, self._note_at = percent, now + 1.0
            Track.objects.filter(pk=self._row.pk, lease_owner=self._owner).update(progress=percent)


@contextlib.contextmanager
def released(row: Asset | Track | TitleCard, owner: str) -> Iterator[None]:
    """Give the row back when the work is over, however it ended."""
    try:
        yield
    finally:
        lease.release(row, owner)


class GivenUp(PlayoutError):
    """The work was tried too often."""

    code = "prepare.gave_up"
    retry = Retry.NEVER
    advice = "Try it once more; if it stays, export the file again as MP4 and upload that."


def give_up_after(attempt: int) -> None:
    """Raise `GivenUp` for a row that was claimed too often."""
    if attempt > ATTEMPTS:
        raise GivenUp(f"Working on this file was begun {ATTEMPTS} times and never ended.")


def will_try_again(error: PlayoutError, attempt: int) -> bool:
    """Whether a failure may pass by itself, and attempts are left."""
    return error.retry is Retry.SOON and attempt < ATTEMPTS


def failure_of(error: PlayoutError) -> dict[str, str]:
    """An engine error as columns. Paths of this machine are nobody's business."""
    message = str(error.args[0])
    for root in (str(settings.MEDIA_ROOT), str(settings.DATA_DIR)):
        message = message.replace(root, "…")
    return {
        "failure_code": error.code,
        "failure_message": message[:500],
        "failure_advice": error.advice[:500],
    }
