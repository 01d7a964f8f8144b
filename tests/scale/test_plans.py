"""Every list is read along an index, in the order in which it is shown: no sort, no full scan."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import QuerySet

from apps.accounts.models import User
from apps.core.cursors import newest_first
from apps.library.models import Asset
from apps.streaming.models import Destination, Event, Playlist, Stream
from tests.scale import seeder


def plan_of(rows: QuerySet) -> str:
    """What the database would do, when sorting is the last thing it wants."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table of a test is small enough to sort; the question is whether one must.
            for way in ("sort", "seqscan", "bitmapscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    return rows.explain()


LISTS = {
    "files": lambda w: Asset.objects.filter(workspace=w, deleted_at__isnull=True).order_by(
        "-created_at", "-pk"
    ),
    "streams": lambda w: Stream.objects.filter(workspace=w).order_by(
        "-desired", "title", "created_at", "pk"
    ),
    "streams, newest": lambda w: Stream.objects.filter(workspace=w).order_by("-created_at", "-pk"),
    "playlists": lambda w: Playlist.objects.filter(workspace=w).order_by(
        "name", "created_at", "pk"
    ),
    "playlists, newest": lambda w: Playlist.objects.filter(workspace=w).order_by(
        "-created_at", "-pk"
    ),
    "destinations": lambda w: Destination.objects.filter(workspace=w).order_by(
        "-created_at", "-pk"
    ),
    "events": lambda w: Event.objects.filter(
        stream__isnull=False, stream=w.streams.first()
    ).order_by("-at"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_read_along_an_index(name: str, alice: User):
    seeder.noisy(1, assets=20, streams=5, playlists=2)
    workspace, _ = seeder.large(alice, rows=60)
    plan = plan_of(LISTS[name](workspace)[:51])
    assert "index" in plan.lower(), plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan.replace("Incremental Sort", ""), plan


def test_the_page_that_a_cursor_leads_to_is_read_along_the_index(alice: User):
    workspace, _ = seeder.large(alice, rows=60)
    rows = Asset.objects.filter(workspace=workspace, deleted_at__isnull=True)
    window = newest_first(rows, cursor="", limit=20)
    assert window.next
    last = window.rows[-1]
    plan = plan_of(rows.filter(created_at__lte=last.created_at).order_by("-created_at", "-pk")[:21])
    assert "library_asset_newest" in plan, plan
    assert "TEMP B-TREE" not in plan, plan
