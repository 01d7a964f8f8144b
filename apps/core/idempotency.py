"""A request sent twice is done once: the second time the stored answer comes back.

The row is claimed before the work and filled in the transaction that does it, so that neither is
kept without the other. A worker that dies in between leaves its claim; it runs out after
`CLAIM_TIME`, and then the request may be tried again.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from apps.core.models import StoredReply
from apps.core.problems import IN_PROGRESS, KEY_INVALID, KEY_REUSED, Problem

KEPT = timedelta(hours=24)
CLAIM_TIME = timedelta(minutes=2)
"""Longer than any request lasts."""

REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NOT_FINAL = (401, 403, 429)
"""Refusals before anything was looked at; the same request may succeed later."""

_KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Retry-After")


def once(
    *,
    caller: uuid.UUID,
    key: str,
    fingerprint: str,
    work: Callable[[], HttpResponseBase],
    is_short: bool = True,
    now: datetime | None = None,
) -> HttpResponseBase:
    """What `work` answers, or what it answered before to the same request.

    Refusals of the content are answers too; failures of ours and refusals of the caller are not
    kept. Work that is not short (an upload) does not run inside a transaction.

    Raises:
        Problem: the key is unusable, belongs to another request, or its request still runs.
    """
    if not _KEY.fullmatch(key):
        raise Problem(KEY_INVALID)
    now = now or timezone.now()
    reply = _claim(caller, key, fingerprint, now=now)
    if reply.status:
        return _replayed(reply)
    mine = StoredReply.objects.filter(pk=reply.pk, claimed_at=now, status=0)
    is_final = False
    try:
        with transaction.atomic() if is_short else contextlib.nullcontext():
            response = work()
            is_final = not (
                response.streaming
                or response.status_code >= 500
                or response.status_code in _NOT_FINAL
            )
            if is_final:
                mine.update(
                    status=response.status_code,
                    headers={name: response[name] for name in _KEPT_HEADERS if name in response},
                    body=response.content if isinstance(response, HttpResponse) else b"",
                )
            elif is_short:
                transaction.set_rollback(True)
    finally:
        if not is_final:
            mine.delete()
    return response


def prune(*, now: datetime | None = None) -> int:
    """Forget answers older than a day; how many."""
    old = StoredReply.objects.filter(claimed_at__lt=(now or timezone.now()) - KEPT)
    return old.delete()[0]


def _claim(caller: uuid.UUID, key: str, fingerprint: str, *, now: datetime) -> StoredReply:
    """A row of ours to fill, or the filled one of an earlier request."""
    try:
        with transaction.atomic():
            return StoredReply.objects.create(
                caller=caller, key=key, fingerprint=fingerprint, claimed_at=now
            )
    except IntegrityError:
        pass
    there = StoredReply.objects.filter(caller=caller, key=key).first()
    if there is None:
        # Its request failed a moment ago.
        raise Problem(IN_PROGRESS, headers={"Retry-After": "1"})
    is_over = there.claimed_at < now - (KEPT if there.status else CLAIM_TIME)
    if is_over:
        # Only one of several who find it so gets it.
        taken = StoredReply.objects.filter(
            pk=there.pk, claimed_at=there.claimed_at, status=there.status
        ).update(claimed_at=now, fingerprint=fingerprint, status=0, headers={}, body=b"")
        if not taken:
            raise Problem(IN_PROGRESS, headers={"Retry-After": "1"})
        there.refresh_from_db()
        return there
    if there.fingerprint != fingerprint:
        raise Problem(KEY_REUSED)
    if not there.status:
        raise Problem(IN_PROGRESS, headers={"Retry-After": "1"})
    return there


def _replayed(reply: StoredReply) -> HttpResponse:
    response = HttpResponse(bytes(reply.body), status=reply.status)
    del response["Content-Type"]
    for name, value in reply.headers.items():
        response[name] = value
    response[REPLAYED] = "true"
    return response
