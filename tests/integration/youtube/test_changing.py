"""Texts, picture and privacy of what is live, and of the archive once it has ended."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.youtube.models import Change, Show
from apps.youtube.services import shows
from simulator import seed
from tests.integration.youtube.conftest import ORANGE, a_picture, current, shown_at

pytestmark = pytest.mark.django_db

EVENING = "PL" + seed.HARBOUR[2:]


def decided(change_id):
    return lambda: Change.objects.exclude(state="pending").filter(pk=change_id).exists()


def truth_of(stage, live):
    return stage.world.broadcasts[current(live).youtube_id].truth


def posted(client, show, **fields):
    """As the page sends it: every field, those that were not touched as they were shown."""
    page = f"/streams/{show.subject}/youtube/texts/"
    shown = client.get(page).context["form"].initial
    answer = client.post(page, shown | fields)
    assert answer.status_code == 302, answer.context["form"].errors
    return Change.objects.latest("created_at")


def test_what_was_asked_for_is_changed_and_nothing_else(stage, live, as_alice):
    stage.skip(30)
    truth = truth_of(stage, live)
    truth["video"] |= {"tags": ["rain"], "defaultLanguage": "en"}
    truth["snippet"]["description"] = "Written in Studio meanwhile"
    truth["contentDetails"]["enableEmbed"] = False
    stage.world.changed(stage.world.broadcasts[current(live).youtube_id])
    stage.skip(30)
    picture = SimpleUploadedFile("a.jpg", a_picture("orange"), "image/jpeg")
    change = posted(as_alice, live, title="{stream}: {item}", privacy="unlisted", thumbnail=picture)
    assert (
        "on their way" in as_alice.get(f"/streams/{live.subject}/youtube/state/").content.decode()
    )
    stage.run(until=decided(change.pk), seconds=120)
    truth = truth_of(stage, live)
    assert truth["snippet"]["title"] == change.wish["title"]
    assert truth["snippet"]["title"].startswith("Rain:")
    assert truth["status"]["privacyStatus"] == "unlisted"
    # What was not touched on the page is as it was at YouTube, whatever the page showed.
    assert truth["snippet"]["description"] == "Written in Studio meanwhile"
    assert truth["video"]["tags"] == ["rain"]
    assert truth["video"]["defaultLanguage"] == "en"
    assert truth["contentDetails"]["enableEmbed"] is False
    assert shown_at(stage, live) == pytest.approx(ORANGE, abs=8)
    change.refresh_from_db()
    assert (change.state, change.said) == ("applied", "")
    assert current(live).privacy == "unlisted"
    assert len(stage.broadcasts("live")) == 1
    assert stage.gaps == []


def test_two_changes_in_a_row_do_not_undo_each_other(stage, live):
    """The second one's read is older than the first one's write."""
    stage.skip(30)
    row = current(live)
    first = shows.change(show=live, row=row, wishes={"title": "First"})
    stage.run(until=decided(first.pk), seconds=60)
    second = shows.change(show=live, row=row, wishes={"description": "Second"})
    stage.run(until=decided(second.pk), seconds=60)
    snippet = truth_of(stage, live)["snippet"]
    assert (snippet["title"], snippet["description"]) == ("First", "Second")


def test_wishes_that_wait_become_one_call(stage, live):
    stage.skip(30)
    row = current(live)
    shows.change(show=live, row=row, wishes={"title": "One", "tags": "a, b"})
    last = shows.change(show=live, row=row, wishes={"title": "Two"})
    stage.run(until=decided(last.pk), seconds=60)
    truth = truth_of(stage, live)
    assert (truth["snippet"]["title"], truth["video"]["tags"]) == ("Two", ["a", "b"])
    methods = [call["method"] for call in stage.world.calls]
    assert methods.count("videos.update") == 1


def test_a_change_whose_answer_was_lost_is_read_and_not_repeated(stage, live):
    stage.skip(30)
    stage.set(loses_next="videos.update")
    change = shows.change(show=live, row=current(live), wishes={"title": "Kept"})
    stage.run(until=decided(change.pk), seconds=300)
    change.refresh_from_db()
    assert change.state == "applied"
    assert truth_of(stage, live)["snippet"]["title"] == "Kept"
    calls = [call["method"] for call in stage.world.calls]
    assert calls.count("videos.update") == 1


def test_what_youtube_refuses_is_said_and_the_show_goes_on(stage, live, as_alice):
    stage.skip(30)
    stage.act(f"channels/{seed.HARBOUR}", is_verified=False)
    change = shows.change(
        show=live, row=current(live), wishes={"title": "New"}, thumbnail=a_picture("navy")
    )
    stage.run(until=decided(change.pk), seconds=120)
    change.refresh_from_db()
    assert change.state == "refused"
    page = as_alice.get(f"/streams/{live.subject}/youtube/state/").content.decode()
    assert "verified by phone" in page
    # The other part was carried out.
    assert truth_of(stage, live)["snippet"]["title"] == "New"
    assert Show.objects.get(pk=live.pk).on_air == "live"


@pytest.mark.slow
def test_without_quota_it_waits_and_says_so(stage, live, settings):
    stage.skip(30)
    settings.YOUTUBE_QUOTA_PER_DAY = 100
    change = shows.change(show=live, row=current(live), wishes={"title": "Later"})
    stage.run(seconds=30)
    change.refresh_from_db()
    assert change.state == "pending"
    assert "quota" in change.said
    settings.YOUTUBE_QUOTA_PER_DAY = 10_000
    stage.run(until=decided(change.pk), seconds=3700, sweep_every=600)
    assert truth_of(stage, live)["snippet"]["title"] == "Later"
    assert stage.gaps == []


def ended(stage, show, **wishes):
    shows.describe(
        workspace=show.workspace, subject=show.subject, name=show.name, channel=show.channel,
        **wishes,
    )  # fmt: skip
    youtube_id = current(show).youtube_id
    shows.end(show=show)
    stage.run(
        until=lambda: Change.objects.filter(origin="end").exclude(state="pending").exists(),
        seconds=400,
    )
    return youtube_id


def in_evening(stage, youtube_id):
    items = stage.world.playlist_items.values()
    return [
        item
        for item in items
        if item.truth["contentDetails"]["videoId"] == youtube_id
        and item.truth["snippet"]["playlistId"] == EVENING
    ]


AFTER = {
    "after_title": "{title}, {date}", "after_privacy": "private", "after_playlist": EVENING,
}  # fmt: skip


def test_the_archive_is_named_hidden_and_put_into_a_playlist(stage, live):
    stage.skip(30)
    youtube_id = ended(stage, live, **AFTER)
    truth = stage.world.broadcasts[youtube_id].truth
    assert truth["status"]["lifeCycleStatus"] == "complete"
    assert truth["snippet"]["title"] == f"Rain, {timezone.now():%Y-%m-%d}"
    assert truth["status"]["privacyStatus"] == "private"
    assert len(in_evening(stage, youtube_id)) == 1
    stage.run(seconds=300)
    assert Change.objects.filter(origin="end").count() == 1


@pytest.mark.parametrize("fails_too", ["", "playlistItems.list"])
def test_a_lost_answer_puts_it_into_the_playlist_once(stage, live, fails_too):
    """Also when the read that should tell about it gets lost as well."""
    stage.skip(30)
    stage.set(loses_next="playlistItems.insert")

    def is_lost():
        return "playlistItems.insert" in [call["method"] for call in stage.world.calls]

    shows.describe(
        workspace=live.workspace, subject=live.subject, name=live.name, channel=live.channel,
        **AFTER,
    )  # fmt: skip
    youtube_id = current(live).youtube_id
    shows.end(show=live)
    stage.run(until=is_lost, seconds=400)
    stage.set(loses_next=fails_too)
    stage.run(until=decided(Change.objects.get().pk), seconds=400)
    assert len(in_evening(stage, youtube_id)) == 1
    assert stage.world.broadcasts[youtube_id].truth["status"]["privacyStatus"] == "private"


def test_without_such_a_wish_an_archive_is_left_as_it_is(stage, live):
    youtube_id = current(live).youtube_id
    shows.end(show=live)
    stage.run(until=lambda: bool(stage.broadcasts("complete")), seconds=200)
    stage.run(seconds=60)
    assert not Change.objects.exists()
    calls = {call["method"] for call in stage.world.calls}
    assert not calls & {"videos.update", "playlistItems.insert", "liveBroadcasts.delete"}
    assert stage.world.broadcasts[youtube_id].truth["status"]["privacyStatus"] == "public"


@pytest.mark.slow
def test_a_week_without_an_answer_is_enough(stage, live):
    stage.skip(30)
    change = shows.change(show=live, row=current(live), wishes={"title": "Old"})
    Change.objects.filter(pk=change.pk).update(created_at=timezone.now() - timedelta(days=8))
    stage.run(until=decided(change.pk), seconds=60)
    change.refresh_from_db()
    assert change.state == "refused"
