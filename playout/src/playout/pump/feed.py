"""Placements to slices: what one session sends next, as views of mapped tracks.

A feed has two lanes, pictures and sound, each on its own chunk stream with its own clock of
deltas. It copies no media: at a join it makes four fresh bytes, everything else is a slice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from fractions import Fraction

from playout.errors import ProgrammeError, TrackError, TracksDisagree
from playout.media import REORDER_FRAMES, TrackKind
from playout.pump.shelf import Shelf
from playout.timebase import frame_ms
from playout.timeline.programme import Programme
from playout.timeline.resolve import (
    Placement,
    SoundPlacement,
    audio_boundary,
    linked_sound,
    placement_at,
    sound_at,
)
from playout.timeline.splice import join_deltas
from playout.tracks import packetiser
from playout.tracks.reader import Track

Buffer = bytes | memoryview

INTERLEAVE_MS = 100
"""Pictures and sound alternate in runs of this length: shorter ones make each send dearer, and
receivers look further ahead than that."""
_NEAR = 24
"""Messages among which the next one due is looked for first."""


class _Lane:
    """One kind of track of one session: which message comes next, and at what time."""

    __slots__ = (
        "base_ms", "cadence", "end", "end_ms", "header", "kind", "last_ms", "next", "origin_ms",
        "patches", "prelude", "rate", "start", "stop", "track",
    )  # fmt: skip

    def __init__(self, kind: TrackKind, rate: Fraction, origin_ms: int) -> None:
        self.kind = kind
        self.rate = rate
        self.origin_ms = origin_ms
        low = 1000 * rate.denominator // rate.numerator
        self.cadence = (low, low if 1000 * rate.denominator % rate.numerator == 0 else low + 1)
        self.track: Track | None = None
        self.header = b""
        self.prelude: bytes | None = None
        self.start = self.end = 0
        self.next = self.stop = 0
        self.base_ms = self.end_ms = 0
        self.last_ms: int | None = None
        self.patches: dict[int, int] = {}

    def enter(self, track: Track, start: int, begin: int, end: int) -> None:
        """Go on with `track`, whose message 0 falls on frame `start`, from `begin` to `end`."""
        timestamps = track.timestamps
        self.track = track
        self.start, self.end = start, end
        self.next = min(begin - start, track.frames)
        self.stop = min(end - start, track.frames)
        self.base_ms = self.origin_ms + frame_ms(start, self.rate)
        self.end_ms = self.origin_ms + frame_ms(end, self.rate)
        self.patches = {}
        if self.next >= self.stop:
            return
        due = self.base_ms + timestamps[self.next]
        if self.last_ms is None:
            # The session opens with a sequence header at this very time.
            self.last_ms = due
            self.header = track.description.codec_header
        delta = max(0, due - self.last_ms)
        if track.description.codec_header != self.header:
            self.header = track.description.codec_header
            body = packetiser.sequence_header(self.kind, self.header)
            self.prelude = packetiser.chunks(self.kind, delta, body)
            delta = 0
        if delta:
            self.patches = join_deltas(
                timestamps, self.next, self.stop, delta, cadence=self.cadence
            )
        else:
            self.patches = {self.next: 0}

    def index_at(self, until_ms: int) -> int:
        """The first message that is not due before `until_ms`, within this placement."""
        if self.track is None:
            return self.next
        return bisect_left(self.track.timestamps, until_ms - self.base_ms, self.next, self.stop)

    def emit(self, end: int, out: list[Buffer]) -> None:
        """Append the slices of messages up to `end` to `out`, patched where a join needs it."""
        track = self.track
        if track is None:
            return
        if self.prelude is not None:
            out.append(self.prelude)
            self.prelude = None
        offsets, data = track.offsets, track.data
        at = offsets[self.next]
        if self.patches:
            for message in [m for m in self.patches if m < end]:
                begin = offsets[message]
                if begin > at:
                    out.append(data[at:begin])
                out.append(packetiser.delta_head(self.kind, self.patches.pop(message)))
                at = begin + packetiser.PATCH_BYTES
        out.append(data[at : offsets[end]])
        self.last_ms = self.base_ms + track.timestamps[end - 1]
        self.next = end


class Feed:
    """All that one session sends after its headers.

    `on_substitute(item, error)` is told when an item could not be opened and the last good one
    fills its place; the programme itself goes on by the clock.
    """

    def __init__(
        self,
        programme: Programme,
        shelf: Shelf,
        *,
        end_frame: int | None = None,
        on_substitute: Callable[[str, TrackError], None] | None = None,
    ) -> None:
        self.programme = programme
        self._shelf = shelf
        self._end_frame = end_frame
        self._on_substitute = on_substitute
        reorder_ms = frame_ms(REORDER_FRAMES, programme.video_rate)
        self._video = _Lane(TrackKind.VIDEO, programme.video_rate, 0)
        self._audio = _Lane(TrackKind.AUDIO, programme.audio_rate, reorder_ms)
        self._lanes = {TrackKind.VIDEO: self._video, TrackKind.AUDIO: self._audio}
        self._placement: Placement | None = None
        self._sounds: deque[SoundPlacement] = deque()
        self._good: Placement | None = None
        self.ended = False
        """No pictures are left."""
        self.sent_until_ms = 0
        self.joins = 0
        """Items that followed another within this feed."""
        self._before: tuple[int, int | None, bytes, int | None, bytes] = (0, None, b"", None, b"")

    # -- where it is ------------------------------------------------------------------------

    def opening_ms(self, kind: TrackKind) -> int:
        """Programme time of the first message of a lane; its sequence header goes out with it."""
        last = self._lanes[kind].last_ms
        return self.sent_until_ms if last is None else last

    def codec_header(self, kind: TrackKind) -> bytes:
        """What the sequence header of a lane must carry."""
        return self._lanes[kind].header

    def track(self, kind: TrackKind) -> Track | None:
        """The track a lane is in."""
        return self._lanes[kind].track

    @property
    def opening_frame(self) -> int:
        """The video frame that comes next; right after `open`, the one the session begins with."""
        return self._video.start + self._video.next

    @property
    def next_key(self) -> int:
        """The first frame not taken yet at which another session could begin."""
        lane = self._video
        key = lane.track.key_at_or_after(lane.next) if lane.track is not None else None
        return lane.end if key is None else min(lane.start + key, lane.end)

    @property
    def finished(self) -> bool:
        """Everything has been taken, the last sound included."""
        return self.ended and self.sent_until_ms >= self._audio.end_ms

    # -- moving -----------------------------------------------------------------------------

    def open(self, frame: int) -> None:
        """Begin at the last key frame not after `frame`, or at the first one there is.

        Raises `TrackError` when neither the item nor a substitute can be opened, and
        `ProgrammeError` when nothing is on at `frame`.
        """
        self._move(frame, forward=False)

    def jump(self, frame: int) -> None:
        """Leave out everything before the first key frame not before `frame`."""
        self._move(frame, forward=True)

    def end_at(self, frame: int) -> None:
        """Let nothing out from video frame `frame` on, nor the sound that belongs to it.

        What was taken already stays taken; see `next_key`.
        """
        self._end_frame = frame
        placement = self._placement
        if placement is not None and frame < placement.end:
            self._cut(
                Placement(
                    placement.version, placement.item, placement.start, placement.begin, frame
                )
            )
        if self.programme.sound_versions:
            self._cut_sound(min(self._audio.end, audio_boundary(self.programme, frame)))

    def take_back(self) -> int:
        """Nothing of the last `take` was sent, since its tracks cannot be read.

        Times count from what was sent before, and the tracks are opened anew. Returns the video
        frame that came next then; the feed must `jump` before anything else is taken.
        """
        video, audio = self._video, self._audio
        frame, video.last_ms, video.header, audio.last_ms, audio.header = self._before
        for lane in (video, audio):
            if lane.track is not None:
                self._shelf.forget(lane.track)
        return frame

    def _move(self, frame: int, *, forward: bool) -> None:
        frame = max(frame, self.programme.versions[0].effective_from)
        self._sounds.clear()
        if not self._enter_video(frame, seek_key=True, forward=forward):
            raise ProgrammeError("The programme has nothing to show at this time.")
        begin = self._video.start + self._video.next
        self.sent_until_ms = frame_ms(begin, self.programme.video_rate)
        self._enter_audio(audio_boundary(self.programme, begin))

    def replace_programme(self, programme: Programme) -> None:
        """Follow another version of the same programme; what is sent already stays sent."""
        if (programme.epoch_ns, programme.video_rate, programme.audio_rate) != (
            self.programme.epoch_ns, self.programme.video_rate, self.programme.audio_rate,
        ):  # fmt: skip
            raise ProgrammeError("Another time line needs another session.")
        self.programme = programme
        placement = self._placement
        if placement is None:
            return
        at = self._video.start + self._video.next
        renewed = placement_at(programme, max(at - 1, placement.begin))
        if renewed is None or renewed.start != placement.start:
            return
        if renewed.end != placement.end:
            self._cut(renewed)

    def _cut(self, renewed: Placement) -> None:
        """Let the placement on air end where `renewed` does."""
        self._placement = renewed
        self._video.end = renewed.end
        self._video.stop = max(
            self._video.next, min(renewed.end - renewed.start, self._video_frames())
        )
        self._video.end_ms = frame_ms(renewed.end, self.programme.video_rate)
        if not self.programme.sound_versions:
            sound = linked_sound(self.programme, renewed)
            self._sounds = deque(
                sound if known.start == sound.start else known for known in self._sounds
            )
            if self._audio.start == sound.start:
                self._cut_sound(sound.end)

    def _cut_sound(self, end: int) -> None:
        lane = self._audio
        if lane.track is not None:
            lane.end = end
            lane.stop = max(lane.next, min(end - lane.start, lane.track.frames))
            lane.end_ms = lane.origin_ms + frame_ms(end, lane.rate)

    def _video_frames(self) -> int:
        return self._video.track.frames if self._video.track is not None else 0

    def _enter_video(self, frame: int, *, seek_key: bool = False, forward: bool = False) -> bool:
        """Put the video lane on `frame`; False when the programme has ended there."""
        if self._end_frame is not None and frame >= self._end_frame:
            return False
        placement = placement_at(self.programme, frame)
        if placement is None:
            return False
        try:
            track = self._shelf.track(placement.item.video, TrackKind.VIDEO)
            self._check(track, placement)
            self._good = placement
        except TrackError as error:
            if self._on_substitute is not None:
                self._on_substitute(placement.item.id, error)
            placement, track = self._substitute(placement, frame, error)
        if self._end_frame is not None and placement.end > self._end_frame:
            placement = Placement(
                placement.version, placement.item, placement.start, placement.begin, self._end_frame
            )
        begin = frame
        if seek_key:
            within = frame - placement.start
            if forward:
                key = track.key_at_or_after(within)
                if key is None or placement.start + key >= placement.end:
                    return self._enter_video(placement.end, seek_key=True, forward=True)
            else:
                key = track.key_at_or_before(within)
                if placement.start + key < placement.begin:
                    key = track.key_at_or_after(placement.begin - placement.start) or 0
            begin = placement.start + key
        if self._placement is not None and not seek_key:
            self.joins += 1
        self._video.enter(track, placement.start, begin, placement.end)
        self._placement = placement
        if not self.programme.sound_versions:
            sound = linked_sound(self.programme, placement)
            self._sounds.append(sound)
        return True

    def _check(self, track: Track, placement: Placement) -> None:
        if track.frames < placement.item.frames:
            raise TracksDisagree(
                f"Item {placement.item.id} should have {placement.item.frames} frames, "
                f"its track has {track.frames}."
            )
        if track.description.rate != self.programme.video_rate:
            raise TracksDisagree(
                f"Item {placement.item.id} has {float(track.description.rate):g} frames a second, "
                f"the programme {float(self.programme.video_rate):g}."
            )
        current = self._video.track
        if current is not None and (current.description.width, current.description.height) != (
            track.description.width, track.description.height,
        ):  # fmt: skip
            raise TracksDisagree(f"Item {placement.item.id} has another picture size.")

    def _substitute(
        self, missing: Placement, frame: int, error: TrackError
    ) -> tuple[Placement, Track]:
        """The last good item, from its top, until the missing one would have ended."""
        candidates = [self._good.item] if self._good is not None else []
        version = next(v for v in self.programme.versions if v.n == missing.version)
        candidates += [item for item in version.items if item.id != missing.item.id]
        for item in candidates:
            try:
                track = self._shelf.track(item.video, TrackKind.VIDEO)
                self._shelf.track(item.audio, TrackKind.AUDIO)
            except TrackError:
                continue
            end = min(missing.end, frame + min(item.frames, track.frames))
            return Placement(missing.version, item, frame, frame, end), track
        raise error

    def _enter_audio(self, aac_frame: int) -> bool:
        """Put the audio lane on AAC frame `aac_frame`; False when no sound is known there yet."""
        sound: SoundPlacement | None
        if self.programme.sound_versions:
            sound = sound_at(self.programme, aac_frame)
            if sound is not None and self._end_frame is not None:
                end = min(sound.end, audio_boundary(self.programme, self._end_frame))
                sound = SoundPlacement(sound.item_id, sound.audio, sound.start, sound.begin, end)
        else:
            while self._sounds and self._sounds[0].end <= aac_frame:
                self._sounds.popleft()
            sound = self._sounds[0] if self._sounds else None
        if sound is None or sound.end <= aac_frame:
            return False
        try:
            track = self._shelf.track(sound.audio, TrackKind.AUDIO)
        except TrackError as error:
            # Pictures go on without sound until the item has passed.
            if self._on_substitute is not None:
                self._on_substitute(sound.item_id, error)
            self._audio.stop = self._audio.next
            self._audio.end = sound.end
            self._audio.end_ms = self._audio.origin_ms + frame_ms(sound.end, self._audio.rate)
            return True
        self._audio.enter(track, sound.start, max(aac_frame, sound.begin), sound.end)
        return True

    # -- sending ----------------------------------------------------------------------------

    def take(self, until_ms: int, out: list[Buffer]) -> None:
        """Append all that is due before `until_ms` of the programme, pictures and sound in order.

        Sets `ended` when the programme has nothing more.
        """
        video, audio = self._video, self._audio
        at = video.start + video.next
        self._before = (at, video.last_ms, video.header, audio.last_ms, audio.header)
        if (
            until_ms <= video.end_ms
            and until_ms <= audio.end_ms
            and not (video.patches or audio.patches or video.prelude or audio.prelude)
            and self._take_runs(until_ms, out)
        ):
            return
        while True:
            if video.end_ms <= self.sent_until_ms and not self.ended:
                self.ended = not self._enter_video(video.end)
            if audio.end_ms <= self.sent_until_ms:
                self._enter_audio(audio.end)
            reached = until_ms
            if not self.ended:
                reached = min(reached, video.end_ms)
            if audio.end_ms > self.sent_until_ms:
                reached = min(reached, audio.end_ms)
            self._merge(reached, out)
            self.sent_until_ms = max(self.sent_until_ms, reached)
            if reached >= until_ms:
                return

    def _merge(self, until_ms: int, out: list[Buffer]) -> None:
        video, audio = self._video, self._audio
        video_end, audio_end = video.index_at(until_ms), audio.index_at(until_ms)
        pictures_of, sounds_of = video.track, audio.track
        if pictures_of is not None and sounds_of is not None:
            pictures, sounds = pictures_of.timestamps, sounds_of.timestamps
            ahead = audio.base_ms - video.base_ms
            while audio.next < audio_end and video.next < video_end:
                run = bisect_left(pictures, sounds[audio.next] + ahead, video.next, video_end)
                if run > video.next:
                    video.emit(run, out)
                if run == video_end:
                    break
                audio.emit(
                    bisect_left(sounds, pictures[run] - ahead + 1, audio.next, audio_end), out
                )
        if video_end > video.next:
            video.emit(video_end, out)
        if audio_end > audio.next:
            audio.emit(audio_end, out)

    def _take_runs(self, until_ms: int, out: list[Buffer]) -> bool:
        """The same without joins, which is nearly always: the costliest loop of the pump.

        False, with nothing done, when a lane has no track.
        """
        video, audio = self._video, self._audio
        if video.track is None or audio.track is None:
            return False
        pictures, picture_at = video.track.timestamps, video.track.offsets
        sounds, sound_at = audio.track.timestamps, audio.track.offsets
        picture_data, sound_data = video.track.data, audio.track.data
        picture, sound, at_ms = video.next, audio.next, self.sent_until_ms
        while at_ms < until_ms:
            at_ms += INTERLEAVE_MS
            if at_ms > until_ms:
                at_ms = until_ms
            due, near = at_ms - video.base_ms, picture + _NEAR
            if near > video.stop:
                near = video.stop
            run = bisect_left(pictures, due, picture, near)
            if run == near:
                run = bisect_left(pictures, due, run, video.stop)
            if run > picture:
                out.append(picture_data[picture_at[picture] : picture_at[run]])
                picture = run
            due, near = at_ms - audio.base_ms, sound + _NEAR
            if near > audio.stop:
                near = audio.stop
            run = bisect_left(sounds, due, sound, near)
            if run == near:
                run = bisect_left(sounds, due, run, audio.stop)
            if run > sound:
                out.append(sound_data[sound_at[sound] : sound_at[run]])
                sound = run
        if picture > video.next:
            video.next, video.last_ms = picture, video.base_ms + pictures[picture - 1]
        if sound > audio.next:
            audio.next, audio.last_ms = sound, audio.base_ms + sounds[sound - 1]
        self.sent_until_ms = at_ms
        return True
