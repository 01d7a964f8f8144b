"""Which frames a recording carries, told by the digests of what was prepared."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from judges.recording import Recording
from playout.media import TrackKind
from playout.timeline.programme import Programme
from playout.timeline.resolve import placement_at, sound_at
from playout.tracks.reader import Track


@cache
def digests(directory: str, kind: TrackKind) -> list[str]:
    """The MD5 of every frame of a track, as a recording shows it."""
    track = Track.open(Path(directory), kind)
    head = 5 if kind is TrackKind.VIDEO else 2
    return [hashlib.md5(track.body(n)[head:]).hexdigest() for n in range(track.frames)]


def expected_pictures(programme: Programme, first: int, count: int) -> list[str]:
    """What `resolve` says should be shown from frame `first` on."""
    found: list[str] = []
    while len(found) < count:
        placement = placement_at(programme, first + len(found))
        assert placement is not None
        within = first + len(found) - placement.start
        last = min(placement.end - placement.start, within + count - len(found))
        found += digests(placement.item.video, TrackKind.VIDEO)[within:last]
    return found


def expected_sounds(programme: Programme, first: int, count: int) -> list[str]:
    """What `resolve` says should be heard from AAC frame `first` on."""
    found: list[str] = []
    while len(found) < count:
        sound = sound_at(programme, first + len(found))
        assert sound is not None
        within = first + len(found) - sound.start
        last = min(sound.end - sound.start, within + count - len(found))
        found += digests(sound.audio, TrackKind.AUDIO)[within:last]
    return found


def check_follows(
    recording: Recording, programme: Programme, *, since: int = 0, sought: int = 120
) -> int:
    """Every frame is what `resolve` says, in an unbroken cadence; the frame it begins with.

    That must be one of the `sought` frames from `since` on.
    """
    pictures = recording.payload_md5("video")
    expected = expected_pictures(programme, since, sought + len(pictures))

    def wrong(start: int) -> list[int]:
        shown = expected[start : start + len(pictures)]
        return [n for n, (a, b) in enumerate(zip(shown, pictures, strict=True)) if a != b]

    start = min(range(sought), key=lambda n: len(wrong(n)))
    assert not wrong(start), f"from frame {since + start} on, {wrong(start)[:20]} are others"
    sounds = recording.payload_md5("audio")

    def is_heard(first: int) -> bool:
        begin = round(first / programme.video_rate * programme.audio_rate)
        near = range(max(0, begin - 2), begin + 3)
        return any(expected_sounds(programme, n, len(sounds)) == sounds for n in near)

    # A loop looks alike at many frames; the sound tells which one it was.
    alike = [since + n for n in range(sought) if not wrong(n)]
    first = next((n for n in alike if is_heard(n)), None)
    assert first is not None, f"the sound is not what the programme says from any of {alike} on"
    assert set(recording.video_deltas) <= {33, 34}
    assert set(recording.audio_deltas) <= {23, 24}
    assert recording.negative_times == []
    return first
