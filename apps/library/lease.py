"""Who works on a row: one conditional UPDATE on the database's clock.

A task delivered twice finds the row taken. A row whose worker was killed is free again when its
lease has run out, or at once when that process ran on this machine. Renewing and releasing match
the owner, so a late worker changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.library.models import Asset, Leased, TitleCard, Track

TTL = timedelta(seconds=90)
"""Longer than the longest silence of a working task: a probe may take 60 s."""

RENEW_EVERY_SECONDS = 10.0

_Row = TypeVar("_Row", Asset, Track, TitleCard)


def new_owner() -> str:
    """A name for one run of a task, unlike any other; it says which process that is."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_started(pid)}:{uuid.uuid4().hex[:8]}"


def is_free(row: Leased) -> bool:
    """Whether nobody works on `row`, as far as can be told here."""
    if not row.lease_owner or row.lease_expires_at is None:
        return True
    return row.lease_expires_at < timezone.now() or _is_dead(row.lease_owner)


def claim(rows: QuerySet[_Row], owner: str) -> bool:
    """Take the one row in `rows`; False when somebody works on it or it is not there any more."""
    taken = {
        "lease_owner": owner,
        "lease_expires_at": Now() + TTL,
        "attempt": F("attempt") + 1,
    }
    free = Q(lease_owner="") | Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())
    if rows.filter(free).update(**taken) == 1:
        return True
    holder = rows.values_list("lease_owner", flat=True).first()
    if not holder or not _is_dead(holder):
        return False
    return rows.filter(lease_owner=holder).update(**taken) == 1


def renew(row: Asset | Track | TitleCard, owner: str) -> bool:
    """Keep the row; False when it was lost, and the work must stop without a trace."""
    rows = type(row).objects.filter(pk=row.pk, lease_owner=owner)
    return rows.update(lease_expires_at=Now() + TTL) == 1


def release(row: Asset | Track | TitleCard, owner: str) -> None:
    """Give the row back, when it is still ours."""
    rows = type(row).objects.filter(pk=row.pk, lease_owner=owner)
    rows.update(lease_owner="", lease_expires_at=None)


def _is_dead(owner: str) -> bool:
    """Whether `owner` was a process of this machine that is no more."""
    host, _, rest = owner.partition(":")
    pid, _, rest = rest.partition(":")
    started = rest.partition(":")[0]
    return host == _host() and pid.isdigit() and _started(int(pid)) != started


def _host() -> str:
    return socket.gethostname()[:40].replace(":", "-")


def _started(pid: int) -> str:
    """When a process began, in ticks since boot; empty when there is none (proc(5), field 22)."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # A zombie has ended already; it only waits for its parent to notice.
        return fields[19] if fields[0] not in ("Z", "X") else ""
    return ""
