"""The store in memory keeps the rules of leases; the database's suite runs the same ones."""

from __future__ import annotations

from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.states import OutputState
from playout.testing.memory_store import MemoryStore

SECOND = 10**9


def test_a_report_with_an_old_token_is_dropped_with_its_events() -> None:
    now = 100 * SECOND
    store = MemoryStore(clock_ns=lambda: now)
    store.want(DesiredOutput("o", 0, True, 0))
    (first,) = store.claim("a", 10)
    now += 60 * SECOND
    (second,) = store.claim("b", 10)
    assert second.token == first.token + 1
    events = (OutputEvent("session.on_air", 1, "On air."),)
    for node, lease in (("a", first), ("b", second)):
        store.report(node, [OutputReport("o", lease.token, 1, OutputState.ON_AIR, 1,
                                         session_id=node, events=events)])  # fmt: skip
    store.report("a", [OutputReport("o", first.token, 1, OutputState.FAILED, 1, events=events)])
    found = store.report_of("o")
    assert found is not None
    assert (found.session_id, found.state) == ("b", OutputState.ON_AIR)
    assert len(store.events_of("o")) == 1
