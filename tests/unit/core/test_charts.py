"""What the component `chart` gets."""

from __future__ import annotations

import json

from apps.core.charts import chart


def test_lines_share_their_times_and_say_what_is_known_last():
    made = chart([60, 120, 180], [("a", [1, None, None]), ("b", [None, 2, None])])
    assert made is not None
    assert made.at.timestamp() == 120
    assert [(line.label, line.value) for line in made.lines] == [("a", None), ("b", 2)]
    assert json.loads(made.data) == {
        "times": [60, 120, 180],
        "lines": [[1, None, None], [None, 2, None]],
    }


def test_two_lines_may_have_one_name():
    made = chart([60], [("YouTube", [1]), ("YouTube", [2])])
    assert made is not None
    assert [line.value for line in made.lines] == [1, 2]


def test_nothing_known_is_no_chart():
    assert chart([], []) is None
    assert chart([], [("a", [])]) is None
    assert chart([60], [("a", [None])]) is None
