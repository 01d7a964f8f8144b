"""What a stream should show, as immutable values counted in whole frames.

Video is counted in frames of the profile since the programme's epoch, sound in AAC frames since the
same epoch: both grids are exact, so nothing drifts however long a programme runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeVar

from playout.errors import ProgrammeEmpty, ProgrammeError
from playout.timeline.order import Orders

MAX_WEIGHT = 1000
MAX_PLAYS = 1_000_000
"""Plays of one cycle; more would take memory on every node that carries the programme."""


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
    weight: int = 1
    """Plays in each shuffled cycle."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One entry of an independent audio programme (radio mode)."""

    id: str
    audio: str
    frames: int
    """AAC frames to play."""
    title: str = ""
    weight: int = 1
    """Plays in each shuffled cycle."""


@dataclass(frozen=True, slots=True)
class Version:
    """The items of a programme from one instant on, until the next version takes over."""

    n: int
    effective_from: int
    """Video frame since the epoch; on a key frame of what was on air before."""
    items: tuple[Item, ...]
    entry: int = 0
    """Position in the order of cycle `cycle` to begin at; without a seed, the index of the item."""
    offset: int = 0
    """Video frames of that item to leave out; a multiple of the GOP."""
    loop: bool = True
    seed: int | None = None
    """Shuffles each cycle anew; None plays the items as they stand."""
    cycle: int = 0
    """Number of the first cycle."""
    orders: Orders = field(init=False, repr=False, compare=False)
    """Which item plays when, for `resolve`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "orders", _orders(self.items, self.seed))

    @property
    def entries(self) -> tuple[Item, ...]:
        """The items; what a `SoundVersion` calls sounds."""
        return self.items

    @property
    def cycle_frames(self) -> int:
        """Video frames of one pass over all items."""
        return self.orders.cycle_frames


@dataclass(frozen=True, slots=True)
class SoundVersion:
    """The sounds of radio mode from one instant on, until the next version takes over."""

    n: int
    effective_from: int
    """AAC frame since the epoch."""
    sounds: tuple[Sound, ...]
    entry: int = 0
    """Position in the order of cycle `cycle` to begin at."""
    offset: int = 0
    """AAC frames of that sound to leave out."""
    loop: bool = True
    seed: int | None = None
    cycle: int = 0
    orders: Orders = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "orders", _orders(self.sounds, self.seed))

    @property
    def entries(self) -> tuple[Sound, ...]:
        """The sounds; what a `Version` calls items."""
        return self.sounds

    @property
    def cycle_frames(self) -> int:
        """AAC frames of one pass over all sounds."""
        return self.orders.cycle_frames


def _orders(entries: Sequence[Item] | Sequence[Sound], seed: int | None) -> Orders:
    weights = [max(0, entry.weight) for entry in entries]
    return Orders([entry.frames for entry in entries], weights, seed)


@dataclass(frozen=True, slots=True)
class Card:
    """Pictures shown instead of the loop's for a while, such as the title of a song.

    One that cannot be opened, or does not fit the loop, is not shown: the loop goes on.
    """

    begin: int
    """Video frame since the epoch; on a key frame of the loop, as `end` is."""
    end: int
    video: str
    """Directory that holds the video track."""
    at: int = 0
    """Frame of that track that shows at `begin`; a key frame."""
    title: str = ""


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
    sound_versions: tuple[SoundVersion, ...] = ()
    """The audio programme of radio mode; empty when each item brings its own sound."""
    cards: tuple[Card, ...] = ()
    """In the order of `begin`; none overlaps another."""
    filler: tuple[Item, ...] = ()
    """What may stand in for an item that cannot be played; the clock decides which and where."""
    slate: Item | None = None
    """What stands in when nothing else can be played."""
    profile: str = field(default="", compare=False)
    """Name of the house format, for reports."""

    def __post_init__(self) -> None:
        if not self.versions:
            raise ProgrammeEmpty("The programme has no version.")
        if self.video_rate <= 0 or self.audio_rate <= 0:
            raise ProgrammeError("The programme needs a frame rate and a rate of sound.")
        _check(self.versions, "Version", "item")
        _check(self.sound_versions, "Sound version", "sound")
        if any(item.frames <= 0 for item in self.filler):
            raise ProgrammeError("The filler has an item without a single frame.")
        last = -1
        for card in self.cards:
            if not last <= card.begin < card.end or card.at < 0:
                raise ProgrammeError("Cards must follow one another and show something.")
            last = card.end

    @property
    def is_radio(self) -> bool:
        """Whether the sound is a programme of its own."""
        return bool(self.sound_versions)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the node protocol and for files; `from_json` reads them back.

        A release that does not know a key ignores it, so what is not used is left out.
        """
        values: dict[str, Any] = {
            "epoch_ns": self.epoch_ns,
            "video_rate": [self.video_rate.numerator, self.video_rate.denominator],
            "audio_rate": [self.audio_rate.numerator, self.audio_rate.denominator],
            "profile": self.profile,
            "versions": [
                {**_version_json(version), "items": [_item_json(item) for item in version.items]}
                for version in self.versions
            ],
            # What releases read that know one endless loop of sound only.
            "sounds": [_sound_json(s) for v in self.sound_versions[-1:] for s in v.sounds],
        }
        if self.sound_versions:
            values["sound_versions"] = [
                {
                    **_version_json(version),
                    "sounds": [_sound_json(sound) for sound in version.sounds],
                }
                for version in self.sound_versions
            ]
        if self.cards:
            values["cards"] = [[c.begin, c.end, c.video, c.at, c.title] for c in self.cards]
        if self.filler:
            values["filler"] = [_item_json(item) for item in self.filler]
        if self.slate is not None:
            values["slate"] = _item_json(self.slate)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Programme:
        """The programme that `to_json` described; raises `ProgrammeError` when it is not one.

        Keys that are missing have their defaults, unknown ones are ignored.
        """
        try:
            if "sound_versions" in values:
                sound_versions = tuple(
                    SoundVersion(sounds=_read_sounds(each), **_read_version(each))
                    for each in values["sound_versions"]
                )
            elif values.get("sounds"):
                sound_versions = (SoundVersion(1, 0, _read_sounds(values)),)
            else:
                sound_versions = ()
            slate = values.get("slate")
            return cls(
                epoch_ns=int(values["epoch_ns"]),
                video_rate=Fraction(*values["video_rate"]),
                audio_rate=Fraction(*values["audio_rate"]),
                profile=str(values.get("profile", "")),
                versions=tuple(
                    Version(items=_read_items(each, "items"), **_read_version(each))
                    for each in values["versions"]
                ),
                sound_versions=sound_versions,
                cards=tuple(Card(*card[:5]) for card in values.get("cards", ())),
                filler=_read_items(values, "filler"),
                slate=Item(*slate[:5]) if slate is not None else None,
            )
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ProgrammeError(f"The programme cannot be read: {error}.") from error


V = TypeVar("V", Version, SoundVersion)


def _check(versions: Sequence[V], name: str, entry: str) -> None:
    last = -1
    for version in versions:
        entries: Sequence[Item] | Sequence[Sound] = version.entries
        if not entries:
            raise ProgrammeEmpty(f"{name} {version.n} of the programme has no {entry}s.")
        if any(each.frames <= 0 for each in entries):
            raise ProgrammeError(f"{name} {version.n} has {entry}s without a single frame.")
        if any(not 1 <= each.weight <= MAX_WEIGHT for each in entries):
            raise ProgrammeError(f"{name} {version.n} has a weight that is not 1 to {MAX_WEIGHT}.")
        if version.orders.plays > MAX_PLAYS:
            raise ProgrammeError(f"{name} {version.n} has more than {MAX_PLAYS} plays in a cycle.")
        if version.cycle < 0 or not 0 <= version.entry < version.orders.plays:
            raise ProgrammeError(f"{name} {version.n} starts at an item it does not have.")
        first = entries[version.orders.index(version.cycle, version.entry)]
        if not 0 <= version.offset < first.frames:
            raise ProgrammeError(f"{name} {version.n} starts behind the end of its {entry}.")
        if version.effective_from <= last:
            raise ProgrammeError("Versions must take effect one after the other.")
        last = version.effective_from


def _version_json(version: Version | SoundVersion) -> dict[str, Any]:
    values: dict[str, Any] = {
        "n": version.n,
        "effective_from": version.effective_from,
        "entry": version.entry,
        "offset": version.offset,
        "loop": version.loop,
    }
    if version.seed is not None:
        values["seed"] = version.seed
    if version.cycle:
        values["cycle"] = version.cycle
    if any(entry.weight != 1 for entry in version.entries):
        values["weights"] = [entry.weight for entry in version.entries]
    return values


def _read_version(values: dict[str, Any]) -> dict[str, Any]:
    seed = values.get("seed")
    return {
        "n": int(values["n"]),
        "effective_from": int(values["effective_from"]),
        "entry": int(values.get("entry", 0)),
        "offset": int(values.get("offset", 0)),
        "loop": bool(values.get("loop", True)),
        "seed": None if seed is None else int(seed),
        "cycle": int(values.get("cycle", 0)),
    }


def _item_json(item: Item) -> list[Any]:
    return [item.id, item.video, item.audio, item.frames, item.title]


def _sound_json(sound: Sound) -> list[Any]:
    return [sound.id, sound.audio, sound.frames, sound.title]


def _read_items(values: dict[str, Any], key: str) -> tuple[Item, ...]:
    entries = values.get(key, ())
    weights = values.get("weights") or [1] * len(entries)
    return tuple(
        replace(Item(*entry[:5]), weight=int(weight))
        for entry, weight in zip(entries, weights, strict=True)
    )


def _read_sounds(values: dict[str, Any]) -> tuple[Sound, ...]:
    entries = values.get("sounds", ())
    weights = values.get("weights") or [1] * len(entries)
    return tuple(
        replace(Sound(*entry[:4]), weight=int(weight))
        for entry, weight in zip(entries, weights, strict=True)
    )
