"""Entity tags: a reader is told "unchanged" (304), a writer "changed since you read it" (412)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

from apps.core.problems import CHANGED, Problem

Row = TypeVar("Row", bound=Model)


def etag_of(content: bytes) -> str:
    """The tag of a representation: equal for equal bytes."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_listed(header: str, etag: str) -> bool:
    """Whether an `If-Match` or `If-None-Match` names `etag`.

    Weak tags count as strong ones: compression on the way out marks ours as weak.
    """
    tags = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in tags or etag in tags


@contextmanager
def unless_changed(
    request: HttpRequest, row: Row, represent: Callable[[Row], bytes]
) -> Iterator[Row]:
    """Write inside this: with `If-Match`, `row` is locked and still as the writer read it.

    Raises:
        Problem: it is not.
    """
    header = request.headers.get("If-Match")
    if header is None:
        yield row
        return
    with transaction.atomic():
        table = type(row)._default_manager  # noqa: SLF001 - documented by Django
        locked = table.select_for_update().filter(pk=row.pk)
        # Read for its lock; what was read before it may be old.
        if not list(locked.values_list("pk")):
            raise Problem(CHANGED)
        row.refresh_from_db()
        if not is_listed(header, etag_of(represent(row))):
            raise Problem(CHANGED)
        yield row
