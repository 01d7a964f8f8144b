"""Wishes: what a start needs, what it writes, and that each call may come twice."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.core import wake
from apps.library import services as library
from apps.library.models import Rendition
from apps.library.signals import rendition_changed
from apps.streaming import schedule, selectors, stream_manager
from apps.streaming.destinations import DestinationRefused
from apps.streaming.models import Desired, Destination, Event, Output, StartPolicy, Stream
from apps.streaming.stream_manager import StartRefused, StreamIsOnAir
from apps.streaming.tasks import sweep
from tests.integration.streaming.conftest import KEY, PROFILE, make_asset, make_stream, prepare


def reload(stream):
    return Stream.objects.get(pk=stream.pk)


def titles(version):
    return [item["title"] for item in version.items]


# -- start and stop -----------------------------------------------------------------------------


def test_starting_writes_the_wish_the_programme_and_an_event(stream, alice):
    before = timezone.now()
    assert stream_manager.start_stream(stream=stream, by=alice)
    stream = reload(stream)
    output = stream.outputs.get()
    assert (stream.desired, output.desired) == (Desired.ON, Desired.ON)
    assert before <= stream.timeline_epoch <= timezone.now()
    version = stream.versions.get()
    assert (version.n, version.effective_from, version.entry, version.offset) == (1, 0, 0, 0)
    assert titles(version) == ["A", "B", "C"]
    event = Event.objects.filter(stream=stream).first()
    assert (event.code, event.by) == ("stream.start_requested", alice)


def test_starting_does_not_touch_what_nodes_report(stream):
    stream_manager.start_stream(stream=stream)
    output = stream.outputs.get()
    assert (output.state, output.node, output.token, output.reported_at) == ("idle", "", 0, None)


def test_starting_twice_changes_nothing(stream):
    stream_manager.start_stream(stream=stream)
    first = reload(stream)
    assert not stream_manager.start_stream(stream=stream)
    second = reload(stream)
    assert (first.generation, first.timeline_epoch) == (second.generation, second.timeline_epoch)
    assert Event.objects.filter(code="stream.start_requested").count() == 1


def test_stopping_is_a_wish_too_and_may_come_twice(stream, alice):
    stream_manager.start_stream(stream=stream)
    generation = stream.outputs.get().generation
    assert stream_manager.stop_stream(stream=stream, by=alice)
    assert not stream_manager.stop_stream(stream=stream, by=alice)
    output = stream.outputs.get()
    assert (output.desired, output.generation) == (Desired.OFF, generation + 1)
    assert output.publishing_point == ""


def test_nodes_are_woken_after_the_commit(
    stream, valkey_url, settings, django_capture_on_commit_callbacks
):
    settings.REDIS_URL = valkey_url
    with wake.WakeListener(stream_manager.CHANNEL) as listener:
        listener.wait(0.2)
        with django_capture_on_commit_callbacks() as callbacks:
            stream_manager.start_stream(stream=stream)
            assert listener.wait(0.2) == []
        for callback in callbacks:
            callback()
        assert listener.wait(60) == [str(stream.pk)]


def refusal(stream):
    with pytest.raises(StartRefused) as refused:
        stream_manager.start_stream(stream=stream)
    stream = reload(stream)
    assert stream.desired == Desired.OFF
    assert not stream.versions.exists()
    return " ".join(refused.value.problems)


def test_a_stream_without_a_playlist_says_so(workspace):
    assert "no playlist" in refusal(make_stream(workspace, None))


def test_a_stream_with_an_empty_playlist_says_so(workspace):
    empty = stream_manager.create_playlist(workspace=workspace, name="Empty")
    assert "is empty" in refusal(make_stream(workspace, empty))


def test_a_stream_whose_media_are_not_prepared_says_so(workspace):
    playlist = stream_manager.create_playlist(workspace=workspace, name="Raw")
    stream_manager.add_items(playlist=playlist, assets=[make_asset(workspace, "A")])
    assert "prepared" in refusal(make_stream(workspace, playlist))


def test_a_stream_without_a_destination_says_so(workspace, playlist):
    assert "no destination" in refusal(make_stream(workspace, playlist, address="", key=""))


def test_all_that_is_missing_is_said_at_once(workspace):
    text = refusal(make_stream(workspace, None, address="", key=""))
    assert "no playlist" in text
    assert "no destination" in text


def test_an_address_that_policy_has_come_to_forbid_is_refused_at_the_start(stream, settings):
    Destination.objects.update(address="rtmp://10.0.0.1/live")
    assert "allowed" in refusal(stream)


def test_what_was_prepared_again_is_taken_up_with_the_next_item(workspace, playlist, stream):
    stream_manager.start_stream(stream=stream)
    before = stream.versions.get()
    asset = playlist.items.get(asset__title="B").asset
    old = asset.tracks.get(kind="video")
    assert library.prepare_again(asset=asset)
    # Until the new one is there the old one is played, whatever else is edited meanwhile.
    assert stream_manager.refresh_programme(stream=reload(stream)) is None
    once = selectors.ready_once(stream, asset, "pictures")
    assert once is not None
    assert once["video"] == str(old.pk)
    asset.tracks.filter(replaced_at=None).update(state="ready", frames=300, prefix="tracks/new")
    new = asset.tracks.get(kind="video", replaced_at=None)
    rendition_changed.send(sender=Rendition, asset_id=asset.pk, rendition_id=None)
    last = stream.versions.order_by("n").last()
    assert titles(last) == ["A", "B", "C"]
    assert [before.items[1]["video"], last.items[1]["video"]] == [str(old.pk), str(new.pk)]
    assert last.items[0] == before.items[0]


def test_only_ready_items_go_on_air_and_others_join_when_they_are_ready(workspace, playlist):
    late = make_asset(workspace, "Late")
    stream_manager.add_items(playlist=playlist, assets=[late], position=1)
    stream = make_stream(workspace, playlist)
    stream_manager.start_stream(stream=stream)
    assert titles(stream.versions.get()) == ["A", "B", "C"]
    prepare(late)
    sweep()
    assert titles(stream.versions.last()) == ["A", "Late", "B", "C"]


def test_media_of_another_workspace_never_reach_the_air(workspace, playlist, charlie):
    foreign = prepare(make_asset(charlie.workspaces.get(), "Foreign"))
    stream_manager.add_items(playlist=playlist, assets=[foreign])
    stream = make_stream(workspace, playlist)
    stream_manager.start_stream(stream=stream)
    assert titles(stream.versions.get()) == ["A", "B", "C"]


# -- one publisher per key ----------------------------------------------------------------------


def test_a_key_that_is_on_air_cannot_be_started_twice(workspace, playlist, stream):
    other = make_stream(workspace, playlist, title="Other")
    stream_manager.start_stream(stream=stream)
    assert "“Channel” is using this stream key" in refusal(other)
    stream_manager.stop_stream(stream=stream)
    assert stream_manager.start_stream(stream=other)


def test_another_tenants_use_of_the_key_is_not_named(workspace, playlist, stream, charlie):
    stream_manager.start_stream(stream=stream)
    theirs = charlie.workspaces.get()
    list_ = stream_manager.create_playlist(workspace=theirs, name="x")
    stream_manager.add_items(playlist=list_, assets=[prepare(make_asset(theirs, "X"))])
    text = refusal(make_stream(theirs, list_))
    assert "Another stream uses this stream key" in text
    assert "Channel" not in text


def test_a_key_whose_session_is_still_closing_has_to_wait(workspace, playlist, stream):
    other = make_stream(workspace, playlist, title="Other")
    stream_manager.start_stream(stream=stream)
    stream_manager.stop_stream(stream=stream)
    Output.objects.filter(stream=stream).update(
        node="node-1", expires_at=timezone.now() + timedelta(seconds=15)
    )
    assert "still closing" in refusal(other)


def test_the_database_itself_allows_a_key_once(stream, workspace, playlist):
    other = make_stream(workspace, playlist, title="Other")
    stream_manager.start_stream(stream=stream)
    # As if both had been checked at the same moment: the check sees nothing.
    Output.objects.filter(stream=stream).update(desired=Desired.OFF)
    assert "Another stream uses this stream key" in refusal(other)


# -- where a start begins -----------------------------------------------------------------------


def restart(stream, *, policy, aired, pause):
    """Start, stop after `aired` seconds, start again `pause` seconds later."""
    Stream.objects.filter(pk=stream.pk).update(start_policy=policy)
    stream.refresh_from_db()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        stream_manager.start_stream(stream=stream)
        clock.shift(timedelta(seconds=aired))
        stream_manager.stop_stream(stream=stream)
        clock.shift(timedelta(seconds=pause))
        stream.refresh_from_db()
        stream_manager.start_stream(stream=stream)
        stream = reload(stream)
        rows = selectors.versions_of_epoch(stream)
        programme = schedule.programme(
            epoch=stream.timeline_epoch, profile=stream.profile, versions=rows
        )
        moment = schedule.moment(programme, now_ns=schedule.to_ns(timezone.now()))
        return moment.title, moment.position_ms


def test_from_the_top(stream):
    assert restart(stream, policy=StartPolicy.TOP, aired=15, pause=100) == ("A", 0)


def test_by_the_clock(stream):
    # 30 s of items: after 15 + 100 s the clock is at 25 s.
    assert restart(stream, policy=StartPolicy.CLOCK, aired=15, pause=100) == ("C", 5000)


def test_where_it_stopped_rounded_down_to_a_key_frame(stream):
    assert restart(stream, policy=StartPolicy.RESUME, aired=17, pause=100) == ("B", 6000)


def test_another_format_begins_a_new_time_line(stream, playlist):
    Stream.objects.update(start_policy=StartPolicy.CLOCK)
    stream_manager.start_stream(stream=stream)
    stream_manager.stop_stream(stream=stream)
    first = reload(stream).timeline_epoch
    for item in playlist.items.all():
        prepare(item.asset, profile="480p25-economy@1")
    Stream.objects.update(profile="480p25-economy@1")
    stream_manager.start_stream(stream=reload(stream))
    assert reload(stream).timeline_epoch > first


# -- edits on air -------------------------------------------------------------------------------


def test_an_edit_on_air_is_a_new_version_at_the_next_join(stream, playlist, workspace):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        stream_manager.start_stream(stream=stream)
        clock.shift(timedelta(seconds=2))
        stream_manager.add_items(
            playlist=playlist, assets=[prepare(make_asset(workspace, "D"))], position=1
        )
    first, second = stream.versions.all()
    assert (titles(second), second.effective_from, second.entry) == (["A", "D", "B", "C"], 300, 1)
    assert titles(first) == ["A", "B", "C"]
    assert stream.outputs.get().generation == 2


def test_a_second_edit_before_the_join_replaces_the_first(stream, playlist):
    with time_machine.travel(timezone.now(), tick=False):
        stream_manager.start_stream(stream=stream)
        ids = [item.pk for item in selectors.playlist_items(playlist)]
        stream_manager.set_order(playlist=playlist, item_ids=ids[::-1])
        stream_manager.set_order(playlist=playlist, item_ids=ids)
    versions = list(stream.versions.all())
    assert [version.effective_from for version in versions] == [0, 300, 300]
    programme = schedule.programme(
        epoch=versions[0].epoch, profile=stream.profile, versions=versions
    )
    assert [version.n for version in programme.versions] == [1, 3]


def test_emptying_the_playlist_keeps_the_last_programme_on_air(stream, playlist):
    stream_manager.start_stream(stream=stream)
    for item in selectors.playlist_items(playlist):
        stream_manager.remove_item(playlist=playlist, item_id=item.pk)
    assert titles(stream.versions.last()) == ["C"]
    assert reload(stream).desired == Desired.ON


def test_edits_of_a_stream_that_is_off_write_no_version(stream, playlist):
    stream_manager.move_item(playlist=playlist, item_id=playlist.items.first().pk, by=1)
    assert not stream.versions.exists()


@pytest.mark.parametrize("has_filler", [False, True])
def test_the_sweep_stops_a_stream_whose_programme_is_over(workspace, playlist, has_filler):
    stream = make_stream(workspace, playlist, loop=False, filler=playlist if has_filler else None)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        stream_manager.start_stream(stream=stream)
        clock.shift(timedelta(seconds=29))
        sweep()
        assert reload(stream).desired == Desired.ON
        clock.shift(timedelta(seconds=1))
        sweep()
        sweep()
    assert reload(stream).desired == Desired.OFF
    assert Event.objects.filter(text__contains="come to its end").count() == 1


# -- settings -----------------------------------------------------------------------------------


def update(stream, **values):
    values = {
        "title": stream.title,
        "playlist": stream.playlist,
        "profile": stream.profile,
        "loop": stream.loop,
        "start_policy": stream.start_policy,
    } | values
    return stream_manager.update_stream(stream=stream, **values)


def test_the_key_is_encrypted_in_the_table_and_hinted_at(stream, db):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM streaming_destination")
        assert KEY not in repr(cursor.fetchall())
    destination = Destination.objects.get()
    assert destination.key == KEY
    assert destination.key_hint == "mnop"


def test_an_empty_key_keeps_the_old_one(stream):
    update(stream, address="rtmps://b.rtmps.youtube.com:443/live2?backup=1")
    destination = Destination.objects.get()
    assert destination.key == KEY
    assert destination.address.startswith("rtmps://b.")


def test_the_destination_cannot_change_on_air(stream):
    stream_manager.start_stream(stream=stream)
    for change in ({"key": "other"}, {"profile": "720p30@1"}):
        with pytest.raises(StreamIsOnAir):
            update(stream, **change)
    assert Destination.objects.get().key == KEY


def test_the_title_and_the_loop_can_change_on_air(stream):
    stream_manager.start_stream(stream=stream)
    update(stream, title="New", loop=False)
    stream = reload(stream)
    assert stream.title == "New"
    assert stream.versions.last().loop is False


def test_a_forbidden_address_is_refused_and_nothing_is_kept(workspace, playlist):
    with pytest.raises(DestinationRefused):
        make_stream(workspace, playlist, address="rtmp://10.0.0.1/live")
    assert not Stream.objects.exists()
    assert not Destination.objects.exists()


def test_deleting_needs_a_stream_that_is_off_and_free(stream):
    stream_manager.start_stream(stream=stream)
    with pytest.raises(StreamIsOnAir):
        stream_manager.delete_stream(stream=stream)
    stream_manager.stop_stream(stream=stream)
    Output.objects.update(node="n", expires_at=timezone.now() + timedelta(seconds=10))
    with pytest.raises(StreamIsOnAir):
        stream_manager.delete_stream(stream=stream)
    Output.objects.update(node="", expires_at=None)
    stream_manager.delete_stream(stream=stream)
    assert not Stream.objects.exists()
    assert not Destination.objects.exists()


# -- playlists ----------------------------------------------------------------------------------


def order(playlist):
    return [item.asset.title for item in selectors.playlist_items(playlist)]


def test_items_move_up_and_down_and_stop_at_the_ends(playlist):
    first, _, third = selectors.playlist_items(playlist)
    stream_manager.move_item(playlist=playlist, item_id=third.pk, by=-1)
    assert order(playlist) == ["A", "C", "B"]
    stream_manager.move_item(playlist=playlist, item_id=first.pk, by=-1)
    assert order(playlist) == ["A", "C", "B"]
    stream_manager.move_item(playlist=playlist, item_id=first.pk, by=5)
    assert order(playlist) == ["C", "B", "A"]
    assert [item.position for item in selectors.playlist_items(playlist)] == [0, 1, 2]


def test_a_removed_item_comes_back_where_it_was(playlist):
    second = selectors.playlist_items(playlist)[1]
    gone = stream_manager.remove_item(playlist=playlist, item_id=second.pk)
    assert order(playlist) == ["A", "C"]
    back = {"asset": gone.asset, "item_id": second.pk, "position": gone.position}
    assert stream_manager.restore_item(playlist=playlist, **back).pk == second.pk
    assert stream_manager.restore_item(playlist=playlist, **back) is None
    assert order(playlist) == ["A", "B", "C"]


def test_removing_what_is_not_there_does_nothing(playlist):
    gone = stream_manager.remove_item(playlist=playlist, item_id=playlist.pk)
    assert gone is None
    assert order(playlist) == ["A", "B", "C"]


def test_an_old_page_cannot_lose_or_invent_items(playlist, workspace):
    ids = [item.pk for item in selectors.playlist_items(playlist)]
    stream_manager.add_items(playlist=playlist, assets=[make_asset(workspace, "New")])
    stream_manager.set_order(playlist=playlist, item_ids=[ids[2], workspace.pk, ids[0], ids[1]])
    assert order(playlist) == ["C", "A", "B", "New"]


def test_putting_a_file_into_a_playlist_has_it_prepared_for_its_streams(stream, playlist):
    raw = make_asset(stream.workspace, "Raw")
    stream_manager.add_items(playlist=playlist, assets=[raw])
    rendition = raw.renditions.get()
    assert (rendition.profile, rendition.state) == (PROFILE, "queued")


def test_a_playlist_that_is_on_air_cannot_be_deleted(stream, playlist):
    stream_manager.start_stream(stream=stream)
    with pytest.raises(StreamIsOnAir, match="Channel"):
        stream_manager.delete_playlist(playlist=playlist)


def test_a_file_that_is_on_air_cannot_be_deleted(stream, playlist, alice):
    from apps.library.services import AssetInUse, delete_asset

    stream_manager.start_stream(stream=stream)
    asset = playlist.items.first().asset
    with pytest.raises(AssetInUse, match="Channel"):
        delete_asset(asset=asset, by=alice)
    stream_manager.stop_stream(stream=stream)
    delete_asset(asset=asset, by=alice)
    assert order(playlist) == ["B", "C"]


def test_the_overview_counts_only_what_a_node_confirms(stream):
    stream_manager.start_stream(stream=stream)
    assert selectors.outputs_overview()["on_air"] == 0
    Output.objects.update(state="on_air", reported_at=timezone.now())
    overview = selectors.outputs_overview()
    assert (overview["desired"], overview["on_air"]) == (1, 1)
    Output.objects.update(reported_at=timezone.now() - timedelta(seconds=20))
    assert selectors.outputs_overview()["on_air"] == 0
