"""Paging by where the last row stood, not by how many rows came before it.

Rows that are added or removed meanwhile neither repeat nor hide others. A cursor is opaque: it
grants nothing, since the same filters apply to the next page.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

from apps.core.problems import INVALID, Fault, Problem

MOST_ROWS = 100
"""Of one page, whatever is asked for."""

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Window(Generic[Row]):
    """Some rows, and where the next ones begin."""

    rows: Sequence[Row]
    next: str | None
    """Cursor of the next page; None on the last one."""


def newest_first(
    rows: QuerySet[Row], *, cursor: str, limit: int, moment: str = "created_at"
) -> Window[Row]:
    """One page of `rows`, latest `moment` first; `cursor` is empty for the first page.

    Raises:
        Problem: the cursor is not one of ours.
    """
    limit = max(1, min(limit, MOST_ROWS))
    if cursor:
        at, pk = _place(rows, cursor)
        # The first condition is implied by the second; it lets an index find the place.
        rows = rows.filter(**{f"{moment}__lte": at}).filter(
            Q(**{f"{moment}__lt": at}) | Q(pk__lt=pk)
        )
    found = list(rows.order_by(f"-{moment}", "-pk")[: limit + 1])
    page = found[:limit]
    more = len(found) > limit
    last = page[-1] if page else None
    return Window(
        page,
        encode(getattr(last, moment).isoformat(), str(last.pk)) if more and last else None,
    )


def encode(*parts: str) -> str:
    """A cursor that `decode` turns into the same parts."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, count: int) -> tuple[str, ...]:
    """The `count` parts of a cursor.

    Raises:
        Problem: it is not one of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise not_ours() from None
    if (
        not isinstance(parts, list)
        or len(parts) != count
        or not all(isinstance(part, str) for part in parts)
    ):
        raise not_ours()
    return tuple(parts)


def not_ours() -> Problem:
    """The refusal of a cursor that we did not write."""
    return Problem(
        INVALID,
        faults=[
            Fault("Send `next` of an earlier page as it was, or no cursor.", parameter="cursor")
        ],
    )


def _place(rows: QuerySet[Any], cursor: str) -> tuple[datetime, Any]:
    at, pk = decode(cursor, 2)
    try:
        moment = parse_datetime(at)
        key = rows.model._meta.pk.to_python(pk)  # noqa: SLF001 - public by convention
    except (ValueError, ValidationError):
        raise not_ours() from None
    if moment is None or moment.tzinfo is None:
        raise not_ours()
    if isinstance(key, int) and not 0 <= key < 1 << 63:
        raise not_ours()
    return moment, key
