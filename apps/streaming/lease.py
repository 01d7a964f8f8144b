"""Who may publish an output: claim, renew, release by conditional UPDATE on the database's clock.

The safety property is one publisher per key. A lease lasts `TTL` and is renewed every 5 s; its
holder stops by itself 12 s after the start of its last renewal. Somebody else may take it only when
it has been expired for `GRACE`, and only when the taker has itself been in unbroken contact with
the database for `CONTACT`: after an outage of the database every old holder therefore renews first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Now

from apps.streaming.models import Desired, Node, Output

TTL = timedelta(seconds=20)
GRACE = timedelta(seconds=5)
CONTACT = timedelta(seconds=25)


@dataclass(frozen=True, slots=True)
class Held:
    """An output that a node may publish, and the token that proves it."""

    output_id: UUID
    token: int


def claim(
    *,
    node: str,
    limit: int,
    contact: timedelta,
    fitting: Callable[[Sequence[str]], int] = len,
) -> list[Held]:
    """Take up to `limit` wanted outputs that are free, and add 1 to the token of each.

    `contact` is how long the node has been in unbroken contact with the database. Outputs that
    nobody ever owned, or whose owner released them, need none. `fitting` says of the profiles of
    free outputs, in the order in which they would be taken, how many the node has room for.
    """
    if limit <= 0:
        return []
    with transaction.atomic():
        if Node.objects.filter(pk=node, draining=True).exists():
            return []
        free = _free(node=node, contact=contact)
        candidates = free.order_by("expires_at", "created_at").values_list("pk", "profile")
        if connection.features.has_select_for_update_skip_locked:
            # Two claimants look at different rows instead of queueing for the same ones.
            candidates = candidates.select_for_update(skip_locked=True)
        found = list(candidates[:limit])
        if not found:
            return []
        chosen = [pk for pk, _ in found[: fitting([profile for _, profile in found])]]
        if not chosen:
            return []
        # The condition once more: on SQLite nothing locked the rows between the two statements.
        free.filter(pk__in=chosen).update(
            node=node, expires_at=_from_now(TTL), token=F("token") + 1
        )
        return [
            Held(pk, token)
            for pk, token in Output.objects.filter(pk__in=chosen, node=node).values_list(
                "pk", "token"
            )
        ]


def _free(*, node: str, contact: timedelta) -> QuerySet[Output]:
    free = Q(node="")
    if contact >= CONTACT:
        free |= Q(expires_at__lt=_from_now(-GRACE)) & ~Q(node=node)
    return Output.objects.filter(free, desired=Desired.ON)


def renew(*, node: str) -> list[Held]:
    """Extend all leases of `node` in one statement; return those it still holds.

    The match is by owner, not by expiry: an expired lease that nobody has taken is simply
    continued, with its token. Leases belong to the node, so a restarted process renews what its
    predecessor held.
    """
    # One transaction, so that what is returned is what was extended.
    with transaction.atomic():
        if not Output.objects.filter(node=node).update(expires_at=_from_now(TTL)):
            return []
        return [
            Held(pk, token)
            for pk, token in Output.objects.filter(node=node).values_list("pk", "token")
        ]


def release(*, node: str, held: Iterable[Held]) -> int:
    """Give up leases whose sessions have ended; return how many. An old token changes nothing."""
    with transaction.atomic():
        return sum(
            Output.objects.filter(pk=each.output_id, node=node, token=each.token).update(
                node="", expires_at=None
            )
            for each in sorted(held, key=lambda each: each.output_id)
        )


def _from_now(delta: timedelta) -> ExpressionWrapper[Any]:
    """The database's clock shifted by `delta`."""
    return ExpressionWrapper(Now() + delta, output_field=DateTimeField())
