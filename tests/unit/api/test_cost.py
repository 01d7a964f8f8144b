"""Every operation that reads costs the same number of queries, whatever the rows."""

import uuid

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import ApiToken, Membership, Role
from apps.library.services import create_folder, request_rendition
from apps.streaming import stream_manager
from apps.youtube.models import Channel
from apps.youtube.services import shows
from config.api import openapi
from tests.integration.streaming.conftest import make_asset, make_stream, prepare

MOST_QUERIES = 6


def fill(workspace, alice, count, start=0):
    """`count` of everything that lists hold; the ids of one of each."""
    for n in range(start, start + count):
        asset = prepare(make_asset(workspace, f"A{n}"))
        request_rendition(asset=asset, profile="720p30@1")
        playlist = stream_manager.create_playlist(workspace=workspace, name=f"P{n}")
        stream = make_stream(workspace, playlist, title=f"S{n}", key=f"key-{n}-{uuid.uuid4()}")
        stream_manager.add_items(playlist=playlist, assets=[asset] * 3)
        stream_manager.start_stream(stream=stream)
        stream_manager.stop_stream(stream=stream)
        user = services.create_user(email=f"u{n}@example.org")
        Membership.objects.create(user=user, workspace=workspace, role=Role.VIEWER)
        services.create_token(workspace=workspace, by=alice, name=f"T{n}")
        channel = Channel.objects.create(
            workspace=workspace, youtube_id=f"UC{n}", title=f"C{n}", state_since=timezone.now()
        )
        shows.describe(workspace=workspace, subject=stream.pk, name=f"S{n}", channel=channel)
    return {
        "channel_id": channel.pk,
        "asset_id": asset.pk,
        "playlist_id": playlist.pk,
        "stream_id": stream.pk,
        "output_id": stream.outputs.get().pk,
        "folder_id": create_folder(workspace=workspace, name=f"F{start}").pk,
    }


def reading_paths():
    return [path for path, item in openapi()["paths"].items() if "get" in item]


@pytest.mark.parametrize("path", reading_paths())
def test_reading_costs_the_same_whatever_the_rows(path, api, workspace, alice):
    def cost(ids):
        address = path.removeprefix("/api/v1").format(**ids)
        cache.clear()  # What is remembered would cost less the second time.
        with CaptureQueriesContext(
            connection,
        ) as queries:
            api.read(f"{address}?limit=100")
        return len(queries), [query["sql"] for query in queries]

    first = fill(workspace, alice, 1)
    api.read("/workspace")
    few, _ = cost(first)
    last = fill(workspace, alice, 3, start=1)
    assert cost(first)[0] == few
    many, statements = cost(last)
    assert many == few <= MOST_QUERIES, statements


def test_changing_one_row_costs_no_more_with_many_others(api, workspace, alice):
    def cost(ids):
        counts = []
        for method, path, body in (
            ("PATCH", f"/assets/{ids['asset_id']}", {"title": "x"}),
            ("PATCH", f"/playlists/{ids['playlist_id']}", {"name": "x"}),
            ("PATCH", f"/streams/{ids['stream_id']}", {"title": "x"}),
            ("POST", f"/streams/{ids['stream_id']}/start", None),
            ("POST", f"/streams/{ids['stream_id']}/stop", None),
        ):
            with CaptureQueriesContext(connection) as queries:
                assert api(method, path, body).status_code in (200, 202)
            counts.append(len(queries))
        return counts

    api.read("/workspace")  # Notes the use, once a minute.
    few = cost(fill(workspace, alice, 1))
    assert cost(fill(workspace, alice, 3, start=1)) == few
    assert ApiToken.objects.count() == 5
