"""The whole installation in figures, for health, metrics and the operator."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone

from apps.streaming import status
from apps.streaming.models import Desired, Node, Output, State

NODE_ALIVE = timedelta(seconds=20)
"""A node that has not renewed for this long is called silent."""


def outputs_overview(*, now: datetime | None = None) -> dict[str, Any]:
    """How many outputs are wished, how many are really on air, and which nodes there are."""
    now = now or timezone.now()
    fresh = Q(reported_at__gt=now - status.STALE_AFTER)
    counts = Output.objects.filter(desired=Desired.ON).aggregate(
        desired=Count("pk"),
        on_air=Count("pk", filter=fresh & Q(state__in=[State.ON_AIR, State.DEGRADED])),
    )
    nodes = Node.objects.filter(last_seen__gt=now - timedelta(hours=1)).annotate(
        outputs=Subquery(
            Output.objects.filter(node=OuterRef("pk"))
            .order_by()
            .values("node")
            .annotate(held=Count("pk"))
            .values("held")
        )
    )
    return {
        "desired": counts["desired"],
        "on_air": counts["on_air"],
        "nodes": [
            {
                "name": node.name,
                "alive": node.last_seen is not None and now - node.last_seen <= NODE_ALIVE,
                "draining": node.draining,
                "outputs": node.outputs or 0,
                "last_seen": node.last_seen.isoformat() if node.last_seen else None,
            }
            for node in nodes
        ],
    }


def output_figures(*, now: datetime | None = None) -> list[dict[str, Any]]:
    """What each output that is wished or held last reported of itself, in numbers."""
    now = now or timezone.now()
    rows = Output.objects.filter(Q(desired=Desired.ON) | ~Q(node="")).values(
        "pk", "stream_id", "node", "state", "reported_at", "bytes_sent", "bytes_acked", "kbps",
        "unsent_bytes", "reconnects", "joins", "jumps", "substitutions", "late_ms",
        "cache_horizon_s",
    )  # fmt: skip
    return [
        row
        | {
            "on_air": row["state"] in (State.ON_AIR, State.DEGRADED)
            and row["reported_at"] is not None
            and now - row["reported_at"] <= status.STALE_AFTER
        }
        for row in rows.order_by("pk").iterator()
    ]


def pump_figures(*, now: datetime | None = None) -> list[tuple[Node, dict[str, dict[str, Any]]]]:
    """The nodes that renew, each with what its pumps last said of themselves, by name of pump."""
    now = now or timezone.now()
    nodes = Node.objects.filter(last_seen__gt=now - NODE_ALIVE).order_by("name")
    return [(node, dict(sorted(node.pumps.items()))) for node in nodes]
