"""Titles and descriptions of broadcasts, made from templates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

TITLE_LENGTH = 100
DESCRIPTION_BYTES = 5000
TAGS_LENGTH = 500

PLACES = ("stream", "date", "channel")
"""What may stand in braces."""


def unknown_places(template: str) -> list[str]:
    """Words in braces that mean nothing."""
    found = []
    rest = template
    while "{" in rest:
        _, _, rest = rest.partition("{")
        word, closed, after = rest.partition("}")
        if closed and word not in PLACES:
            found.append(word)
        rest = after if closed else ""
    return found


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with each `{place}` replaced; what YouTube refuses is left out."""
    for name in PLACES:
        template = template.replace("{" + name + "}", values.get(name, ""))
    return template.replace("<", "").replace(">", "").strip()


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


def values_of(*, stream: str, channel: str, at: datetime) -> dict[str, str]:
    """What stands for each place."""
    return {"stream": stream, "channel": channel, "date": f"{at:%Y-%m-%d}"}
