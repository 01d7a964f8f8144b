"""Judges a source file from its bytes and from what libav says about it. Pure."""

from __future__ import annotations

import codecs
import contextlib
import enum
import itertools
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any

from playout.errors import (
    SourceCorrupt,
    SourceEmpty,
    SourceIsImage,
    SourceIsPlaylist,
    SourceNotMedia,
    SourceTooLarge,
    SourceTruncated,
)
from playout.probe.stills import StillLimits, check_still

HEAD_BYTES = 64 << 10
"""How much of the beginning of a file `sniff` wants to see."""


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """How much a source may ask of us."""

    wall_seconds: float = 60.0
    cpu_seconds: int = 60
    memory_bytes: int = 2 << 30
    side: int = 8192
    """Widest and highest picture."""
    pixels: int = 36_000_000
    duration_seconds: float = 24 * 3600.0
    tracks: int = 64
    frame_rate: int = 1000
    """Sources that claim more frames per second are broken."""
    still: StillLimits = field(default_factory=StillLimits)


class Container(enum.Enum):
    """The kinds of file that we accept; the value is the libav demuxer that must read it."""

    MP4 = "mov"
    MATROSKA = "matroska"
    MPEG_TS = "mpegts"
    MPEG_PS = "mpeg"
    AVI = "avi"
    FLV = "flv"
    OGG = "ogg"
    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    ADTS = "aac"
    PNG = "png_pipe"
    JPEG = "jpeg_pipe"
    WEBP = "webp_pipe"

    @property
    def is_still(self) -> bool:
        """Whether it holds one picture, without time or sound."""
        return self in (Container.PNG, Container.JPEG, Container.WEBP)

    @property
    def title(self) -> str:
        """What people call it."""
        return _TITLES[self]


_CLOCKED = (Container.MPEG_TS, Container.MPEG_PS)
"""They say no length; it is guessed from the first time and the last."""

_TITLES = {
    Container.MP4: "MP4 or QuickTime",
    Container.MATROSKA: "Matroska or WebM",
    Container.MPEG_TS: "MPEG transport stream",
    Container.MPEG_PS: "MPEG program stream",
    Container.AVI: "AVI",
    Container.FLV: "FLV",
    Container.OGG: "Ogg",
    Container.WAV: "WAV",
    Container.FLAC: "FLAC",
    Container.MP3: "MP3",
    Container.ADTS: "AAC",
    Container.PNG: "PNG picture",
    Container.JPEG: "JPEG picture",
    Container.WEBP: "WebP picture",
}


class Turn(enum.Enum):
    """What has to be done to the coded picture so that it stands upright, unmirrored."""

    NONE = "none"
    CLOCKWISE = "clockwise"
    COUNTER_CLOCKWISE = "counter-clockwise"
    HALF = "half"
    MIRROR = "mirror"
    FLIP = "flip"
    CLOCKWISE_FLIP = "clockwise-flip"
    COUNTER_CLOCKWISE_FLIP = "counter-clockwise-flip"

    @property
    def swaps_sides(self) -> bool:
        """Whether width becomes height."""
        return self in (
            Turn.CLOCKWISE,
            Turn.COUNTER_CLOCKWISE,
            Turn.CLOCKWISE_FLIP,
            Turn.COUNTER_CLOCKWISE_FLIP,
        )

    @property
    def degrees(self) -> int:
        """By how much the picture must be turned clockwise."""
        return {
            Turn.CLOCKWISE: 90,
            Turn.CLOCKWISE_FLIP: 90,
            Turn.COUNTER_CLOCKWISE: 270,
            Turn.COUNTER_CLOCKWISE_FLIP: 270,
            Turn.HALF: 180,
        }.get(self, 0)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The picture track that would be used."""

    index: int
    codec: str
    profile: str | None
    width: int
    height: int
    sample_aspect: Fraction
    turn: Turn
    frame_rate: Fraction | None
    """Average frames per second."""
    variable_rate: bool
    pixel_format: str
    bit_depth: int
    interlaced: bool
    matrix: str | None
    transfer: str | None
    primaries: str | None
    full_range: bool
    duration: float | None
    start: float
    """Seconds after the beginning of the file."""
    gop_seconds: float | None
    """Longest distance of key frames among the first frames, where that was cheap to see."""
    header_hex: str
    """The decoder configuration as the container keeps it."""
    has_alpha: bool = False
    """Parts of it may be transparent."""
    has_hidden: bool = False
    """An edit list hides pictures, which are there for the others to be decoded only."""

    @property
    def is_hdr(self) -> bool:
        """Whether the picture is high dynamic range (PQ or HLG)."""
        return self.transfer in ("smpte2084", "arib-std-b67")

    @property
    def display_aspect(self) -> Fraction:
        """Width to height as it should be seen, upright."""
        shown = Fraction(self.width, self.height) * self.sample_aspect
        return 1 / shown if self.turn.swaps_sides else shown


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The sound track that would be used."""

    index: int
    codec: str
    profile: str | None
    channels: int
    layout: str
    sample_rate: int
    duration: float | None
    start: float
    header_hex: str


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a source file is."""

    container: Container
    size_bytes: int
    duration: float | None
    """Seconds; None when the file does not say."""
    video: VideoInfo | None
    audio: AudioInfo | None
    cover_index: int | None
    """The stream number of an embedded cover picture."""
    other_tracks: int

    @property
    def is_still(self) -> bool:
        """Whether it is one picture, that lasts as long as one likes."""
        return self.container.is_still

    def to_json(self) -> dict[str, Any]:
        """The same in types that JSON knows."""
        return {
            "container": self.container.title,
            "demuxer": self.container.value,
            "size_bytes": self.size_bytes,
            "duration_seconds": self.duration,
            "video": _plain(self.video),
            "audio": _plain(self.audio),
            "has_cover": self.cover_index is not None,
            "other_tracks": self.other_tracks,
            "is_still": self.is_still,
        }


def _plain(part: VideoInfo | AudioInfo | None) -> dict[str, Any] | None:
    if part is None:
        return None
    values = asdict(part)
    for name, value in values.items():
        if isinstance(value, Fraction):
            values[name] = f"{value.numerator}/{value.denominator}"
        elif isinstance(value, enum.Enum):
            values[name] = value.value
    if isinstance(part, VideoInfo):
        values["rotation"] = part.turn.degrees
        values["hdr"] = part.is_hdr
    return values


# -- by the first bytes -------------------------------------------------------------------------

_IMAGES = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"\0\0\x01\0",
    b"8BPS", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ", b"\xff\x0a", b"qoif",
)  # fmt: skip
_IMAGE_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof")
_SCRIPTS = (
    "#extm3u", "ffconcat", "[playlist]", "[reference]", "<?xml", "<mpd", "<svg", "<smil", "<asx",
    "<playlist", "<smoothstreamingmedia", "<!doctype", "<html", "v=0", "concat:", "subfile,",
    "file:", "http:", "https:", "rtmp:", "rtsp:", "data:", "crypto:", "#!", "rtsptext", "smil",
)  # fmt: skip


def sniff(head: bytes, *, stills: bool = False) -> Container:
    """The kind of a file that begins with `head`, whatever its name says.

    Only kinds on our list are accepted, each with one forced demuxer, so that libav never
    guesses; still pictures only with `stills`. Raises `SourceEmpty`, `SourceIsPlaylist`,
    `SourceIsImage` or `SourceNotMedia`.
    """
    if not head:
        raise SourceEmpty("The file is empty.")
    found = _media_kind(head)
    if found is not None:
        return found
    still = _still_kind(head)
    if still is not None and stills:
        return still
    if still is not None or head[4:8] == b"ftyp" or head.startswith(_IMAGES):
        raise SourceIsImage("The file is a picture.")
    text = _as_text(head)
    if text is not None:
        start = text.lstrip().lower()
        if start.startswith(_SCRIPTS):
            raise SourceIsPlaylist("The file is a playlist or script that names other places.")
        raise SourceNotMedia("The file is text.")
    raise SourceNotMedia("The file is not a kind of media that we know.")


def _still_kind(head: bytes) -> Container | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Container.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return Container.JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Container.WEBP
    return None


def _media_kind(head: bytes) -> Container | None:
    if head[4:8] in _MP4_BOXES:
        image = head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS
        return None if image else Container.MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Container.MATROSKA
    if head.startswith((b"RIFF", b"RF64", b"BW64")):
        return {b"WAVE": Container.WAV, b"AVI ": Container.AVI}.get(head[8:12])
    if head.startswith(b"OggS"):
        return Container.OGG
    if head.startswith(b"fLaC"):
        return Container.FLAC
    if head.startswith(b"FLV\x01"):
        return Container.FLV
    if head.startswith(b"\0\0\x01\xba"):
        return Container.MPEG_PS
    if _is_transport_stream(head):
        return Container.MPEG_TS
    if head.startswith(b"ID3") and len(head) >= 10:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        behind = head[10 + size : 14 + size]
        if behind.startswith(b"fLaC"):
            return Container.FLAC
        return Container.ADTS if _is_adts(behind) else Container.MP3
    if _is_adts(head):
        return Container.ADTS
    if _is_mp3(head):
        return Container.MP3
    if not head.startswith(_IMAGES) and _is_cut_transport_stream(head):
        return Container.MPEG_TS
    return None


def _is_transport_stream(head: bytes) -> bool:
    for packet, offset in ((188, 0), (192, 4), (204, 0)):
        marks = head[offset : offset + 8 * packet : packet]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return True
    return False


_CUT_MARKS = 64


def _is_cut_transport_stream(head: bytes) -> bool:
    """Whether it begins inside a packet, as parts of recordings do; only after all other kinds."""
    return any(
        head[offset : offset + _CUT_MARKS * packet : packet] == b"\x47" * _CUT_MARKS
        for packet in (188, 192, 204)
        for offset in range(packet)
    )


def _is_adts(head: bytes) -> bool:
    # 12 sync bits, layer always 0, a sampling frequency that exists (ISO/IEC 13818-7, 6.2.1).
    return (
        len(head) >= 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and (head[2] >> 2) & 15 < 13
    )


_MP3_KBPS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_MP3_HZ = {3: (44100, 48000, 32000, 0), 2: (22050, 24000, 16000, 0), 0: (11025, 12000, 8000, 0)}


def _mp3_frame_bytes(head: bytes) -> int:
    """Length of the layer III frame that begins here (ISO/IEC 11172-3, 2.4.1.3); 0 for none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version = (head[1] >> 3) & 3
    rate = _MP3_HZ.get(version, (0, 0, 0, 0))[(head[2] >> 2) & 3]
    kbps = _MP3_KBPS[3 if version == 3 else 2][head[2] >> 4]
    if not rate or not kbps:
        return 0
    return (144 if version == 3 else 72) * kbps * 1000 // rate + ((head[2] >> 1) & 1)


def _is_mp3(head: bytes) -> bool:
    first = _mp3_frame_bytes(head)
    return first > 0 and _mp3_frame_bytes(head[first:]) > 0


def _as_text(head: bytes) -> str | None:
    """The beginning as text, or None when it is binary."""
    sample = head[:4096]
    encoding = "utf-16" if sample.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    # Incremental, since the sample may end inside a character.
    decoder = codecs.getincrementaldecoder(encoding)()
    with contextlib.suppress(UnicodeDecodeError):
        text = decoder.decode(sample)
        if all(mark.isprintable() or mark in "\r\n\t\f" for mark in text):
            return text
    # Old one-byte encodings: text, when nearly everything is printable ASCII.
    plain = sum(byte in b"\r\n\t" or 32 <= byte < 127 for byte in sample)
    return sample.decode("latin-1") if plain > 0.9 * len(sample) else None


# -- is it whole? -------------------------------------------------------------------------------

_MAX_BOXES = 200_000


def check_whole(
    container: Container,
    size: int,
    read_at: Callable[[int, int], bytes],
    /,
    *,
    limits: ProbeLimits | None = None,
) -> None:
    """Compare the lengths that the container declares with `size`, the length of the file.

    `read_at(offset, count)` reads. Raises `SourceTruncated`; for a still picture, whose size is
    read from its header here, also `SourceTooLarge` or `SourceIsImage`.
    """
    if container.is_still:
        check_still(container.value, size, read_at, (limits or ProbeLimits()).still)
    elif container is Container.MP4:
        _check_boxes(size, read_at)
    elif container is Container.MATROSKA:
        _check_segment(size, read_at)
    elif container in (Container.AVI, Container.WAV):
        _check_riff(size, read_at)


def _check_boxes(size: int, read_at: Callable[[int, int], bytes]) -> None:
    """Walk the top-level boxes (ISO/IEC 14496-12, 4.2)."""
    offset, index_found, media_found = 0, False, False
    for _ in range(_MAX_BOXES):
        if offset + 8 > size:
            break
        head = read_at(offset, 16)
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1:
            if len(head) < 16:
                raise SourceTruncated("The file ends inside a box.")
            length = struct.unpack(">Q", head[8:16])[0]
        elif length == 0:
            length = size - offset
        if length < 8 or not all(32 <= byte < 127 or byte == 0xA9 for byte in kind):
            break  # Not a box: rubbish behind the film, which players ignore as well.
        if offset + length > size:
            missing = offset + length - size
            if index_found and media_found and kind not in (b"mdat", b"moof", b"moov"):
                break
            raise SourceTruncated(f"The end of the file is missing: at least {missing} bytes.")
        index_found |= kind == b"moov"
        media_found |= kind == b"mdat"
        offset += length
    if not index_found:
        raise SourceTruncated("The file has no index (moov): its end was never written.")
    if not media_found:
        raise SourceTruncated("The file has an index but no media: its end is missing.")


def _check_segment(size: int, read_at: Callable[[int, int], bytes]) -> None:
    """Compare the segment's declared size with the file (RFC 8794, 4 and 6)."""
    offset = 0
    for _ in range(8):
        head = read_at(offset, 16)
        if len(head) < 2:
            return
        id_bytes = _vint_bytes(head[0])
        if not 1 <= id_bytes <= 4 or len(head) <= id_bytes:
            return
        size_bytes = _vint_bytes(head[id_bytes])
        field = head[id_bytes : id_bytes + size_bytes]
        if not 1 <= size_bytes <= 8 or len(field) < size_bytes:
            return
        length = int.from_bytes(field, "big") & ((1 << 7 * size_bytes) - 1)
        if length == (1 << 7 * size_bytes) - 1:
            return  # Unknown size: a recording that was written live.
        offset += id_bytes + size_bytes + length
        if offset > size:
            raise SourceTruncated(f"The end of the file is missing: {offset - size} bytes.")
        if head[:id_bytes] == b"\x18\x53\x80\x67":
            return


def _vint_bytes(first: int) -> int:
    return 9 - first.bit_length()


def _check_riff(size: int, read_at: Callable[[int, int], bytes]) -> None:
    head = read_at(0, 12)
    if len(head) < 12 or head[:4] != b"RIFF":
        return
    length = struct.unpack("<I", head[4:8])[0]
    # Writers that cannot seek leave 0 or all ones; one byte of padding is often forgotten.
    if length not in (0, 0xFFFFFFFF) and 8 + length > size + 1 and length < 0x7FFF0000:
        raise SourceTruncated(f"The end of the file is missing: {8 + length - size} bytes.")


# -- by what libav says -------------------------------------------------------------------------


def media_info(
    facts: dict[str, Any],
    container: Container,
    size: int,
    limits: ProbeLimits,
    *,
    orientation: int = 1,
) -> MediaInfo:
    """Turn what the probing child found into a `MediaInfo`.

    `orientation` is that of a still picture (see `stills.orientation`). Raises `SourceCorrupt` when
    nothing can be played, `SourceTooLarge` past a limit.
    """
    streams: list[dict[str, Any]] = facts["streams"]
    if len(streams) > limits.tracks:
        raise SourceTooLarge(f"The file has {len(streams)} tracks; {limits.tracks} are allowed.")
    duration = _seconds(facts.get("duration"))
    if container in _CLOCKED and (duration or 0) > limits.duration_seconds:
        # A clock that was set back on the way, not a length: it counts to 26.5 hours only.
        duration = None
        streams = [{**stream, "duration": None} for stream in streams]
    pictures = [s for s in streams if s["type"] == "video"]
    covers = [s for s in pictures if s["attached"]]
    films = [s for s in pictures if not s["attached"] and s.get("width")]
    sounds = [s for s in streams if s["type"] == "audio" and s.get("rate")]
    for stream in films:
        if not container.is_still:
            _check_size(stream, limits)
    if container.is_still and not any(stream["decoded"] for stream in films):
        raise SourceCorrupt(
            "The picture cannot be decoded.", advice="Save it again as PNG, JPEG or WebP."
        )
    film = _first_choice(films, read_all=facts["read_all"])
    sound = _first_choice(sounds, read_all=facts["read_all"])
    begin = facts["start"] or 0.0
    video = _video_info(film, begin, limits) if film is not None else None
    if container.is_still and video is not None:
        still = _still_info(video, _ORIENTATIONS.get(orientation, Turn.NONE))
        return MediaInfo(container, size, None, still, None, None, 0)
    audio = _audio_info(sound, begin) if sound is not None else None
    if video is None and audio is None:
        if covers:
            raise SourceIsImage("The file holds only a picture.")
        raise SourceNotMedia("The file holds neither pictures nor sound that we can read.")
    lengths = [
        part.duration for part in (video, audio) if part is not None and part.duration is not None
    ]
    if duration is None and lengths:
        duration = max(lengths)
    if duration is not None and duration > limits.duration_seconds:
        raise SourceTooLarge(
            f"The file says it lasts {spoken_duration(duration)}; "
            f"{spoken_duration(limits.duration_seconds)} are allowed."
        )
    used = sum(part is not None for part in (film, sound))
    return MediaInfo(
        container=container,
        size_bytes=size,
        duration=duration,
        video=video,
        audio=audio,
        cover_index=covers[0]["index"] if covers else None,
        other_tracks=len(streams) - used - len(covers),
    )


def _first_choice(streams: Sequence[dict[str, Any]], *, read_all: bool) -> dict[str, Any] | None:
    """The default track, or the first, of those that hold something that can be decoded."""
    usable = [s for s in streams if s["decoded"]]
    if not usable and any(s["packets"] for s in streams):
        raise SourceCorrupt(
            f"Not one {streams[0]['codec'] or 'unknown'} frame of the file can be decoded."
        )
    if not usable and not read_all:
        usable = [s for s in streams if s["duration"]]  # It begins later than we looked.
    return next((s for s in usable if s["default"]), usable[0] if usable else None)


def _check_size(stream: dict[str, Any], limits: ProbeLimits) -> None:
    width, height = stream["width"], stream["height"]
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise SourceTooLarge(f"The picture is {width}x{height}, larger than we accept.")


_TRANSPARENT = ("rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "yuva", "pal8")


def _video_info(stream: dict[str, Any], begin: float, limits: ProbeLimits) -> VideoInfo:
    return VideoInfo(
        index=stream["index"],
        codec=stream["codec"],
        profile=stream["profile"],
        width=stream["width"],
        height=stream["height"],
        sample_aspect=_sane_aspect(_fraction(stream["sample_aspect"])),
        turn=turn_from_matrix(stream["matrix_values"]),
        frame_rate=_frame_rate(stream, limits),
        variable_rate=_is_variable(stream["times"]),
        pixel_format=stream["pixel_format"],
        bit_depth=stream["bit_depth"],
        interlaced=stream["interlaced"],
        matrix=_name(_MATRICES, stream["colorspace"]),
        transfer=_name(_TRANSFERS, stream["transfer"]),
        primaries=_name(_PRIMARIES, stream["primaries"]),
        full_range=stream["range"] == 2 or stream["pixel_format"].startswith("yuvj"),
        has_hidden=stream["hidden"],
        has_alpha=stream["alpha"] or stream["pixel_format"].startswith(_TRANSPARENT),
        duration=_seconds(stream["duration"]),
        start=_start(stream["start"], begin),
        gop_seconds=_longest_gop(stream["key_times"]),
        header_hex=stream["header"],
    )


_ORIENTATIONS = {
    2: Turn.MIRROR, 3: Turn.HALF, 4: Turn.FLIP, 5: Turn.COUNTER_CLOCKWISE_FLIP,
    6: Turn.CLOCKWISE, 7: Turn.CLOCKWISE_FLIP, 8: Turn.COUNTER_CLOCKWISE,
}  # fmt: skip


def _still_info(video: VideoInfo, turn: Turn) -> VideoInfo:
    """What counts of a picture: it has no time, and its colours are those of such files."""
    is_rgb = video.pixel_format.startswith(("rgb", "bgr", "gbr", "pal", "abgr", "argb"))
    return replace(
        video,
        turn=turn,
        frame_rate=None,
        variable_rate=False,
        duration=None,
        start=0.0,
        gop_seconds=None,
        interlaced=False,
        matrix=video.matrix if is_rgb else video.matrix or "bt470bg",
        header_hex="",
    )


def _audio_info(stream: dict[str, Any], begin: float) -> AudioInfo:
    return AudioInfo(
        index=stream["index"],
        codec=stream["codec"],
        profile=stream["profile"],
        channels=stream["channels"],
        layout=stream["layout"],
        sample_rate=stream["rate"],
        duration=_seconds(stream["duration"]),
        start=_start(stream["start"], begin),
        header_hex=stream["header"],
    )


def _seconds(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _start(start: float | None, begin: float) -> float:
    return 0.0 if start is None else round(start - begin, 6)


def _fraction(value: Sequence[int] | None) -> Fraction | None:
    if not value or value[0] <= 0 or value[1] <= 0:
        return None
    return Fraction(value[0], value[1])


def _sane_aspect(value: Fraction | None) -> Fraction:
    return value if value is not None and Fraction(1, 16) <= value <= 16 else Fraction(1)


_USUAL_RATES = tuple(
    Fraction(rate)
    for rate in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "120")
)


def _frame_rate(stream: dict[str, Any], limits: ProbeLimits) -> Fraction | None:
    """The average rate; containers that count milliseconds give only a rounded one."""
    measured = _measured_rate(stream["times"])
    said = _fraction(stream["average_rate"]) or _fraction(stream["guessed_rate"])
    if said is not None and said > limits.frame_rate:
        said = None
    for rate in (said, measured):
        for usual in _USUAL_RATES:
            if rate is not None and abs(rate - usual) < usual / 2500:
                return usual
    return said or measured


def _measured_rate(times: Sequence[float]) -> Fraction | None:
    ordered = _settled(times)
    if len(ordered) < 2 or ordered[-1] <= ordered[0]:
        return None
    rate = Fraction((len(ordered) - 1) / (ordered[-1] - ordered[0]))
    return rate.limit_denominator(1001)


def _is_variable(times: Sequence[float]) -> bool:
    """Whether frame distances differ by more than coarse time stamps explain."""
    ordered = _settled(times)
    steps = sorted(b - a for a, b in itertools.pairwise(ordered))
    if len(steps) < 4:
        return False
    usual = steps[len(steps) // 2]
    return steps[-1] - usual > 0.0021 + 0.2 * usual or usual - steps[0] > 0.0021 + 0.2 * usual


def _settled(times: Sequence[float]) -> list[float]:
    """In order; the last few are left out, since some between them have not come yet."""
    ordered = sorted(times)
    return ordered[:-8] if len(ordered) > 16 else ordered


def _longest_gop(key_times: Sequence[float]) -> float | None:
    steps = [b - a for a, b in itertools.pairwise(key_times)]
    return round(max(steps), 3) if steps else None


def turn_from_matrix(values: Sequence[int] | None) -> Turn:
    """The turn that a display matrix asks for (ISO/IEC 14496-12, 8.3.2), to the nearest 90°."""
    if not values or len(values) < 5:
        return Turn.NONE
    a, b, c, d = values[0], values[1], values[3], values[4]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        if a >= 0:
            return Turn.NONE if d >= 0 else Turn.FLIP
        return Turn.HALF if d < 0 else Turn.MIRROR
    if b > 0:
        return Turn.CLOCKWISE if c < 0 else Turn.COUNTER_CLOCKWISE_FLIP
    return Turn.COUNTER_CLOCKWISE if c > 0 else Turn.CLOCKWISE_FLIP


# Numbers and names of ISO/IEC 23091-2, as the filters call them.
_MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m",
             8: "ycgco", 9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc",
             13: "chroma-derived-c", 14: "ictcp", 15: "ipt-c2", 16: "ycgco-re",
             17: "ycgco-ro"}  # fmt: skip
_TRANSFERS = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear",
              13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
              18: "arib-std-b67"}  # fmt: skip
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020",
              11: "smpte431", 12: "smpte432"}  # fmt: skip


def _name(names: dict[int, str], value: int | None) -> str | None:
    return names.get(value) if value is not None else None


def spoken_duration(seconds: float) -> str:
    """`seconds` as people say it: `1 h 02 min`, `3 min 20 s`, `7.5 s`."""
    if 0 < seconds < 0.05:
        # Never "0 s long" of something that is there.
        return f"{max(seconds, 0.01):.2f} s"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
