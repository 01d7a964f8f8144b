"""The histogram of late ticks."""

from playout.pump.lateness import Lateness


def test_percentiles_are_within_a_quarter_of_a_millisecond():
    late = Lateness()
    for n in range(1, 1001):
        late.add(n / 10)
    assert 50 <= late.percentile_ms(0.5) <= 50.25
    assert 99 <= late.percentile_ms(0.99) <= 99.25
    assert late.percentile_ms(1.0) <= 100.25
    assert late.max_ms == 100


def test_nothing_counted_is_no_delay():
    assert Lateness().summary() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_it_begins_again():
    late = Lateness()
    late.add(5000)
    assert late.percentile_ms(0.5) > 1999
    late.clear()
    late.add(-1)
    assert late.summary() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_no_percentile_is_beyond_the_maximum():
    late = Lateness()
    late.add(0.1)
    assert late.summary() == {"p50": 0.1, "p99": 0.1, "max": 0.1}
