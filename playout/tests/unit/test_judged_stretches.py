"""How the judge of recordings names what was on air."""

from __future__ import annotations

from pathlib import Path

import pytest
from judges.clips import COLOURS, WHITE
from judges.recording import Picture, Recording, Stretch


def recording_of(*colours: str) -> Recording:
    """A recording whose decoded pictures have these colours, 40 ms apart."""
    known = {**COLOURS, "white": WHITE}
    recording = Recording(Path("unread.flv"))
    recording.__dict__["pictures"] = [
        Picture(40 * number, known[colour]) for number, colour in enumerate(colours)
    ]
    return recording


@pytest.mark.parametrize(
    ("shown", "stretches"),
    [
        (["red", "red", "blue"], [Stretch("red", 0, 2), Stretch("blue", 80, 1)]),
        (["red", "white", "red", "blue"], [Stretch("red", 0, 3), Stretch("blue", 120, 1)]),
        (["white", "white", "red", "blue"], [Stretch("red", 0, 3), Stretch("blue", 120, 1)]),
    ],
    ids=["plain", "a flash within", "opened within a flash"],
)
def test_a_flash_belongs_to_the_colour_that_is_on_air(
    shown: list[str], stretches: list[Stretch]
) -> None:
    assert recording_of(*shown).stretches == stretches
