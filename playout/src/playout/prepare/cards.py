"""Title cards: a few groups of a prepared loop, encoded again with words on them.

The words become a picture first, and that is laid over the loop: no text of a user ever reaches
a filter graph or an argument. The result has the same header, structure and number of pictures as
what it replaces, so that it can be spliced in at its key frames.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from playout.errors import EncoderMismatch, SourceCorrupt
from playout.media import REORDER_FRAMES, TrackKind, VideoProfile
from playout.prepare import headers
from playout.prepare.encoder import Encoder
from playout.prepare.lettering import CardStyle, draw_words
from playout.prepare.pictures import PictureOrder, TagReader
from playout.prepare.plan import PrepareOptions, encoder_arguments, pipe_arguments
from playout.timebase import frame_ms
from playout.tracks.reader import Track
from playout.tracks.writer import TrackWriter

_COLOURS = (
    "format=yuv420p,setsar=1,"
    "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709:field_mode=prog"
)


def prepare_card(
    loop: Path,
    profile: VideoProfile,
    out: Path,
    *,
    words: str,
    group: int,
    frames: int,
    style: CardStyle = CardStyle.BAND,
    options: PrepareOptions | None = None,
    wall_seconds: float = 300,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Write `frames` pictures of `loop` from group `group` on, with `words`, as a track in `out`.

    Blocks until done. Raises `PrepareError` or `SourceError` when the words cannot be drawn or the
    groups cannot be encoded; nothing is left in `out` then.
    """
    track = Track.open(loop, TrackKind.VIDEO)
    first = group * profile.gop_frames
    if not 0 <= first < first + frames <= track.frames or frames < 1:
        raise SourceCorrupt(f"{loop} has no {frames} pictures from group {group} on.")
    golden = headers.video_header(profile)
    if track.description.codec_header != golden:
        raise EncoderMismatch(f"{loop} was not prepared for {profile.id}.")
    options = options or PrepareOptions()
    with tempfile.TemporaryDirectory(prefix="card-") as scratch:
        words_file, groups_file = Path(scratch) / "words.png", Path(scratch) / "groups.flv"
        draw_words(words, (profile.width, profile.height), words_file, style)
        _write_flv(track, first, frames, groups_file)
        with TrackWriter.video(out, profile, golden) as writer:
            reader, order = TagReader(), PictureOrder(profile)

            def take(data: bytes) -> None:
                for tag in reader.feed(data):
                    if tag.is_header and tag.payload != golden:
                        raise EncoderMismatch(f"The card's header is {tag.payload.hex()}.")
                    if tag.is_media:
                        picture = order.picture(tag)
                        writer.add_picture(picture.avcc, picture.display_index, picture.key)

            # Shown times of the groups are whole milliseconds; the encoder counts frames again.
            graph = (
                f"[0:v]setpts=N/{profile.fps}/TB,fps={profile.fps}[loop];"
                f"[loop][1:v]overlay=0:0:eof_action=repeat:format=yuv420,{_COLOURS}[shown]"
            )
            Encoder(wall_seconds=wall_seconds, cancelled=cancelled).run(
                lambda pipes: [
                    "-i", str(groups_file), "-i", str(words_file),
                    "-filter_complex", graph, "-map", "[shown]",
                    "-frames:v", str(frames), "-fps_mode", "passthrough",
                    *encoder_arguments(profile, options), *pipe_arguments(pipes[0]),
                ],
                [take],
            )  # fmt: skip
            if order.finish() != frames:
                raise EncoderMismatch(f"The card has {writer.frames} pictures, not {frames}.")
            writer.finish()


def _write_flv(track: Track, first: int, frames: int, file: Path) -> None:
    """Some groups of a prepared track as a file for the decoder (FLV 10.1, annex E)."""
    rate = track.description.rate
    with file.open("wb") as out:
        out.write(b"FLV\x01\x01\0\0\0\x09\0\0\0\0")
        header = b"\x17\0\0\0\0" + track.description.codec_header
        for number, body in enumerate([header, *map(track.body, range(first, first + frames))]):
            at_ms = frame_ms(max(0, number - 1) + REORDER_FRAMES, rate)
            stamp = at_ms.to_bytes(4, "big")
            tag = b"\x09" + len(body).to_bytes(3, "big") + stamp[1:] + stamp[:1] + b"\0\0\0" + body
            out.write(tag + len(tag).to_bytes(4, "big"))
