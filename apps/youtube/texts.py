"""Titles and descriptions of broadcasts, made from templates. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime

TITLE_LENGTH = 100
DESCRIPTION_BYTES = 5000
TAGS_LENGTH = 500

PLACES = ("stream", "date", "channel")
"""What may stand in braces."""
PLACES_ON_AIR = (*PLACES, "item")
"""In a change of what is live: the title of what is on then, too."""
PLACES_AFTER = (*PLACES, "title")
"""In the title of an archive: the title that the broadcast had, too."""

_IN_BRACES = re.compile(r"\{([^{}]*)\}")


def unknown_places(template: str, places: Collection[str] = PLACES) -> list[str]:
    """Words in braces that mean nothing."""
    return [word for word in _IN_BRACES.findall(template) if word not in places]


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{place}` replaced; what YouTube refuses is left out.

    What is put in is not looked at again: a stream may be called `{date}`.
    """
    text = _IN_BRACES.sub(lambda match: values.get(match[1], match[0]), template)
    return text.replace("<", "").replace(">", "").strip()


def title_of(template: str, values: Mapping[str, str]) -> str:
    """One to a hundred characters."""
    text = " ".join(filled(template, values).split())[:TITLE_LENGTH].strip()
    return text or "Live"


def description_of(template: str, values: Mapping[str, str]) -> str:
    """At most 5,000 bytes, cut between characters."""
    return filled(template, values).encode()[:DESCRIPTION_BYTES].decode(errors="ignore")


def tags_of(text: str) -> list[str]:
    """The tags, as many as YouTube takes."""
    tags: list[str] = []
    length = 0
    for tag in dict.fromkeys(one.strip() for one in text.split(",")):
        # A tag with a blank is counted with quotation marks around it.
        length += len(tag) + (2 if " " in tag else 0) + 1
        if tag and length <= TAGS_LENGTH:
            tags.append(tag.replace("<", "").replace(">", ""))
    return tags


def values_of(*, stream: str, channel: str, at: datetime, **more: str) -> dict[str, str]:
    """What stands for each place."""
    return {"stream": stream, "channel": channel, "date": f"{at:%Y-%m-%d}"} | more
