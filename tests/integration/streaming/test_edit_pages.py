"""The buttons and the page by which people edit what is on air."""

from __future__ import annotations

import re

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership, Role
from apps.library.models import TitleCard
from apps.streaming import stream_manager
from apps.streaming.models import AsRun, Stream
from tests.integration.streaming.conftest import make_asset, prepare
from tests.integration.streaming.test_edits_on_air import listing
from tests.integration.streaming.test_pages import put_on_air


@pytest.fixture
def path(stream):
    """The address of a stream that has just begun A, and stays there."""
    with time_machine.travel(timezone.now(), tick=False):
        put_on_air(stream)
        yield f"/streams/{stream.pk}"


def versions():
    return Stream.objects.get().versions.count()


def test_a_skip_says_what_takes_over_when_and_can_be_undone(as_alice, path):
    answer = as_alice.post(f"{path}/skip/", headers={"HX-Request": "true"}).content.decode()
    assert "“B” takes over at" in answer
    (version,) = set(re.findall(r'name="version" value="(\d+)"', answer))
    assert as_alice.post(f"{path}/undo/", {"version": version}).status_code == 302
    page = as_alice.get(f"{path}/live/").content.decode()
    assert "takes over" not in page
    assert versions() == 3


def test_what_cannot_be_done_is_said_once_and_changes_nothing(as_alice, path):
    answer = as_alice.post(f"{path}/pause/", headers={"HX-Request": "true"})
    assert "filler" in answer["HX-Trigger"]
    page = as_alice.post(f"{path}/pause/", follow=True).content.decode()
    assert "A pause shows the filler playlist" in page
    assert versions() == 1


def test_the_page_lists_what_comes_with_times_and_jumps(as_alice, path, playlist):
    page = as_alice.get(f"{path}/programme/").content.decode()
    assert page.count('class="play-row') == 20
    headings = [text.strip() for text in re.findall(r"<h[12][^>]*>([^<]+)<", page)]
    assert len(set(headings)) == len(headings), headings
    third = playlist.items.get(asset__title="C")
    answer = as_alice.post(
        f"{path}/jump/", {"item": str(third.pk), "back": "programme"}, follow=True
    )
    assert "“C” begins at" in answer.content.decode()


def test_files_and_playlists_are_chosen_there(as_alice, path, workspace):
    news = prepare(make_asset(workspace, "News of the day"))
    other = listing(workspace, "X")
    page = as_alice.get(f"{path}/programme/?q=news").content.decode()
    assert f'value="{news.pk}"' in page
    assert f'value="{other.pk}"' in page
    as_alice.post(f"{path}/next/", {"asset": str(news.pk)})
    as_alice.post(f"{path}/swap/", {"playlist": str(other.pk), "at": "item"})
    assert Stream.objects.get().playlist == other
    codes = list(Stream.objects.get().events.values_list("code", flat=True)[:2])
    assert codes == ["stream.playlist_swapped", "stream.play_next"]


def test_who_may_only_look_sees_what_comes_and_no_button(client, path, bob):
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    client.force_login(bob)
    page = client.get(f"{path}/programme/").content.decode()
    assert "play-row" in page
    assert "Jump to" not in page
    assert client.post(f"{path}/skip/").status_code == 403
    assert versions() == 1


def test_a_stream_that_is_off_shows_nothing_to_come(as_alice, stream):
    page = as_alice.get(f"/streams/{stream.pk}/programme/").content.decode()
    assert "The stream is off" in page
    assert "play-row" not in page


def test_a_wanted_stream_without_a_version_shows_nothing_to_come(as_alice, path):
    Stream.objects.get().versions.all().delete()
    assert "Nothing follows" in as_alice.get(f"{path}/programme/").content.decode()


def test_weights_are_offered_where_they_mean_something(as_alice, stream, playlist):
    address = f"/playlists/{playlist.pk}/"
    assert "item-weight" not in as_alice.get(address).content.decode()
    Stream.objects.update(shuffle=True)
    assert "item-weight" in as_alice.get(address).content.decode()
    item = playlist.items.first()
    as_alice.post(f"{address}items/{item.pk}/weight/", {"weight": "4"})
    as_alice.post(f"{address}items/{item.pk}/weight/", {"weight": "400"})
    item.refresh_from_db()
    assert item.weight == 4


def test_radio_mode_is_chosen_in_the_form(as_alice, stream, playlist, workspace):
    music = listing(workspace, "Song", name="Music")
    form = {
        "title": "Radio", "playlist": str(playlist.pk), "profile": stream.profile,
        "start_policy": "top", "loop": "on", "service": "youtube", "music": str(music.pk),
        "shuffle_music": "on", "title_cards": "corner", "filler": str(playlist.pk),
    }  # fmt: skip
    assert as_alice.post(f"/streams/{stream.pk}/edit/", form).status_code == 302
    found = Stream.objects.get()
    assert (found.music, found.shuffle_music, found.filler) == (music, True, playlist)
    assert found.title_cards == "corner"
    stream_manager.start_stream(stream=found)
    page = as_alice.get(f"/streams/{stream.pk}/").content.decode()
    assert "Skip song" in page
    assert "Skip picture" in page


def test_the_page_says_how_far_titles_are_and_which_cannot_be_shown(
    as_alice, stream, playlist, workspace
):
    address = f"/streams/{stream.pk}/"
    assert "Titles" not in as_alice.get(address).content.decode()
    music = listing(workspace, "Song 1", "Song 2", "<b>Song 3</b>", name="Music")
    Stream.objects.update(music=music, title_cards="band")
    assert "A band across the bottom" in as_alice.get(address).content.decode()
    stream_manager.start_stream(stream=Stream.objects.get())
    stream_manager.plan_cards(stream=Stream.objects.get())
    cards = TitleCard.objects.filter(loop__asset=playlist.items.first().asset)
    cards.filter(text="Song 1").update(state="ready", prefix="x", ready_at=timezone.now())
    cards.filter(text="<b>Song 3</b>").update(
        state="failed", failure_code="card.unreadable", failure_message="No font has the letter Q."
    )
    with CaptureQueriesContext(connection) as queries:
        page = as_alice.get(address).content.decode()
    assert sum("library_titlecard" in query["sql"] for query in queries) == 1
    ready, waiting = (
        TitleCard.objects.filter(state=state).count() for state in ("ready", "queued")
    )
    assert ready == 1
    assert f"1 ready, {waiting} being prepared" in page
    why = '<span lang="en">No font has the letter Q.</span>'
    assert f"“&lt;b&gt;Song 3&lt;/b&gt;” cannot be shown: {why}" in page


def test_what_was_aired_is_told_with_cause_and_advice(as_alice, path):
    output = Stream.objects.get().outputs.get()
    began = timezone.now()
    for n, (title, cause) in enumerate((("A", ""), ("B", "track.corrupt"), ("C", "ingest.lost"))):
        AsRun.objects.create(
            output=output, token=1, epoch=began, start_frame=300 * n, item_id=title, title=title,
            cause=cause, started_at=began, ended_at=began,
        )  # fmt: skip
    page = as_alice.get(f"{path}/details/").content.decode()
    assert "As planned" in page
    assert "The prepared file was damaged; something else was shown." in page
    assert "Prepare the file again from its page." in page
    assert "The connection to the receiver broke." in page
