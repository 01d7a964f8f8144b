import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from apps.streaming import status
from apps.streaming.models import State
from apps.streaming.status import Shown

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Facts:
    desired: str = "on"
    generation: int = 3
    node: str = "node-1"
    state: str = "on_air"
    reported_generation: int = 3
    reported_at: datetime | None = NOW - timedelta(seconds=1)
    on_air_since: datetime | None = NOW - timedelta(hours=1)
    kbps: int = 1300
    error_text: str = ""
    error_code: str = ""
    retry_at: datetime | None = None


def shown(facts, *, wanted_since=NOW - timedelta(hours=2)):
    return status.of_output(facts, wanted_since=wanted_since, now=NOW)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("on_air", Shown.ON_AIR),
        ("degraded", Shown.DEGRADED),
        ("reconnecting", Shown.RECONNECTING),
        ("connecting", Shown.CONNECTING),
        ("preparing", Shown.PREPARING),
        ("failed", Shown.FAILED),
        ("idle", Shown.STARTING),
        ("stopping", Shown.STARTING),
    ],
)
def test_a_wanted_output_shows_what_its_node_reports(state, expected):
    assert shown(Facts(state=state)).shown is expected


@pytest.mark.parametrize("state", State.values)
def test_it_is_never_called_on_air_on_the_word_of_an_old_report(state):
    old = Facts(state=state, reported_at=NOW - timedelta(seconds=16))
    answer = shown(old)
    assert not answer.is_on_air
    assert answer.shown is Shown.RESTARTING
    assert "restarting it" in answer.sentence


@pytest.mark.parametrize("state", State.values)
def test_it_is_never_called_on_air_without_a_report(state):
    assert shown(Facts(state=state, reported_at=None), wanted_since=NOW).shown is Shown.STARTING


def test_it_says_when_no_machine_took_the_stream():
    answer = shown(Facts(reported_at=None), wanted_since=NOW - timedelta(minutes=2))
    assert answer.shown is Shown.RESTARTING
    assert "No machine" in answer.sentence


def test_a_report_from_before_the_start_does_not_mean_that_a_machine_went_quiet():
    facts = Facts(state="idle", reported_at=NOW - timedelta(minutes=5))
    assert shown(facts, wanted_since=NOW - timedelta(seconds=1)).shown is Shown.STARTING


def test_the_failure_of_an_earlier_start_is_not_shown_for_this_one():
    facts = Facts(state="failed", reported_generation=2, error_text="The address is wrong.")
    assert shown(facts).shown is Shown.STARTING


def test_an_unwanted_output_is_stopping_until_its_node_says_idle():
    assert shown(Facts(desired="off")).shown is Shown.STOPPING
    assert shown(Facts(desired="off", state="idle")).shown is Shown.OFF


def test_an_unwanted_output_of_a_silent_node_is_off():
    silent = Facts(desired="off", reported_at=NOW - timedelta(minutes=1))
    assert shown(silent).shown is Shown.OFF


def test_the_words_of_the_engine_explain_a_lost_connection():
    facts = Facts(state="reconnecting", error_text="The ingest refused the stream key.")
    assert shown(facts).sentence == "The ingest refused the stream key."


def test_every_combination_has_a_label_a_tone_and_one_short_sentence():
    reported = [None, NOW, NOW - timedelta(hours=1)]
    for desired, state, reported_at, generation in itertools.product(
        ["on", "off"], State.values, reported, [2, 3]
    ):
        facts = Facts(
            desired=desired,
            state=state,
            reported_at=reported_at,
            reported_generation=generation,
        )
        answer = shown(facts)
        assert answer.label
        assert answer.tone in {"live", "busy", "warning", "error", "neutral"}
        assert answer.sentence.endswith(".")
        assert len(answer.sentence) < 120
        assert (answer.tone == "live") is (answer.shown is Shown.ON_AIR)


def of_several(*states, wanted=True):
    return status.of_statuses([shown(Facts(state=state)) for state in states], wanted=wanted)


@pytest.mark.parametrize("state", ["reconnecting", "failed", "connecting", "preparing"])
def test_a_stream_that_somebody_gets_is_on_air_and_says_that_others_do_not(state):
    answer = of_several("on_air", state, "on_air")
    assert (answer.shown, answer.is_on_air) == (Shown.PARTLY, True)
    assert answer.sentence == "2 of 3 receivers get picture and sound."
    assert (answer.kbps, answer.on_air_since) == (2600, NOW - timedelta(hours=1))


def test_a_stream_that_nobody_gets_shows_its_worst_output():
    assert of_several("connecting", "reconnecting").shown is Shown.RECONNECTING
    assert of_several("reconnecting", "failed").shown is Shown.FAILED


def test_a_stream_that_all_get_is_on_air_and_as_slow_as_the_slowest():
    assert of_several("on_air", "on_air").sentence.startswith("All 2 receivers")
    assert of_several("on_air", "degraded").shown is Shown.DEGRADED


def test_a_stream_without_a_destination_says_so():
    for wanted in (True, False):
        assert "destination" in status.of_statuses([], wanted=wanted).sentence


def test_the_states_are_those_of_the_engine():
    from playout.supervisor.states import OutputState

    assert {state.value for state in OutputState} == set(State.values)
