"""What a sweep decides."""

import pytest

from playout.media import HOUSE_AUDIO
from playout.supervisor.ports import DesiredOutput, Lease
from playout.supervisor.reconcile import (
    AwaitMedia,
    DropOutput,
    ReleaseLease,
    Running,
    SetOutput,
    reconcile,
)
from playout.supervisor.states import Happening, OutputState, after
from playout.timeline.programme import Item, Programme, Version

PROGRAMME = Programme(
    0, HOUSE_AUDIO.rate, HOUSE_AUDIO.rate, (Version(1, 0, (Item("a", "", "", 5),)),)
)
LEASE = Lease("o", 3)


def wish(*, on=True, generation=1, programme=PROGRAMME):
    return DesiredOutput("o", 3, on, generation, "rtmp://h/a", "k", programme)


def test_what_is_wished_and_does_not_run_is_started():
    assert reconcile([LEASE], [wish()], {}) == [SetOutput(wish())]


def test_what_runs_as_wished_is_left_alone():
    assert reconcile([LEASE], [wish()], {"o": Running(3, 1)}) == []


@pytest.mark.parametrize("held", [[LEASE], []])
@pytest.mark.parametrize("on", [True, False])
def test_nothing_is_decided_about_what_a_silent_pump_may_still_send(held, on):
    running = {"o": Running(3, 0, unknown=True)}
    assert reconcile(held, [wish(on=on)], running) == []


@pytest.mark.parametrize("running", [Running(3, 0), Running(2, 1), Running(3, 0, finished=True)])
def test_another_generation_or_token_is_told(running):
    assert reconcile([LEASE], [wish()], {"o": running}) == [SetOutput(wish())]


def test_a_finished_programme_is_not_begun_again():
    assert reconcile([LEASE], [wish()], {"o": Running(3, 1, finished=True)}) == []


@pytest.mark.parametrize("wishes", [[], [wish(on=False)]])
def test_what_nobody_wishes_ends_gracefully_and_then_its_lease_is_released(wishes):
    assert reconcile([LEASE], wishes, {"o": Running(3, 1)}) == [DropOutput("o", graceful=True)]
    assert reconcile([LEASE], wishes, {"o": Running(3, 1, stopping=True)}) == []
    assert reconcile([LEASE], wishes, {}) == [ReleaseLease(LEASE)]


def test_without_a_lease_it_ends_at_once_and_without_a_farewell():
    assert reconcile([], [], {"o": Running(3, 1)}) == [DropOutput("o", graceful=False)]


def test_a_wish_without_media_waits_and_lets_run_what_runs():
    waiting = wish(programme=None)
    assert reconcile([LEASE], [waiting], {}) == [AwaitMedia(waiting)]
    assert reconcile([LEASE], [waiting], {"o": Running(3, 0)}) == []


@pytest.mark.parametrize("state", OutputState)
@pytest.mark.parametrize("happening", Happening)
def test_every_pair_of_state_and_happening_leads_somewhere(state, happening):
    assert isinstance(after(state, happening), OutputState)


def test_on_air_needs_an_acknowledgement():
    reached = {s for s in OutputState for h in Happening
               if after(s, h) is OutputState.ON_AIR and s is not OutputState.ON_AIR
               and h is not Happening.ACKNOWLEDGED}  # fmt: skip
    assert reached == set()


@pytest.mark.parametrize("state", [OutputState.CONNECTING, OutputState.ON_AIR])
def test_an_output_whose_media_was_missing_for_a_while_is_seen_on_air_again(state):
    for happening in (
        Happening.MEDIA_MISSING, Happening.WANTED, Happening.MEDIA_MISSING, Happening.WANTED,
    ):  # fmt: skip
        state = after(state, happening)
    assert state is OutputState.PREPARING
    assert after(state, Happening.ACKNOWLEDGED) is OutputState.ON_AIR
    assert after(state, Happening.LINK_LOST) is OutputState.RECONNECTING
