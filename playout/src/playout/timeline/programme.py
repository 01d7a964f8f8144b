"""What a stream should show, as immutable values counted in whole frames.

Video is counted in frames of the profile since the programme's epoch, sound in AAC frames since the
same epoch: both grids are exact, so nothing drifts however long a programme runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from playout.errors import ProgrammeEmpty, ProgrammeError


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a programme: a prepared video track with the audio track that belongs to it."""

    id: str
    """How reports and logs name it; unique within a version."""
    video: str
    """Directory that holds the video track."""
    audio: str
    """Directory that holds the audio track; often the same."""
    frames: int
    """Video frames to play."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """One entry of an independent audio loop (radio mode)."""

    id: str
    audio: str
    frames: int
    """AAC frames to play."""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """The items of a programme from one instant on, until the next version takes over."""

    n: int
    effective_from: int
    """Video frame since the epoch; on a key frame of what was on air before."""
    items: tuple[Item, ...]
    entry: int = 0
    """Index of the first item to play."""
    offset: int = 0
    """Video frames of that item to leave out; a multiple of the GOP."""
    loop: bool = True

    @property
    def cycle_frames(self) -> int:
        """Video frames of one pass over all items."""
        return sum(item.frames for item in self.items)


@dataclass(frozen=True, slots=True)
class Programme:
    """All that decides what is on air at an instant. Two nodes with equal values send equal bytes.

    Raises `ProgrammeError` when the values contradict each other.
    """

    epoch_ns: int
    """UTC nanoseconds at which video frame 0 is due."""
    video_rate: Fraction
    audio_rate: Fraction
    versions: tuple[Version, ...]
    sounds: tuple[Sound, ...] = ()
    """The audio loop of radio mode; empty when each item brings its own sound."""
    profile: str = field(default="", compare=False)
    """Name of the house format, for reports."""

    def __post_init__(self) -> None:
        if not self.versions:
            raise ProgrammeEmpty("The programme has no version.")
        last = -1
        for version in self.versions:
            if not version.items:
                raise ProgrammeEmpty(f"Version {version.n} of the programme has no items.")
            if any(item.frames <= 0 for item in version.items):
                raise ProgrammeError(f"Version {version.n} has an item without a single frame.")
            if not 0 <= version.entry < len(version.items):
                raise ProgrammeError(f"Version {version.n} starts at an item it does not have.")
            if not 0 <= version.offset < version.items[version.entry].frames:
                raise ProgrammeError(f"Version {version.n} starts behind the end of its item.")
            if version.effective_from <= last:
                raise ProgrammeError("Versions must take effect one after the other.")
            last = version.effective_from
        if any(sound.frames <= 0 for sound in self.sounds):
            raise ProgrammeError("The audio loop has an item without a single frame.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for the node protocol and for files; `from_json` reads them back."""
        return {
            "epoch_ns": self.epoch_ns,
            "video_rate": [self.video_rate.numerator, self.video_rate.denominator],
            "audio_rate": [self.audio_rate.numerator, self.audio_rate.denominator],
            "profile": self.profile,
            "versions": [
                {
                    "n": version.n,
                    "effective_from": version.effective_from,
                    "entry": version.entry,
                    "offset": version.offset,
                    "loop": version.loop,
                    "items": [
                        [item.id, item.video, item.audio, item.frames, item.title]
                        for item in version.items
                    ],
                }
                for version in self.versions
            ],
            "sounds": [[s.id, s.audio, s.frames, s.title] for s in self.sounds],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Programme:
        """The programme that `to_json` described; raises `ProgrammeError` when it is not one."""
        try:
            return cls(
                epoch_ns=int(values["epoch_ns"]),
                video_rate=Fraction(*values["video_rate"]),
                audio_rate=Fraction(*values["audio_rate"]),
                profile=str(values.get("profile", "")),
                versions=tuple(
                    Version(
                        n=int(version["n"]),
                        effective_from=int(version["effective_from"]),
                        entry=int(version["entry"]),
                        offset=int(version["offset"]),
                        loop=bool(version["loop"]),
                        items=tuple(Item(*item) for item in version["items"]),
                    )
                    for version in values["versions"]
                ),
                sounds=tuple(Sound(*sound) for sound in values.get("sounds", ())),
            )
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ProgrammeError(f"The programme cannot be read: {error}.") from error
