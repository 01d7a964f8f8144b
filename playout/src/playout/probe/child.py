"""Asks libav what a file is. Runs alone in a limited process: libav may crash on hostile input.

Called by path as `child.py DESCRIPTOR DEMUXER`; prints one JSON object. It judges nothing and
imports nothing of ours, so that nothing of ours is at stake here.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from typing import Any

import av
import av.logging

SAMPLED_FRAMES = 400
"""Enough to see a variable rate and a few key frames."""

DECODED_FRAMES = 6

SEARCH_SECONDS = 10.0
"""How long to look for sound that begins late."""


def main() -> int:
    """Print the facts, or `{"error": …}`; exit status 0 either way."""
    av.logging.set_level(av.logging.PANIC)
    try:
        facts = read_facts(int(sys.argv[1]), sys.argv[2])
    except MemoryError:
        facts = {"error": "memory"}
    except (av.FFmpegError, OSError, ValueError) as error:
        kind = "memory" if getattr(error, "errno", 0) == 12 else "invalid"
        facts = {"error": kind, "detail": type(error).__name__}
    json.dump(facts, sys.stdout)
    return 0


def read_facts(descriptor: int, demuxer: str) -> dict[str, Any]:
    """Open the file as `demuxer` and describe its streams."""
    options = {
        "fd": str(descriptor),
        "protocol_whitelist": "fd",
        "probesize": str(32 << 20),
        "analyzeduration": str(15_000_000),
    }
    if demuxer == "mov":
        options |= {"enable_drefs": "0", "use_absolute_path": "0"}
    with av.open("fd:", format=demuxer, options=options, metadata_errors="ignore") as container:
        streams = [_stream_facts(stream) for stream in container.streams]
        return {
            "duration": _scaled(container.duration, 1 / 1_000_000),
            "start": _scaled(container.start_time, 1 / 1_000_000),
            "read_all": len(streams) <= 64 and _sample(container, streams),
            "streams": streams,
        }


def _stream_facts(stream: Any) -> dict[str, Any]:
    disposition = stream.disposition
    facts: dict[str, Any] = {
        "index": stream.index,
        "type": stream.type,
        "default": bool(disposition & av.stream.Disposition.default),
        "attached": bool(
            disposition & (av.stream.Disposition.attached_pic | av.stream.Disposition.still_image)
        ),
        "alpha": stream.metadata.get("alpha_mode") == "1",
        "duration": _scaled(stream.duration, stream.time_base) or _tagged_end(stream),
        "start": _scaled(stream.start_time, stream.time_base),
        "packets": 0,
        "decoded": 0,
        "codec": None,
        "profile": None,
        "header": "",
    }
    codec = getattr(stream, "codec_context", None)
    if codec is None:
        return facts
    facts["codec"] = codec.name
    facts["profile"] = str(codec.profile) if codec.profile else None
    header = codec.extradata or b""
    facts["header"] = header.hex() if len(header) <= 1024 else ""
    if stream.type == "video":
        facts |= {
            "width": codec.width,
            "height": codec.height,
            "average_rate": _pair(stream.average_rate),
            "guessed_rate": _pair(stream.guessed_rate),
            "sample_aspect": _pair(stream.sample_aspect_ratio),
            "pixel_format": codec.pix_fmt or "",
            "bit_depth": _depth(codec.format),
            "colorspace": _number(codec.colorspace),
            "transfer": _number(codec.color_trc),
            "primaries": _number(codec.color_primaries),
            "range": _number(codec.color_range),
            "interlaced": False,
            "hidden": False,
            "matrix_values": None,
            "times": [],
            "key_times": [],
        }
    elif stream.type == "audio":
        facts |= {"channels": codec.channels, "layout": codec.layout.name, "rate": codec.rate}
    return facts


def _sample(container: Any, streams: list[dict[str, Any]]) -> bool:
    """Read the first packets, decode a few of them, and note what only frames can tell.

    True when the file was read to its end.
    """
    wanted = [
        stream
        for stream in container.streams
        if stream.type in ("video", "audio")
        and not streams[stream.index]["attached"]
        and getattr(stream, "codec_context", None) is not None
    ]
    for stream in wanted:
        stream.codec_context.thread_count = 1
    begun = time.monotonic()
    try:
        for packet in container.demux(wanted) if wanted else ():
            facts = streams[packet.stream.index]
            if packet.size:
                facts["packets"] += 1
            if packet.stream.type == "video" and packet.pts is not None:
                _note_time(packet, facts)
            if facts["decoded"] < DECODED_FRAMES:
                _decode(packet, facts)
            if _enough(streams, wanted) or time.monotonic() - begun > SEARCH_SECONDS:
                return False
    except (av.FFmpegError, OSError, ValueError, IndexError):
        # What was seen so far has to do; judging is not our task. PyAV trips over the packets of a
        # stream that turns up on the way, such as rubbish behind the film makes them.
        return False
    return True


def _enough(streams: list[dict[str, Any]], wanted: list[Any]) -> bool:
    films = [streams[stream.index] for stream in wanted if stream.type == "video"]
    sampled = max((len(film["times"]) for film in films), default=SAMPLED_FRAMES)
    return sampled >= SAMPLED_FRAMES and all(
        streams[stream.index]["decoded"] for stream in wanted if stream.type == "audio"
    )


def _note_time(packet: Any, facts: dict[str, Any]) -> None:
    facts["hidden"] = facts["hidden"] or packet.is_discard
    if len(facts["times"]) < SAMPLED_FRAMES:
        moment = float(packet.pts * packet.stream.time_base)
        facts["times"].append(moment)
        if packet.is_keyframe:
            facts["key_times"].append(moment)


def _decode(packet: Any, facts: dict[str, Any]) -> None:
    try:
        frames = packet.decode()
    except (av.FFmpegError, ValueError):
        return
    for frame in frames:
        facts["decoded"] += 1
        if packet.stream.type != "video":
            continue
        facts["interlaced"] = facts["interlaced"] or bool(frame.interlaced_frame)
        facts["pixel_format"] = frame.format.name
        facts["bit_depth"] = _depth(frame.format)
        for name, value in (
            ("colorspace", frame.colorspace),
            ("transfer", frame.color_trc),
            ("primaries", frame.color_primaries),
            ("range", frame.color_range),
        ):
            if _number(value) not in (None, 2 if name != "range" else 0):
                facts[name] = _number(value)
        if facts["matrix_values"] is None:
            facts["matrix_values"] = _matrix_values(frame)


def _matrix_values(frame: Any) -> list[int] | None:
    try:
        for item in frame.side_data:
            if item.type.name == "DISPLAYMATRIX":
                return list(struct.unpack("=9i", bytes(item)[:36]))
    except ValueError:
        pass  # A kind of side data that PyAV does not know: its list cannot be read at all.
    return None


def _tagged_end(stream: Any) -> float | None:
    """Matroska keeps the end of a track in a tag, such as `00:01:07.480000000`."""
    parts = (stream.metadata.get("DURATION") or "").split(":")
    if len(parts) != 3:
        return None
    try:
        end = int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
    except ValueError:
        return None
    begin = _scaled(stream.start_time, stream.time_base) or 0.0
    return end - begin if begin < end < float("inf") else None


def _depth(form: Any) -> int:
    return max((component.bits for component in form.components), default=8) if form else 8


def _number(value: Any) -> int | None:
    return int(value) if value is not None else None


def _pair(value: Any) -> list[int] | None:
    return [value.numerator, value.denominator] if value else None


def _scaled(value: int | None, unit: Any) -> float | None:
    return float(value * unit) if value is not None and unit is not None else None


if __name__ == "__main__":
    sys.exit(main())
