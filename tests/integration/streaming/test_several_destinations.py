"""One stream to several places: each comes and goes by itself, and its key is never shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.streaming import selectors, stream_manager
from apps.streaming.models import Desired, Destination, Output, Session, Stream
from apps.streaming.stream_manager import DestinationBusy, StreamIsOnAir
from apps.streaming.tasks import sweep
from tests.integration.streaming.conftest import ADDRESS, KEY, make_stream

TWITCH = "rtmps://live.twitch.tv:443/app"
SECOND_KEY = "zzzz-second-key-9999"


def add(stream, key=SECOND_KEY, address=TWITCH, **more):
    return stream_manager.add_destination(stream=stream, address=address, key=key, **more)


def held(output, *, seconds=15):
    """As if a node had taken it and put it on air."""
    Output.objects.filter(pk=output.pk).update(
        node="node-1", token=1, expires_at=timezone.now() + timedelta(seconds=seconds),
        state="on_air", reported_at=timezone.now(), reported_generation=output.generation,
        item_id="x", kbps=1000, on_air_since=timezone.now(),
    )  # fmt: skip


def reloaded(row):
    return type(row).objects.get(pk=row.pk)


def test_one_more_on_air_begins_at_once_and_the_others_do_not_notice(stream, alice):
    stream_manager.start_stream(stream=stream)
    first = stream.outputs.get()
    added = reloaded(add(stream, by=alice))
    assert (added.desired, added.publishing_point) == (Desired.ON, added.destination.fingerprint)
    assert reloaded(first).generation == first.generation
    assert reloaded(stream).generation == 1
    event = stream.events.get(code="stream.destination_added")
    assert (event.by, event.data) == (alice, {"name": "Twitch"})


def test_one_more_off_air_waits_for_the_start(stream):
    added = add(stream)
    assert reloaded(added).desired == Desired.OFF
    stream_manager.start_stream(stream=stream)
    assert reloaded(added).desired == Desired.ON


def test_the_same_place_twice_is_refused(stream):
    with pytest.raises(DestinationBusy, match="already"):
        add(stream, key=KEY, address=ADDRESS)


def test_a_key_that_another_stream_is_using_is_refused_on_air(stream, workspace, playlist):
    other = make_stream(workspace, playlist, title="Other", key=SECOND_KEY, address=TWITCH)
    stream_manager.start_stream(stream=other)
    stream_manager.start_stream(stream=stream)
    with pytest.raises(DestinationBusy, match="Other"):
        add(stream)
    assert stream.outputs.count() == 1
    assert not stream.events.filter(code="stream.destination_added").exists()


def test_removing_one_on_air_ends_that_one_and_forgets_its_key_when_it_is_released(stream):
    stream_manager.start_stream(stream=stream)
    first = stream.outputs.get()
    added = reloaded(add(stream))
    held(added)
    Session.objects.create(
        output=added, session_id="s", node="node-1", token=1, started_at=timezone.now()
    )
    assert stream_manager.remove_destination(stream=stream, output=added)
    assert not stream_manager.remove_destination(stream=stream, output=added)
    gone = reloaded(added)
    assert (gone.desired, gone.publishing_point) == (Desired.OFF, "")
    assert [o.pk for o in selectors.outputs_of(stream)] == [first.pk]
    assert reloaded(first).generation == first.generation
    # Its node still sends the last seconds: nobody else may use the key, and it is kept.
    assert gone.destination.key == SECOND_KEY
    with pytest.raises(DestinationBusy, match="still closing"):
        add(stream)
    Output.objects.filter(pk=added.pk).update(node="", expires_at=None)
    sweep()
    scrubbed = reloaded(added).destination
    assert (scrubbed.key, scrubbed.key_hint, scrubbed.fingerprint) == ("", "", "")
    assert Session.objects.filter(output=added).exists()
    assert add(stream).pk != added.pk


def test_removing_one_that_was_never_on_air_leaves_nothing(stream):
    added = add(stream)
    stream_manager.remove_destination(stream=stream, output=added)
    assert not Output.objects.filter(pk=added.pk).exists()
    assert not Destination.objects.filter(pk=added.destination_id).exists()


def test_a_removed_one_is_not_started_again(stream):
    stream_manager.start_stream(stream=stream)
    added = reloaded(add(stream))
    held(added)
    stream_manager.remove_destination(stream=stream, output=added)
    stream_manager.stop_stream(stream=stream)
    stream_manager.start_stream(stream=stream)
    assert reloaded(added).desired == Desired.OFF


def test_the_backup_entry_takes_the_same_key(stream):
    (first,) = selectors.outputs_of(stream)
    backup = stream_manager.add_backup(stream=stream, output=first)
    assert backup.leg == "backup"
    assert backup.destination.address == "rtmps://b.rtmps.youtube.com:443/live2?backup=1"
    assert reloaded(backup).destination.key == KEY
    with pytest.raises(DestinationBusy):
        stream_manager.add_backup(stream=stream, output=first)


def test_on_air_only_the_name_of_a_destination_changes(stream):
    stream_manager.start_stream(stream=stream)
    (first,) = selectors.outputs_of(stream)
    changed = stream_manager.change_destination(
        stream=stream, output=first, name="Main", address=ADDRESS
    )
    assert changed.destination.name == "Main"
    assert changed.generation == first.generation
    with pytest.raises(StreamIsOnAir):
        stream_manager.change_destination(
            stream=stream, output=first, name="", address=ADDRESS, key="another-key-1234"
        )
    assert reloaded(first).destination.key == KEY


def test_the_page_shows_each_with_its_own_state_and_no_key(stream, as_alice):
    stream_manager.start_stream(stream=stream)
    added = reloaded(add(stream))
    first = stream.outputs.exclude(pk=added.pk).get()
    held(first)
    held(added)
    Output.objects.filter(pk=added.pk).update(
        state="reconnecting", error_text="The ingest refused the stream key. Check it.",
        item_id="",
    )  # fmt: skip
    page = as_alice.get(f"/streams/{stream.pk}/").content.decode()
    assert "1 of 2 receivers get picture and sound." in page
    assert "The ingest refused the stream key. Check it." in page
    for output in (first, added):
        assert output.destination.name in page
        form = as_alice.get(f"/streams/{stream.pk}/destinations/{output.pk}/").content.decode()
        for text in (page, form):
            assert KEY not in text
            assert SECOND_KEY not in text


def test_a_person_adds_changes_and_removes_one(stream, as_alice):
    path = f"/streams/{stream.pk}/destinations"
    wish = {"service": "other", "address": TWITCH, "key": SECOND_KEY, "name": "Twitch"}
    assert as_alice.post(f"{path}/new/", wish).status_code == 302
    added = Output.objects.get(destination__name="Twitch")
    assert as_alice.post(f"{path}/new/", wish).status_code == 422
    kept = {"service": "other", "address": TWITCH, "key": "", "name": "Twitch, main"}
    assert as_alice.post(f"{path}/{added.pk}/", kept).status_code == 302
    changed = reloaded(added).destination
    assert (changed.name, changed.key) == ("Twitch, main", SECOND_KEY)
    assert as_alice.get(f"{path}/{added.pk}/remove/").status_code == 200
    assert as_alice.post(f"{path}/{added.pk}/remove/").status_code == 302
    assert as_alice.get(f"{path}/{added.pk}/").status_code == 404


def test_the_last_one_of_a_stream_on_air_stays(stream, as_alice):
    (first,) = selectors.outputs_of(stream)
    stream_manager.start_stream(stream=stream)
    path = f"/streams/{stream.pk}/destinations/{first.pk}/remove/"
    page = as_alice.post(path, follow=True).content.decode()
    assert "The stream goes nowhere else. Stop it, or add another destination first." in page
    assert (reloaded(first).desired, reloaded(first).removed_at) == (Desired.ON, None)
    stream_manager.stop_stream(stream=stream)
    as_alice.post(path)
    assert not selectors.outputs_of(stream)


def test_a_key_does_not_follow_a_destination_to_another_server(stream, as_alice, settings):
    settings.DESTINATION_POLICY = "public"
    (first,) = selectors.outputs_of(stream)
    answer = as_alice.post(
        f"/streams/{stream.pk}/destinations/{first.pk}/",
        {"service": "other", "address": "rtmps://ingest.example.org/app", "key": ""},
    )
    assert answer.status_code == 422
    assert reloaded(first).destination.address == ADDRESS


def test_settings_of_a_stream_with_several_leave_them_alone(stream, as_alice):
    add(stream)
    form = {"title": "New", "profile": stream.profile, "start_policy": "top", "loop": "on"}
    assert as_alice.post(f"/streams/{stream.pk}/edit/", form).status_code == 302
    assert reloaded(stream).title == "New"
    assert sorted(o.destination.key for o in stream.outputs.all()) == sorted([KEY, SECOND_KEY])


def test_deleting_the_stream_forgets_all_keys(stream):
    add(stream)
    stream_manager.delete_stream(stream=Stream.objects.get(pk=stream.pk))
    assert not Destination.objects.exists()
