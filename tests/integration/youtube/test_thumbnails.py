"""The picture of a broadcast: sent by page or program, set at YouTube, counted in the ledger."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.youtube.models import Change, QuotaEntry, Show
from apps.youtube.services import shows
from tests.integration.youtube.conftest import ORANGE, a_picture, current, shown_at

pytestmark = pytest.mark.django_db

SCRIPT = b"<script>alert(1)</script>"


def file_of(content, name="picture.jpg"):
    return SimpleUploadedFile(name, content, "image/jpeg")


def units():
    """Calls and units of `thumbnails.set` in the ledger."""
    row = QuotaEntry.objects.filter(method="thumbnails.set").first()
    return (row.calls, row.units) if row else (0, 0)


def described(client, show, **fields):
    """What the page answers to the form as it was shown, with other fields."""
    path = f"/streams/{show.subject}/youtube/"
    shown = client.get(path).context["form"].initial
    return client.post(path, shown | {"channel": str(show.channel_id)} | fields)


def sent(program, show, content, query=""):
    return program(
        "FILE", f"/streams/{show.subject}/youtube/thumbnail{query}", {"file": file_of(content)}
    )


def live_with_picture(stage, show):
    def ask():
        return Show.objects.filter(pk=show.pk, on_air="live").exists() and stage.world.thumbnails

    shows.go_live(show=show)
    stage.run(until=ask, seconds=180)


def test_the_form_gives_each_broadcast_its_picture_for_fifty_units(stage, show, as_alice):
    answer = described(as_alice, show, thumbnail=file_of(a_picture("orange", "PNG")))
    assert answer.status_code == 302, answer.context["form"].errors
    live_with_picture(stage, show)
    assert shown_at(stage, show) == pytest.approx(ORANGE, abs=8)
    assert units() == (1, 50)
    # The one that replaces it has the same.
    first = current(show).youtube_id
    stage.act(f"broadcasts/{first}/complete")
    stage.run(until=lambda: len(stage.world.thumbnails) == 2, seconds=240)
    assert current(show).youtube_id != first
    assert shown_at(stage, show) == pytest.approx(ORANGE, abs=8)
    assert units() == (2, 100)


def test_a_program_gives_a_picture_for_later_and_for_what_is_live(stage, live, program):
    later = sent(program, live, a_picture("navy"))
    assert later.status_code == 202, later.content
    assert later.json()["has_thumbnail"]
    assert units() == (0, 0)
    # What is live gets it when somebody asks for that.
    now = sent(program, live, a_picture("orange"), "?on_air=true")
    assert now.json()["change"]["state"] == "pending"
    change = Change.objects.get()
    stage.run(until=lambda: Change.objects.exclude(state="pending").exists(), seconds=120)
    change.refresh_from_db()
    assert change.state == "applied"
    assert shown_at(stage, live) == pytest.approx(ORANGE, abs=8)
    assert units() == (1, 50)
    assert stage.gaps == []


@pytest.mark.parametrize(
    "content",
    [SCRIPT, b"\xff\xd8\xff" + SCRIPT, b"GIF89a" + bytes(50), a_picture("navy") + bytes(2 << 20)],
    ids=["markup", "markup with the head of a picture", "GIF", "more than 2 MB"],
)
def test_what_is_no_picture_is_refused_by_page_and_program(show, as_alice, program, content):
    answer = described(as_alice, show, thumbnail=file_of(content))
    assert answer.status_code == 422
    assert answer.context["form"].errors["thumbnail"]
    refused = sent(program, show, content)
    assert (refused.status_code, refused.json()["code"]) == (422, "show.picture_wrong")
    assert refused.json()["detail"].startswith("The picture is")
    assert not bytes(Show.objects.get().thumbnail)


def test_a_picture_for_what_is_not_there_is_refused(show, program):
    refused = sent(program, show, a_picture("navy"), "?on_air=true")
    assert (refused.status_code, refused.json()["code"]) == (409, "show.nothing_there")
    assert not bytes(Show.objects.get().thumbnail)


def test_a_picture_waits_for_units_and_does_not_hold_up_the_broadcast(stage, show, settings):
    shows.picture(show=show, thumbnail=a_picture("orange"))
    shows.go_live(show=show)
    # Enough to go live, and not enough for its picture.
    settings.YOUTUBE_QUOTA_PER_DAY = 300
    stage.run(until=lambda: Show.objects.filter(on_air="live").exists(), seconds=180)
    stage.run(seconds=120)
    assert not stage.world.thumbnails
    settings.YOUTUBE_QUOTA_PER_DAY = 10_000
    stage.run(until=lambda: bool(stage.world.thumbnails), seconds=3900, sweep_every=600)
    assert units() == (1, 50)
