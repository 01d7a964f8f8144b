"""Decides how a source becomes the house format: ffmpeg arguments and expectations. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from playout.media import MAX_MESSAGE_BYTES, AudioProfile, VideoProfile
from playout.probe.describe import Report, describe
from playout.probe.parse import AudioInfo, MediaInfo, Turn, VideoInfo
from playout.timebase import round_half_up

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip

LOUDNESS_LUFS = -14.0
PEAK_DBTP = -1.5
MAX_BOOST_DB = 20.0
"""Nearly silent recordings are mostly noise; that is not to be made loud."""
LIMITER_DB = 6.0
"""How far the limiter may press down peaks; a louder wish is not fulfilled."""

HELD_FROM_SECONDS = 1.0
"""Sound that lasts so much longer than the pictures is worth holding the last one."""

DEFAULT_MEMORY_BYTES = 6 << 30
MAX_SECONDS = 24 * 3600.0
"""No item is longer, whatever its time stamps make of it."""

# Presets below `fast` have no psycho-visual rate distortion, for which x264 would lower the
# chroma quantiser by 2; we lower it by hand, since that value stands in the picture header.
_PLAIN_PRESETS = ("ultrafast", "superfast", "veryfast", "faster")


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """What may be chosen about a preparation, and what it may use."""

    preset: str = "medium"
    normalise_loudness: bool = True
    max_bytes: int | None = None
    """Bytes of both tracks together."""
    max_seconds: float | None = None
    """Wall-clock time; by default ten minutes and a hundred times the duration."""
    max_memory_bytes: int | None = None
    """Address space of the encoder."""
    threads: int | None = None
    still_seconds: int = 10
    """How long a still picture lasts, as an item of a list or as a loop."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}")


@dataclass(frozen=True, slots=True)
class Loudness:
    """What a measurement found."""

    integrated_lufs: float
    true_peak_dbtp: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How one source will be prepared."""

    info: MediaInfo
    profile: VideoProfile
    audio: AudioProfile
    options: PrepareOptions
    mode: str
    """`encode` or `remux`; it concerns the pictures only, sound is always encoded."""
    report: Report
    held: float = 0.0
    """How long the last picture stays, in seconds; see `held_seconds`."""

    @property
    def expected_frames(self) -> int | None:
        """About how many pictures there will be; None when the source does not say."""
        seconds = self.expected_seconds
        if seconds is None:
            return None
        return max(1, round_half_up(Fraction(seconds) * self.profile.rate))

    @property
    def expected_seconds(self) -> float | None:
        """About how long the result will be; the pictures rule, if there are any."""
        video = self.info.video
        if self.info.is_still:
            return float(self.options.still_seconds)
        if video is not None and video.duration is not None:
            return max(0.0, video.start) + video.duration + self.held
        return self.info.duration

    @property
    def longest_seconds(self) -> float:
        """Where to stop: broken time stamps can make a second last for years."""
        expected = self.expected_seconds
        return MAX_SECONDS if expected is None else min(MAX_SECONDS, 2 * expected + 600)

    @property
    def wall_seconds(self) -> float:
        """How long the preparation may take."""
        if self.options.max_seconds is not None:
            return self.options.max_seconds
        return 600 + 100 * (self.expected_seconds or 3600.0)

    @property
    def memory_bytes(self) -> int:
        """Address space that the encoder may take."""
        return self.options.max_memory_bytes or DEFAULT_MEMORY_BYTES


def make_plan(
    info: MediaInfo,
    profile: VideoProfile,
    audio: AudioProfile,
    options: PrepareOptions,
    *,
    golden_header: bytes,
) -> Plan:
    """Decide whether the pictures must be encoded, and how."""
    held = held_seconds(info)
    remux = (
        info.video is not None
        and not info.is_still
        and not held
        and _may_copy(info.video, profile, golden_header)
    )
    return Plan(
        info=info,
        profile=profile,
        audio=audio,
        options=options,
        mode="remux" if remux else "encode",
        report=describe(info, profile, audio),
        held=held,
    )


def _may_copy(video: VideoInfo, profile: VideoProfile, golden_header: bytes) -> bool:
    # The header proves codec, size, level and reordering; that the pictures come in our order
    # and at our rate is checked while they are copied.
    return (
        bytes.fromhex(video.header_hex) == golden_header
        and video.turn is Turn.NONE
        and not video.variable_rate
        and not video.has_hidden
        and video.frame_rate is not None
        and abs(video.frame_rate - profile.rate) < Fraction(1, 2)
        and abs(video.start) < 0.5 / profile.fps
    )


# -- arguments ----------------------------------------------------------------------------------


def input_arguments(info: MediaInfo, descriptor: int, options: PrepareOptions) -> list[str]:
    """Open the descriptor as the kind of file that it is, and nothing else."""
    return [
        *thread_arguments(options),
        "-protocol_whitelist", "fd",
        "-probesize", str(32 << 20),
        "-analyzeduration", "15000000",
        "-noautorotate",
        *_decoder_arguments(info.video),
        *(("-enable_drefs", "0", "-use_absolute_path", "0") if info.container.value == "mov"
          else ()),
        "-f", info.container.value,
        "-fd", str(descriptor),
        "-i", "fd:",
    ]  # fmt: skip


_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Those that ffmpeg would take see nothing of the transparency."""


def _decoder_arguments(video: VideoInfo | None) -> list[str]:
    if video is None or not video.has_alpha or video.codec not in _ALPHA_DECODERS:
        return []
    return [f"-c:{video.index}", _ALPHA_DECODERS[video.codec]]


def thread_arguments(options: PrepareOptions) -> list[str]:
    """How many threads decoding or encoding may use; ffmpeg decides when nothing is set."""
    return ["-threads", str(options.threads)] if options.threads is not None else []


def video_arguments(plan: Plan, descriptor: int) -> list[str]:
    """Write the pictures of the source to `descriptor`."""
    video = plan.info.video
    if video is None:
        raise ValueError("the source has no pictures")
    if plan.mode == "remux":
        coding = ["-c:v", "copy"]
    else:
        coding = [
            "-vf", video_filters(video, plan.profile, plan.held),
            # The filter makes the rate; this fills a late beginning, and joins the filter's
            # pieces where the source changes its size and ffmpeg builds the filters anew.
            "-fps_mode", "cfr", "-r", str(plan.profile.fps),
            *encoder_arguments(plan.profile, plan.options),
        ]  # fmt: skip
    return ["-map", f"0:{video.index}", "-an", "-sn", "-dn", *coding, *pipe_arguments(descriptor)]


def still_arguments(plan: Plan, descriptor: int, frames: int) -> list[str]:
    """Write `frames` pictures that all show the picture, the cover, or black."""
    index = still_index(plan.info)
    if index is None:
        source = f"color=c=black:s={plan.profile.width}x{plan.profile.height}:r={plan.profile.fps}"
        shown = ["-f", "lavfi", "-i", source, "-vf", _HOUSE_COLOURS]
    else:
        chain = [*still_filters(plan.info, plan.profile), "loop=loop=-1:size=1:start=0",
                 f"setpts=N/{plan.profile.fps}/TB", f"fps={plan.profile.fps}",
                 _HOUSE_COLOURS]  # fmt: skip
        shown = ["-map", f"0:{index}", "-vf", ",".join(chain)]
    return [
        *shown, "-an", "-sn", "-dn",
        "-frames:v", str(frames),
        "-fps_mode", "passthrough",
        *encoder_arguments(plan.profile, plan.options),
        *pipe_arguments(descriptor),
    ]  # fmt: skip


def still_index(info: MediaInfo) -> int | None:
    """The stream that holds the one picture of a source, if it has one."""
    return info.video.index if info.is_still and info.video is not None else info.cover_index


def still_filters(info: MediaInfo, profile: VideoProfile) -> list[str]:
    """Bring one picture upright into the frame; what is transparent becomes black."""
    if not info.is_still or info.video is None:
        return _fitting(profile, "flags=bicubic")
    chain = [] if info.video.turn is Turn.NONE else [_TURNS[info.video.turn]]
    options = _colour_options(info.video)
    if info.video.has_alpha:
        chain += _on_black(info.video)
        options = "flags=bicubic+accurate_rnd"
    return [*chain, *_fitting(profile, options)]


def _on_black(video: VideoInfo) -> list[str]:
    """Lay what is transparent on black; the result is RGB."""
    matrix = _colour_options(video)
    return [f"scale={matrix}", "format=gbrap", "premultiply=inplace=1", "format=gbrp"]


def audio_arguments(plan: Plan, descriptor: int, gain_db: float) -> list[str]:
    """Write the sound of the source to `descriptor`."""
    sound = plan.info.audio
    if sound is None:
        raise ValueError("the source has no sound")
    return [
        "-map", f"0:{sound.index}", "-vn", "-sn", "-dn",
        "-af", audio_filters(sound, plan.audio, gain_db),
        "-c:a", "aac",
        "-profile:a", "aac_low",
        "-b:a", f"{plan.audio.kbps}k",
        "-flags:a", "+bitexact",
        *pipe_arguments(descriptor),
    ]  # fmt: skip


def measure_arguments(plan: Plan, descriptor: int) -> list[str]:
    """Measure the loudness of what will be encoded.

    The result is printed on stderr, the progress goes to `descriptor`.
    """
    sound = plan.info.audio
    if sound is None:
        raise ValueError("the source has no sound")
    chain = f"{audio_filters(sound, plan.audio, 0.0)},ebur128=peak=true:framelog=quiet"
    return [
        "-map", f"0:{sound.index}", "-vn", "-sn", "-dn",
        "-af", chain,
        "-progress", f"pipe:{descriptor}",
        "-f", "null", "-",
    ]  # fmt: skip


def pipe_arguments(descriptor: int) -> list[str]:
    """Write to `descriptor` in a form that keeps all that a track needs."""
    # FLV carries what a track needs: the header apart, 4-byte lengths, raw AAC.
    return [
        "-map_metadata", "-1", "-map_chapters", "-1",
        "-flush_packets", "1",
        "-flvflags", "no_duration_filesize+no_sequence_end+no_metadata",
        "-f", "flv", f"pipe:{descriptor}",
    ]  # fmt: skip


def encoder_arguments(profile: VideoProfile, options: PrepareOptions) -> list[str]:
    """The house encode; everything that shows in SPS or PPS is pinned, whatever the preset."""
    plain = options.preset in _PLAIN_PRESETS
    gop = profile.gop_frames
    settings = {
        "keyint": gop, "min-keyint": gop, "scenecut": 0, "open-gop": 0,
        "bframes": 2, "b-adapt": 0, "b-pyramid": "none", "ref": 3,
        "cabac": 1, "8x8dct": 1, "weightb": 1, "weightp": 1 if plain else 2,
        "chroma-qp-offset": -2 if plain else 0, "psy": 1, "psy-rd": "1.0,0.0",
        "interlaced": 0, "slices": 1, "sliced-threads": 0, "force-cfr": 1,
        "nal-hrd": "none", "aud": 0, "repeat-headers": 0,
        "colorprim": "bt709", "transfer": "bt709", "colormatrix": "bt709", "range": "tv",
    }  # fmt: skip
    return [
        *thread_arguments(options),
        "-c:v", "libx264",
        "-preset", options.preset,
        "-profile:v", "high",
        "-level:v", profile.level,
        "-pix_fmt", "yuv420p",
        "-b:v", f"{profile.kbps}k",
        "-maxrate", f"{profile.kbps}k",
        "-bufsize", f"{vbv_kbit(profile)}k",
        "-x264-params", ":".join(f"{name}={value}" for name, value in settings.items()),
    ]  # fmt: skip


def vbv_kbit(profile: VideoProfile) -> int:
    """The rate buffer: one second, but never so much that one picture could pass a message."""
    return min(profile.kbps, MAX_MESSAGE_BYTES * 8 * 9 // 10 // 1000)


# -- filters ------------------------------------------------------------------------------------

_TURNS = {
    Turn.CLOCKWISE: "transpose=clock",
    Turn.COUNTER_CLOCKWISE: "transpose=cclock",
    Turn.CLOCKWISE_FLIP: "transpose=clock_flip",
    Turn.COUNTER_CLOCKWISE_FLIP: "transpose=cclock_flip",
    Turn.HALF: "hflip,vflip",
    Turn.MIRROR: "hflip",
    Turn.FLIP: "vflip",
}
_HOUSE_COLOURS = (
    "format=yuv420p,setsar=1,"
    "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709:field_mode=prog"
)


def held_seconds(info: MediaInfo) -> float:
    """How long the last picture is held so that no sound is lost; 0 for the usual small rest."""
    video, audio = info.video, info.audio
    if video is None or audio is None or video.duration is None or audio.duration is None:
        return 0.0
    rest = audio.start + audio.duration - video.start - video.duration
    return round(rest, 3) if rest > HELD_FROM_SECONDS else 0.0


def corrected_hold(plan: Plan, pictures: float, sound: float) -> float | None:
    """How long the last picture should have been held; None when `plan` was right.

    `pictures` and `sound` are the seconds of each that came out: some files do not say how long
    their tracks are, and some are wrong about it.
    """
    rest = sound - pictures
    if abs(rest) <= HELD_FROM_SECONDS or (rest < 0 and not plan.held):
        return None
    return max(0.0, round(plan.held + rest, 3))


def bounded_hold(plan: Plan, sound: float) -> float:
    """The hold of `plan`, but not longer than `sound`, the measured seconds, can want it."""
    video = plan.info.video
    if video is None or video.duration is None:
        return plan.held
    rest = round(sound - max(0.0, video.start) - video.duration, 3)
    return min(plan.held, rest if rest > HELD_FROM_SECONDS else 0.0)


def video_filters(video: VideoInfo, profile: VideoProfile, held: float = 0.0) -> str:
    """Everything that happens to the picture, in order; the last one stays for `held` seconds."""
    chain = []
    source_rate = video.frame_rate or profile.rate
    if video.interlaced:
        # Twice as many pictures come out of fields, where the profile can show them.
        fields = profile.rate >= source_rate * Fraction(3, 2)
        chain.append(f"bwdif=mode={'send_field' if fields else 'send_frame'}:deint=interlaced")
    rate = f"fps=fps={profile.fps}:round=near"
    dropping = source_rate >= profile.rate
    if dropping:
        chain.append(rate)
    chain += _plain_matrix(video)
    if video.turn is not Turn.NONE:
        chain.append(_TURNS[video.turn])
    if video.is_hdr or video.primaries in _WIDE_GAMUTS:
        # Sized first, since the rest is costly.
        chain += [*_scaled(profile, "flags=bicubic"), *_tone_mapping(video), _PAD.format(p=profile)]
    elif video.has_alpha:
        chain += [*_on_black(video), *_fitting(profile, "flags=bicubic+accurate_rnd")]
    else:
        chain += _fitting(profile, _colour_options(video))
    if not dropping:
        chain.append(rate)
    if held:
        chain.append(f"tpad=stop_mode=clone:stop_duration={held}")
    chain.append(_HOUSE_COLOURS)
    return ",".join(chain)


_PAD = "pad=w={p.width}:h={p.height}:x=trunc((ow-iw)/4)*2:y=trunc((oh-ih)/4)*2:color=black"


def _fitting(profile: VideoProfile, options: str) -> list[str]:
    """Scale to fit and pad with black: letterboxed, never stretched."""
    out = "out_color_matrix=bt709:out_range=tv"
    return [*_scaled(profile, f"{options}:{out}"), "format=yuv420p", _PAD.format(p=profile)]


def _scaled(profile: VideoProfile, options: str) -> list[str]:
    # Expressions, not numbers: some sources change their size on the way, and ffmpeg then
    # computes them again. `dar` is the display aspect ratio, so odd pixels are respected.
    width = f"max(2\\,trunc(min({profile.width}\\,{profile.height}*dar)/2+0.5)*2)"
    height = f"max(2\\,trunc(min({profile.height}\\,{profile.width}/dar)/2+0.5)*2)"
    return [f"scale=w={width}:h={height}:{options}", "setsar=1"]


_PLAIN_MATRICES = {"bt709": "bt709", "bt470bg": "bt601", "smpte170m": "bt601", "fcc": "fcc",
                   "smpte240m": "smpte240m", "bt2020nc": "bt2020"}  # fmt: skip


def _plain_matrix(video: VideoInfo) -> list[str]:
    """Make colours that the scaler refuses to read such that it can; nearly always nothing."""
    if video.matrix in (None, "gbr", *_PLAIN_MATRICES):
        return []
    if video.matrix == "ycgco":
        return ["zscale=min=ycgco:m=709"]
    if video.matrix == "ictcp" and video.is_hdr:
        curve = video.transfer
        return [f"zscale=pin=2020:min=ictcp:tin={curve}:p=2020:t={curve}:m=2020_ncl"]
    wide = video.is_hdr or video.primaries == "bt2020"
    return [f"setparams=colorspace={'bt2020nc' if wide else 'bt709'}"]


def _colour_options(video: VideoInfo) -> str:
    options = ["flags=bicubic+accurate_rnd"]
    matrix = video.matrix
    if matrix is None and not video.pixel_format.startswith(("rgb", "bgr", "gbr", "pal")):
        # What untagged files usually are.
        matrix = "bt709" if video.height > 576 or video.width > 1024 else "smpte170m"
    if matrix in _PLAIN_MATRICES:
        options.append(f"in_color_matrix={_PLAIN_MATRICES[matrix]}")
    if video.full_range:
        options.append("in_range=pc")
    return ":".join(options)


_WIDE_GAMUTS = {"bt2020": "2020", "smpte431": "smpte431", "smpte432": "smpte432"}
_ZSCALE_MATRICES = {"bt709": "709", "bt470bg": "470bg", "smpte170m": "170m", "bt2020nc": "2020_ncl",
                    "fcc": "fcc", "smpte240m": "240m"}  # fmt: skip


def _tone_mapping(video: VideoInfo) -> list[str]:
    """Bring wide colours, and brightness beyond the normal, into BT.709."""
    primaries = _WIDE_GAMUTS.get(video.primaries or "", "2020")
    matrix = _ZSCALE_MATRICES.get(video.matrix or "", "2020_ncl" if primaries == "2020" else "709")
    source = f"pin={primaries}:min={matrix}:rin={'pc' if video.full_range else 'tv'}"
    if not video.is_hdr:
        return [f"zscale={source}:tin=709:p=709:t=709:m=709:r=tv", "format=yuv420p"]
    return [
        f"zscale={source}:tin={video.transfer}:t=linear:npl=100",
        "format=gbrpf32le",
        "zscale=p=709",
        "tonemap=tonemap=hable:desat=0",
        "zscale=t=709:m=709:r=tv",
        "format=yuv420p",
    ]


def audio_filters(sound: AudioInfo, wanted: AudioProfile, gain_db: float) -> str:
    """Everything that happens to the sound, in order."""
    chain = []
    if not sound.layout or "channels" in sound.layout:
        # Nobody says which channel is which: take the first two.
        right = 1 if sound.channels > 1 else 0
        chain.append(f"pan=stereo|c0=c0|c1=c{right}")
    # Holes are filled and an offset to the pictures is kept: time 0 is that of the pictures.
    chain += [
        f"aresample={wanted.sample_rate}:async=1:first_pts=0",
        f"aformat=sample_fmts=fltp:sample_rates={wanted.sample_rate}:channel_layouts=stereo",
    ]
    if gain_db:
        chain.append(f"volume={gain_db:.2f}dB")
        if gain_db > 0:
            limit = 10 ** (PEAK_DBTP / 20)
            chain.append(f"alimiter=limit={limit:.4f}:attack=5:release=50:level=0:latency=1")
    return ",".join(chain)


# -- loudness -----------------------------------------------------------------------------------


def parse_loudness(report: str) -> Loudness | None:
    """Read the summary that ffmpeg prints; None for silence and for very short sound."""
    values: dict[str, float] = {}
    summary = report.rpartition("Summary:")[2]
    for line in summary.splitlines():
        name, _, value = line.strip().partition(":")
        number = value.split()[0] if value.split() else ""
        try:
            if name in ("I", "Peak"):
                values[name] = float(number)
        except ValueError:
            continue
    if not math.isfinite(values.get("I", -math.inf)) or values["I"] <= -69:
        return None
    peak = values.get("Peak", 0.0)
    return Loudness(values["I"], peak) if math.isfinite(peak) else None


def gain_for(loudness: Loudness | None) -> float:
    """The constant gain in dB that brings a source to −14 LUFS, without pressing it flat."""
    if loudness is None:
        return 0.0
    wish = LOUDNESS_LUFS - loudness.integrated_lufs
    room = PEAK_DBTP - loudness.true_peak_dbtp + LIMITER_DB
    gain = min(wish, MAX_BOOST_DB, max(room, 0.0)) if wish > 0 else wish
    return round(gain, 2) if abs(gain) >= 0.1 else 0.0


# -- lengths ------------------------------------------------------------------------------------


def still_frames(audio_frames: int, audio: AudioProfile, profile: VideoProfile) -> int:
    """Pictures that last about as long as `audio_frames` of sound, at least one."""
    return max(1, round_half_up(Fraction(audio_frames) / audio.rate * profile.rate))


def still_encode(frames: int, profile: VideoProfile) -> int:
    """How many equal pictures to encode so that `pictures.repeated` can make `frames` of them.

    Groups of equal pictures are equal but for a number that alternates (idr_pic_id, H.264 7.4.3:
    neighbours must differ), so two or three groups and the broken last one are enough.
    """
    groups, rest = divmod(frames, profile.gop_frames)
    if groups <= 3:
        return frames
    return (2 + groups % 2) * profile.gop_frames + rest


def audio_frames_needed(pictures: int, audio: AudioProfile, profile: VideoProfile) -> int:
    """AAC frames that reach beyond `pictures`, with one to spare for the rounding at joins."""
    return math.ceil(Fraction(pictures) / profile.rate * audio.rate) + 2


def audio_header(audio: AudioProfile) -> bytes:
    """The AudioSpecificConfig of AAC-LC (ISO/IEC 14496-3, 1.6.2.1)."""
    rates = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
    bits = 2 << 11 | rates.index(audio.sample_rate) << 7 | audio.channels << 3
    return bits.to_bytes(2, "big")
