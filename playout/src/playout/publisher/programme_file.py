"""Programmes from the shell: directories named on the command line, or a TOML file of them."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playout.errors import PlayoutError, ProgrammeError, TracksDisagree
from playout.media import TrackKind, video_profile
from playout.pump.shelf import Shelf
from playout.pump.slate import slate_item
from playout.timeline.programme import MAX_WEIGHT, Item, Programme, Sound, SoundVersion, Version

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS = {"epoch", "loop", "shuffle", "seed", "items", "audio", "filler"}
_ENTRY_KEYS = {"path", "title", "weight"}
_EARLIEST_NS = 10**17
"""1973. A smaller number is one of seconds or milliseconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory of a list."""

    path: Path
    name: str
    """As it was written; its id."""
    title: str = ""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Lists:
    """What the shell wants played, before any track was opened."""

    items: Sequence[Entry]
    audio: Sequence[Entry] = ()
    filler: Sequence[Entry] = ()
    loop: bool = False
    seed: int | None = None
    epoch_ns: int | None = None
    """UTC nanoseconds; None to begin when the ingest says yes."""
    source: str = field(default="", compare=False)


def of_paths(items: Sequence[Path], audio: Sequence[Path], *, loop: bool) -> Lists:
    """The lists that directories on the command line make."""
    return Lists(
        tuple(Entry(path, str(path)) for path in items),
        tuple(Entry(path, str(path)) for path in audio),
        loop=loop,
    )


def read(path: Path, *, loop: bool = False) -> Lists:
    """The lists in a programme file; raises `ProgrammeError` when it cannot be understood."""
    values = _values(path)
    _know(values, _KEYS, f"{path}")
    seed = values.get("seed", 0 if _flag(values, "shuffle", path) else None)
    if seed is not None and (type(seed) is not int or not -(2**63) <= seed < 2**63):
        raise ProgrammeError(f"The seed in {path} is not a whole number of 64 bits.")
    return Lists(
        items=_entries("items", values.get("items"), path),
        audio=_entries("audio", values.get("audio", []), path),
        filler=_entries("filler", values.get("filler", []), path),
        loop=_flag(values, "loop", path) or loop,
        seed=None if values.get("shuffle") is False else seed,
        epoch_ns=_epoch(values.get("epoch"), path),
        source=str(path),
    )


def _values(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ProgrammeError(
            f"The programme file {path} cannot be read: {reason}.",
            advice="Check the path and the permissions of the file.",
        ) from error
    except UnicodeDecodeError as error:
        raise ProgrammeError(
            f"The programme file {path} cannot be read: byte {error.start} is not UTF-8.",
            advice="Save it as UTF-8 text.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ProgrammeError(
            f"The programme file {path} cannot be read: {error}.",
            advice="Correct that line; the format is TOML.",
        ) from error


def _know(values: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ProgrammeError(
            f"{where} says {', '.join(unknown)}, which means nothing here.",
            advice=f"Known are {', '.join(sorted(known))}.",
        )


def _flag(values: dict[str, Any], key: str, path: Path) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise ProgrammeError(
            f"{key} in {path} is neither true nor false.", advice=f"Write {key} = true, unquoted."
        )
    return value


def _epoch(value: object, path: Path) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return (value - _UNIX) // timedelta(microseconds=1) * 1000
    if type(value) is int and (value >= _EARLIEST_NS or value == 0):
        return value
    raise ProgrammeError(
        f"The epoch in {path} is not an instant.",
        advice="Write 2026-01-31T12:00:00Z, or nanoseconds since 1970 as a whole number.",
    )


def _entries(key: str, values: Any, source: Path) -> tuple[Entry, ...]:
    if not isinstance(values, list):
        raise ProgrammeError(
            f"{source} has no list of {key} with a path each.",
            advice=f'Write [[{key}]] and path = "DIR" for each of them.',
        )
    return tuple(
        _entry(value, f"Number {number} of the {key} in {source}", source)
        for number, value in enumerate(values, start=1)
    )


def _entry(value: Any, where: str, source: Path) -> Entry:
    if not isinstance(value, dict) or "path" not in value:
        raise ProgrammeError(
            f"{where} has no path; they need a path each.", advice='Write path = "DIR".'
        )
    _know(value, _ENTRY_KEYS, where)
    name, title, weight = value["path"], value.get("title", ""), value.get("weight", 1)
    if not isinstance(name, str) or not name or "\0" in name:
        raise ProgrammeError(f"The path of {_lower(where)} is not one.", advice='Write "DIR".')
    if not isinstance(title, str):
        raise ProgrammeError(
            f"The title of {_lower(where)} is no text.", advice="Put it in quotation marks."
        )
    if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
        raise ProgrammeError(
            f"The weight of {name} in {source} is not a whole number from 1 to {MAX_WEIGHT}."
        )
    return Entry(source.parent / name, name, title, weight)


def _lower(where: str) -> str:
    return where[:1].lower() + where[1:]


def programme(lists: Lists, *, epoch_ns: int) -> Programme:
    """The programme that `lists` make; opens every track to see that it fits.

    Raises `ProgrammeError` or `TrackError` when it cannot be played.
    """
    if not lists.items:
        raise ProgrammeError("There is nothing to play.", advice="Name at least one directory.")
    shelf = Shelf()
    first = shelf.track(str(lists.items[0].path), TrackKind.VIDEO).description
    own_sound = not lists.audio
    items = _items(lists.items, lists.items[0], shelf, with_sound=own_sound)
    filler = _items(lists.filler, lists.items[0], shelf, with_sound=True)
    sounds = tuple(
        Sound(
            name,
            str(entry.path),
            shelf.track(str(entry.path), TrackKind.AUDIO).description.content_frames,
            entry.title or entry.path.name,
            entry.weight,
        )
        for name, entry in _named(lists.audio)
    )
    heard = shelf.track(str((lists.audio or lists.items)[0].path), TrackKind.AUDIO)
    radio = (SoundVersion(1, 0, sounds, seed=lists.seed),) if sounds else ()
    return Programme(
        epoch_ns=epoch_ns,
        video_rate=first.rate,
        audio_rate=heard.description.rate,
        versions=(Version(1, 0, items, loop=lists.loop, seed=lists.seed),),
        sound_versions=radio,
        filler=filler,
        slate=_slate(first.profile),
        profile=first.profile,
    )


def _items(
    entries: Sequence[Entry], like: Entry, shelf: Shelf, *, with_sound: bool
) -> tuple[Item, ...]:
    found = []
    other = shelf.track(str(like.path), TrackKind.VIDEO).description
    for name, entry in _named(entries):
        directory = str(entry.path)
        track = shelf.track(directory, TrackKind.VIDEO)
        if with_sound:
            shelf.track(directory, TrackKind.AUDIO)
        one = track.description
        if (one.rate, one.width, one.height) != (other.rate, other.width, other.height):
            raise TracksDisagree(
                f"{entry.path} was prepared for {one.profile}, {like.path} for {other.profile}."
            )
        title = entry.title or entry.path.name
        found.append(Item(name, directory, directory, track.frames, title, entry.weight))
    return tuple(found)


def _named(entries: Sequence[Entry]) -> list[tuple[str, Entry]]:
    """Each entry with an id of its own, the same in every reading of one list."""
    seen: dict[str, int] = {}
    found = []
    for entry in entries:
        seen[entry.name] = count = seen.get(entry.name, 0) + 1
        found.append((entry.name if count == 1 else f"{entry.name}#{count}", entry))
    return found


def _slate(profile: str) -> Item | None:
    try:
        return slate_item(video_profile(profile), cache_directory())
    except (PlayoutError, OSError):
        # It is the last resort only, and what has been prepared can go on air without it.
        return None


def cache_directory() -> Path:
    """Where things are kept that can be made again: `XDG_CACHE_HOME`, or what stands for it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base:
        return Path(base) / "playout"
    try:
        return Path.home() / ".cache" / "playout"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"playout-{os.getuid()}"
