"""Which files of the library stand for which videos at YouTube: by id, or title and length. Pure.

Nothing is ever fetched from YouTube: who has the files puts them into the library.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

NEAR_S = 2.0
"""Lengths of the same piece differ by so much, since YouTube rounds and encoders pad."""
FAR = 0.1
"""A title alone is believed unless the lengths differ by more than this share."""

_ID = 11
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{2,4}$")
_RUN = re.compile(r"[A-Za-z0-9_-]{11,}")


@dataclass(frozen=True, slots=True)
class Video:
    """An entry of a list at YouTube."""

    youtube_id: str
    title: str
    duration_s: float | None = None
    """None when YouTube did not say."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the library."""

    asset_id: UUID
    title: str
    name: str = ""
    """Of the file as it was uploaded."""
    duration_s: float | None = None


def matched(videos: Sequence[Video], files: Iterable[File]) -> list[UUID | None]:
    """For each video the file that stands for it; None when there is none, or nobody can tell.

    An id in the file's name decides, as programs that save videos write it there. Else the title
    does, and of several files with it the one whose length is that of the video.
    """
    by_id: dict[str, File] = {}
    by_title: dict[str, list[File]] = defaultdict(list)
    for file in files:
        for found in _ids_in(f"{file.name} {file.title}"):
            by_id.setdefault(found, file)
        for words in {plain(file.title), plain(file.name)} - {""}:
            by_title[words].append(file)
    return [
        by_id[video.youtube_id].asset_id
        if video.youtube_id in by_id
        else _by_title(video, by_title.get(plain(video.title), []))
        for video in videos
    ]


def plain(text: str) -> str:
    """A title without what is written differently in file names: case, marks, suffix, spaces."""
    folded = unicodedata.normalize("NFKC", _SUFFIX.sub("", text)).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())


def _by_title(video: Video, files: Sequence[File]) -> UUID | None:
    if video.duration_s is None:
        return files[0].asset_id if len(files) == 1 else None
    known = [
        (abs(file.duration_s - video.duration_s), file)
        for file in files
        if file.duration_s is not None
    ]
    if not known:
        return files[0].asset_id if len(files) == 1 else None
    off_s, nearest = min(known, key=lambda each: each[0])
    is_alone = len(files) == 1 and off_s <= FAR * video.duration_s
    return nearest.asset_id if off_s <= NEAR_S or is_alone else None


def _ids_in(text: str) -> set[str]:
    """What could be ids: eleven letters that stand alone, or at the end after a dash."""
    found = set()
    for run in _RUN.findall(text):
        if len(run) == _ID or run[-_ID - 1] in "-_":
            found.add(run[-_ID:])
    return found
