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


@dataclass(frozen=True, slots=True)
class Stretch(Generic[Row]):
    """Some rows of an order, and where the neighbouring stretches begin."""

    rows: Sequence[Row]
    before: str
    """Cursor of what comes before them; empty for nothing."""
    after: str
    """Cursor of what follows them; empty for nothing."""


def in_order(
    rows: QuerySet[Row],
    order: Sequence[str],
    *,
    after: str = "",
    before: str = "",
    limit: int = MOST_ROWS,
) -> Stretch[Row]:
    """One page of `rows` in `order`: columns without nulls, `-` for descending, the last unique.

    `after` and `before` are cursors of an earlier stretch. One that is not ours counts as none:
    whoever follows an old address gets the first page.
    """
    limit = max(1, min(limit, MOST_ROWS))
    place = _values(rows, order, after or before)
    back = place is not None and not after
    turned = [_turned(column) for column in order] if back else list(order)
    if place is not None:
        rows = rows.filter(_beyond(turned, place))
    found = list(rows.order_by(*turned)[: limit + 1])
    more = len(found) > limit
    page = found[:limit]
    if back:
        page.reverse()
    ends = [encode(*_told(row, order)) for row in (page[:1] + page[-1:])]
    has_before = more if back else place is not None
    has_after = True if back else more
    return Stretch(
        page,
        before=ends[0] if ends and has_before else "",
        after=ends[-1] if ends and has_after else "",
    )


def _turned(column: str) -> str:
    return column.removeprefix("-") if column.startswith("-") else f"-{column}"


def _beyond(order: Sequence[str], place: Sequence[Any]) -> Q:
    """What comes behind `place`: equal in the first columns, and further in the next one."""
    beyond, equal = Q(), Q()
    for column, value in zip(order, place, strict=True):
        name = column.removeprefix("-")
        further = "lt" if column.startswith("-") else "gt"
        beyond |= equal & Q(**{f"{name}__{further}": value})
        equal &= Q(**{name: value})
    # Implied by the rest; it lets an index find the place.
    first = order[0].removeprefix("-")
    edge = "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{edge}": place[0]}) & beyond


def _told(row: Model, order: Sequence[str]) -> list[str]:
    return [str(_field(type(row), column).value_to_string(row)) for column in order]


def _values(rows: QuerySet[Any], order: Sequence[str], cursor: str) -> list[Any] | None:
    if not cursor:
        return None
    try:
        parts = decode(cursor, len(order))
        return [
            _field(rows.model, column).to_python(part)
            for column, part in zip(order, parts, strict=True)
        ]
    except (Problem, ValidationError, ValueError):
        return None


def _field(model: type[Model], column: str) -> Any:
    options = model._meta  # noqa: SLF001 - public by convention
    name = column.removeprefix("-")
    return options.pk if name == "pk" else options.get_field(name)


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
