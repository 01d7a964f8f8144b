"""What an update has to send along, so that nothing else is reset. Pure.

YouTube replaces a part whole: what a body leaves out goes back to its default. So every body is
what was read, without what cannot be written, and with what is wished.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CONTENT = (
    "enableEmbed", "enableDvr", "recordFromStart", "startWithSlate", "enableContentEncryption",
    "enableAutoStart", "enableAutoStop", "closedCaptionsType", "latencyPreference", "projection",
    "stereoLayout",
)  # fmt: skip
"""Of `contentDetails`. Left out are those that say the same as another one, and contradict it."""

_MUST = {
    "enableEmbed": True,
    "enableDvr": True,
    "recordFromStart": True,
    "startWithSlate": False,
    "enableContentEncryption": False,
}
"""What has to be sent, and stands for what a read did not tell."""


def is_left_alone(content: Mapping[str, Any], *, has_begun: bool) -> bool:
    """Whether nothing but us starts and ends a broadcast with these `contentDetails`.

    `has_begun`: whether it is tested or live, so that how it starts does not matter any more.
    """
    if content.get("enableAutoStop"):
        return False
    monitor = content.get("monitorStream") or {}
    # On by default: what is not told is on.
    has_monitor = monitor.get("enableMonitorStream", True)
    return has_begun or not (has_monitor or content.get("enableAutoStart"))


def left_alone(content: Mapping[str, Any], *, has_begun: bool) -> dict[str, Any]:
    """`contentDetails` by which nothing but us starts and ends a broadcast.

    Once it `has_begun` only the end can be changed; all else must be sent as it is.
    """
    kept = {name: content.get(name) for name in _CONTENT}
    body = {name: value for name, value in kept.items() if value is not None}
    body = _MUST | body
    monitor = content.get("monitorStream") or {}
    body["monitorStream"] = {
        "enableMonitorStream": bool(monitor.get("enableMonitorStream", True)),
        "broadcastStreamDelayMs": int(monitor.get("broadcastStreamDelayMs") or 0),
    }
    body["enableAutoStop"] = False
    if not has_begun:
        body["enableAutoStart"] = False
        body["monitorStream"] = {"enableMonitorStream": False, "broadcastStreamDelayMs": 0}
    return body


_SNIPPET = (
    "title", "description", "categoryId", "tags", "defaultLanguage", "defaultAudioLanguage",
)  # fmt: skip
_STATUS = (
    "privacyStatus", "embeddable", "license", "publicStatsViewable", "publishAt",
    "selfDeclaredMadeForKids", "containsSyntheticMedia",
)  # fmt: skip
TEXTS = ("title", "description", "categoryId", "tags")
"""Of a video's snippet, those that we change."""


def with_wish(
    video: Mapping[str, Any], wish: Mapping[str, Any], *, told: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The parts of a video that an update sends for `wish`; none when it is as wished.

    `told` is what we wrote a moment ago, which reads may not show yet.
    """
    body = {}
    for part, names, ours in (
        ("snippet", _SNIPPET, TEXTS),
        ("status", _STATUS, ("privacyStatus",)),
    ):
        read = video.get(part) or {}
        known = {name: read[name] for name in names if read.get(name) is not None}
        known |= {name: told[name] for name in ours if name in told}
        wished = {name: wish[name] for name in ours if name in wish}
        if any(_differ(known.get(name), value) for name, value in wished.items()):
            body[part] = known | wished
    if body.get("status", {}).get("privacyStatus", "private") != "private":
        # It goes public now: a moment for that later on would be refused.
        body["status"].pop("publishAt", None)
    return body


def _differ(known: Any, wished: Any) -> bool:
    # An empty text, or no tags, is not told at all.
    return bool((known or None) != (wished or None))
