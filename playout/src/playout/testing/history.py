"""Judges what an ingest wrote down, after the fact; the invariants of a stream's life.

Each check takes records and gives the violations it found, in words, with the instant. The names
in `INVARIANTS` are used by simulations and the lab to say what they prove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from playout.rtmp.events import MessageKind
from playout.testing.recording import Arrival, SessionRecord

SECOND = 10**9
INVARIANTS = {
    "I1": "at most one session of a key delivers media at any instant",
    "I2": "the fencing token of an output never falls",
    "I3": "timestamps of a track never fall within a session",
    "I4": "a session begins with metadata, both sequence headers, and a key frame",
    "I5": "media is missing only where a fault excuses it",
    "I6": "what was received is what the programme says, message by message",
    "I7": "a wanted stream is live again soon after the last fault has healed",
    "I8": "nothing is sent after a stop was reported as done",
}


@dataclass(frozen=True, slots=True)
class Span:
    """From one monotonic instant to another, with what it was."""

    begin_ns: int
    end_ns: int
    what: str = ""

    def covers(self, at_ns: int) -> bool:
        """Whether `at_ns` lies within."""
        return self.begin_ns <= at_ns <= self.end_ns


def _at(ns: int) -> str:
    return f"{ns / SECOND:.3f}"


def one_at_a_time(sessions: Iterable[SessionRecord]) -> list[str]:
    """I1, for sessions of one key."""
    found = []
    latest: tuple[int, int] | None = None
    delivering = sorted(
        (s for s in sessions if s.first_media_ns is not None), key=lambda s: s.first_media_ns or 0
    )
    for session in delivering:
        first, last = session.first_media_ns, session.last_media_ns
        if first is None or last is None:
            continue
        if latest is not None and first < latest[1]:
            found.append(
                f"I1: session {session.number} delivers at {_at(first)} while session "
                f"{latest[0]} does until {_at(latest[1])}"
            )
        if latest is None or last > latest[1]:
            latest = (session.number, last)
    return found


def times_never_fall(session: SessionRecord) -> list[str]:
    """I3, for one session; the 32-bit wrap is no fall."""
    found = []
    last: dict[MessageKind, int] = {}
    for arrival in session.arrivals:
        if arrival.kind is MessageKind.METADATA:
            continue
        before = last.get(arrival.kind)
        if before is not None and (arrival.timestamp - before) % (1 << 32) >= 1 << 31:
            found.append(
                f"I3: session {session.number} falls from {before} to {arrival.timestamp} ms of "
                f"{arrival.kind.value} at {_at(arrival.at_ns)}"
            )
        last[arrival.kind] = arrival.timestamp
    return found


def opens_properly(session: SessionRecord) -> list[str]:
    """I4, for one session, as far as it came."""
    head = session.arrivals[:4]
    words = [
        "metadata" if a.kind is MessageKind.METADATA
        else f"{a.kind.value} header" if a.is_header
        else "key frame" if a.is_key
        else a.kind.value
        for a in head
    ]  # fmt: skip
    wanted = ["metadata", "video header", "audio header", "key frame"]
    right = (
        words[:1] == wanted[: len(words[:1])]
        and sorted(words[1:3]) == sorted(wanted[1:3])[: len(words[1:3])]
        and words[3:4] == wanted[3:4][: len(words[3:4])]
    )
    if len(words) == 2:
        right = words[0] == wanted[0] and words[1] in wanted[1:3]
    return [] if right else [f"I4: session {session.number} begins with {', '.join(words)}"]


def gaps(
    sessions: Iterable[SessionRecord], *, begin_ns: int, end_ns: int, longer_than_ns: int
) -> list[Span]:
    """The stretches between `begin_ns` and `end_ns` without media of any of `sessions`."""
    instants = sorted(
        {arrival.at_ns for session in sessions for arrival in session.media()
         if begin_ns <= arrival.at_ns <= end_ns}
    )  # fmt: skip
    found = []
    before = begin_ns
    for instant in [*instants, end_ns]:
        if instant - before > longer_than_ns:
            found.append(Span(before, instant))
        before = instant
    return found


def excused(found: Iterable[Span], excuses: Sequence[Span], *, slack_ns: int = 0) -> list[str]:
    """I5 and I7: the gaps of which some part lies in no excuse."""
    merged: list[list[int]] = []
    for excuse in sorted(excuses, key=lambda span: span.begin_ns):
        if merged and excuse.begin_ns <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], excuse.end_ns)
        else:
            merged.append([excuse.begin_ns, excuse.end_ns])
    violations = []
    for gap in found:
        begin, end = gap.begin_ns + slack_ns, gap.end_ns - slack_ns
        if end <= begin:
            continue
        if not any(left <= begin and end <= right for left, right in merged):
            violations.append(
                f"I5/I7: no media from {_at(gap.begin_ns)} to {_at(gap.end_ns)}, which no fault "
                "explains"
            )
    return violations


def silent(sessions: Iterable[SessionRecord], spans: Iterable[Span]) -> list[str]:
    """I8: media that arrived within `spans`, where the stream was off and known to be."""
    found = []
    spans = list(spans)
    for session in sessions:
        for arrival in session.media():
            span = next((span for span in spans if span.covers(arrival.at_ns)), None)
            if span is not None:
                found.append(
                    f"I8: session {session.number} delivers at {_at(arrival.at_ns)}, though the "
                    f"stream was {span.what or 'off'} from {_at(span.begin_ns)}"
                )
                break
    return found


def content_is(
    session: SessionRecord, expected: Callable[[Arrival], bytes | None], *, most: int = 3
) -> list[str]:
    """I6, for one session: `expected` gives the digest that belongs there, or None for any."""
    found = []
    for arrival in session.media():
        wanted = expected(arrival)
        if wanted is not None and wanted != arrival.digest:
            found.append(
                f"I6: session {session.number} carries another {arrival.kind.value} message at "
                f"{arrival.timestamp} ms than the programme says, at {_at(arrival.at_ns)}"
            )
            if len(found) >= most:
                break
    return found


def complete(
    session: SessionRecord, steps_ms: dict[MessageKind, tuple[int, int]], excuses: Sequence[Span]
) -> list[str]:
    """I6, the other half: steps between messages off the grid, where nothing excuses them."""
    found = []
    last: dict[MessageKind, int] = {}
    for arrival in session.media():
        before = last.get(arrival.kind)
        last[arrival.kind] = arrival.timestamp
        if before is None:
            continue
        low, high = steps_ms[arrival.kind]
        step = (arrival.timestamp - before) % (1 << 32)
        if not low <= step <= high and not any(span.covers(arrival.at_ns) for span in excuses):
            found.append(
                f"I6: session {session.number} steps {step} ms of {arrival.kind.value} at "
                f"{_at(arrival.at_ns)}"
            )
    return found


def never_ahead(session: SessionRecord, now_ms: Callable[[int], int], *, lead_ms: int) -> list[str]:
    """Media that came earlier than `lead_ms` before it is due; `now_ms` reads a programme clock."""
    for arrival in session.media():
        ahead = arrival.timestamp - now_ms(arrival.at_ns) % (1 << 32)
        if ahead > lead_ms and ahead < 1 << 31:
            where = f"session {session.number} at {_at(arrival.at_ns)}"
            return [f"{where} runs {ahead} ms ahead; {lead_ms} are allowed"]
    return []


def tokens_grow(tokens: Iterable[tuple[str, int]]) -> list[str]:
    """I2, over (output, token) in the order in which they were given out."""
    highest: dict[str, int] = {}
    found = []
    for output, token in tokens:
        if token < highest.get(output, 0):
            found.append(f"I2: the token of {output} falls from {highest[output]} to {token}")
        highest[output] = max(token, highest.get(output, 0))
    return found
