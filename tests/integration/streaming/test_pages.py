"""Pages: who sees and changes what, what they cost, and what they never show."""

import asyncio
import hashlib
import html
import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Role
from apps.streaming import samples, selectors, stream_manager
from apps.streaming.models import Desired, Destination, Output, Playlist, Sample, Stream
from tests.integration.streaming.conftest import (
    KEY,
    PROFILE,
    make_asset,
    make_stream,
    prepare,
)

MOST_QUERIES = 6


def put_on_air(stream, **values):
    """As if a node had taken the stream and the receiver confirmed it."""
    stream_manager.start_stream(stream=stream)
    items = [item["id"] for item in selectors.ready_lists(stream).pictures]
    values = {
        "state": "on_air",
        "node": "node-1",
        "token": 1,
        "reported_generation": stream.outputs.get().generation,
        "reported_at": timezone.now(),
        "on_air_since": timezone.now() - timedelta(minutes=3),
        "kbps": 1234,
        "item_id": items[0],
        "next_item_id": items[1],
        "item_position_ms": 2500,
    } | values
    Output.objects.filter(stream=stream).update(**values)


# -- who may what -------------------------------------------------------------------------------


def addresses(stream, playlist):
    item = playlist.items.first()
    return {
        "read": [
            reverse("streaming:stream", args=[stream.pk]),
            reverse("streaming:stream-live", args=[stream.pk]),
            reverse("streaming:playlist", args=[playlist.pk]),
        ],
        "ask": [
            reverse("streaming:stream-edit", args=[stream.pk]),
            reverse("streaming:stream-stop", args=[stream.pk]),
            reverse("streaming:stream-delete", args=[stream.pk]),
            reverse("streaming:playlist-delete", args=[playlist.pk]),
            reverse("streaming:choices", args=[playlist.pk]),
        ],
        "write": [
            reverse("streaming:stream-edit", args=[stream.pk]),
            reverse("streaming:stream-start", args=[stream.pk]),
            reverse("streaming:stream-stop", args=[stream.pk]),
            reverse("streaming:stream-delete", args=[stream.pk]),
            reverse("streaming:playlist", args=[playlist.pk]),
            reverse("streaming:playlist-delete", args=[playlist.pk]),
            reverse("streaming:item-add", args=[playlist.pk]),
            reverse("streaming:item-restore", args=[playlist.pk]),
            reverse("streaming:item-order", args=[playlist.pk]),
            reverse("streaming:item-remove", args=[playlist.pk, item.pk]),
            reverse("streaming:item-move", args=[playlist.pk, item.pk]),
        ],
    }


def snapshot():
    return (
        list(Stream.objects.values_list()),
        list(Output.objects.values_list("pk", "desired", "generation")),
        list(Playlist.objects.values_list("pk", "name")),
        [
            [item.pk for item in selectors.playlist_items(playlist)]
            for playlist in Playlist.objects.all()
        ],
    )


def test_a_stranger_finds_nothing_whatever_the_method(as_charlie, stream, playlist):
    before = snapshot()
    found = addresses(stream, playlist)
    for url in found["read"] + found["ask"]:
        assert as_charlie.get(url).status_code == 404, url
    for url in found["write"]:
        assert as_charlie.post(url, {"name": "x", "title": "x"}).status_code == 404, url
    assert snapshot() == before


def test_what_is_foreign_looks_like_what_does_not_exist(as_charlie, stream):
    foreign = as_charlie.get(reverse("streaming:stream", args=[stream.pk]))
    missing = as_charlie.get(reverse("streaming:stream", args=[uuid4()]))
    scrub = re.compile(r"[0-9a-f-]{36}|csrf\w*|\"X-CSRFToken\": \"\w+\"|value=\"\w+\"")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert scrub.sub("", foreign.content.decode()) == scrub.sub("", missing.content.decode())


def test_a_viewer_sees_and_changes_nothing(as_bob, stream, playlist):
    before = snapshot()
    found = addresses(stream, playlist)
    for url in found["read"]:
        response = as_bob.get(url)
        assert response.status_code == 200, url
        assert b'method="post" action="/streams/' not in response.content
        assert b"item-move" not in response.content
    for url in found["ask"]:
        assert as_bob.get(url).status_code == 403, url
    for url in found["write"]:
        assert as_bob.post(url, {"name": "x", "title": "x"}).status_code == 403, url
    assert snapshot() == before


@pytest.mark.parametrize("bob", [Role.EDITOR], indirect=True)
def test_an_editor_may_start_and_stop(as_bob, stream):
    assert as_bob.post(reverse("streaming:stream-start", args=[stream.pk])).status_code == 302
    assert Stream.objects.get().desired == Desired.ON
    assert as_bob.post(reverse("streaming:stream-stop", args=[stream.pk])).status_code == 302
    assert Stream.objects.get().desired == Desired.OFF


def test_nobody_gets_in_without_signing_in(client, stream, playlist):
    for urls in addresses(stream, playlist).values():
        for url in urls:
            assert "/accounts/login/" in client.get(url)["Location"]
    for name in ("dashboard", "streams", "stream-new", "playlists", "watch-any"):
        assert "/accounts/login/" in client.get(reverse(f"streaming:{name}"))["Location"]


def test_reading_never_starts_or_stops(as_alice, stream):
    assert as_alice.get(reverse("streaming:stream-start", args=[stream.pk])).status_code == 405
    as_alice.get(reverse("streaming:stream-stop", args=[stream.pk]))
    assert Stream.objects.get().desired == Desired.OFF


def test_lists_show_only_the_own_workspace(as_charlie, stream, playlist):
    for name in ("dashboard", "streams", "playlists"):
        page = as_charlie.get(reverse(f"streaming:{name}")).content.decode()
        assert ">Channel<" not in page
        assert str(stream.pk) not in page
        assert "Night" not in page


def test_a_foreign_file_cannot_be_put_into_a_playlist(as_alice, playlist, charlie):
    foreign = make_asset(charlie.workspaces.get(), "Foreign")
    for name in ("item-add", "item-restore"):
        url = reverse(f"streaming:{name}", args=[playlist.pk])
        for asset in (foreign.pk, "nonsense", ""):
            values = {"asset": asset, "item": uuid4(), "position": 0}
            assert as_alice.post(url, values).status_code == 404
    assert playlist.items.count() == 3


def test_a_foreign_playlist_cannot_be_chosen(as_charlie, playlist):
    response = as_charlie.post(reverse("streaming:stream-new"), form_values(playlist=playlist.pk))
    assert response.status_code == 422
    assert not Stream.objects.exists()


# -- what pages cost ----------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [1, 12])
def test_pages_cost_few_queries_however_many_streams(
    as_alice, workspace, playlist, streams, django_assert_max_num_queries
):
    for n in range(streams):
        put_on_air(make_stream(workspace, playlist, title=f"Channel {n}", key=f"key-{n}"))
    first = Stream.objects.order_by("created_at").first()
    for url in (
        reverse("streaming:dashboard"),
        reverse("streaming:streams"),
        reverse("streaming:playlists"),
        reverse("streaming:playlist", args=[playlist.pk]),
        reverse("streaming:stream", args=[first.pk]),
        reverse("streaming:stream-live", args=[first.pk]),
        reverse("streaming:stream-new"),
        reverse("streaming:stream-edit", args=[first.pk]),
    ):
        as_alice.get(url)
        # One more reads who asks.
        with django_assert_max_num_queries(MOST_QUERIES + 1):
            assert as_alice.get(url).status_code == 200


def test_long_lists_come_in_pages(as_alice, workspace):
    Stream.objects.bulk_create(
        Stream(workspace=workspace, title=f"Channel {n:03}", profile=PROFILE) for n in range(120)
    )
    Playlist.objects.bulk_create(
        Playlist(workspace=workspace, name=f"List {n:03}") for n in range(120)
    )
    for name, word in (("streams", "Channel"), ("playlists", "List")):
        url, seen = reverse(f"streaming:{name}"), []
        while url:
            page = as_alice.get(url).content.decode()
            seen += re.findall(rf'class="row-title"[^>]*>({word} \d+)<', page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            url = following[1].replace("&amp;", "&") if following else ""
        assert seen == [f"{word} {n:03}" for n in range(120)]
    assert as_alice.get(reverse("streaming:streams"), {"after": "nonsense"}).status_code == 200


def test_the_figures_agree_with_what_each_row_says(as_alice, workspace, playlist):
    ages = {"on_air": 1, "degraded": 1, "reconnecting": 1, "failed": 1, "connecting": 1}
    for n, (state, age) in enumerate([*ages.items(), ("on_air", 30), ("idle", 1)]):
        stream = make_stream(workspace, playlist, title=f"{state} {age}", key=f"key-{n}")
        put_on_air(stream, state=state, reported_at=timezone.now() - timedelta(seconds=age))
    make_stream(workspace, playlist, title="off", key="key-off")
    Stream.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    figures = selectors.figures(workspace)
    rows = selectors.stream_page(workspace).rows
    assert figures.streams == len(rows) == 8
    assert figures.wanted == 7
    assert figures.on_air == sum(row.status.is_on_air for row in rows) == 2
    assert figures.troubled == sum(row.status.tone in ("warning", "error") for row in rows) == 4
    assert figures.kbps == sum(row.status.kbps for row in rows if row.status.is_on_air)


# -- the moving part ----------------------------------------------------------------------------


def test_a_poll_is_answered_304_while_nothing_moves(as_alice, stream):
    put_on_air(stream)
    url = reverse("streaming:stream-live", args=[stream.pk])
    first = as_alice.get(url)
    again = as_alice.get(url, headers={"If-None-Match": first["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert again.content == b""
    assert "no-cache" in first["Cache-Control"]
    Output.objects.update(kbps=4321)
    moved = as_alice.get(url, headers={"If-None-Match": first["ETag"]})
    assert moved.status_code == 200
    assert moved["ETag"] != first["ETag"]


def test_on_air_needs_the_word_of_a_node_not_the_wish(as_alice, stream):
    url = reverse("streaming:stream-live", args=[stream.pk])
    stream_manager.start_stream(stream=stream)
    assert b"On air</span>" not in as_alice.get(url).content
    Output.objects.update(
        state="on_air",
        reported_at=timezone.now(),
        reported_generation=stream.outputs.get().generation,
    )
    assert b"On air</span>" in as_alice.get(url).content
    Stream.objects.update(started_at=timezone.now() - timedelta(minutes=5))
    Output.objects.update(reported_at=timezone.now() - timedelta(seconds=16))
    page = as_alice.get(url).content
    assert b"On air</span>" not in page
    assert b"We are restarting it" in page


def test_the_page_tells_now_next_and_the_bit_rate(as_alice, stream):
    put_on_air(stream)
    page = as_alice.get(stream.get_absolute_url()).content.decode()
    assert re.search(r'class="air-title">A<.*class="air-title">B<', page, re.DOTALL)
    assert 'data-position="2500"' in page
    assert re.search(r"1234|1\.2\s*Mbit/s", page)


def test_now_and_next_are_told_after_any_number_of_edits(as_alice, stream, playlist):
    put_on_air(stream)
    ids = [item.pk for item in selectors.playlist_items(playlist)]
    for n in range(5):
        stream_manager.set_order(playlist=playlist, item_ids=ids[::-1] if n % 2 == 0 else ids)
    gone = stream_manager.remove_item(playlist=playlist, item_id=ids[0])
    assert gone.asset.title == "A"
    page = as_alice.get(reverse("streaming:stream-live", args=[stream.pk])).content.decode()
    assert re.search(r'class="air-title">A<.*class="air-title">B<', page, re.DOTALL)


def test_the_start_button_changes_when_the_wish_does(as_alice, stream):
    url = reverse("streaming:stream-live", args=[stream.pk])
    assert b'id="stream-actions"' not in as_alice.get(url, {"wish": "off"}).content
    put_on_air(stream)
    page = as_alice.get(url, {"wish": "off"}).content
    assert b'id="stream-actions" hx-swap-oob="true"' in page
    assert reverse("streaming:stream-stop", args=[stream.pk]).encode() in page


# -- what arrived -------------------------------------------------------------------------------


def charts(page: str) -> list[dict]:
    return [json.loads(html.unescape(found)) for found in re.findall(r'data-chart="(.*?)"', page)]


def test_what_arrived_is_drawn_minute_by_minute_for_each_destination(as_alice, stream):
    put_on_air(stream)
    second = stream_manager.add_destination(
        stream=stream, address="rtmps://live.twitch.tv:443/app", key="live-4411-7q2x", name="Twitch"
    )
    now = timezone.now()
    outputs = {"YouTube": stream.outputs.exclude(pk=second.pk).get(), "Twitch": second}
    for n, output in enumerate(outputs.values(), start=1):
        for ago in (2, 3, 5):
            at = now - timedelta(minutes=ago)
            row, _ = Sample.objects.get_or_create(output=output, hour=samples.hour_of(at))
            row.acked_kbps = samples.noted(row.acked_kbps, at, 1000 * n + ago)
            row.unsent_bytes = samples.noted(row.unsent_bytes, at, 512_400)
            row.save()
    page = as_alice.get(reverse("streaming:stream-arrived", args=[stream.pk])).content.decode()
    rates, waiting = charts(page)
    assert rates["lines"] == [
        [1005, None, 1003, 1002, None],
        [2005, None, 2003, 2002, None],
    ]
    names = [output.destination.name for output in outputs.values()]
    assert re.findall(r"chart-key.*?data-own-words>(.*?)<", page)[:2] == names
    assert waiting["lines"][0] == [512, None, 512, 512, None]
    assert rates["times"][-1] == int(now.timestamp()) // 60 * 60 - 60
    assert "As a table" in page


def test_nothing_measured_is_said_and_old_hours_are_not_shown(as_alice, stream):
    put_on_air(stream)
    output = stream.outputs.get()
    Sample.objects.create(
        output=output,
        hour=samples.hour_of(timezone.now() - timedelta(hours=8)),
        acked_kbps=[1] * 60,
        unsent_bytes=[1] * 60,
    )
    page = as_alice.get(reverse("streaming:stream-arrived", args=[stream.pk])).content.decode()
    assert "Nothing was measured in the last six hours" in page
    assert not charts(page)


def test_a_stream_that_never_ran_has_no_place_for_what_arrived(as_alice, stream):
    address = reverse("streaming:stream-arrived", args=[stream.pk])
    assert address not in as_alice.get(stream.get_absolute_url()).content.decode()
    put_on_air(stream)
    assert address in as_alice.get(stream.get_absolute_url()).content.decode()


def test_events_are_text_not_markup(as_alice, stream):
    from apps.streaming import events

    events.record(stream, "session.lost", "<script>alert(1)</script> said the ingest.")
    page = as_alice.get(stream.get_absolute_url()).content
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert" in page


def test_pages_obey_their_own_content_policy(as_alice, stream, playlist):
    put_on_air(stream)
    for url in (
        reverse("streaming:dashboard"),
        stream.get_absolute_url(),
        playlist.get_absolute_url(),
        reverse("streaming:stream-edit", args=[stream.pk]),
    ):
        response = as_alice.get(url)
        assert "unsafe" not in response["Content-Security-Policy"]
        page = response.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page)
        assert not re.search(r"\s(style|onclick|hx-on[:\w-]*)=", page)


# -- forms --------------------------------------------------------------------------------------


def form_values(**values):
    return {
        "title": "New",
        "playlist": "",
        "profile": PROFILE,
        "start_policy": "top",
        "loop": "on",
        "service": "youtube",
        "address": "",
        "key": KEY,
    } | values


def test_a_stream_is_created_with_its_key_encrypted(as_alice, playlist):
    response = as_alice.post(
        reverse("streaming:stream-new"), form_values(playlist=playlist.pk), follow=True
    )
    stream = Stream.objects.get()
    assert response.redirect_chain == [(stream.get_absolute_url(), 302)]
    assert (stream.title, stream.playlist, stream.profile) == ("New", playlist, PROFILE)
    destination = Destination.objects.get()
    assert destination.address == "rtmps://a.rtmps.youtube.com:443/live2"
    assert destination.key == KEY


def test_no_page_ever_shows_the_key_again(as_alice, stream):
    put_on_air(stream)
    for url in (
        stream.get_absolute_url(),
        reverse("streaming:stream-live", args=[stream.pk]),
        reverse("streaming:stream-edit", args=[stream.pk]),
        reverse("streaming:streams"),
        reverse("streaming:dashboard"),
    ):
        page = as_alice.get(url).content.decode()
        assert KEY not in page
        assert KEY[:9] not in page
    assert "mnop" in as_alice.get(stream.get_absolute_url()).content.decode()


def test_a_refused_form_does_not_give_the_key_back(as_alice):
    response = as_alice.post(reverse("streaming:stream-new"), form_values(title=""))
    assert response.status_code == 422
    assert KEY.encode() not in response.content


def test_labels_do_not_call_optional_what_the_service_needs(as_alice, stream):
    new = reverse("streaming:stream-new")
    key = re.compile(r'for="id_key">Stream key( <span class="muted">\(optional\))?')
    for page in (
        as_alice.get(new).content.decode(),
        as_alice.post(new, form_values(title="")).content.decode(),
    ):
        assert key.search(page)[1] is None
        assert not re.search(r'<input[^>]*name="(key|address)"[^>]*\srequired', page)
    kept = as_alice.get(reverse("streaming:stream-edit", args=[stream.pk])).content.decode()
    assert key.search(kept)[1] is not None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"key": ""}, "Enter the stream key"),
        ({"key": f" {KEY}"}, "has a blank"),
        ({"key": f"{KEY}\u200b"}, "has a blank"),
        ({"service": "other"}, "Enter the address"),
        ({"service": "other", "address": "rtmp://10.0.0.1/live"}, "are allowed"),
        ({"service": "other", "address": "https://example.com/x"}, "must begin with"),
        ({"service": "simulator"}, "Select a valid choice"),
        ({"profile": "1080p31@1"}, "Select a valid choice"),
    ],
)
def test_the_form_explains_what_is_wrong(as_alice, values, said):
    response = as_alice.post(reverse("streaming:stream-new"), form_values(**values))
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Stream.objects.exists()


def test_settings_are_saved_without_entering_the_key_again(as_alice, stream):
    url = reverse("streaming:stream-edit", args=[stream.pk])
    response = as_alice.post(url, form_values(title="Renamed", key="", playlist=stream.playlist_id))
    assert response.status_code == 302
    assert Stream.objects.get().title == "Renamed"
    assert Destination.objects.get().key == KEY


def test_a_kept_key_is_not_sent_to_another_server(as_alice, stream):
    url = reverse("streaming:stream-edit", args=[stream.pk])
    response = as_alice.post(
        url, form_values(key="", service="other", address="rtmp://live.twitch.tv/app")
    )
    assert response.status_code == 422
    assert Destination.objects.get().address.startswith("rtmps://a.rtmps.youtube.com")


def test_on_air_only_what_may_change_is_changed(as_alice, stream):
    put_on_air(stream)
    url = reverse("streaming:stream-edit", args=[stream.pk])
    as_alice.post(url, form_values(title="Renamed", key="stolen", playlist=stream.playlist_id))
    assert Stream.objects.get().title == "Renamed"
    assert Destination.objects.get().key == KEY


def test_what_keeps_a_stream_from_starting_is_said(as_alice, workspace):
    bare = make_stream(workspace, None)
    url = reverse("streaming:stream-start", args=[bare.pk])
    page = as_alice.post(url, follow=True).content.decode()
    assert "no playlist" in page


# -- playlists ----------------------------------------------------------------------------------


def titles(playlist):
    return [item.asset.title for item in selectors.playlist_items(playlist)]


def test_items_are_added_moved_ordered_and_taken_out(as_alice, playlist, workspace):
    htmx = {"HX-Request": "true"}

    def post(name, *args, **values):
        response = as_alice.post(
            reverse(f"streaming:{name}", args=[playlist.pk, *args]), values, headers=htmx
        )
        assert response.status_code == 200
        return response.content.decode()

    extra = prepare(make_asset(workspace, "D"))
    post("item-add", asset=extra.pk)
    assert titles(playlist) == ["A", "B", "C", "D"]
    ids = [item.pk for item in selectors.playlist_items(playlist)]
    post("item-move", ids[3], to="up")
    assert titles(playlist) == ["A", "B", "D", "C"]
    post("item-order", item=[ids[2], ids[0], ids[1], ids[3]])
    assert titles(playlist) == ["C", "A", "B", "D"]
    fragment = post("item-remove", ids[0])
    assert titles(playlist) == ["C", "B", "D"]
    assert "Undo" in fragment
    undo = {
        name: re.search(rf'name="{name}" value="([^"]+)"', fragment)[1]
        for name in ("item", "asset", "position")
    }
    post("item-restore", **undo)
    assert titles(playlist) == ["C", "A", "B", "D"]
    assert [item.pk for item in selectors.playlist_items(playlist)][1] == ids[0]
    post("item-restore", **undo)
    assert titles(playlist) == ["C", "A", "B", "D"]


def test_without_scripts_the_same_forms_lead_back_to_the_page(as_alice, playlist):
    item = playlist.items.first()
    url = reverse("streaming:item-remove", args=[playlist.pk, item.pk])
    assert as_alice.post(url)["Location"] == playlist.get_absolute_url()
    assert titles(playlist) == ["B", "C"]


def test_the_library_is_searched_by_a_part_of_a_name(as_alice, playlist, workspace):
    make_asset(workspace, "Rain on a roof")
    url = reverse("streaming:choices", args=[playlist.pk])
    page = as_alice.get(url, {"q": "roof"}).content.decode()
    assert "Rain on a roof" in page
    assert page.count("choice-row") == 1


# -- what the receiver gets ---------------------------------------------------------------------


class Receiver:
    """A server of the test that answers one address like the test receiver does."""

    def __init__(self, path, pieces):
        self.path, self.pieces = path, pieces
        self.gone = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.http = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ")[1].decode() != self.path:
            writer.write(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n")
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
            if self.pieces[-1:] == [b"open"]:
                await reader.read()
                self.gone.set()
        writer.close()


SIMULATOR = "rtmp://127.0.0.1:19350/live2"


@pytest.fixture
def simulated(settings, workspace, playlist):
    settings.INGEST_SIMULATOR_URL = SIMULATOR
    settings.INGEST_SIMULATOR_HTTP = "http://127.0.0.1:9"
    return make_stream(workspace, playlist, address=SIMULATOR)


PATH = f"/live/{hashlib.sha256(KEY.encode()).hexdigest()[:16]}.flv"


def run(work):
    """Run a coroutine, and close the connection of the thread that it used for the database."""

    async def main():
        try:
            return await work
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(main())


def async_client(user):
    client = AsyncClient()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.django_db(transaction=True)
def test_the_bytes_of_the_receiver_are_handed_through(simulated, alice, settings):
    client = async_client(alice)

    async def watch():
        async with Receiver(PATH, [b"FLV\x01", b"\x05rest"]) as receiver:
            settings.INGEST_SIMULATOR_HTTP = receiver.http
            response = await client.get(reverse("streaming:watch-flv", args=[simulated.pk]))
            assert response.status_code == 200
            assert response["Content-Type"] == "video/x-flv"
            return b"".join([piece async for piece in response])

    assert run(watch()) == b"FLV\x01\x05rest"


@pytest.mark.django_db(transaction=True)
def test_a_viewer_who_leaves_is_not_fed_any_longer(simulated, alice, settings):
    client = async_client(alice)

    async def watch():
        async with Receiver(PATH, [b"FLV", b"open"]) as receiver:
            settings.INGEST_SIMULATOR_HTTP = receiver.http
            response = await client.get(reverse("streaming:watch-flv", args=[simulated.pk]))
            pieces = aiter(response)
            assert (await anext(pieces)).startswith(b"FLV")
            await response._iterator.aclose()
            async with asyncio.timeout(2):
                await receiver.gone.wait()

    run(watch())


@pytest.mark.django_db(transaction=True)
def test_the_picture_is_for_those_who_may_see_the_stream(simulated, alice, charlie, stream):
    url = reverse("streaming:watch-flv", args=[simulated.pk])
    elsewhere = reverse("streaming:watch-flv", args=[stream.pk])

    clients = {"charlie": async_client(charlie), "alice": async_client(alice)}

    async def statuses():
        return [
            (await AsyncClient().get(url)).status_code,
            (await clients["charlie"].get(url)).status_code,
            (await clients["alice"].get(elsewhere)).status_code,
            # Nothing listens at port 9.
            (await clients["alice"].get(url)).status_code,
        ]

    assert run(statuses()) == [404, 404, 404, 503]


def test_watching_leads_to_the_stream_that_goes_to_the_receiver(as_alice, simulated):
    response = as_alice.get(reverse("streaming:watch-any"))
    assert response["Location"] == reverse("streaming:watch", args=[simulated.pk])
    page = as_alice.get(response["Location"]).content.decode()
    assert reverse("streaming:watch-flv", args=[simulated.pk]) in page
    assert KEY not in page


def test_streams_that_go_elsewhere_cannot_be_watched(as_alice, stream):
    assert as_alice.get(reverse("streaming:watch", args=[stream.pk])).status_code == 404


def test_a_key_is_made_up_for_the_test_receiver(as_alice, simulated, playlist):
    response = as_alice.post(
        reverse("streaming:stream-new"),
        form_values(service="simulator", key="", playlist=playlist.pk),
    )
    assert response.status_code == 302
    assert len(Destination.objects.latest("created_at").key) == 24


def test_a_long_playlist_is_shown_in_windows(as_alice, workspace, django_assert_max_num_queries):
    playlist = stream_manager.create_playlist(workspace=workspace, name="Long")
    asset = prepare(make_asset(workspace, "A"))
    stream_manager.add_items(playlist=playlist, assets=[asset] * 250)
    with django_assert_max_num_queries(6):
        page = as_alice.get(playlist.get_absolute_url()).content.decode()
    assert page.count('class="item-row"') == 100
    assert "1–100 / 250" in page
    last = as_alice.get(f"{playlist.get_absolute_url()}?from=200").content.decode()
    assert last.count('class="item-row"') == 50
    assert "201–250 / 250" in last
    assert as_alice.get(f"{playlist.get_absolute_url()}?from=999999").status_code == 200


def test_a_window_is_reordered_among_its_own_places(as_alice, workspace):
    playlist = stream_manager.create_playlist(workspace=workspace, name="Long")
    assets = [make_asset(workspace, f"F{n}") for n in range(4)]
    stream_manager.add_items(playlist=playlist, assets=assets)
    ids = [item.pk for item in selectors.playlist_items(playlist)]
    answer = as_alice.post(
        reverse("streaming:item-order", args=[playlist.pk]),
        {"item": [ids[3], ids[2]], "from": "2"},
        headers={"HX-Request": "true"},
    )
    assert "Moved to place" in answer.content.decode()
    assert [item.pk for item in selectors.playlist_items(playlist)] == [
        ids[0],
        ids[1],
        ids[3],
        ids[2],
    ]


def test_an_item_moves_far_by_its_place(as_alice, workspace):
    playlist = stream_manager.create_playlist(workspace=workspace, name="Long")
    asset = make_asset(workspace, "A")
    stream_manager.add_items(playlist=playlist, assets=[asset] * 150)
    first = selectors.playlist_items(playlist)[0]
    url = reverse("streaming:item-move", args=[playlist.pk, first.pk])
    shown = as_alice.post(url, {"place": "140"}, headers={"HX-Request": "true"}).content.decode()
    first.refresh_from_db()
    assert first.position == 139
    assert f'data-item="{first.pk}"' in shown, "the window that holds it is shown"
    back = as_alice.post(url, {"to": "0"}, headers={"HX-Request": "true"})
    assert back.status_code == 200
    first.refresh_from_db()
    assert first.position == 0
