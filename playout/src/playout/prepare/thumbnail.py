"""Takes one picture out of a source, for people to recognise it by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playout.errors import PrepareError, PrepareLimitExceeded, SourceCorrupt
from playout.media import VideoProfile
from playout.prepare.encoder import Encoder
from playout.prepare.plan import PrepareOptions, input_arguments, still_filters, video_filters
from playout.probe.parse import MediaInfo
from playout.probe.run import fresh_descriptor, open_source, probe_descriptor

_SIZE = VideoProfile("thumbnail", 1, width=640, height=360, fps=30, kbps=0, level="")
_CANDIDATES = 24
"""Pictures from which the most typical is taken, so that a black one is rare."""
_WALL_SECONDS = 60.0
_MEMORY_BYTES = 3 << 30
_LARGEST_BYTES = 2 << 20
_JPEG_COLOURS = "scale=in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc"
"""Whoever shows a JPEG takes it for BT.601, whatever made it."""


def thumbnail(
    source: Path,
    out: Path,
    at_seconds: float,
    *,
    info: MediaInfo | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> bool:
    """Write a JPEG of 640x360 to `out`, taken at or soon after `at_seconds`; else from the start.

    Give `info` when the source was probed already. False, and no file, when the source has sound
    alone and no cover. Raises a `SourceError` or `PrepareError` when no picture can be taken.
    """
    with open_source(source) as descriptor:
        info = info or probe_descriptor(descriptor, stills=True)
        index = info.video.index if info.video is not None else info.cover_index
        if index is None:
            return False
        if info.is_still:
            filters, at_seconds = ",".join([*still_filters(info, _SIZE), _JPEG_COLOURS]), 0.0
        elif info.video is not None:
            shown = f"{video_filters(info.video, _SIZE)},thumbnail=n={_CANDIDATES}"
            filters = f"{shown},{_JPEG_COLOURS}"
        else:
            filters = "scale=w=640:h=360:force_original_aspect_ratio=decrease:force_divisible_by=2"
            at_seconds = 0.0
        encoder = Encoder(
            wall_seconds=_WALL_SECONDS, memory_bytes=_MEMORY_BYTES, cancelled=cancelled
        )
        for begin in dict.fromkeys((max(0.0, at_seconds), 0.0)):
            picture = _take(encoder, info, descriptor, index, filters, begin)
            if picture:
                out.write_bytes(picture)
                return True
    raise SourceCorrupt("No picture of the file can be decoded.")


def _take(
    encoder: Encoder, info: MediaInfo, descriptor: int, index: int, filters: str, begin: float
) -> bytes:
    """The JPEG; empty when nothing can be decoded from `begin` on."""
    picture = bytearray()

    def add(data: bytes) -> None:
        picture.extend(data)
        if len(picture) > _LARGEST_BYTES:
            raise PrepareLimitExceeded("The thumbnail came out too large.")

    with fresh_descriptor(descriptor) as opened:
        try:
            encoder.run(
                lambda pipes: [
                    *(("-ss", f"{begin:.3f}") if begin else ()),
                    *input_arguments(info, opened, PrepareOptions(threads=1)),
                    "-map", f"0:{index}", "-an", "-sn", "-dn",
                    "-vf", f"{filters},scale=out_range=pc,format=yuvj420p",
                    "-frames:v", "1",
                    "-c:v", "mjpeg", "-q:v", "4", "-bitexact",
                    "-map_metadata", "-1",
                    "-f", "image2pipe", f"pipe:{pipes[0]}",
                ],
                [add],
                descriptors=[opened],
            )  # fmt: skip
        except PrepareError:
            raise
        except SourceCorrupt:
            # Seeking near a damaged end often fails where the beginning can be read.
            if not begin:
                raise
            return b""
    return bytes(picture)
