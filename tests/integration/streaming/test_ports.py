"""One suite for all that implements the engine's ports: the database and the shipped fake."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.streaming import engine, stream_manager
from apps.streaming.models import Event, Output
from playout.supervisor.ports import DesiredOutput, Lease, OutputEvent, OutputReport
from playout.supervisor.states import OutputState
from playout.testing.memory_store import MemoryStore
from tests.integration.streaming.conftest import make_stream


class EverythingIsHere:
    def bring(self, track_ids):
        pass

    def follow(self, programmes):
        pass

    def horizon_seconds(self, output_id):
        return None

    def is_here(self, track_id):
        return True

    def directory(self, track_id):
        return f"/tracks/{track_id}"


@pytest.fixture
def database(workspace, playlist):
    """Two wanted outputs in the database, and the words to look at what became of them."""
    ports = engine.DatabaseEngine(EverythingIsHere())
    engine.register_node(node="node-1", name="one", version="1", capacity_mbps=0)
    streams = [make_stream(workspace, playlist, title=f"S{n}", key=f"key-{n}") for n in "12"]
    for stream in streams:
        stream_manager.start_stream(stream=stream)
    ids = [str(stream.outputs.get().pk) for stream in streams]

    def stop(output_id):
        stream_manager.stop_stream(stream=Output.objects.get(pk=output_id).stream)

    def forget(output_id):
        Output.objects.filter(pk=output_id).delete()

    def steal(output_id, node):
        Output.objects.filter(pk=output_id).update(
            node=node, token=Output.objects.get(pk=output_id).token + 1, expires_at=timezone.now()
        )

    return SimpleNamespace(
        ports=ports,
        ids=ids,
        stop=stop,
        forget=forget,
        steal=steal,
        holder=lambda output_id: Output.objects.values_list("node", "token").get(pk=output_id),
        state=lambda output_id: Output.objects.get(pk=output_id).state,
        events=lambda output_id: list(
            Event.objects.filter(output=output_id).values_list("code", flat=True)
        ),
    )


@pytest.fixture
def memory():
    """The same in the shipped fake."""
    store = MemoryStore()
    ids = ["output-1", "output-2"]
    for output_id in ids:
        store.want(DesiredOutput(output_id, token=0, on=True, generation=0, address="rtmp://h/a"))

    def steal(output_id, node):
        row = store._rows[output_id]
        row.node, row.token = node, row.token + 1

    def state(output_id):
        report = store.report_of(output_id)
        return report.state.value if report else "idle"

    return SimpleNamespace(
        ports=store,
        ids=ids,
        stop=store.stop,
        forget=store.forget,
        steal=steal,
        holder=store.holder_of,
        state=state,
        events=lambda output_id: [event.code for event in store.events_of(output_id)],
    )


@pytest.fixture(params=["database", "memory"])
def store(request):
    return request.getfixturevalue(request.param)


def claim_all(store):
    leases = store.ports.claim("node-1", 10)
    return {lease.output_id: lease for lease in leases}


def report(lease, **values):
    event = OutputEvent("session.on_air", 1, "On air.")
    values = {"state": OutputState.ON_AIR, "generation": 1, "at_ns": 1, "events": (event,)} | values
    return OutputReport(output_id=lease.output_id, token=lease.token, **values)


def test_each_wanted_output_is_claimed_once(store):
    assert claim_all(store).keys() == set(store.ids)
    assert list(store.ports.claim("node-1", 10)) == []
    assert list(store.ports.claim("node-2", 10)) == []


def test_no_more_is_claimed_than_asked_for(store):
    assert len(store.ports.claim("node-1", 1)) == 1
    assert len(store.ports.claim("node-1", 1)) == 1
    assert list(store.ports.claim("node-1", 1)) == []


def test_claiming_adds_one_to_the_token_and_renewing_nothing(store):
    first = claim_all(store)
    assert {lease.output_id: lease for lease in store.ports.renew("node-1")} == first
    store.ports.release("node-1", list(first.values()))
    second = claim_all(store)
    assert all(second[key].token == first[key].token + 1 for key in first)


def test_what_is_not_wanted_is_not_claimed(store):
    store.stop(store.ids[0])
    assert claim_all(store).keys() == {store.ids[1]}


def test_nobody_renews_what_somebody_else_took(store):
    claim_all(store)
    store.steal(store.ids[0], "node-2")
    assert [lease.output_id for lease in store.ports.renew("node-1")] == [store.ids[1]]


def test_an_old_token_releases_nothing(store):
    lease = claim_all(store)[store.ids[0]]
    store.ports.release("node-1", [replace(lease, token=lease.token - 1)])
    assert tuple(store.holder(store.ids[0])) == ("node-1", lease.token)
    store.ports.release("node-2", [lease])
    assert tuple(store.holder(store.ids[0])) == ("node-1", lease.token)


def test_wishes_are_told_for_held_outputs_only(store):
    leases = claim_all(store)
    store.steal(store.ids[0], "node-2")
    wishes = store.ports.desired("node-1", list(leases.values()))
    assert [wish.output_id for wish in wishes] == [store.ids[1]]
    assert wishes[0].on
    assert wishes[0].token == leases[store.ids[1]].token


def test_a_stop_is_a_wish_with_a_greater_generation(store):
    leases = list(claim_all(store).values())
    before = {w.output_id: w.generation for w in store.ports.desired("node-1", leases)}
    store.stop(store.ids[0])
    after = {w.output_id: w for w in store.ports.desired("node-1", leases)}
    assert not after[store.ids[0]].on
    assert after[store.ids[0]].generation > before[store.ids[0]]
    assert after[store.ids[1]].generation == before[store.ids[1]]


def test_an_output_that_is_gone_is_left_out(store):
    leases = list(claim_all(store).values())
    store.forget(store.ids[0])
    assert [w.output_id for w in store.ports.desired("node-1", leases)] == [store.ids[1]]
    store.ports.report("node-1", [report(leases[0]), report(leases[1])])
    assert [lease.output_id for lease in store.ports.renew("node-1")] == [store.ids[1]]


def test_the_newest_report_and_all_events_are_kept(store):
    lease = claim_all(store)[store.ids[0]]
    store.ports.report("node-1", [report(lease)])
    later = report(lease, state=OutputState.DEGRADED, at_ns=2)
    store.ports.report("node-1", [later])
    assert store.state(store.ids[0]) == "degraded"
    assert store.events(store.ids[0]).count("session.on_air") == 2


def test_a_report_with_an_old_token_changes_nothing(store):
    lease = claim_all(store)[store.ids[0]]
    store.steal(store.ids[0], "node-2")
    store.ports.report("node-1", [report(lease)])
    assert store.state(store.ids[0]) == "idle"
    assert "session.on_air" not in store.events(store.ids[0])


def test_a_lone_node_has_no_peers(store):
    assert store.ports.peers("node-1") == 0


def test_empty_questions_have_empty_answers(store):
    assert list(store.ports.desired("node-1", [])) == []
    assert list(store.ports.renew("node-1")) == []
    store.ports.release("node-1", [])
    store.ports.report("node-1", [])
    assert list(store.ports.claim("node-1", 0)) == []
    assert isinstance(claim_all(store)[store.ids[0]], Lease)
