"""The stamp beside a track: all its blocks were as they should be when the file looked like this.

Whoever has written or verified the whole file leaves `<kind>.verified` behind. Any later change of
the file gives it another time or size, and then the stamp says nothing and the blocks are verified
again, one by one, before they are sent.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    size: int
    mtime_ns: int


def identity_of(status: os.stat_result) -> Identity:
    """The identity of the file that `status` is of."""
    return Identity(status.st_ino, status.st_size, status.st_mtime_ns)


def stamp_path(track_file: Path) -> Path:
    """Where the stamp of `video.track` lies: `video.verified`."""
    return track_file.with_suffix(".verified")


def stamp(track_file: Path) -> None:
    """Say that the whole of `track_file` is verified as it is now.

    A stamp that cannot be written is left out: the blocks are then verified when they are due.
    """
    path = stamp_path(track_file)
    part = path.with_name(f".{path.name}.part")
    with contextlib.suppress(OSError):
        text = json.dumps(identity_of(track_file.stat())._asdict())
        part.write_text(text)
        part.replace(path)


def is_verified(track_file: Path, identity: Identity) -> bool:
    """Whether a stamp says that the file of this `identity` was verified as a whole."""
    try:
        values = json.loads(stamp_path(track_file).read_text())
        return Identity(**values) == identity
    except (OSError, ValueError, TypeError):
        return False
