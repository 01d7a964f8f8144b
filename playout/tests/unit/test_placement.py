"""Which pump an output goes to."""

from hypothesis import given
from hypothesis import strategies as st

from playout.media import HOUSE_AUDIO
from playout.node.placement import choose, cost
from playout.supervisor.ports import DesiredOutput
from playout.timeline.programme import Item, Programme, Version


def wish(profile: str, address: str = "rtmp://h/a") -> DesiredOutput:
    item = Item("a", "", "", 5)
    rate = HOUSE_AUDIO.rate
    programme = Programme(0, rate, rate, (Version(1, 0, (item,)),), profile=profile)
    return DesiredOutput("o", 1, True, 1, address, "k", programme)


def test_the_least_loaded_pump_takes_the_next_output():
    assert choose({"pump-0": 900, "pump-1": 400}) == "pump-1"
    assert choose({"pump-1": 0, "pump-0": 0}) == "pump-0"
    assert choose({}) is None


def test_outputs_of_one_stream_go_together_where_they_can():
    assert choose({"pump-0": 900, "pump-1": 400}, beside=["pump-0"]) == "pump-0"
    assert choose({"pump-1": 400}, beside=["pump-0"]) == "pump-1"


def test_larger_pictures_and_encryption_cost_more():
    assert cost(wish("2160p30@1")) > cost(wish("480p30@1"))
    assert cost(wish("480p30@1", "rtmps://h/a")) == 4 * cost(wish("480p30@1"))
    assert cost(wish("unheard-of")) > 0


@given(st.lists(st.integers(1, 50_000), max_size=60), st.integers(1, 6))
def test_no_pump_is_ahead_by_more_than_one_output(costs, pumps):
    loads = {f"pump-{n}": 0 for n in range(pumps)}
    for each in costs:
        chosen = choose(loads)
        assert chosen is not None
        loads[chosen] += each
    assert max(loads.values()) - min(loads.values()) <= max(costs, default=0)
