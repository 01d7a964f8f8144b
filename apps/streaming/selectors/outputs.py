"""Outputs: where streams go, and what is seen of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.streaming import status
from apps.streaming.models import Desired, Output, State, Stream


def outputs_of(stream: Stream) -> QuerySet[Output]:
    """Where the stream goes, first one first, with destinations and without their keys.

    No page needs a key, and a page about a key that cannot be read must still open.
    """
    return (
        stream.outputs.filter(removed_at=None)
        .select_related("destination")
        .defer("destination__key")
        .order_by("created_at", "pk")
    )


def busy_outputs(fingerprints: Sequence[str], *, besides: Stream) -> QuerySet[Output]:
    """Outputs that use one of these publishing points, or may still be closing their session.

    Those that `besides` has now are left out; one that it gave up a moment ago is not.
    """
    return (
        Output.objects.filter(destination__fingerprint__in=fingerprints)
        .exclude(stream=besides, removed_at=None)
        .filter(Q(desired=Desired.ON) | ~Q(node="") & Q(expires_at__gt=Now()))
        .select_related("stream")
        .order_by("-desired", "created_at")
    )


def publishing_points_in_use(fingerprints: Collection[str]) -> set[str]:
    """Those of them that some output has of its own, on air or not: one query."""
    if not fingerprints:
        return set()
    rows = Output.objects.filter(
        Q(removed_at=None) | ~Q(node="") & Q(expires_at__gt=Now()),
        destination__fingerprint__in=fingerprints,
    )
    return set(rows.order_by().values_list("destination__fingerprint", flat=True))


def telling_output(outputs: Iterable[Output]) -> Output | None:
    """The output whose report says what the stream plays: one that is on air, else the first."""
    found = list(outputs)
    on_air = (o for o in found if o.state in (State.ON_AIR, State.DEGRADED) and o.item_id)
    return next(on_air, found[0] if found else None)


def reported_uuid(text: str) -> UUID | None:
    """The id that a node reported; None for none, or what is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def status_of(stream: Stream, *, now: datetime | None = None) -> status.Status:
    """What a user sees of the stream."""
    now = now or timezone.now()
    statuses = [output_status(output, stream, now=now) for output in stream.outputs.all()]
    return status.of_statuses(statuses, wanted=stream.is_wanted)


def output_status(
    output: Output, stream: Stream | None = None, *, now: datetime | None = None
) -> status.Status:
    """What a user sees of one output. It was asked for with its stream, or when it joined it."""
    return status.of_output(
        output,
        wanted_since=output.joined_at or (stream or output.stream).started_at,
        now=now or timezone.now(),
    )


def is_simulated(output: Output) -> bool:
    """Whether the output goes to the receiver that comes with this installation."""
    return bool(
        settings.INGEST_SIMULATOR_URL
        and settings.INGEST_SIMULATOR_HTTP
        and output.destination.address.rstrip("/") == settings.INGEST_SIMULATOR_URL.rstrip("/")
    )


def simulated_output(stream: Stream) -> Output | None:
    """The stream's output to the receiver of this installation."""
    for output in stream.outputs.filter(removed_at=None).select_related("destination"):
        if is_simulated(output):
            return output
    return None


def simulated_stream(workspace: Workspace) -> Stream | None:
    """A stream that the receiver of this installation gets; one that is wished on air first."""
    if not settings.INGEST_SIMULATOR_URL:
        return None
    return (
        Stream.objects.filter(
            workspace=workspace,
            outputs__destination__address=settings.INGEST_SIMULATOR_URL,
            outputs__removed_at=None,
        )
        .order_by("-desired", "created_at")
        .first()
    )
