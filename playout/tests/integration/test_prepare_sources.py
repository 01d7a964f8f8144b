"""Odd sources: each comes out in the house format, upright, in proportion, in time and in tune."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import pytest
from judges.clips import Clip
from judges.prepared import flv_of
from judges.recording import Recording
from judges.thinning import first
from judges.tools import ffmpeg
from PIL import Image, ImageChops

from playout.media import VIDEO_PROFILES, VideoProfile
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import Prepared, prepare
from playout.probe.describe import describe
from playout.probe.parse import Turn
from playout.probe.run import probe

pytestmark = pytest.mark.integration

SMALL = VIDEO_PROFILES["480p30-economy"]
UPRIGHT = VIDEO_PROFILES["vertical-480p30-economy"]
FAST = PrepareOptions(preset="ultrafast")
AAC_FRAME_MS = 1024 / 44.1


def make(*arguments: str) -> None:
    """Run the wheel's ffmpeg, which can write what old ones cannot."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, timeout=120)


def card(
    width: int, height: int, *, aspect: float = 1.0, fps: str = "30", seconds: float = 2
) -> str:
    """A grey card with a red bar on top and a white square, for pixels of this `aspect`.

    The square is half as high as the card, or half as wide if that is less, and lies in its middle.
    """
    side = min(height, width * aspect) / 2
    wide = side / aspect
    return (
        f"color=c=0x606060:s={width}x{height}:r={fps}:d={seconds},format=yuv444p,"
        f"drawbox=x=0:y=0:w=iw:h=ih/8:color=0xc81e1e:t=fill,"
        f"drawbox=x={(width - wide) / 2:.0f}:y={(height - side) / 2:.0f}:w={wide:.0f}:h={side:.0f}"
        ":color=0xf0f0f0:t=fill"
    )


def tone(hz: int, *, rate: int = 44_100, layout: str = "stereo", seconds: float = 2) -> str:
    source = f"aevalsrc=0.2*sin(2*PI*{hz}*t):s={rate}:d={seconds}"
    return f"{source},aformat=channel_layouts={layout}"


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, edges inclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left + 1, self.bottom - self.top + 1


class Look:
    """One picture of the result, at its full size."""

    def __init__(self, judged: Recording, frame: int = 20) -> None:
        command = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(judged.path), "-an",
                   "-vf", f"select=eq(n\\,{frame})", "-frames:v", "1",
                   "-f", "image2pipe", "-c:v", "png", "-"]  # fmt: skip
        raw = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        self.image = Image.open(io.BytesIO(raw)).convert("RGB")

    def _channels(self, *wanted: Callable[[int], bool]) -> list[Image.Image]:
        return [
            channel.point(lambda value, test=test: 255 * test(value))
            for channel, test in zip(self.image.split(), wanted, strict=True)
        ]

    @staticmethod
    def _bounds(mask: Image.Image) -> Box:
        found = mask.getbbox()
        assert found is not None
        left, top, right, bottom = found
        return Box(left, top, right - 1, bottom - 1)

    @property
    def square(self) -> Box:
        red, green, blue = self._channels(*[lambda value: value > 170] * 3)
        return self._bounds(ImageChops.darker(ImageChops.darker(red, green), blue))

    @property
    def picture(self) -> Box:
        """What is not black bars."""
        red, green, blue = self._channels(*[lambda value: value > 50] * 3)
        return self._bounds(ImageChops.lighter(ImageChops.lighter(red, green), blue))

    @property
    def bar(self) -> Box:
        red, green, blue = self._channels(
            lambda value: value > 130, lambda value: value < 80, lambda value: value < 80
        )
        return self._bounds(ImageChops.darker(ImageChops.darker(red, green), blue))

    def colour(self, x: int, y: int) -> tuple[int, int, int]:
        red, green, blue = self.image.getpixel((x, y))
        return red, green, blue


def prepared(
    source: Path, out: Path, profile: VideoProfile = SMALL, options: PrepareOptions = FAST
) -> tuple[Prepared, Recording]:
    result = prepare(source, profile, out, options=options)
    judged = Recording(flv_of(out, out / "judged.flv"))
    assert len(judged.video) == result.frames
    assert not judged.decode_errors
    assert set(judged.video_deltas) <= {33, 34}
    video = judged.streams["video"]
    assert (video["width"], video["height"]) == (profile.width, profile.height)
    return result, judged


def assert_upright_square(look: Look, *, tolerance: int = 4) -> None:
    width, height = look.square.size
    assert abs(width - height) <= tolerance, (width, height)
    assert abs(look.picture.top - look.bar.top) <= 2
    assert look.bar.bottom < look.square.top


# -- pictures -----------------------------------------------------------------------------------


def test_phone_video_is_turned_upright_and_made_constant(tmp_path: Path) -> None:
    lying, source = tmp_path / "lying.mp4", tmp_path / "phone.mp4"
    # Stored lying on its side, shown turned by 90°; frames come at uneven times.
    chain = f"{card(180, 320)},transpose=cclock,settb=1/90000,setpts='(N+0.4*mod(N\\,3))/30/TB'"
    make("-f", "lavfi", "-i", chain, "-f", "lavfi", "-i", tone(440), "-fps_mode", "vfr",
         "-enc_time_base", "1/90000", "-c:v", "libx264", "-preset", "ultrafast",
         "-pix_fmt", "yuv420p", "-c:a", "aac", str(lying))  # fmt: skip
    make("-display_rotation", "-90", "-i", str(lying), "-c", "copy", str(source))

    info = probe(source)
    assert info.video is not None
    assert (info.video.turn, info.video.variable_rate) == (Turn.CLOCKWISE, True)
    text = describe(info, SMALL).text
    assert "rotated by 90°, variable frame rate about" in text
    assert "turn the picture upright" in text
    assert "add black bars left and right" in text
    result, judged = prepared(source, tmp_path / "out")
    assert result.frames == pytest.approx(60, abs=1)
    look = Look(judged)
    assert_upright_square(look)
    assert look.picture.size == pytest.approx((270, 480), abs=2)
    assert look.picture.left == pytest.approx(292, abs=2)


@pytest.mark.parametrize(
    ("rotation", "stored"),
    first(1, [("90", "transpose=clock"), ("180", "hflip,vflip"), ("-90", "transpose=cclock")]),
)
def test_every_turn_ends_upright(tmp_path: Path, rotation: str, stored: str) -> None:
    lying, source = tmp_path / "lying.mp4", tmp_path / "turned.mp4"
    make("-f", "lavfi", "-i", f"{card(320, 180, seconds=1)},{stored},format=yuv420p",
         "-c:v", "libx264", "-preset", "ultrafast", str(lying))  # fmt: skip
    make("-display_rotation", rotation, "-i", str(lying), "-c", "copy", str(source))

    _, judged = prepared(source, tmp_path / "out")

    look = Look(judged)
    assert_upright_square(look)
    assert look.picture.size == pytest.approx((854, 480), abs=2)


def test_a_mirrored_picture_is_mirrored_back(tmp_path: Path) -> None:
    plain, source = tmp_path / "plain.mp4", tmp_path / "mirrored.mp4"
    half = "drawbox=x=0:y=0:w=iw/2:h=ih:color=0xc81e1e:t=fill"
    make("-f", "lavfi", "-i", f"{card(320, 180, seconds=1)},{half},hflip,format=yuv420p",
         "-c:v", "libx264", "-preset", "ultrafast", str(plain))  # fmt: skip
    make("-display_hflip", "-i", str(plain), "-c", "copy", str(source))

    _, judged = prepared(source, tmp_path / "out")

    assert Look(judged).bar.left <= 2


@pytest.mark.parametrize(
    ("width", "height", "aspect", "shown"),
    first(
        1,
        [
            (720, 576, 16 / 15, (640, 480)),  # DV, 4:3
            (720, 576, 64 / 45, (854, 480)),  # DV, anamorphic 16:9
            (720, 480, 8 / 9, (640, 480)),
            (1440, 1080, 4 / 3, (854, 480)),  # HDV
        ],
    ),
)
def test_pixels_that_are_not_square_are_respected(
    tmp_path: Path, width: int, height: int, aspect: float, shown: tuple[int, int]
) -> None:
    source = tmp_path / "dv.mkv"
    ratio = {16 / 15: "16/15", 64 / 45: "64/45", 8 / 9: "8/9", 4 / 3: "4/3"}[aspect]
    chain = f"{card(width, height, aspect=aspect, seconds=1)},setsar={ratio},format=yuv420p"
    make("-f", "lavfi", "-i", chain, "-c:v", "mpeg2video", "-q:v", "4", str(source))

    _, judged = prepared(source, tmp_path / "out")

    look = Look(judged)
    assert_upright_square(look, tolerance=6)
    assert look.picture.size == pytest.approx(shown, abs=4)


@pytest.mark.parametrize(
    ("width", "height", "profile", "shown"),
    first(
        1,
        [
            (321, 241, SMALL, (640, 480)),
            (101, 333, SMALL, (146, 480)),
            (1000, 100, SMALL, (854, 86)),
            (320, 180, UPRIGHT, (480, 270)),
            (180, 320, UPRIGHT, (480, 854)),
            (16, 16, SMALL, (480, 480)),
        ],
    ),
)
def test_odd_sizes_fit_without_being_stretched(
    tmp_path: Path, width: int, height: int, profile: VideoProfile, shown: tuple[int, int]
) -> None:
    source = tmp_path / "odd.mkv"
    make("-f", "lavfi", "-i", card(width, height, seconds=1), "-c:v", "ffv1", str(source))

    _, judged = prepared(source, tmp_path / "out", profile)

    look = Look(judged)
    # The smallest sources are drawn on a coarse grid themselves.
    assert_upright_square(look, tolerance=4 if width > 16 else 40)
    assert look.picture.size == pytest.approx(shown, abs=6 if width > 16 else 30)
    left, right = look.picture.left, profile.width - 1 - look.picture.right
    assert abs(left - right) <= 4


@pytest.mark.parametrize("codec", first(1, ["libx265", "libx264"]))
def test_ten_bits_become_eight(tmp_path: Path, codec: str) -> None:
    source = tmp_path / "deep.mp4"
    make("-f", "lavfi", "-i", f"{card(320, 180, seconds=1)},format=yuv420p10le",
         "-c:v", codec, "-preset", "ultrafast", str(source))  # fmt: skip

    info = probe(source)
    assert info.video is not None
    assert info.video.bit_depth == 10
    _, judged = prepared(source, tmp_path / "out")

    assert judged.streams["video"]["pix_fmt"] == "yuv420p"
    look = Look(judged)
    assert_upright_square(look)
    assert look.colour(100, 300) == pytest.approx((0x60,) * 3, abs=6)


@pytest.mark.parametrize(
    ("tags", "convert"),
    first(
        1,
        [
            (("bt709", "tv"), "out_color_matrix=bt709:out_range=tv"),
            (("smpte170m", "tv"), "out_color_matrix=bt601:out_range=tv"),
            (("bt709", "pc"), "out_color_matrix=bt709:out_range=pc"),
            ((None, "tv"), "out_color_matrix=bt601:out_range=tv"),
        ],
    ),
)
def test_colours_stay_what_they_are(
    tmp_path: Path, tags: tuple[str | None, str], convert: str
) -> None:
    matrix, span = tags
    source = tmp_path / "colours.mkv"
    named = ["-colorspace", matrix] if matrix else []
    chain = (
        "color=c=black:s=320x180:r=30:d=1,format=gbrp,"
        "drawbox=x=0:y=0:w=80:h=ih:color=0xc81e1e:t=fill,"
        "drawbox=x=80:y=0:w=80:h=ih:color=0x1e9632:t=fill,"
        "drawbox=x=160:y=0:w=80:h=ih:color=0x283cc8:t=fill,"
        "drawbox=x=240:y=0:w=80:h=ih:color=0xc8c8c8:t=fill,"
        f"scale=flags=accurate_rnd:{convert},format=yuv444p"
    )
    strip = ",setparams=colorspace=unknown" if matrix is None else ""
    make("-f", "lavfi", "-i", chain + strip, "-c:v", "ffv1", *named, "-color_range", span,
         str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    # ffmpeg follows the tags of the result when it makes RGB out of it.
    look = Look(judged)
    seen = [look.colour(x, 240) for x in (106, 320, 533, 746)]
    for got, wanted in zip(
        seen,
        [(0xC8, 0x1E, 0x1E), (0x1E, 0x96, 0x32), (0x28, 0x3C, 0xC8), (0xC8, 0xC8, 0xC8)],
        strict=True,
    ):
        assert got == pytest.approx(wanted, abs=12)


@pytest.mark.parametrize("transfer", first(1, ["smpte2084", "arib-std-b67"]))
def test_high_dynamic_range_is_mapped_to_normal_range(tmp_path: Path, transfer: str) -> None:
    source = tmp_path / "hdr.mp4"
    chain = (
        f"{card(320, 180, seconds=1)},zscale=pin=709:tin=709:min=709:rin=tv:p=2020:"
        f"t={transfer}:m=2020_ncl:r=tv:npl=200,format=yuv420p10le"
    )
    make("-f", "lavfi", "-i", f"{chain}", "-c:v", "libx265", "-preset", "ultrafast",
         "-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc",
         str(source))  # fmt: skip

    info = probe(source)
    assert info.video is not None
    assert info.video.is_hdr
    assert "high dynamic range" in describe(info, SMALL).text
    _, judged = prepared(source, tmp_path / "out")

    look = Look(judged)
    red, green, blue = look.colour(427, 30)
    assert red > green + 60
    assert red > blue + 60
    white, grey = look.colour(427, 240)[1], look.colour(100, 300)[1]
    assert white > 150
    assert 30 < grey < white - 60


@pytest.mark.parametrize(
    ("primaries", "matrix", "pixels"),
    first(1, [("smpte432", "bt709", "yuv420p"), ("bt2020", "bt2020nc", "yuv420p10le")]),
)
def test_wide_colours_become_normal_ones(
    tmp_path: Path, primaries: str, matrix: str, pixels: str
) -> None:
    source = tmp_path / "wide.mkv"
    names = {"bt2020": ("2020", "2020_ncl"), "smpte432": ("smpte432", "709")}[primaries]
    chain = (
        f"{card(320, 180, seconds=1)},zscale=pin=709:tin=709:min=709:rin=tv:p={names[0]}:t=709:"
        f"m={names[1]}:r=tv,format={pixels}"
    )
    make("-f", "lavfi", "-i", chain, "-c:v", "ffv1", "-color_primaries", primaries,
         "-color_trc", "bt709", "-colorspace", matrix, str(source))  # fmt: skip
    info = probe(source)
    assert info.video is not None
    assert (info.video.primaries, info.video.matrix) == (primaries, matrix)

    _, judged = prepared(source, tmp_path / "out")

    look = Look(judged)
    assert look.colour(427, 30) == pytest.approx((0xC8, 0x1E, 0x1E), abs=16)
    assert look.colour(100, 300) == pytest.approx((0x60,) * 3, abs=6)


@pytest.mark.parametrize("matrix", first(1, ["ycgco", "bt2020c", "ictcp"]))
def test_colours_that_the_scaler_does_not_know_are_read(tmp_path: Path, matrix: str) -> None:
    source = tmp_path / "film.mp4"
    transfer = "bt709" if matrix == "ycgco" else "smpte2084"
    primaries = "bt709" if matrix == "ycgco" else "bt2020"
    make("-f", "lavfi", "-i", f"{card(320, 180, seconds=1)},format=yuv420p10le", "-c:v", "libx265",
         "-preset", "ultrafast", "-x265-params",
         f"log-level=0:colorprim={primaries}:transfer={transfer}:colormatrix={matrix}",
         str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    assert_upright_square(Look(judged))


@pytest.mark.parametrize(
    ("suffix", "arguments"),
    first(
        2,
        [
            (".webm", "libvpx-vp9 -deadline realtime -pix_fmt yuva420p"),
            (".mov", "prores_ks -profile:v 4444 -pix_fmt yuva444p10le"),
            (".mov", "qtrle -pix_fmt argb"),
            (".mkv", "ffv1 -pix_fmt yuva420p"),
        ],
    ),
)
def test_what_is_transparent_in_a_film_becomes_black(
    tmp_path: Path, suffix: str, arguments: str
) -> None:
    source = tmp_path / f"clear{suffix}"
    make("-f", "lavfi", "-i", "color=c=0x00c800:s=320x180:r=30:d=1,format=rgba,"
         "geq=r=0:g=200:b=0:a='255*gte(X,160)'", "-c:v", *arguments.split(),
         str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    look = Look(judged)
    assert max(look.colour(200, 240)) < 20
    assert look.colour(650, 240) == pytest.approx((0, 200, 0), abs=12)


def test_interlaced_transport_streams_become_progressive(tmp_path: Path) -> None:
    source = tmp_path / "broadcast.ts"
    # A bar that moves by 8 pixels a field shows a comb where fields are woven together.
    moving = (
        "color=c=black:s=720x576:r=50:d=2,format=yuv444p[back];"
        "color=c=white:s=16x576:r=50:d=2,format=yuv444p[bar];"
        "[back][bar]overlay=x=100+8*n:y=0,tinterlace=interleave_top,fieldorder=tff,setsar=64/45,"
        "format=yuv420p"
    )
    make("-f", "lavfi", "-i", moving, "-f", "lavfi", "-i", tone(600, rate=48_000),
         "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", "3", "-bf", "2",
         "-c:a", "mp2", str(source))  # fmt: skip

    info = probe(source)
    assert info.video is not None
    assert info.video.interlaced
    assert info.audio is not None
    result, judged = prepared(source, tmp_path / "out")

    assert judged.streams["video"]["field_order"] == "progressive"
    assert result.frames == pytest.approx(60, abs=2)
    look = Look(judged, 30)
    rows = [_bright_columns(look, y) for y in (201, 202, 203, 204)]
    assert all(rows)
    centres = [sum(row) / len(row) for row in rows]
    assert max(centres) - min(centres) < 3
    assert abs(judged.tone_hz(500) - 600) < 15


def _bright_columns(look: Look, y: int) -> list[int]:
    return [x for x in range(look.image.width) if look.colour(x, y)[1] > 128]


def test_a_single_picture_is_enough(tmp_path: Path) -> None:
    source = tmp_path / "one.mp4"
    make("-f", "lavfi", "-i", card(320, 180), "-frames:v", "1", "-c:v", "libx264",
         "-pix_fmt", "yuv420p", str(source))  # fmt: skip

    result, judged = prepared(source, tmp_path / "out")

    assert result.frames == 1
    assert [packet.pts for packet in judged.video] == [67]


@pytest.mark.parametrize("frames", first(1, [2, 3, 59, 60, 61, 62]))
def test_every_number_of_pictures_keeps_the_order(tmp_path: Path, frames: int) -> None:
    source = tmp_path / "some.mp4"
    make("-f", "lavfi", "-i", "testsrc2=s=160x90:r=30", "-frames:v", str(frames),
         "-c:v", "libx264", "-preset", "ultrafast", str(source))  # fmt: skip

    result, judged = prepared(source, tmp_path / "out")

    assert result.frames == frames
    shown = sorted(packet.pts for packet in judged.video)
    assert shown == [round(1000 * (n + 2) / 30 + 1e-9) for n in range(frames)]


def test_a_size_that_changes_on_the_way_is_not_stretched(tmp_path: Path) -> None:
    parts = []
    for number, (width, height) in enumerate([(320, 180), (240, 240)]):
        parts.append(tmp_path / f"{number}.ts")
        make("-f", "lavfi", "-i", f"{card(width, height, seconds=1)},format=yuv420p",
             "-output_ts_offset", str(number), "-c:v", "libx264", "-preset", "ultrafast",
             str(parts[-1]))  # fmt: skip
    source = tmp_path / "changing.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))

    _, judged = prepared(source, tmp_path / "out")

    for frame, shown in ((10, (854, 480)), (50, (480, 480))):
        look = Look(judged, frame)
        assert_upright_square(look)
        assert look.picture.size == pytest.approx(shown, abs=4)


# -- sound --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "layout", "codec", "suffix"),
    first(
        1,
        [
            (8_000, "mono", "pcm_s16le", ".wav"),
            (192_000, "stereo", "pcm_s24le", ".wav"),
            (11_025, "mono", "libmp3lame", ".mp3"),
            (44_100, "stereo", "flac", ".flac"),
            (48_000, "stereo", "libopus", ".ogg"),
            (32_000, "stereo", "aac", ".aac"),
            (48_000, "7.1", "aac", ".m4a"),
            (48_000, "quad", "pcm_s16le", ".wav"),
        ],
    ),
)
def test_sound_alone_is_played_under_black(
    tmp_path: Path, rate: int, layout: str, codec: str, suffix: str
) -> None:
    source = tmp_path / f"song{suffix}"
    make("-f", "lavfi", "-i", tone(440, rate=rate, layout=layout, seconds=2.5),
         "-c:a", codec, str(source))  # fmt: skip

    assert "no pictures" in describe(probe(source)).text
    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(2.5, abs=0.12)
    assert {max(picture.rgb) < 8 for picture in judged.pictures} == {True}
    assert abs(judged.tone_hz(400) - 440) < 12
    assert abs(judged.tone_hz(2000) - 440) < 12


def test_both_sides_hear_a_mono_source(tmp_path: Path) -> None:
    source = tmp_path / "mono.wav"
    make("-f", "lavfi", "-i", tone(440, layout="mono"), str(source))

    _, judged = prepared(source, tmp_path / "out")

    left, right = (_volume_of(judged.path, f"pan=mono|c0=c{side}") for side in (0, 1))
    assert left == pytest.approx(right, abs=0.2)
    assert left > -30


@pytest.mark.parametrize("channel", first(1, ["FL", "FR", "FC", "BL", "BR"]))
def test_every_channel_of_surround_sound_is_heard(tmp_path: Path, channel: str) -> None:
    source = tmp_path / "surround.wav"
    silent = dict.fromkeys(("FL", "FR", "FC", "LFE", "BL", "BR"), "0")
    silent[channel] = "0.3*sin(2*PI*500*t)"
    make("-f", "lavfi", "-i", f"aevalsrc={'|'.join(silent.values())}:c=5.1:s=48000:d=2",
         str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    left, right = (_volume_of(judged.path, f"pan=mono|c0=c{side}") for side in (0, 1))
    assert max(left, right) > -30
    if channel.endswith("L"):
        assert left > right + 20
    elif channel.endswith("R"):
        assert right > left + 20
    else:
        assert left == pytest.approx(right, abs=0.5)


def _volume_of(path: Path, chain: str) -> float:
    command = [ffmpeg(), "-nostdin", "-i", str(path), "-vn", "-af", f"{chain},volumedetect",
               "-f", "null", "-"]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"mean_volume: (-?[\d.]+) dB", printed)
    assert found
    return float(found[1])


def test_the_cover_of_a_song_is_shown(tmp_path: Path) -> None:
    cover, source = tmp_path / "cover.png", tmp_path / "song.mp3"
    make("-f", "lavfi", "-i", card(200, 200), "-frames:v", "1", str(cover))
    make("-f", "lavfi", "-i", tone(440, seconds=3), "-i", str(cover), "-map", "0", "-map", "1",
         "-c:a", "libmp3lame", "-c:v", "copy", "-disposition:v", "attached_pic",
         str(source))  # fmt: skip

    info = probe(source)
    assert info.video is None
    assert info.cover_index is not None
    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(3, abs=0.1)
    look = Look(judged, 60)
    assert_upright_square(look)
    assert look.picture.size == pytest.approx((480, 480), abs=2)


def test_a_song_with_a_broken_cover_is_played_under_black(tmp_path: Path) -> None:
    cover, source = tmp_path / "cover.jpg", tmp_path / "song.mp3"
    make("-f", "lavfi", "-i", card(200, 200), "-frames:v", "1", str(cover))
    make("-f", "lavfi", "-i", tone(440, seconds=3), "-i", str(cover), "-map", "0", "-map", "1",
         "-c:a", "libmp3lame", "-c:v", "copy", "-disposition:v", "attached_pic",
         str(source))  # fmt: skip
    data = bytearray(source.read_bytes())
    begin = data.index(b"\xff\xd8\xff") + 3
    data[begin : begin + 800] = bytes(n * 37 % 251 for n in range(800))
    source.write_bytes(data)

    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(3, abs=0.1)
    assert "cover" in " ".join(result.notes)
    assert max(Look(judged, 60).colour(427, 240)) < 20
    assert abs(judged.tone_hz(1500) - 440) < 12


@pytest.mark.parametrize("seconds", first(1, [8.1, 9.9, 12]))
def test_a_long_song_repeats_the_pictures_it_has(tmp_path: Path, seconds: float) -> None:
    """Stills are encoded once; every group must still decode, alternate and stay black."""
    source = tmp_path / "song.wav"
    make("-f", "lavfi", "-i", tone(440, seconds=seconds), str(source))

    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(seconds, abs=0.06)
    assert [n for n, packet in enumerate(judged.video) if packet.key] == list(
        range(0, result.frames, 60)
    )
    shown = sorted(packet.pts for packet in judged.video)
    assert shown == [round(1000 * (n + 2) / 30 + 1e-9) for n in range(result.frames)]
    assert len(judged.pictures) == result.frames


def test_sound_that_begins_late_stays_in_time(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    source = tmp_path / "late.mkv"
    make("-i", str(make_clip(Clip())), "-af", "atrim=start=0.7", "-c:v", "copy",
         "-c:a", "pcm_s16le", str(source))  # fmt: skip
    info = probe(source)
    assert info.audio is not None
    assert info.audio.start == pytest.approx(0.7, abs=0.02)

    _, judged = prepared(source, tmp_path / "out")

    assert judged.tone_hz(300) == 0
    assert [o for o in judged.offsets() if abs(o.error_ms) > AAC_FRAME_MS] == []
    assert len(judged.offsets()) == 2


def test_pictures_that_begin_late_stay_in_time(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    source = tmp_path / "late.mkv"
    make("-i", str(make_clip(Clip())), "-vf", "trim=start=0.7", "-c:v", "libx264",
         "-preset", "ultrafast", "-c:a", "pcm_s16le", str(source))  # fmt: skip

    result, judged = prepared(source, tmp_path / "out")

    assert result.frames == pytest.approx(90, abs=1)
    assert abs(judged.tone_hz(300) - 440) < 15
    assert len(judged.offsets()) == 2
    assert max(abs(o.error_ms) for o in judged.offsets()) < AAC_FRAME_MS


def test_a_film_cut_without_encoding_stays_in_time(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    """Such a cut keeps the pictures from the last key frame on and hides them by an edit list."""
    long, source = tmp_path / "long.mp4", tmp_path / "cut.mp4"
    make("-i", str(make_clip(Clip(seconds=4))), "-c:v", "libx264", "-g", "30", "-bf", "2",
         "-preset", "veryfast", "-c:a", "aac", str(long))  # fmt: skip
    make("-ss", "1.5", "-i", str(long), "-c", "copy", str(source))

    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(2.5, abs=0.1)
    assert len(judged.offsets()) == 2
    assert max(abs(o.error_ms) for o in judged.offsets()) < AAC_FRAME_MS


def test_a_hole_in_the_sound_does_not_move_what_follows(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    source = tmp_path / "hole.mkv"
    make("-i", str(make_clip(Clip())), "-af", "aselect='not(between(t,1.4,1.8))'", "-c:v", "copy",
         "-c:a", "pcm_s16le", str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    assert judged.tone_hz(1600) == 0
    assert len(judged.offsets()) == 2
    assert max(abs(o.error_ms) for o in judged.offsets()) < AAC_FRAME_MS


@pytest.mark.parametrize("suffix", first(1, [".mp4", ".mkv"]))
def test_the_last_picture_stays_until_the_sound_ends(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"song{suffix}"
    make("-f", "lavfi", "-i", card(320, 180, seconds=0.5), "-f", "lavfi",
         "-i", tone(440, seconds=3), "-c:v", "libx264", "-preset", "ultrafast",
         "-pix_fmt", "yuv420p", "-c:a", "aac", str(source))  # fmt: skip

    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(3, abs=0.1)
    assert_upright_square(Look(judged, 80))
    assert abs(judged.tone_hz(2500) - 440) < 12


@pytest.mark.parametrize("form", first(1, ["flv", "matroska -live 1"]))
def test_it_stays_in_files_that_do_not_say_how_long_they_are(tmp_path: Path, form: str) -> None:
    source = tmp_path / "recording"
    make("-f", "lavfi", "-i", card(320, 180, seconds=0.5), "-f", "lavfi",
         "-i", tone(440, seconds=3), "-c:v", "libx264", "-preset", "ultrafast",
         "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", *form.split(), str(source))  # fmt: skip

    result, judged = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(3, abs=0.1)
    assert_upright_square(Look(judged, 80))
    assert abs(judged.tone_hz(2500) - 440) < 12


@pytest.mark.parametrize("loudness", first(1, [True, False]))
@pytest.mark.parametrize(("track", "lie"), first(2, [(1, b"07:00:02"), (0, b"00:00:00")]))
def test_lengths_that_a_file_is_wrong_about_do_not_count(
    make_clip: Callable[[Clip], Path], tmp_path: Path, track: int, lie: bytes, loudness: bool
) -> None:
    source = tmp_path / "wrong.mkv"
    make("-i", str(make_clip(Clip())), "-c", "copy", str(source))
    data = bytearray(source.read_bytes())
    at = [found.start() for found in re.finditer(rb"00:00:0[23]\.\d{9}", data)][track]
    data[at : at + 8] = lie
    source.write_bytes(data)
    options = PrepareOptions(preset="ultrafast", normalise_loudness=loudness)

    result, _ = prepared(source, tmp_path / "out", options=options)

    assert result.seconds == pytest.approx(3, abs=0.1)


# -- loudness -----------------------------------------------------------------------------------


def loudness(path: Path) -> float:
    command = [ffmpeg(), "-nostdin", "-i", str(path), "-vn", "-af", "ebur128=framelog=verbose",
               "-f", "null", "-"]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"I:\s+(-?[\d.]+) LUFS", printed.rpartition("Summary:")[2])
    assert found
    return float(found[1])


@pytest.mark.parametrize("level", first(1, [0.1, 0.9]))
def test_loudness_becomes_the_house_loudness(tmp_path: Path, level: float) -> None:
    source = tmp_path / "noise.wav"
    make("-f", "lavfi", "-i", f"anoisesrc=c=pink:a={level}:d=5:r=48000:seed=1", str(source))

    _, judged = prepared(source, tmp_path / "out")

    assert loudness(judged.path) == pytest.approx(-14, abs=1)


def test_near_silence_is_not_made_loud(tmp_path: Path) -> None:
    source = tmp_path / "hiss.wav"
    make("-f", "lavfi", "-i", "anoisesrc=c=pink:a=0.005:d=3:r=48000:seed=1", str(source))

    _, judged = prepared(source, tmp_path / "out")

    assert loudness(judged.path) < loudness(source) + 25


def test_loudness_can_be_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "noise.wav"
    make("-f", "lavfi", "-i", "anoisesrc=c=pink:a=0.02:d=5:r=48000:seed=1", str(source))
    options = PrepareOptions(preset="ultrafast", normalise_loudness=False)

    _, judged = prepared(source, tmp_path / "out", options=options)

    assert loudness(judged.path) == pytest.approx(loudness(source) + 3, abs=1)


@pytest.mark.parametrize("level", first(1, [0.01, 0.2, 1.0]))
def test_a_pure_tone_is_not_distorted(tmp_path: Path, level: float) -> None:
    source = tmp_path / "tone.wav"
    make("-f", "lavfi", "-i", f"aevalsrc={level}*sin(2*PI*1000*t)|{level}*sin(2*PI*1000*t)"
         ":s=48000:d=4", "-c:a", "pcm_s24le", str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    whole = _volume_of(judged.path, "atrim=start=1:end=3")
    rest = _volume_of(judged.path, "atrim=start=1:end=3,bandreject=f=1000:width_type=h:w=400,"
                      "bandreject=f=1000:width_type=h:w=400")  # fmt: skip
    assert rest < whole - 30


def test_silence_stays_silence(tmp_path: Path) -> None:
    source = tmp_path / "silent.mp4"
    make("-f", "lavfi", "-i", card(320, 180), "-f", "lavfi", "-i", "anullsrc=d=2", "-c:v",
         "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest",
         str(source))  # fmt: skip

    _, judged = prepared(source, tmp_path / "out")

    assert _volume_of(judged.path, "anull") < -80


# -- containers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "codecs"),
    first(
        2,
        [
            (".avi", ("mpeg4", "libmp3lame")),
            (".flv", ("libx264", "aac")),
            (".webm", ("libvpx", "libvorbis")),
            (".mpg", ("mpeg2video", "mp2")),
            (".ogv", ("libtheora", "libvorbis")),
            (".mov", ("prores", "pcm_s16le")),
            (".m2ts", ("libx264", "ac3")),
            (".mkv", ("libsvtav1", "eac3")),
        ],
    ),
)
def test_every_container_is_read(
    make_clip: Callable[[Clip], Path], tmp_path: Path, suffix: str, codecs: tuple[str, str]
) -> None:
    source = tmp_path / f"film{suffix}"
    video, audio = codecs
    quick = ["-deadline", "realtime"] if video == "libvpx" else []
    quick += ["-preset", "12"] if video == "libsvtav1" else []
    make("-i", str(make_clip(Clip("blue", 800, sample_rate=48_000))), "-c:v", video,
         "-b:v", "800k", *quick, "-c:a", audio, str(source))  # fmt: skip

    result, judged = prepared(source, tmp_path / "out")

    assert result.frames == pytest.approx(90, abs=2)
    assert [s.colour for s in judged.stretches] == ["blue"]
    assert abs(judged.tone_hz(500) - 800) < 15
    assert len(judged.offsets()) == 2
    assert max(abs(o.error_ms) for o in judged.offsets()) < AAC_FRAME_MS


def test_parts_of_transport_streams_are_read(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    whole, part = tmp_path / "whole.ts", tmp_path / "part.ts"
    make("-i", str(make_clip(Clip())), "-c", "copy", str(whole))
    part.write_bytes(whole.read_bytes()[77:])

    result, _ = prepared(part, tmp_path / "out")

    assert result.frames == pytest.approx(90, abs=2)


def test_a_clock_that_is_set_back_is_no_length(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    parts = []
    for offset in (1000, 20):
        parts.append(tmp_path / f"{offset}.ts")
        make("-i", str(make_clip(Clip())), "-c", "copy", "-output_ts_offset", str(offset),
             str(parts[-1]))  # fmt: skip
    source = tmp_path / "both.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))

    result, _ = prepared(source, tmp_path / "out")

    assert result.seconds == pytest.approx(6, abs=0.3)


def test_rubbish_behind_a_recording_does_not_count(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    source = tmp_path / "film.flv"
    make("-i", str(make_clip(Clip())), "-c", "copy", str(source))
    # A tag of a kind that makes libav add a stream on the way.
    text = b"\x02\0\x0aonTextData\x08\0\0\0\0\0\x04text\x02\0\x03abc\0\0\x09"
    tag = b"\x12" + len(text).to_bytes(3, "big") + b"\0\x0b\xb8\0\0\0\0" + text
    source.write_bytes(source.read_bytes() + tag + len(tag).to_bytes(4, "big"))

    result, _ = prepared(source, tmp_path / "out")

    assert result.frames == pytest.approx(90, abs=2)


def test_a_slow_motion_recording_is_thinned_out(tmp_path: Path) -> None:
    source = tmp_path / "fast.mp4"
    make("-f", "lavfi", "-i", "testsrc2=s=64x64:r=2000:d=0.5", "-c:v", "libx264",
         "-preset", "ultrafast", str(source))  # fmt: skip

    info = probe(source)
    assert info.video is not None
    assert info.video.frame_rate == 2000
    result, _ = prepared(source, tmp_path / "out")

    assert result.frames == 15
