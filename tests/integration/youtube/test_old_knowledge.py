"""What is told of a broadcast while YouTube cannot be asked: how old that is, and why."""

import re

import pytest

from apps.youtube.models import Channel, Show

pytestmark = pytest.mark.django_db


def told(stream, client, program):
    page = client.get(f"/streams/{stream.pk}/youtube/state/").content.decode()
    return " ".join(page.split()).replace("\N{NO-BREAK SPACE}", " "), program(
        "GET", f"/streams/{stream.pk}/youtube"
    ).json()


def test_it_is_live_and_nothing_is_said_of_its_age(stage, live, stream, as_alice, program):
    stage.run(seconds=600)
    page, answer = told(stream, as_alice, program)
    assert "Live on YouTube" in page
    assert "As of" not in page
    assert (answer["on_air"], answer["is_old"], answer["doubt"]) == ("live", False, "")
    assert answer["seen_at"] is not None


@pytest.mark.parametrize("why", ["silent", "quota", "access"])
def test_without_an_answer_it_says_how_old_the_last_one_is_and_why(
    stage, live, stream, as_alice, program, settings, why
):
    stage.run(seconds=60)
    if why == "silent":
        stage.set(api="down")
    elif why == "quota":
        settings.YOUTUBE_QUOTA_PER_DAY = 10
    else:
        Channel.objects.update(state="reconnect")
    stage.run(seconds=14 * 60)
    page, answer = told(stream, as_alice, program)
    assert "Live when last seen" in page
    assert "Live on YouTube" not in page
    assert re.search(r"As of 1[345] minutes ago:", page)
    assert {
        "silent": "API does not answer.",
        "quota": "The YouTube quota of today is used up.",
        "access": "The channel has to be connected again.",
    }[why] in page
    assert (answer["on_air"], answer["is_old"], answer["doubt"]) == ("live", True, why)
    assert stage.gaps == []


def test_with_the_next_answer_nothing_is_old_any_more(stage, live, stream, as_alice, program):
    stage.set(api="down")
    stage.run(seconds=600)
    assert told(stream, as_alice, program)[1]["is_old"]
    before = Show.objects.get().seen_at
    stage.set(api="up")
    stage.run(seconds=200)
    page, answer = told(stream, as_alice, program)
    assert "Live on YouTube" in page
    assert (answer["is_old"], answer["doubt"]) == (False, "")
    assert Show.objects.get().seen_at > before
