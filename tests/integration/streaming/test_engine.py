"""The database side of the engine's ports, on the database of this run."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection
from django.db.models.signals import post_init
from django.utils import timezone

from apps.streaming import engine, lease, schedule, selectors, stream_manager
from apps.streaming.models import (
    AsRun,
    Desired,
    Destination,
    Event,
    Node,
    Output,
    ProgrammeVersion,
    Session,
    State,
    Stream,
)
from apps.youtube.models import Channel, IngestKey
from playout.supervisor.ports import Aired, Lease, OutputEvent, OutputReport
from playout.supervisor.states import OutputState

PROFILE = "480p30-economy@1"
SECOND = 1_000_000_000


class Shelf:
    """Tracks that lie here, as a test wants them."""

    def __init__(self, *here):
        self.here = set(here)
        self.asked = set()

    def bring(self, track_ids):
        self.asked |= track_ids

    def follow(self, programmes):
        self.followed = set(programmes)

    def horizon_seconds(self, output_id):
        return 7200.0

    def is_here(self, track_id):
        return track_id in self.here

    def directory(self, track_id):
        return f"/tracks/{track_id}"


class Clock:
    """Time since boot, moved by hand."""

    def __init__(self):
        self.ns = 1_000 * SECOND

    def __call__(self):
        return self.ns

    def pass_(self, seconds):
        self.ns += int(seconds * SECOND)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shelf():
    return Shelf("v-a", "a-a", "v-b", "a-b")


@pytest.fixture
def ports(db, shelf, clock):
    engine.register_node(node="node-1", name="one", version="1", capacity_mbps=0)
    return engine.DatabaseEngine(shelf, boottime_ns=clock)


@pytest.fixture
def output(workspace):
    return make_output(workspace)


def make_output(workspace, *, key="abcd-efgh", address="rtmp://127.0.0.1:19350/live"):
    now = timezone.now()
    stream = Stream.objects.create(
        workspace=workspace,
        title="Channel",
        profile=PROFILE,
        desired=Desired.ON,
        timeline_epoch=now,
        started_at=now,
        generation=1,
    )
    ProgrammeVersion.objects.create(
        stream=stream,
        n=1,
        epoch=now,
        profile=PROFILE,
        effective_from=0,
        items=[
            {"id": n, "title": n, "video": f"v-{n}", "audio": f"a-{n}", "frames": 3000}
            for n in "ab"
        ],
    )
    destination = Destination.objects.create(
        workspace=workspace, name="x", address=address, key=key
    )
    return Output.objects.create(
        stream=stream, destination=destination, profile=PROFILE, desired=Desired.ON, generation=1
    )


@pytest.fixture(autouse=True)
def _allow_loopback(settings):
    settings.DESTINATION_POLICY, settings.DESTINATION_ALLOWLIST = "known", ["127.0.0.1:19350"]


def report(output, token=1, **values):
    values = {
        "state": OutputState.ON_AIR,
        "generation": 1,
        "at_ns": schedule.to_ns(timezone.now()),
        "session_id": "s1",
        "connected_at_ns": schedule.to_ns(timezone.now()) - 2 * SECOND,
    } | values
    return OutputReport(output_id=str(output.pk), token=token, **values)


def only(items):
    (item,) = items
    return item


# -- leases -------------------------------------------------------------------------------------


def test_it_claims_a_wanted_output_and_adds_one_to_its_token(ports, output):
    assert ports.claim("node-1", 10) == [Lease(str(output.pk), 1)]
    assert ports.claim("node-1", 10) == []
    output.refresh_from_db()
    assert (output.node, output.token) == ("node-1", 1)
    assert timedelta(seconds=15) < output.expires_at - timezone.now() <= timedelta(seconds=20.5)


def test_it_claims_nothing_that_is_not_wanted(ports, output):
    Output.objects.update(desired=Desired.OFF)
    assert ports.claim("node-1", 10) == []


def test_it_claims_no_more_than_the_limit(ports, workspace):
    for n in range(3):
        make_output(workspace, key=f"key-{n}")
    assert len(ports.claim("node-1", 2)) == 2
    assert len(ports.claim("node-1", 2)) == 1


def test_it_claims_no_more_than_its_line_can_carry(ports, workspace):
    for n in range(4):
        make_output(workspace, key=f"key-{n}")
    # 1.2 Mbit/s of picture and 0.128 of sound each.
    Node.objects.filter(pk="node-1").update(capacity_mbps=3)
    assert len(ports.claim("node-1", 10)) == 2
    assert ports.claim("node-1", 10) == []
    Node.objects.filter(pk="node-1").update(capacity_mbps=0)
    assert len(ports.claim("node-1", 10)) == 2


def test_renewing_keeps_the_token_and_continues_even_an_expired_lease(ports, output):
    ports.claim("node-1", 10)
    Output.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert ports.renew("node-1") == [Lease(str(output.pk), 1)]
    output.refresh_from_db()
    assert output.expires_at > timezone.now()


def test_renewing_is_one_update_however_many_leases(ports, workspace, django_assert_num_queries):
    for n in range(5):
        make_output(workspace, key=f"key-{n}")
    ports.claim("node-1", 10)
    # The node's own row, a savepoint around two statements: the extension and what it extended.
    with django_assert_num_queries(5) as queries:
        assert len(ports.renew("node-1")) == 5
    updates = [q for q in queries if q["sql"].startswith('UPDATE "streaming_output"')]
    assert len(updates) == 1


def test_a_restarted_control_renews_what_its_predecessor_held(ports, output, shelf, clock):
    ports.claim("node-1", 10)
    assert engine.DatabaseEngine(shelf, boottime_ns=clock).renew("node-1") == [
        Lease(str(output.pk), 1)
    ]


def test_every_registered_node_is_a_peer_even_a_silent_one(ports):
    assert ports.peers("node-1") == 0
    engine.register_node(node="node-2", name="two", version="1", capacity_mbps=0)
    Node.objects.filter(pk="node-2").update(last_seen=timezone.now() - timedelta(hours=2))
    assert ports.peers("node-1") == 1


def test_releasing_frees_an_output_for_anybody_at_once(ports, output):
    leases = ports.claim("node-1", 10)
    ports.release("node-1", leases)
    output.refresh_from_db()
    assert (output.node, output.expires_at) == ("", None)
    assert ports.claim("node-2", 10) == [Lease(str(output.pk), 2)]


def test_releasing_with_an_old_token_changes_nothing(ports, output):
    ports.claim("node-1", 10)
    Output.objects.update(token=5)
    ports.release("node-1", [Lease(str(output.pk), 1)])
    output.refresh_from_db()
    assert output.node == "node-1"


def take_from_the_dead(ports, clock, *, seconds, step):
    """Try to claim each `step` seconds for `seconds`; return what was won in the end."""
    won = []
    for _ in range(int(seconds / step)):
        won = list(ports.claim("node-1", 10))
        if won:
            break
        clock.pass_(step)
    return won


@pytest.fixture
def dead_output(output):
    Output.objects.update(
        node="node-dead", token=3, expires_at=timezone.now() - timedelta(minutes=5)
    )
    return output


def test_a_taker_needs_twenty_five_seconds_of_unbroken_contact(ports, dead_output, clock):
    assert take_from_the_dead(ports, clock, seconds=25, step=5) == []
    assert ports.claim("node-1", 10) == [Lease(str(dead_output.pk), 4)]


def test_a_pause_breaks_the_contact(ports, dead_output, clock):
    take_from_the_dead(ports, clock, seconds=20, step=5)
    clock.pass_(12)
    assert take_from_the_dead(ports, clock, seconds=25, step=5) == []
    assert ports.claim("node-1", 10) == [Lease(str(dead_output.pk), 4)]


@pytest.mark.django_db(transaction=True)
def test_an_unreachable_database_breaks_the_contact(ports, dead_output, clock):
    def fail(execute, sql, params, many, context):
        raise OperationalError("server closed the connection unexpectedly")

    take_from_the_dead(ports, clock, seconds=25, step=5)
    with connection.execute_wrapper(fail), pytest.raises(OperationalError):
        ports.renew("node-1")
    assert ports.claim("node-1", 10) == []
    assert take_from_the_dead(ports, clock, seconds=24, step=4) == []
    clock.pass_(1)
    assert ports.claim("node-1", 10) == [Lease(str(dead_output.pk), 4)]


def test_it_waits_for_a_locked_database_instead_of_failing(ports, output):
    left = [2]

    def locked(execute, sql, params, many, context):
        if left[0] and sql.startswith("UPDATE"):
            left[0] -= 1
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(locked):
        assert ports.claim("node-1", 10) == [Lease(str(output.pk), 1)]
    assert left == [0]


def test_a_draining_node_claims_nothing(ports, output):
    Node.objects.update(draining=True)
    assert ports.claim("node-1", 10) == []


# -- desired states -----------------------------------------------------------------------------


def test_it_tells_where_and_what_to_publish(ports, output):
    wish = only(ports.desired("node-1", ports.claim("node-1", 10)))
    assert (wish.on, wish.token, wish.generation) == (True, 1, 1)
    assert wish.address == "rtmp://127.0.0.1:19350/live"
    assert wish.key == "abcd-efgh"
    assert wish.programme.profile == PROFILE
    assert [item.video for item in wish.programme.versions[0].items] == [
        "/tracks/v-a",
        "/tracks/v-b",
    ]
    assert "abcd-efgh" not in repr(wish)


def test_it_says_nothing_about_outputs_of_somebody_else(ports, output):
    leases = ports.claim("node-1", 10)
    assert ports.desired("node-2", leases) == []
    assert ports.desired("node-1", [Lease(str(output.pk), 99)]) == []
    assert ports.desired("node-1", [Lease(str(uuid4()), 1)]) == []


def test_an_output_that_is_not_wanted_gets_neither_key_nor_programme(ports, output):
    leases = ports.claim("node-1", 10)
    Output.objects.update(desired=Desired.OFF, generation=2)
    wish = only(ports.desired("node-1", leases))
    assert (wish.on, wish.generation, wish.key, wish.programme) == (False, 2, "", None)


def test_without_the_media_that_are_due_there_is_no_programme_yet(ports, output, shelf):
    shelf.here = {"v-b", "a-b"}
    leases = ports.claim("node-1", 10)
    wish = only(ports.desired("node-1", leases))
    assert wish.on
    assert wish.programme is None
    assert shelf.asked == {"v-a", "a-a", "v-b", "a-b"}
    shelf.here |= {"v-a", "a-a"}
    assert only(ports.desired("node-1", leases)).programme is not None


def test_the_programme_of_what_is_on_air_is_never_taken_away(ports, output, shelf):
    leases = ports.claim("node-1", 10)
    ports.report("node-1", [report(output)])
    shelf.here = set()
    assert only(ports.desired("node-1", leases)).programme is not None


def test_it_notices_an_edit_by_its_generation(ports, output):
    leases = ports.claim("node-1", 10)
    assert len(only(ports.desired("node-1", leases)).programme.versions) == 1
    first = output.stream.versions.get()
    ProgrammeVersion.objects.create(
        stream=output.stream,
        n=2,
        epoch=first.epoch,
        profile=PROFILE,
        effective_from=3000,
        items=first.items[:1],
    )
    Output.objects.update(generation=2)
    assert len(only(ports.desired("node-1", leases)).programme.versions) == 2


def test_a_quiet_sweep_is_two_queries(ports, workspace, django_assert_num_queries):
    for n in range(4):
        make_output(workspace, key=f"key-{n}")
    leases = ports.claim("node-1", 10)
    ports.desired("node-1", leases)
    with django_assert_num_queries(2):
        assert len(ports.desired("node-1", leases)) == 4


def test_an_address_that_policy_forbids_is_never_handed_out(ports, output, settings):
    settings.DESTINATION_ALLOWLIST = []
    wish = only(ports.desired("node-1", ports.claim("node-1", 10)))
    assert (wish.address, wish.key) == ("", "")
    ports.report(
        "node-1",
        [report(output, state=OutputState.FAILED, session_id="", error_code="ingest.address")],
    )
    output.refresh_from_db()
    assert output.error_code == "ingest.address_not_allowed"
    assert "not allowed" in output.error_text or "are allowed" in output.error_text


def test_a_key_that_cannot_be_read_fails_its_own_output_only(ports, workspace):
    broken, sound = make_output(workspace, key="k1"), make_output(workspace, key="k2")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE streaming_destination SET key = 'deadbeef:xyz' WHERE id = %s",
            [Destination._meta.pk.get_db_prep_value(broken.destination_id, connection)],
        )
    wishes = {wish.output_id: wish for wish in ports.desired("node-1", ports.claim("node-1", 10))}
    assert wishes[str(sound.pk)].key == "k2"
    assert wishes[str(broken.pk)].address == ""
    ports.report("node-1", [report(broken, state=OutputState.FAILED, session_id="")])
    broken = Output.objects.defer("destination__key").get(pk=broken.pk)
    assert broken.error_code == "destination.key_unreadable"
    assert "Enter it again" in broken.error_text


def test_a_draining_node_gives_its_outputs_away_one_by_one(ports, workspace):
    for n in range(3):
        make_output(workspace, key=f"key-{n}")
    leases = ports.claim("node-1", 10)
    Node.objects.update(draining=True)
    assert all(wish.on for wish in ports.desired("node-1", leases))
    engine.register_node(node="node-2", name="two", version="1", capacity_mbps=0)
    assert [wish.on for wish in ports.desired("node-1", leases)].count(False) == 1


# -- reports ------------------------------------------------------------------------------------


def test_it_stores_what_a_node_reports(ports, output):
    ports.claim("node-1", 10)
    now = schedule.to_ns(timezone.now())
    ports.report(
        "node-1",
        [
            report(
                output,
                on_air_since_ns=now,
                bytes_sent=1000,
                bytes_acked=900,
                kbps=1300,
                late_ms=1.5,
                item_id="a",
                next_item_id="b",
                item_position_ms=1500,
            )
        ],
    )
    output.refresh_from_db()
    assert output.state == State.ON_AIR
    assert output.on_air_since == schedule.from_ns(now)
    assert (output.bytes_sent, output.bytes_acked, output.kbps) == (1000, 900, 1300)
    assert (output.item_id, output.next_item_id, output.item_position_ms) == ("a", "b", 1500)
    assert timezone.now() - output.reported_at < timedelta(seconds=5)


def test_a_connection_that_ended_without_a_word_is_told_of_by_who_goes_on(ports, shelf, output):
    ports.claim("node-1", 10)
    ports.report("node-1", [report(output)])
    successor = engine.DatabaseEngine(shelf)
    successor.report("node-1", [report(output, session_id="s1")])
    assert not output.stream.events.exists(), "it is the same connection"
    successor = engine.DatabaseEngine(shelf)
    on_air = OutputEvent("session.on_air", schedule.to_ns(timezone.now()), "On air.")
    for _again in range(2):
        successor.report("node-1", [report(output, session_id="s2", events=(on_air,))])
    assert [event.code for event in output.stream.events.order_by("pk")] == [
        "session.lost", "session.on_air", "session.on_air",
    ]  # fmt: skip
    lost = output.stream.events.get(code="session.lost")
    assert (lost.data["code"], lost.output) == ("node.pump_lost", output)


def test_a_connection_that_was_said_to_be_lost_is_not_told_of_twice(ports, shelf, output):
    ports.claim("node-1", 10)
    ports.report("node-1", [report(output)])
    lost = OutputEvent("session.lost", schedule.to_ns(timezone.now()), "The ingest hung up.")
    engine.DatabaseEngine(shelf).report(
        "node-1", [report(output, state=OutputState.RECONNECTING, session_id="", events=(lost,))]
    )
    assert [event.text for event in output.stream.events.all()] == ["The ingest hung up."]


def test_a_report_with_an_old_token_is_dropped_with_its_events(ports, output):
    ports.claim("node-1", 10)
    Output.objects.update(token=2)
    event = OutputEvent("session.started", schedule.to_ns(timezone.now()), "Connected.")
    ports.report("node-1", [report(output, events=(event,))])
    output.refresh_from_db()
    assert (output.state, output.reported_at) == (State.IDLE, None)
    assert not Event.objects.exists()
    assert not Session.objects.exists()


def test_a_report_of_a_node_that_lost_its_lease_is_dropped(ports, output):
    ports.claim("node-1", 10)
    Output.objects.update(node="node-2")
    ports.report("node-1", [report(output)])
    output.refresh_from_db()
    assert output.reported_at is None


def test_events_are_written_once_with_who_said_it(ports, output):
    ports.claim("node-1", 10)
    event = OutputEvent("session.started", schedule.to_ns(timezone.now()), "Connected.", {"x": 1})
    ports.report("node-1", [report(output, events=(event,))])
    row = Event.objects.get()
    assert (row.code, row.text, row.stream, row.output) == (
        "session.started",
        "Connected.",
        output.stream,
        output,
    )
    assert row.workspace == output.stream.workspace
    assert row.data == {"x": 1, "node": "node-1", "token": 1}


def test_each_connection_is_one_session(ports, output):
    ports.claim("node-1", 10)
    ports.report("node-1", [report(output, bytes_sent=10)])
    ports.report("node-1", [report(output, bytes_sent=20, late_ms=3, item_id="b")])
    ports.report(
        "node-1",
        [
            report(
                output,
                state=OutputState.RECONNECTING,
                session_id="",
                error_code="ingest.lost",
            )
        ],
    )
    ports.report("node-1", [report(output, session_id="s2")])
    second, first = Session.objects.all()
    assert (first.session_id, first.reason, first.bytes_sent) == ("s1", "ingest.lost", 20)
    assert first.ended_at >= first.started_at
    assert (second.session_id, second.ended_at) == ("s2", None)


def test_a_restarted_control_goes_on_with_the_open_session(ports, output, shelf, clock):
    ports.claim("node-1", 10)
    ports.report("node-1", [report(output)])
    again = engine.DatabaseEngine(shelf, boottime_ns=clock)
    again.report("node-1", [report(output)])
    assert Session.objects.get().ended_at is None
    again.report("node-1", [report(output, state=OutputState.IDLE, session_id="")])
    assert Session.objects.get().ended_at is not None


def test_a_stop_ends_the_session_without_a_reason(ports, output):
    ports.claim("node-1", 10)
    ports.report("node-1", [report(output)])
    ports.report("node-1", [report(output, state=OutputState.STOPPING)])
    ports.report("node-1", [report(output, state=OutputState.IDLE, session_id="s1")])
    session = Session.objects.get()
    assert session.ended_at is not None
    assert session.reason == ""


def test_reports_in_which_only_counters_grew_are_not_written_faster_than_once_a_second(
    ports, output, django_assert_num_queries
):
    ports.claim("node-1", 10)
    at = schedule.to_ns(timezone.now())
    ports.report("node-1", [report(output, at_ns=at, kbps=1)])
    with django_assert_num_queries(0):
        ports.report("node-1", [report(output, at_ns=at + SECOND // 5, kbps=2)])
    ports.report("node-1", [report(output, at_ns=at + SECOND, kbps=3)])
    output.refresh_from_db()
    assert output.kbps == 3


def test_a_change_of_state_is_written_at_once(ports, output):
    ports.claim("node-1", 10)
    at = schedule.to_ns(timezone.now())
    ports.report("node-1", [report(output, at_ns=at)])
    ports.report("node-1", [report(output, at_ns=at + 1, state=OutputState.DEGRADED)])
    output.refresh_from_db()
    assert output.state == State.DEGRADED


def test_one_bad_output_does_not_keep_others_from_reporting(ports, workspace):
    first, second = make_output(workspace, key="k1"), make_output(workspace, key="k2")
    ports.claim("node-1", 10)
    long = report(
        first, error_text="x" * 2000, error_code="y" * 200, item_id="z" * 200, session_id="s" * 200
    )
    ports.report("node-1", [long, report(second)])
    assert Output.objects.filter(state=State.ON_AIR).count() == 2


def test_lease_objects_carry_plain_ids(ports, output):
    lease_ = only(ports.claim("node-1", 10))
    assert UUID(lease_.output_id) == output.pk
    assert lease.TTL > lease.GRACE


# -- fallbacks, and many at once ----------------------------------------------------------------

YOUTUBE = "rtmps://a.rtmps.youtube.com:443/live2"
BACKUP = "rtmps://b.rtmps.youtube.com:443/live2?backup=1"


def test_an_output_to_youtube_may_fall_back_to_the_backup_entry(ports, workspace):
    make_output(workspace, address=YOUTUBE)
    wish = only(ports.desired("node-1", ports.claim("node-1", 10)))
    assert (wish.address, wish.fallbacks) == (YOUTUBE, (BACKUP,))


def test_the_backup_entry_that_youtube_named_for_a_key_goes_before_the_usual_one(
    ports, workspace, settings
):
    settings.DESTINATION_ALLOWLIST = ["127.0.0.1:19350", "127.0.0.1:19351"]
    channel = Channel.objects.create(
        workspace=workspace, title="Mine", youtube_id="UC1", state_since=timezone.now()
    )
    named = "rtmp://127.0.0.1:19351/live?backup=1"
    key = IngestKey.objects.create(
        workspace=workspace, channel=channel, marker="m", backup_address=named
    )
    output = make_output(workspace)
    Destination.objects.filter(pk=output.destination_id).update(ingest_key=key.pk)
    leases = ports.claim("node-1", 10)
    assert only(ports.desired("node-1", leases)).fallbacks == (named,)
    settings.DESTINATION_ALLOWLIST = ["127.0.0.1:19350"]
    Output.objects.update(generation=2)
    assert only(ports.desired("node-1", leases)).fallbacks == ()


def test_no_output_falls_back_to_where_another_one_publishes(ports, workspace):
    first = make_output(workspace, address=YOUTUBE)
    leases = ports.claim("node-1", 10)
    assert only(ports.desired("node-1", leases)).fallbacks == (BACKUP,)
    backup = stream_manager.add_backup(stream=first.stream, output=first)
    assert only(ports.desired("node-1", leases)).fallbacks == ()
    stream_manager.remove_destination(stream=first.stream, output=backup)
    assert only(ports.desired("node-1", leases)).fallbacks == (BACKUP,)


def test_a_first_sweep_over_many_streams_reads_no_version_that_is_over(
    ports, workspace, django_assert_max_num_queries
):
    for n in range(12):
        output = make_output(workspace, key=f"key-{n}", address=YOUTUBE)
        stream = output.stream
        epoch = stream.timeline_epoch - timedelta(hours=1)
        Stream.objects.filter(pk=stream.pk).update(timeline_epoch=epoch)
        stream.versions.update(epoch=epoch)
        (first,) = stream.versions.all()
        ProgrammeVersion.objects.bulk_create(
            ProgrammeVersion(
                stream=stream, n=number, epoch=epoch, profile=PROFILE, items=first.items,
                effective_from=(number - 1) * 1000,
            )
            for number in range(2, 111)
        )  # fmt: skip
    leases = ports.claim("node-1", 20)
    made = []
    post_init.connect(lambda **about: made.append(about), ProgrammeVersion, weak=False,
                      dispatch_uid="count")  # fmt: skip
    try:
        # Keys are read one by one, so that one that cannot be decrypted costs no other output.
        with django_assert_max_num_queries(6 + 12):
            wishes = ports.desired("node-1", leases)
    finally:
        post_init.disconnect(sender=ProgrammeVersion, dispatch_uid="count")
    # An hour is 108,000 frames: the 109th version has begun, the 110th has not; one minute back.
    assert {len(wish.programme.versions) for wish in wishes} == {4}
    assert len(made) == 12 * 4


def test_versions_of_many_streams_are_those_of_each(workspace):
    streams = [make_output(workspace, key=f"key-{n}").stream for n in range(3)]
    for stream, begins in zip(streams, ((500, 400, 90_000), (10, 20, 30), ()), strict=True):
        for n, effective_from in enumerate(begins, 2):
            for kind in ("pictures", "sound"):
                ProgrammeVersion.objects.create(
                    stream=stream, n=10 * n + (kind == "sound"), kind=kind, profile=PROFILE,
                    epoch=stream.timeline_epoch, effective_from=effective_from, items=[],
                )  # fmt: skip
    since = timezone.now() + timedelta(seconds=30)
    found = selectors.standing_versions_of(streams, since=since)
    assert found == {
        stream.pk: selectors.standing_versions(stream, since=since) for stream in streams
    }


def test_what_other_nodes_took_over_is_forgotten_once_its_last_words_are_said(
    ports, output, clock, shelf
):
    held = ports.claim("node-1", 10)
    ports.desired("node-1", held)
    begun = Aired("a", "A", 0, None)
    ports.report("node-1", [report(output, as_run=(begun,))])
    Output.objects.update(node="node-2", token=2)
    clock.pass_(60)
    assert ports.desired("node-1", []) == []
    ports.report("node-1", [report(output, as_run=(replace(begun, end_frame=90),))])
    assert AsRun.objects.get().end_frame == 90
    known = ("_wishes", "_located", "_reported", "_held")
    assert all(output.pk in getattr(ports, name) for name in known)
    clock.pass_(601)
    ports.desired("node-1", [])
    assert not any(getattr(ports, name) for name in known)
