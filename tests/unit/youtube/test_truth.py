import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.youtube import truth
from apps.youtube.models import LIFECYCLE_SAID, OUR_SENTENCES, OnAir, Show
from apps.youtube.truth import (
    REAL,
    BroadcastFacts,
    Encoder,
    Ingest,
    Lifecycle,
    Repair,
    Step,
    Waits,
    is_absent,
    judge,
    later,
    next_step,
    remedy,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WAITS = Waits()
ALL = list(itertools.product(Encoder, Ingest, Lifecycle))


def test_every_combination_has_a_judgement_with_a_sentence():
    for encoder, ingest, lifecycle in ALL:
        judged = judge(encoder, ingest, lifecycle)
        assert judged.on_air in OnAir.values
        assert judged.said in OUR_SENTENCES
        # Live is only said of what YouTube calls live, or of what is being ended.
        if judged.on_air == "live":
            assert lifecycle is Lifecycle.LIVE or judged.repair is Repair.END
        # Nothing that is over is called live, whatever arrives at the ingest.
        if lifecycle.is_over:
            assert judged.on_air in ("ended", "blocked")


def test_what_was_ended_by_a_wish_is_told_from_what_was_cut():
    for lifecycle in (Lifecycle.COMPLETE, Lifecycle.MISSING):
        wished = judge(Encoder.OFF, Ingest.UNKNOWN, lifecycle)
        assert not Show(on_air=wished.on_air, on_air_text=wished.said).was_cut
        cut = judge(Encoder.SENDING, Ingest.ACTIVE, lifecycle)
        assert Show(on_air=cut.on_air, on_air_text=cut.said).was_cut


def test_nothing_is_repaired_on_what_is_healthy():
    for encoder, ingest, lifecycle in ALL:
        judged = judge(encoder, ingest, lifecycle)
        if lifecycle is Lifecycle.LIVE and encoder is not Encoder.OFF:
            # What viewers see is never ended, replaced or stopped because of our own trouble.
            assert judged.repair in (Repair.NONE, Repair.WAIT, Repair.READ_KEY)
            if encoder is Encoder.SENDING and ingest in (Ingest.ACTIVE, Ingest.UNKNOWN):
                assert judged.repair is Repair.NONE
        if encoder is Encoder.OFF:
            assert judged.repair in (Repair.NONE, Repair.END)
        if judged.repair is Repair.REPLACE:
            assert lifecycle in (Lifecycle.COMPLETE, Lifecycle.MISSING)


AFTER = {
    Repair.END: {"lifecycle": Lifecycle.COMPLETE},
    Repair.STOP: {"encoder": Encoder.OFF},
    Repair.REPLACE: {"lifecycle": Lifecycle.NONE},
    Repair.GO_LIVE: {"lifecycle": Lifecycle.LIVE, "ingest": Ingest.ACTIVE},
}
"""What each repair brings about when it succeeds."""


def test_a_repair_is_made_once():
    for encoder, ingest, lifecycle in ALL:
        facts = {"encoder": encoder, "ingest": ingest, "lifecycle": lifecycle}
        judged = judge(**facts)
        assert judge(**facts) == judged
        if judged.repair in AFTER:
            again = judge(**{**facts, **AFTER[judged.repair]})
            assert again.repair is not judged.repair


def test_every_lifecycle_has_words_for_people():
    assert set(LIFECYCLE_SAID) == {state.value for state in Lifecycle}


def test_every_row_of_the_table_is_needed():
    hits = {id(row[-1]): 0 for row in truth.TABLE}
    for encoder, ingest, lifecycle in ALL:
        hits[id(judge(encoder, ingest, lifecycle))] += 1
    assert all(hits.values())


@pytest.mark.parametrize(
    ("encoder", "ingest", "lifecycle", "on_air", "repair"),
    [
        (Encoder.SENDING, Ingest.ACTIVE, Lifecycle.LIVE, "live", Repair.NONE),
        # Connected is not on air: the session is healthy, and the broadcast over.
        (Encoder.SENDING, Ingest.ACTIVE, Lifecycle.COMPLETE, "ended", Repair.REPLACE),
        (Encoder.SENDING, Ingest.ACTIVE, Lifecycle.MISSING, "ended", Repair.REPLACE),
        (Encoder.SENDING, Ingest.ACTIVE, Lifecycle.REVOKED, "blocked", Repair.STOP),
        (Encoder.TROUBLED, Ingest.INACTIVE, Lifecycle.LIVE, "live", Repair.WAIT),
        (Encoder.SENDING, Ingest.INACTIVE, Lifecycle.LIVE, "live", Repair.READ_KEY),
        (Encoder.REFUSED, Ingest.INACTIVE, Lifecycle.LIVE, "live", Repair.READ_KEY),
        (Encoder.SENDING, Ingest.ACTIVE, Lifecycle.READY, "unknown", Repair.GO_LIVE),
        (Encoder.STARTING, Ingest.READY, Lifecycle.READY, "unknown", Repair.WAIT),
        (Encoder.OFF, Ingest.INACTIVE, Lifecycle.LIVE, "live", Repair.END),
        (Encoder.OFF, Ingest.INACTIVE, Lifecycle.COMPLETE, "ended", Repair.NONE),
    ],
)
def test_it_names_the_level_at_which_it_is_mended(encoder, ingest, lifecycle, on_air, repair):
    judged = judge(encoder, ingest, lifecycle)
    assert (judged.on_air, judged.repair) == (on_air, repair)


def test_an_old_read_never_takes_a_broadcast_back():
    order = list(Lifecycle)
    for known, read in itertools.product(Lifecycle, Lifecycle):
        assert order.index(later(known, read)) == max(order.index(known), order.index(read))


FACTS = list(
    itertools.product(
        (True, False), Lifecycle, (True, False), (True, False), (True, False), (True, False),
        (Ingest.ACTIVE, Ingest.INACTIVE), (timedelta(0), timedelta(minutes=10)),
    )
)  # fmt: skip


def test_every_broadcast_has_one_next_step_and_none_that_its_state_forbids():
    allowed = {
        Step.BIND: {"created", "ready", "testing"},
        Step.TEST: {"created", "ready"},
        Step.GO_LIVE: {"created", "ready", "testing"},
        Step.DELETE: {"created", "ready"},
        Step.INSERT: {""},
    }
    for wanted, lifecycle, bound, monitor, doubt, due, ingest, long in FACTS:
        facts = BroadcastFacts(wanted, lifecycle, bound, monitor, doubt, due, ingest, long)
        step = next_step(facts, WAITS)
        assert lifecycle.value in allowed.get(step, {lifecycle.value}), facts
        if doubt and not lifecycle.is_over:
            # Never a call on top of one whose answer was lost.
            assert step is Step.RESOLVE
        if step in (Step.TEST, Step.GO_LIVE):
            assert wanted
            assert bound
            assert due
            assert ingest is Ingest.ACTIVE
        if step is Step.COMPLETE:
            assert not wanted


DONE = {
    Step.INSERT: {"lifecycle": Lifecycle.CREATED},
    Step.BIND: {"is_bound": True, "lifecycle": Lifecycle.READY},
    Step.TEST: {"lifecycle": Lifecycle.TESTING},
    Step.GO_LIVE: {"lifecycle": Lifecycle.LIVE},
    Step.COMPLETE: {"lifecycle": Lifecycle.COMPLETE},
    Step.DELETE: {"lifecycle": Lifecycle.MISSING},
    Step.RESOLVE: {"is_in_doubt": False},
    Step.GIVE_UP: {"is_wanted": False},
}
"""What each step brings about when it succeeds."""


def test_steps_lead_to_an_end_and_none_is_taken_twice():
    for values in FACTS:
        facts, taken = BroadcastFacts(*values), []
        while (step := next_step(facts, WAITS)) in DONE:
            # An adopted one that is being tested is bound where it is.
            done = dict(DONE[step])
            if step is Step.BIND and facts.lifecycle is Lifecycle.TESTING:
                del done["lifecycle"]
            facts = replace(facts, **done)
            assert step not in taken, values
            taken.append(step)
        assert step in (Step.WAIT, Step.REST, Step.OVER)
        assert (step is Step.REST) == (facts.is_wanted and facts.lifecycle is Lifecycle.LIVE)


def steps(**facts):
    return next_step(BroadcastFacts(**{"is_wanted": True, "is_bound": True} | facts), WAITS)


def test_it_waits_for_the_ingest_and_for_its_time():
    assert steps(lifecycle=Lifecycle.READY, ingest=Ingest.READY) is Step.WAIT
    assert steps(lifecycle=Lifecycle.READY, ingest=Ingest.ACTIVE, is_due=False) is Step.WAIT
    assert steps(lifecycle=Lifecycle.READY, ingest=Ingest.ACTIVE) is Step.GO_LIVE


def test_one_that_somebody_else_made_is_settled_before_anything_else():
    theirs = {"is_adopted": True, "is_unsettled": True, "ingest": Ingest.ACTIVE}
    for lifecycle in (Lifecycle.CREATED, Lifecycle.READY, Lifecycle.TESTING, Lifecycle.LIVE):
        for is_bound in (True, False):
            assert steps(lifecycle=lifecycle, is_bound=is_bound, **theirs) is Step.SETTLE
    # While it starts nothing of it can be changed.
    assert steps(lifecycle=Lifecycle.LIVE_STARTING, **theirs) is Step.WAIT


def test_one_that_somebody_else_made_is_never_deleted():
    for lifecycle in Lifecycle:
        gone = steps(lifecycle=lifecycle, is_wanted=False, is_adopted=True)
        assert gone is not Step.DELETE
    assert steps(lifecycle=Lifecycle.READY, is_wanted=False, is_adopted=True) is Step.LEAVE


def test_one_with_a_monitor_is_tested_first():
    assert steps(lifecycle=Lifecycle.READY, ingest=Ingest.ACTIVE, has_monitor=True) is Step.TEST
    assert (
        steps(lifecycle=Lifecycle.TESTING, ingest=Ingest.ACTIVE, has_monitor=True) is Step.GO_LIVE
    )


def test_one_that_never_gets_live_is_given_up():
    starting = {"lifecycle": Lifecycle.LIVE_STARTING}
    assert steps(**starting, for_so_long=timedelta(minutes=2)) is Step.WAIT
    assert steps(**starting, for_so_long=timedelta(minutes=4)) is Step.GIVE_UP


def test_what_was_never_live_is_deleted_and_what_was_is_completed():
    assert steps(is_wanted=False, lifecycle=Lifecycle.READY) is Step.DELETE
    assert steps(is_wanted=False, lifecycle=Lifecycle.LIVE) is Step.COMPLETE
    assert steps(is_wanted=False, lifecycle=Lifecycle.NONE) is Step.OVER


def test_absence_is_believed_after_two_reads_that_agree_and_never_while_reads_lag():
    def read(seconds, doubted=None):
        return is_absent(
            doubted_at=None if doubted is None else NOW + timedelta(seconds=doubted),
            sent_at=NOW,
            now=NOW + timedelta(seconds=seconds),
            waits=WAITS,
        )

    assert read(5) is None
    assert read(19) is None
    assert read(21) is False
    assert read(25, doubted=21) is False
    assert read(31, doubted=21) is True


def test_what_is_waited_for_in_vain_is_tried_ever_more_rarely():
    at, tries = timedelta(0), 0
    while at < timedelta(days=1):
        at += WAITS.patient(at, WAITS.poll)
        tries += 1
    assert tries < 170
    assert WAITS.patient(timedelta(minutes=2), WAITS.poll) == WAITS.poll
    assert WAITS.patient(timedelta(days=3), WAITS.poll) == WAITS.patience


def test_what_hangs_gets_another_key_and_then_a_person():
    assert [remedy(hung) for hung in range(5)] == ["same_key", "same_key", "other_key",
                                                   "person", "person"]  # fmt: skip


def test_waits_can_be_hurried_together():
    quick = WAITS.scaled(10)
    assert quick.lag == timedelta(seconds=2)
    # What a limit of YouTube's waits for begins earlier by what takes real time all the same.
    assert quick.rotate == WAITS.rotate / 10 - REAL
    assert quick.rotate_latest == WAITS.rotate_latest / 10 - REAL
    assert quick.prepare == WAITS.prepare / 10 + REAL
    assert WAITS.scaled(1) is WAITS


@pytest.mark.parametrize("factor", [2, 60, 1200])
def test_a_hurried_rotation_is_over_seconds_before_the_archive_is_lost(factor):
    assert timedelta(hours=12) / factor - WAITS.scaled(factor).rotate_latest >= REAL


def test_a_rotation_is_over_before_the_archive_is_lost():
    assert WAITS.rotate + WAITS.prepare < WAITS.rotate_latest < timedelta(hours=11, minutes=30)
