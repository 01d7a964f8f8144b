"""Prepares a source: probes, measures, encodes, and writes the two tracks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playout import clock
from playout.errors import (
    EncoderMismatch,
    PrepareBusy,
    PrepareLimitExceeded,
    PrepareOutUnusable,
    SourceCorrupt,
    SourceTruncated,
)
from playout.lines import printable
from playout.media import HOUSE_AUDIO, AudioProfile, TrackKind, VideoProfile
from playout.prepare import headers, plan
from playout.prepare.encoder import Encoder
from playout.prepare.pictures import Picture, PictureOrder, TagReader, repeated
from playout.prepare.plan import Plan, PrepareOptions
from playout.probe.describe import Report
from playout.probe.parse import Container
from playout.probe.run import fresh_descriptor, open_source, probe_descriptor
from playout.tracks.writer import TrackWriter

_FILES = tuple(
    f"{kind.value}.{part}" for kind in TrackKind for part in ("track", "index", "verified")
)
_LOCK_TRIES = 5
_COPY_TOLERANCE = 3
"""Pictures by which containers are wrong about a duration, since they count the reordering."""
_PROGRESS_NS = 200_000_000
_MEASURING = 0.05
"""Share of the whole work that measuring the loudness is reckoned at."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a preparation is."""

    stage: str
    """`probing`, `measuring`, `video`, `audio` or `finishing`."""
    fraction: float
    """Of the whole, 0 to 1; never goes back."""
    seconds_done: float
    seconds_total: float | None
    speed: float
    """Seconds of media per second of work."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a preparation made."""

    frames: int
    """Pictures."""
    audio_frames: int
    """AAC frames, padding included."""
    heard_frames: int
    """Those before the padding; none when the source has no sound."""
    seconds: float
    """How long the item plays: the pictures rule."""
    bytes: int
    mode: str
    """`encode` or `remux`."""
    report: Report
    notes: tuple[str, ...] = ()
    """What a person should know about the result."""

    def to_json(self) -> dict[str, Any]:
        """The same in types that JSON knows."""
        return {
            "frames": self.frames,
            "audio_frames": self.audio_frames,
            "heard_frames": self.heard_frames,
            "seconds": round(self.seconds, 3),
            "bytes": self.bytes,
            "mode": self.mode,
            "report": self.report.to_json(),
            "notes": list(self.notes),
        }


OnProgress = Callable[[Progress], None]


def prepare(
    source: Path,
    profile: VideoProfile,
    out: Path,
    *,
    audio: AudioProfile = HOUSE_AUDIO,
    options: PrepareOptions | None = None,
    stills: bool = False,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Prepared:
    """Write `source` into the directory `out` as a video and an audio track of the house format.

    With `stills` it may be a picture, which becomes a silent loop of `options.still_seconds`.
    Blocks until done, in the calling thread, whose end kills the encoder. Raises a `SourceError`
    when the file cannot be used, a `PrepareError` when preparing failed; nothing is left in
    `out` then. Only one preparation writes into a directory: a second raises `PrepareBusy`.
    """
    options = options or PrepareOptions()
    if options.threads is None:
        # More threads take more memory than they save time.
        options = replace(options, threads=min(8, len(os.sched_getaffinity(0))))
    golden = headers.video_header(profile)
    reporter = _Reporter(on_progress)
    reporter.tell("probing", 0.0)
    with open_source(source) as descriptor:
        info = probe_descriptor(descriptor, stills=stills)
        made = plan.make_plan(info, profile, audio, options, golden_header=golden)
        reporter.total = made.expected_seconds
        encoder = Encoder(
            wall_seconds=made.wall_seconds, memory_bytes=made.memory_bytes, cancelled=cancelled
        )
        encoder.check()
        with _own_directory(out):
            is_hold_final = False
            while True:
                try:
                    return _Preparation(
                        made, descriptor, out, encoder, reporter, is_hold_final=is_hold_final
                    ).run()
                except EncoderMismatch:
                    if made.mode != "remux":
                        raise
                    # The header promised more than the pictures keep: encode them after all.
                    made = replace(made, mode="encode")
                except _WrongHold as wrong:
                    made = replace(made, mode="encode", held=wrong.seconds)
                    is_hold_final = True


class _WrongHold(Exception):
    """The last picture has to be held for another time: the file was wrong about its lengths."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@contextlib.contextmanager
def _own_directory(out: Path) -> Iterator[None]:
    """Make `out` and keep other preparations out of it; one that was made is removed on failure.

    Two that write the same names would mix their bytes, and one's end would be the other's.
    """
    made, descriptor = False, None
    try:
        for _ in range(_LOCK_TRIES):
            try:
                out.mkdir(parents=True)
                made = True
            except FileExistsError:
                pass
            descriptor = _locked(out)
            if descriptor is not None:
                break
        else:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    except OSError as error:
        raise PrepareOutUnusable(
            f"The folder {printable(str(out))} cannot be used: {error.strerror}."
        ) from error
    try:
        yield
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                out.rmdir()
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(out: Path) -> int | None:
    """A descriptor that holds the lock of the folder; None when it has just been removed."""
    try:
        descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), out.stat()):
                return descriptor
    except BlockingIOError as error:
        os.close(descriptor)
        raise PrepareBusy(f"Another preparation is writing into {printable(str(out))}.") from error
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP):
            return descriptor  # Some network disks know no locks.
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


class _Reporter:
    """Tells progress, but not more often than anybody can read."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self.total: float | None = None
        self._on_progress = on_progress
        self._stage = ""
        self._stage_ns = 0
        self._told_ns = 0
        self._fraction = 0.0

    def tell(self, stage: str, seconds: float, *, share: tuple[float, float] = (0.0, 0.0)) -> None:
        """`seconds` of media are done in `stage`, which takes `share` (from, to) of the whole."""
        now = clock.monotonic_ns()
        if stage != self._stage:
            self._stage, self._stage_ns = stage, now
        elif now - self._told_ns < _PROGRESS_NS:
            return
        self._told_ns = now
        if self._on_progress is None:
            return
        done = min(1.0, seconds / self.total) if self.total else 0.0
        self._fraction = max(self._fraction, share[0] + (share[1] - share[0]) * done)
        elapsed = (now - self._stage_ns) / 1e9
        speed = seconds / elapsed if elapsed > 0 else 0.0
        self._on_progress(Progress(stage, self._fraction, seconds, self.total, speed))


class _Preparation:
    """One attempt to carry out a plan."""

    def __init__(
        self,
        made: Plan,
        descriptor: int,
        out: Path,
        encoder: Encoder,
        reporter: _Reporter,
        *,
        is_hold_final: bool,
    ) -> None:
        self._plan = made
        self._is_hold_final = is_hold_final
        self._descriptor = descriptor
        self._out = out
        self._encoder = encoder
        self._reporter = reporter
        self._golden = headers.video_header(made.profile)
        self._notes: list[str] = []

    def run(self) -> Prepared:
        """Measure, encode, pad, finish."""
        gain = self._measure()
        made, limit = self._plan, self._plan.options.max_bytes
        with (
            TrackWriter.video(
                self._out, made.profile, self._golden, max_bytes=limit
            ) as video_writer,
            TrackWriter.audio(
                self._out, made.audio, plan.audio_header(made.audio), max_bytes=limit
            ) as audio_writer,
        ):
            pictures = _PictureSink(self, video_writer)
            sound = _SoundSink(self, audio_writer)
            if made.info.is_still:
                self._encode_stills(pictures, made.options.still_seconds * made.profile.fps)
            elif made.info.video is not None:
                self._encode_film(pictures, sound, gain)
                self._judge_copy(pictures.order.finish())
            else:
                self._encode_sound(sound, gain)
                wanted = plan.still_frames(sound.frames, made.audio, made.profile)
                try:
                    self._encode_stills(pictures, wanted)
                except (SourceCorrupt, PrepareLimitExceeded):
                    self._give_up_cover()
                    self._encode_stills(_PictureSink(self, video_writer), wanted)
            frames = video_writer.frames
            self._judge_length(frames)
            heard = audio_writer.frames
            self._judge_hold(frames, heard)
            self._pad(audio_writer, frames)
            self._reporter.tell("finishing", frames / made.profile.fps, share=(0.99, 1.0))
            self.check_bytes(video_writer, audio_writer)
            self._finish(video_writer, audio_writer, heard)
            self._note_lengths(frames, heard)
            return Prepared(
                frames=frames,
                audio_frames=audio_writer.frames,
                heard_frames=heard,
                seconds=frames / made.profile.fps,
                bytes=video_writer.bytes_written + audio_writer.bytes_written,
                mode=made.mode,
                report=made.report,
                notes=tuple(self._notes),
            )

    def _finish(self, video: TrackWriter, audio: TrackWriter, heard: int) -> None:
        try:
            video.finish()
            audio.finish(content_frames=heard)
        except BaseException:
            # Half a preparation is none, and what was here before is replaced already.
            for name in _FILES:
                (self._out / name).unlink(missing_ok=True)
            raise

    def check_bytes(self, *writers: TrackWriter) -> None:
        """Raise `PrepareLimitExceeded` when the tracks together are too large."""
        limit = self._plan.options.max_bytes
        if limit is not None and sum(writer.bytes_written for writer in writers) > limit:
            raise PrepareLimitExceeded(f"The prepared tracks would take more than {limit} bytes.")

    @property
    def plan(self) -> Plan:
        """What is being carried out."""
        return self._plan

    @property
    def golden(self) -> bytes:
        """The header that the pictures must have."""
        return self._golden

    def tell(self, stage: str, seconds: float) -> None:
        """Progress of encoding."""
        begin = _MEASURING if self._plan.options.normalise_loudness else 0.0
        self._reporter.tell(stage, seconds, share=(begin, 0.99))

    def _measure(self) -> float:
        wants_loudness = self._plan.options.normalise_loudness
        # What is held for the sound's sake needs its true length: files may claim hours.
        if self._plan.info.audio is None or not (wants_loudness or self._plan.held):
            return 0.0
        progress = _ProgressLines(self._reporter)
        printed = self._run_on_source(
            lambda pipes: plan.measure_arguments(self._plan, pipes[0]),
            [progress.feed],
            loglevel="info",
        )
        if not self._is_hold_final:
            held = plan.bounded_hold(self._plan, progress.seconds)
            self._plan = replace(self._plan, held=held)
        if not wants_loudness:
            return 0.0
        return plan.gain_for(plan.parse_loudness(printed))

    def _encode_film(self, pictures: _PictureSink, sound: _SoundSink, gain: float) -> None:
        if self._plan.info.audio is None:
            self._run_on_source(
                lambda pipes: plan.video_arguments(self._plan, pipes[0]), [pictures.feed]
            )
            return
        self._run_on_source(
            lambda pipes: [
                *plan.video_arguments(self._plan, pipes[0]),
                *plan.audio_arguments(self._plan, pipes[1], gain),
            ],
            [pictures.feed, sound.feed],
        )

    def _encode_sound(self, sound: _SoundSink, gain: float) -> None:
        self._run_on_source(
            lambda pipes: plan.audio_arguments(self._plan, pipes[0], gain), [sound.feed]
        )

    def _encode_stills(self, pictures: _PictureSink, frames: int) -> None:
        """Encode a few groups of the picture, the cover or of black, and repeat them."""
        profile = self._plan.profile
        encoded = plan.still_encode(frames, profile)
        made = list[Picture]()
        pictures.divert(made.append)

        def arguments(pipes: Sequence[int]) -> list[str]:
            return plan.still_arguments(self._plan, pipes[0], encoded)

        if plan.still_index(self._plan.info) is None:
            self._encoder.run(arguments, [pictures.feed])
        else:
            self._run_on_source(arguments, [pictures.feed])
        if pictures.order.finish() != encoded:
            raise SourceCorrupt("The picture cannot be decoded.")
        for place, picture in enumerate(repeated(made, frames, profile.gop_frames)):
            if place % 1000 == 0:
                self._encoder.check()
            pictures.write(picture)

    def _run_on_source(
        self,
        arguments: Callable[[Sequence[int]], list[str]],
        sinks: list[Callable[[bytes], None]],
        *,
        loglevel: str = "error",
    ) -> str:
        with fresh_descriptor(self._descriptor) as source:
            opened = plan.input_arguments(self._plan.info, source, self._plan.options)
            return self._encoder.run(
                lambda pipes: [*opened, *arguments(pipes)],
                sinks,
                descriptors=[source],
                loglevel=loglevel,
            )

    def _judge_length(self, frames: int) -> None:
        """A file whose index promises much more than could be decoded is not whole."""
        expected = self._plan.expected_frames
        info = self._plan.info
        if info.video is None or info.video.duration is None or expected is None:
            return
        if info.container is Container.MP4 and frames < 0.9 * expected - self._plan.profile.fps:
            fps = self._plan.profile.fps
            raise SourceTruncated(
                f"Only {frames / fps:.1f} s of {expected / fps:.1f} s could be decoded."
            )

    def _judge_copy(self, frames: int) -> None:
        """Raise `EncoderMismatch` when pictures were copied that an edit list hides at the end."""
        made, video = self._plan, self._plan.info.video
        if made.mode == "remux" and video is not None and video.duration is not None:
            said = video.duration * made.profile.fps
            if abs(frames - said) > _COPY_TOLERANCE:
                raise EncoderMismatch(f"{frames} pictures came instead of {said:.0f}.")

    def _judge_hold(self, frames: int, heard: int) -> None:
        """Raise `_WrongHold` when the pictures end long before the sound, or are held too long."""
        made = self._plan
        if self._is_hold_final or made.info.video is None or made.info.audio is None:
            return
        seconds = plan.corrected_hold(
            made, frames / made.profile.fps, heard / float(made.audio.rate)
        )
        if seconds is not None:
            raise _WrongHold(seconds)

    def _give_up_cover(self) -> None:
        """Show black instead; called while the failure of the cover is handled."""
        self._encoder.check()
        if self._plan.info.cover_index is None:
            raise
        self._plan = replace(self._plan, info=replace(self._plan.info, cover_index=None))
        self._notes.append("The cover cannot be decoded; black is shown instead.")

    def _pad(self, writer: TrackWriter, pictures: int) -> None:
        silence = headers.silent_frame(self._plan.audio)
        needed = plan.audio_frames_needed(pictures, self._plan.audio, self._plan.profile)
        while writer.frames < needed:
            writer.add_frame(silence)

    def _note_lengths(self, frames: int, heard: int) -> None:
        if self._plan.info.audio is None:
            return
        surplus = heard / float(self._plan.audio.rate) - frames / self._plan.profile.fps
        if surplus > 1:
            self._notes.append(f"The sound is {surplus:.1f} s longer than the pictures; it is cut.")
        elif surplus < -1:
            self._notes.append(f"The sound ends {-surplus:.1f} s early; silence follows.")


class _PictureSink:
    """FLV bytes of the encoder → pictures of the track."""

    def __init__(self, preparation: _Preparation, writer: TrackWriter) -> None:
        self.order = PictureOrder(preparation.plan.profile)
        self._preparation = preparation
        self._writer = writer
        self._tags = TagReader()
        self._limit = int(preparation.plan.longest_seconds * preparation.plan.profile.fps)
        self._take: Callable[[Picture], None] = self.write

    def feed(self, data: bytes) -> None:
        """Take what the encoder wrote."""
        fps = self._preparation.plan.profile.fps
        for tag in self._tags.feed(data):
            if tag.is_header:
                if tag.payload != self._preparation.golden:
                    raise EncoderMismatch(
                        f"The header is {tag.payload.hex()}, "
                        f"not {self._preparation.golden.hex()}, "
                        f"for {self._preparation.plan.profile.id}."
                    )
            elif tag.is_media:
                self._take(self.order.picture(tag))
        self._preparation.tell("video", self._writer.frames / fps)

    def divert(self, take: Callable[[Picture], None]) -> None:
        """Hand pictures to `take` from now on instead of writing them."""
        self._take = take

    def write(self, picture: Picture) -> None:
        """Add a picture to the track."""
        self._writer.add_picture(picture.avcc, picture.display_index, picture.key)
        if self._writer.frames > self._limit:
            seconds = self._limit / self._preparation.plan.profile.fps
            raise PrepareLimitExceeded(f"The pictures go on for more than {seconds:.0f} s.")


class _SoundSink:
    """FLV bytes of the encoder → frames of the track, without the encoder's priming."""

    def __init__(self, preparation: _Preparation, writer: TrackWriter) -> None:
        self._preparation = preparation
        self._writer = writer
        self._tags = TagReader()
        self._primed = False
        self._header = plan.audio_header(preparation.plan.audio)
        self._limit = int(preparation.plan.longest_seconds * preparation.plan.audio.rate)

    @property
    def frames(self) -> int:
        """Frames of sound."""
        return self._writer.frames

    def feed(self, data: bytes) -> None:
        """Take what the encoder wrote."""
        for tag in self._tags.feed(data):
            if tag.is_header:
                if not tag.payload.startswith(self._header):
                    raise EncoderMismatch(f"The sound's header is {tag.payload.hex()}.")
            elif tag.is_media and not self._primed:
                self._primed = True  # Covers the 1024 samples before the first one.
            elif tag.is_media:
                self._writer.add_frame(tag.payload)
                if self._writer.frames > self._limit:
                    seconds = self._preparation.plan.longest_seconds
                    raise PrepareLimitExceeded(f"The sound goes on for more than {seconds:.0f} s.")
        if self._preparation.plan.info.video is None:
            self._preparation.tell(
                "audio", self._writer.frames / float(self._preparation.plan.audio.rate)
            )


class _ProgressLines:
    """Reads the key=value lines of ffmpeg's progress report."""

    def __init__(self, reporter: _Reporter) -> None:
        self._reporter = reporter
        self._rest = b""
        self.seconds = 0.0
        """How much has been measured."""

    def feed(self, data: bytes) -> None:
        """Take what ffmpeg wrote."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            if name == b"out_time_us" and value.strip().isdigit():
                self.seconds = int(value) / 1e6
                self._reporter.tell("measuring", self.seconds, share=(0.0, _MEASURING))
