"""Placements to slices: what one session sends next, as views of mapped tracks.

A feed has two lanes, pictures and sound, each on its own chunk stream with its own clock of
deltas. It copies no media: at a join it makes four fresh bytes, everything else is a slice.

What the programme says may be impossible: a track is gone, a part of it is not here, an edit came
when its beginning had passed. Then the feed goes down the ladder of `Rung`, never to black or to
silence while anything can be played, and back to the programme at the first key frame that it can
show of it, by the clock. The programme itself never changes by this.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from playout.errors import ProgrammeError, TrackError, TrackIncomplete, TracksDisagree
from playout.media import REORDER_FRAMES, TrackKind
from playout.pump.aired import Aired, Rung, Substitution
from playout.pump.lane import Buffer, Lane
from playout.pump.shelf import Shelf
from playout.timebase import frame_ms
from playout.timeline.programme import Card, Item, Programme
from playout.timeline.resolve import (
    Placement,
    SoundPlacement,
    audio_boundary,
    card_at,
    placement_at,
    sound_at,
)
from playout.tracks.reader import Track

INTERLEAVE_MS = 125
"""Pictures and sound alternate in runs of about this length, of which a tick holds a whole number:
shorter ones make each send dearer, and receivers look further ahead than that."""
_SPARE_MS = 12
"""A tick that comes so late has no run more for it."""
_LONGEST_TAKE_MS = 1000
_NEAR_MESSAGES = 128
"""More than is taken at once, at any rate: a file must reach so far behind what comes next."""
_RETIMED_MS = 400
"""Pictures whose time of showing is changed come no further before the end of their stretch."""
_FILL_AUDIO_FRAMES = 86
"""A substitute of sound plays about two seconds before the programme is tried again."""
_ANY_TRIED = 16
"""Items that are tried when everything else failed: a list may have thousands."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A stretch of pictures: `track` from where the lane is until frame `end`."""

    track: Track
    start: int
    """Where message 0 of the track falls."""
    end: int
    item: Item
    """Whose pictures they are; for a card, the item under it."""
    placement: Placement
    """What the programme says."""
    sound: str
    """Directory of the sound that belongs to the pictures."""
    sound_start: int
    """Video frame at which that sound begins."""
    rung: Rung | None = None
    cause: str = ""
    card: str | None = None


@dataclass(slots=True)
class _Span:
    """The sound that belongs to one stretch of pictures, in AAC frames."""

    item_id: str
    title: str
    audio: str
    start: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class _Heard:
    """A stretch of sound: `track` (None for silence) until AAC frame `end`."""

    wanted: _Span
    track: Track | None
    audio: str
    start: int
    end: int
    rung: Rung | None = None
    filled_by: str = ""
    cause: str = ""


class Feed:
    """All that one session sends after its headers.

    `on_substitute` is told once when something else goes on air than the programme says, `on_whole`
    of the kind, id and title of what begins at its top with nothing of it missing, `on_aired` of
    each stretch when it is over, `on_enter` of the track that a lane is about to read (None for
    silence); all are called from within `take` and must not raise.
    """

    def __init__(
        self,
        programme: Programme,
        shelf: Shelf,
        *,
        end_frame: int | None = None,
        on_substitute: Callable[[Substitution], None] | None = None,
        on_whole: Callable[[TrackKind, str, str], None] | None = None,
        on_aired: Callable[[Aired], None] | None = None,
        on_enter: Callable[[TrackKind, Track | None], None] | None = None,
    ) -> None:
        self.programme = programme
        self._shelf = shelf
        self._end_frame = end_frame
        self._on_substitute = on_substitute
        self._on_whole = on_whole
        self._on_aired = on_aired
        self._on_enter = on_enter
        reorder_ms = frame_ms(REORDER_FRAMES, programme.video_rate)
        self._video = Lane(TrackKind.VIDEO, programme.video_rate, 0)
        self._audio = Lane(TrackKind.AUDIO, programme.audio_rate, reorder_ms)
        self._lanes = {TrackKind.VIDEO: self._video, TrackKind.AUDIO: self._audio}
        self._shown: _Shown | None = None
        self._heard: _Heard | None = None
        self._spans: deque[_Span] = deque()
        self._good: _Shown | None = None
        self._good_sound: _Heard | None = None
        self._noted: dict[TrackKind, tuple[object, ...]] = {}
        self._following: dict[TrackKind, tuple[Programme, int, Track, int]] = {}
        """What a lane plays next: of which programme, from which frame, and its track."""
        self._log: dict[TrackKind, Aired] = {}
        """What is on; its end is not known yet."""
        self._size: tuple[int, int] | None = None
        self.ended = False
        """No pictures are left."""
        self.sent_until_ms = 0
        self.joins = 0
        """Items that followed another within this feed."""
        self._before: tuple[int, int | None, bytes, int | None, bytes, int] = (
            0, None, b"", None, b"", 0
        )  # fmt: skip
        """The next frame, what each lane had sent, and until when, before the last `take`."""

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
        return self._video.at

    @property
    def next_key(self) -> int:
        """The first frame not taken yet at which another session could begin."""
        lane = self._video
        track = lane.track
        key = None
        if track is not None and track.is_intact():
            key = track.key_at_or_after(lane.next)
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
        if self._shown is not None and frame < self._shown.end:
            self._resize(self._shown, frame)
        if self.programme.is_radio:
            self._resize_sound(min(self._audio.end, audio_boundary(self.programme, frame)))

    def take_back(self) -> int:
        """Nothing of the last `take` was sent, since its tracks cannot be read.

        Times count from what was sent before, and the tracks are opened anew. Returns the video
        frame that came next then; the feed must `jump` before anything else is taken.
        """
        video, audio = self._video, self._audio
        frame, video_ms, video_header, audio_ms, audio_header, _ = self._before
        for lane in (video, audio):
            if lane.track is not None:
                self._shelf.forget(lane.track)
            # What was patched since then has not been sent either.
            lane.patches, lane.retimed, lane.late = {}, {}, 0
        video.last_ms, video.header = video_ms, video_header
        audio.last_ms, audio.header = audio_ms, audio_header
        # Not even as the last good one: its mapping is what failed.
        self._shown = self._heard = self._good = self._good_sound = None
        return frame

    def replace_programme(self, programme: Programme) -> None:
        """Follow other versions of the same programme; what was taken already stays taken.

        A version that should have begun before is joined at its next key frame; until then the
        old pictures go on.
        """
        if (programme.epoch_ns, programme.video_rate, programme.audio_rate) != (
            self.programme.epoch_ns, self.programme.video_rate, self.programme.audio_rate,
        ):  # fmt: skip
            raise ProgrammeError("Another time line needs another session.")
        self._look_at_tracks()
        was_radio, self.programme = self.programme.is_radio, programme
        if self._shown is None:
            return
        self._look_again(change_sound=was_radio != programme.is_radio)

    def close(self) -> None:
        """Tell `on_aired` of what is on; nothing is taken afterwards."""
        for lane in (self._video, self._audio):
            self._tell_aired(lane.kind, lane.at)

    def airing(self, kind: TrackKind) -> Aired | None:
        """What is on, up to what was taken last; None before the first of it."""
        on, at = self._log.get(kind), self._lanes[kind].at
        return None if on is None or at <= on.begin else replace(on, end=at)

    def sent_before(self, unsent_bytes: int) -> int:
        """The first video frame that has not left in full, when of all that was taken the last
        `unsent_bytes` have not.

        Looks back over a few seconds of one or two stretches; what is older counts as sent.
        """
        frame = self._video.at
        if unsent_bytes <= 0:
            return frame
        took_ms = self.sent_until_ms - self._before[5]
        end_ms = self.sent_until_ms
        while unsent_bytes > 0:
            # The last `take` is known; those before it are held to have been like it.
            begin_ms = end_ms - (took_ms if 0 < took_ms <= _LONGEST_TAKE_MS else INTERLEAVE_MS)
            ends = _ends_of_runs(begin_ms, end_ms)
            for begin, end in reversed([*itertools.pairwise([begin_ms, *ends])]):
                sounds = self._audio.taken(begin, end)
                pictures = self._video.taken(begin, end)
                if sounds is None and pictures is None:
                    return frame
                unsent_bytes -= sum(size for _, size in sounds or ())
                for picture, size in reversed(pictures or ()):
                    if unsent_bytes <= 0:
                        return frame
                    frame = picture
                    unsent_bytes -= size
            end_ms = begin_ms
        return frame

    def _move(self, frame: int, *, forward: bool) -> None:
        self.close()
        self._spans.clear()
        self._shown = self._heard = None
        begin = self._seek(max(frame, self.programme.versions[0].effective_from), forward)
        if not self._enter_video(begin):
            raise ProgrammeError("The programme has nothing to show at this time.")
        self.ended = False
        self.sent_until_ms = frame_ms(begin, self.programme.video_rate)
        self._enter_audio(audio_boundary(self.programme, begin))

    def _seek(self, frame: int, forward: bool) -> int:
        """The frame at which to enter what is on at `frame`."""
        placement = placement_at(self.programme, frame)
        if placement is None:
            return frame
        try:
            track = self._pictures_of(placement.item)
        except TrackError:
            # A substitute begins anywhere.
            return frame
        within = frame - placement.start
        if forward:
            key = track.key_at_or_after(within)
            if key is None:
                return placement.end
            return min(placement.start + key, placement.end)
        return max(placement.begin, placement.start + track.key_at_or_before(within))

    def _look_again(self, *, change_sound: bool = False) -> None:
        """Something has changed: compare what is on with what should be, from here on."""
        shown, at = self._shown, self._video.at
        if shown is not None and at < shown.end:
            wanted = self._pictures(at)
            if wanted is None:
                self._resize(shown, at)
            elif wanted.track is shown.track and wanted.start == shown.start:
                if (wanted.sound, wanted.sound_start) == (shown.sound, shown.sound_start):
                    self._resize(wanted, wanted.end)
                else:
                    self._resize(shown, at)
                    self._resize(wanted, wanted.end, with_sound=False)
                    self._add_span(wanted, at)
                self._log_aired(TrackKind.VIDEO, at)
            else:
                self._resize(shown, at)
                self._enter(wanted, at)
        at = self._audio.at
        if change_sound:
            self._change_sound(at)
        if self._heard is not None and (change_sound or at < self._heard.end):
            self._enter_audio(at)

    def _change_sound(self, at: int) -> None:
        """Sound that was a programme of its own belongs to the pictures now, or the reverse."""
        self._spans.clear()
        heard, shown = self._heard, self._shown
        if self.programme.is_radio or heard is None or shown is None:
            return
        self._add_span(shown, self._video.at)
        start = max(self._spans[0].start, at)
        if at < start:
            # The pictures are a little ahead: until theirs begins, the old sound goes on.
            self._spans.appendleft(replace(heard.wanted, end=start))

    # -- pictures ---------------------------------------------------------------------------

    def _enter_video(self, frame: int) -> bool:
        """Put the video lane on `frame`; False when the programme has ended there."""
        shown = self._pictures(frame)
        if shown is None:
            return False
        self._enter(shown, frame)
        return True

    def _enter(self, shown: _Shown, frame: int) -> None:
        before = self._shown
        if before is None or (before.track, before.start) != (shown.track, shown.start):
            self.joins += before is not None
            if self._on_enter is not None:
                self._on_enter(TrackKind.VIDEO, shown.track)
        self._video.enter(shown.track, shown.start, frame, shown.end)
        self._shown = shown
        self._size = shown.track.description.width, shown.track.description.height
        self._add_span(shown, frame)
        self._log_aired(TrackKind.VIDEO, frame)

    def _add_span(self, shown: _Shown, frame: int) -> None:
        if self.programme.is_radio:
            return
        programme = self.programme
        self._spans.append(
            _Span(
                shown.item.id,
                shown.item.title,
                shown.sound,
                audio_boundary(programme, shown.sound_start),
                audio_boundary(programme, frame),
                audio_boundary(programme, shown.end),
            )
        )

    def _resize(self, shown: _Shown, end: int, *, with_sound: bool = True) -> None:
        """Let the stretch on air end at `end`, and the sound with it."""
        self._shown = replace(shown, end=end)
        self._video.resize(end)
        if with_sound and self._spans:
            span = self._spans[-1]
            span.end = audio_boundary(self.programme, end)
            if self._heard is not None and self._heard.wanted is span:
                self._resize_sound(min(self._heard.end, span.end))

    def _pictures(self, frame: int) -> _Shown | None:
        """What to show from `frame` on; None when the programme has ended there."""
        end_frame = self._end_frame
        if end_frame is not None and frame >= end_frame:
            return None
        programme = self.programme
        placement = placement_at(programme, frame)
        if placement is None:
            return None
        limit = placement.end if end_frame is None else min(placement.end, end_frame)
        card = card_at(programme, frame) if programme.cards else None
        if card is not None:
            shown = self._card(card, placement, frame, limit)
            if shown is not None:
                return shown
        item, within = placement.item, frame - placement.start
        error: TrackError | None = None
        until = limit
        try:
            track = self._pictures_of(item, placement.start)
            last = min(limit - placement.start, track.frames)
            goes_on = self._goes_on(track, placement.start)
            if goes_on or track.is_key(within):
                ready = _ready(track, within, last, goes_on=goes_on)
                if ready > within:
                    end = placement.start + ready
                    if programme.cards:
                        end = self._card_within(track, placement.start, frame, end)
                    shown = _Shown(
                        track, placement.start, end, item, placement, item.audio, placement.start
                    )
                    self._good = shown
                    self._noted.pop(TrackKind.VIDEO, None)
                    if self._on_whole is not None and within == 0 and ready == last:
                        self._on_whole(TrackKind.VIDEO, item.id, item.title)
                    return shown
            if track.blocks.missing and track.ready_until(within) < last:
                error = _incomplete(track, within)
            key = track.next_ready_key(within)
            if key is not None:
                until = min(until, placement.start + key)
        except TrackError as caught:
            error = caught
        return self._fill(placement, frame, until, error)

    def _goes_on(self, track: Track, start: int) -> bool:
        """Whether `track` is on air already, at the same place."""
        return self._shown is not None and self._shown.track is track and self._shown.start == start

    def _pictures_of(self, item: Item, start: int | None = None) -> Track:
        """The track of `item`, when it fits the programme and the session.

        One that is on air with its message 0 at frame `start` stays open, whatever has happened to
        its directory.
        """
        shown = self._shown
        if (
            shown is not None
            and shown.start == start
            and shown.card is None
            and shown.item.video == item.video
            and shown.track.frames >= item.frames
        ):
            self._shelf.refresh(shown.track)
            return shown.track
        track = self._shelf.track(item.video, TrackKind.VIDEO)
        if track.frames < item.frames:
            raise TracksDisagree(
                f"Item {item.id} should have {item.frames} frames, its track has {track.frames}."
            )
        self._check(track, f"Item {item.id}")
        return track

    def _check(self, track: Track, name: str) -> None:
        description, rate = track.description, self.programme.video_rate
        if description.rate != rate:
            raise TracksDisagree(
                f"{name} has {float(description.rate):g} frames a second, "
                f"the programme {float(rate):g}."
            )
        if self._size not in (None, (description.width, description.height)):
            raise TracksDisagree(f"{name} has another picture size.")

    def _card(self, card: Card, placement: Placement, frame: int, limit: int) -> _Shown | None:
        """The pictures of `card` from `frame` on; None when they cannot be shown in full."""
        start, end = card.begin - card.at, min(card.end, limit)
        try:
            track = self._shelf.track(card.video, TrackKind.VIDEO)
            self._check(track, f"The card {card.title!r}")
        except TrackError:
            return None
        if not (self._goes_on(track, start) or track.is_key(frame - start)):
            return None
        if track.ready_until(frame - start) < end - start or track.frames < end - start:
            return None
        if end < placement.end and end != self._end_frame:
            try:
                under = self._shelf.track(placement.item.video, TrackKind.VIDEO)
            except TrackError:
                under = None
            if under is not None and not under.is_key(end - placement.start):
                return None
        item = placement.item
        return _Shown(
            track, start, end, item, placement, item.audio, placement.start, card=card.title
        )

    def _card_within(self, track: Track, start: int, frame: int, end: int) -> int:
        """Where a card interrupts the pictures from `frame` to `end`."""
        cards = self.programme.cards
        index = bisect_right(cards, frame, key=lambda card: card.begin)
        while index < len(cards) and cards[index].begin < end:
            if track.is_key(cards[index].begin - start):
                return cards[index].begin
            index += 1
        return end

    # -- substitutes of pictures ------------------------------------------------------------

    def _fill(
        self, placement: Placement, frame: int, until: int, error: TrackError | None
    ) -> _Shown:
        """Something else from `frame` to `until` at most, since `placement` cannot be shown.

        It ends after a group of pictures or two, so that the programme is tried again.
        """
        shown = self._shown
        cause = error.code if error is not None else ""
        if shown is not None and (
            error is None or (shown.rung is not None and _same_place(shown.placement, placement))
        ):
            within = frame - shown.start
            last = min(shown.track.frames, until - shown.start)
            ready = _ready(shown.track, within, last, goes_on=True) if within < last else within
            if ready > within:
                end = shown.start + ready
                if error is not None:
                    end = min(end, _after_group(shown.track, shown.start, frame))
                rung = shown.rung or Rung.HELD
                return replace(shown, end=end, placement=placement, rung=rung, cause=cause)
        reason = error or TrackIncomplete(
            f"Item {placement.item.id} can only be entered at its next key frame."
        )
        for rung, item in self._rungs(placement):
            try:
                track = self._pictures_of(item)
                if not self.programme.is_radio:
                    self._shelf.track(item.audio, TrackKind.AUDIO)
            except TrackError:
                continue
            ready = _ready(track, 0, min(item.frames, track.frames), goes_on=False)
            if ready:
                return self._filled(placement, track, item, rung, frame, ready, until, reason)
        if self._good is not None and self._good.track.is_intact():
            # Its files are gone, but what is mapped can be sent.
            track, item = self._good.track, self._good.item
            ready = _ready(track, 0, min(item.frames, track.frames), goes_on=False)
            if ready:
                return self._filled(placement, track, item, Rung.LAST, frame, ready, until, reason)
        raise reason

    def _filled(
        self, placement: Placement, track: Track, item: Item, rung: Rung, frame: int, ready: int,
        until: int, error: TrackError,
    ) -> _Shown:  # fmt: skip
        self._note(
            Substitution(
                TrackKind.VIDEO, placement.item.id, placement.item.title, error, rung, item.id,
                frame, until,
            ),
            placement.start,
        )  # fmt: skip
        end = min(until, frame + ready, _after_group(track, frame, frame))
        return _Shown(
            track, frame, end, item, placement, item.audio, frame, rung=rung, cause=error.code
        )

    def _rungs(self, placement: Placement) -> Iterator[tuple[Rung, Item]]:
        programme, missing = self.programme, placement.item.video
        following = placement_at(programme, placement.end)
        if following is not None and following.item.video != missing:
            yield Rung.NEXT, following.item
        filler = programme.filler
        # The clock chooses, so that two legs choose alike.
        first = placement.cycle + placement.place
        for number in range(len(filler)):
            yield Rung.FILLER, filler[(first + number) % len(filler)]
        if self._good is not None:
            yield Rung.LAST, self._good.item
        if programme.slate is not None:
            yield Rung.SLATE, programme.slate
        version = next((v for v in programme.versions if v.n == placement.version), None)
        others = version.items if version is not None else ()
        for item in [other for other in others if other.video != missing][:_ANY_TRIED]:
            yield Rung.ANY, item

    def _note(self, substitution: Substitution, place: int) -> None:
        """Tell of a substitution, once for each place and cause."""
        key = (substitution.item_id, place, substitution.error.code)
        if self._noted.get(substitution.kind) != key:
            self._noted[substitution.kind] = key
            if self._on_substitute is not None:
                self._on_substitute(substitution)

    # -- sound ------------------------------------------------------------------------------

    def _enter_audio(self, aac_frame: int) -> bool:
        """Put the audio lane on AAC frame `aac_frame`; False when no sound is known there yet."""
        span = self._span_at(aac_frame)
        if span is None or span.end <= aac_frame:
            return False
        heard, lane, before = self._sound(span, aac_frame), self._audio, self._heard
        goes_on = (
            before is not None
            and before.track is heard.track
            and before.start == heard.start
            and lane.at == aac_frame
        )
        self._heard = heard
        if self._on_enter is not None and not (goes_on and heard.track is not None):
            self._on_enter(TrackKind.AUDIO, heard.track)
        if heard.track is None:
            lane.pause(aac_frame, heard.end)
        elif goes_on and aac_frame < lane.end:
            lane.missing = heard.track.blocks.missing
            lane.resize(heard.end)
        else:
            lane.enter(heard.track, heard.start, aac_frame, heard.end)
        self._log_aired(TrackKind.AUDIO, aac_frame)
        return True

    def _resize_sound(self, end: int) -> None:
        if self._heard is not None:
            self._heard = replace(self._heard, end=end)
            self._audio.resize(end)

    def _span_at(self, aac_frame: int) -> _Span | None:
        """What the programme, or else the stretch of pictures on air, wants heard."""
        programme, spans = self.programme, self._spans
        if not programme.is_radio:
            while spans and spans[0].end <= aac_frame:
                spans.popleft()
            return spans[0] if spans else None
        sound = sound_at(programme, aac_frame)
        if sound is None:
            # The sounds are over, or have not begun: the pictures must not go on in silence.
            end = aac_frame + _FILL_AUDIO_FRAMES
            sound = SoundPlacement("", "", aac_frame, aac_frame, end)
        end = sound.end
        if self.ended:
            return None
        if self._end_frame is not None:
            end = min(end, audio_boundary(programme, self._end_frame))
        return _Span(sound.item_id, sound.title, sound.audio, sound.start, sound.begin, end)

    def _sound(self, span: _Span, aac_frame: int) -> _Heard:
        """What to play from `aac_frame` on in place of `span`, best of all `span` itself."""
        until = span.end
        try:
            track = self._sound_of(span.item_id, span.audio, span.start)
            within = aac_frame - span.start
            last = min(span.end - span.start, track.frames)
            ready = min(last, track.ready_until(within)) if within < last else within
            if ready > within:
                heard = _Heard(span, track, span.audio, span.start, span.start + ready)
                self._good_sound = heard
                self._noted.pop(TrackKind.AUDIO, None)
                if self._on_whole is not None and within == 0 and ready == last:
                    self._on_whole(TrackKind.AUDIO, span.item_id, span.title)
                return heard
            if within >= track.frames:
                raise TracksDisagree(f"The sound of item {span.item_id} is too short.")
            again = track.next_ready(within)
            if again is not None:
                until = min(until, span.start + again)
            error: TrackError = _incomplete(track, within)
        except TrackError as caught:
            error = caught
        return self._fill_sound(span, aac_frame, until, error)

    def _sound_of(self, item_id: str, audio: str, start: int | None = None) -> Track:
        heard = self._heard
        if (
            heard is not None
            and heard.track is not None
            and heard.start == start
            and heard.audio == audio
        ):
            self._shelf.refresh(heard.track)
            return heard.track
        if not audio:
            raise TrackIncomplete("The programme has no sound at this time.")
        track = self._shelf.track(audio, TrackKind.AUDIO)
        if track.description.rate != self.programme.audio_rate:
            raise TracksDisagree(f"The sound of item {item_id} has another sample rate.")
        return track

    def _fill_sound(self, span: _Span, aac_frame: int, until: int, error: TrackError) -> _Heard:
        until = min(until, aac_frame + _FILL_AUDIO_FRAMES)
        heard = self._heard
        if (
            heard is not None
            and heard.rung is not None
            and heard.track is not None
            and (heard.wanted.item_id, heard.wanted.start) == (span.item_id, span.start)
        ):
            within = aac_frame - heard.start
            ready = heard.track.ready_until(within)
            if ready > within:
                end = min(until, heard.start + ready)
                return replace(heard, wanted=span, end=end, cause=error.code)
        for rung, item_id, audio in self._sound_rungs(span):
            try:
                track = self._sound_of(item_id, audio)
            except TrackError:
                continue
            ready = track.ready_until(0)
            if ready:
                self._note_sound(span, error, rung, item_id, aac_frame)
                end = min(until, aac_frame + ready)
                return _Heard(span, track, audio, aac_frame, end, rung, item_id, error.code)
        if self._good_sound is not None and self._good_sound.track is not None:
            good = self._good_sound
            ready = self._good_sound.track.ready_until(0)
            if ready:
                self._note_sound(span, error, Rung.LAST, good.wanted.item_id, aac_frame)
                end = min(until, aac_frame + ready)
                return replace(
                    good, wanted=span, start=aac_frame, end=end, rung=Rung.LAST,
                    filled_by=good.wanted.item_id, cause=error.code,
                )  # fmt: skip
        self._note_sound(span, error, Rung.SILENCE, "", aac_frame)
        return _Heard(
            span, None, "", aac_frame, until, Rung.SILENCE, cause=error.code
        )  # fmt: skip

    def _note_sound(
        self, span: _Span, error: TrackError, rung: Rung, filled_by: str, aac_frame: int
    ) -> None:
        if span.item_id:
            self._note(
                Substitution(
                    TrackKind.AUDIO, span.item_id, span.title, error, rung, filled_by, aac_frame,
                    span.end,
                ),
                span.start,
            )  # fmt: skip

    def _sound_rungs(self, span: _Span) -> Iterator[tuple[Rung, str, str]]:
        programme, good = self.programme, self._good_sound
        others = []
        following = sound_at(programme, span.end)
        if following is not None and following.audio != span.audio:
            others.append((Rung.NEXT, following.item_id, following.audio))
        filler = [(Rung.FILLER, item.id, item.audio) for item in programme.filler]
        last = [(Rung.LAST, good.wanted.item_id, good.audio)] if good is not None else []
        slate = programme.slate
        calm = [(Rung.SLATE, slate.id, slate.audio)] if slate is not None else []
        if programme.is_radio:
            yield from (*others, *filler, *last, *calm)
        else:
            # Under pictures of their own, the sound of another item is better than none only.
            yield from (*filler, *calm, *others, *last)

    # -- what aired -------------------------------------------------------------------------

    def _log_aired(self, kind: TrackKind, frame: int) -> None:
        """From `frame` on, something else may be on."""
        if self._on_aired is None:
            return
        if kind is TrackKind.VIDEO:
            shown = self._shown
            if shown is None:
                return
            item = shown.placement.item
            new = Aired(
                kind, item.id, item.title, frame, frame, shown.rung,
                shown.item.id if shown.rung is not None else "", shown.cause, shown.card or "",
                shown.placement.start,
            )  # fmt: skip
        else:
            heard = self._heard
            if heard is None:
                return
            new = Aired(
                kind, heard.wanted.item_id, heard.wanted.title, frame, frame, heard.rung,
                heard.filled_by, heard.cause, place=heard.wanted.start,
            )  # fmt: skip
        if kind in self._log:
            if replace(self._log[kind], begin=frame, end=frame) == new:
                return
            self._tell_aired(kind, frame)
        self._log[kind] = new

    def _tell_aired(self, kind: TrackKind, end: int) -> None:
        on = self._log.pop(kind, None)
        if on is not None and self._on_aired is not None and end > on.begin:
            self._on_aired(replace(on, end=end))

    # -- sending ----------------------------------------------------------------------------

    def take(self, until_ms: int, out: list[Buffer]) -> int:
        """Append all that is due before `until_ms` of the programme, pictures and sound in order.

        Returns the number of bytes in `out`. Sets `ended` when the programme has nothing more.
        """
        video, audio = self._video, self._audio
        pictures, sounds = video.track, audio.track
        self._before = (
            video.start + video.next, video.last_ms, video.header, audio.last_ms, audio.header,
            self.sent_until_ms,
        )  # fmt: skip
        if (
            pictures is None
            or sounds is None
            or not pictures.is_intact()
            or not sounds.is_intact()
            or not pictures.reaches(video.next + _NEAR_MESSAGES)
            or not sounds.reaches(audio.next + _NEAR_MESSAGES)
            or pictures.blocks.missing is not video.missing
            or sounds.blocks.missing is not audio.missing
            or pictures.is_partial
            or sounds.is_partial
        ):
            self._look_at_tracks()
        if (
            until_ms <= video.end_ms
            and until_ms <= audio.end_ms
            and not (video.patches or audio.patches or video.prelude or audio.prelude)
            and (not video.retimed or until_ms < video.end_ms - _RETIMED_MS)
            and not out
            and (taken := self._take_runs(until_ms, out)) is not None
        ):
            return taken
        while True:
            while video.end_ms <= self.sent_until_ms and not self.ended:
                self.ended = not self._enter_video(video.end)
                if self.ended and self.programme.is_radio:
                    self._resize_sound(min(audio.end, audio_boundary(self.programme, video.end)))
            while audio.end_ms <= self.sent_until_ms and self._enter_audio(audio.end):
                pass
            reached = until_ms
            if not self.ended:
                reached = min(reached, video.end_ms)
            if audio.end_ms > self.sent_until_ms:
                reached = min(reached, audio.end_ms)
            self._merge(reached, out)
            self.sent_until_ms = max(self.sent_until_ms, reached)
            if reached >= until_ms:
                return sum(map(len, out))

    def _look_at_tracks(self) -> None:
        """Notice, before anything of them is touched, that tracks changed under our hands."""
        for lane in (self._video, self._audio):
            track = lane.track
            if track is None:
                continue
            if not (track.is_intact() and track.reaches(lane.next + _NEAR_MESSAGES)):
                self._shelf.forget(track)
                self._drop(lane)
            elif track.is_partial:
                self._shelf.refresh(track)
            if track.blocks.missing is not lane.missing:
                lane.missing = track.blocks.missing
                self._look_again()

    def _drop(self, lane: Lane) -> None:
        """Leave a track that must not be touched any more where the lane is."""
        at = lane.at
        for good in (self._good, self._good_sound):
            if good is not None and good.track is lane.track:
                self._good = self._good if good is not self._good else None
                self._good_sound = self._good_sound if good is not self._good_sound else None
        lane.track, lane.patches, lane.prelude, lane.retimed = None, {}, None, {}
        if lane is self._audio:
            self._heard = None
            lane.resize(at)
        elif self._shown is not None:
            self._resize(self._shown, at)
            self._shown = None

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

    def _take_runs(self, until_ms: int, out: list[Buffer]) -> int | None:
        """The same without joins, which is nearly always: the costliest loop of the pump.

        The number of bytes appended; None, with nothing done, when a lane has no track.
        """
        video, audio = self._video, self._audio
        pictures, sounds = video.track, audio.track
        if pictures is None or sounds is None:
            return None
        picture, sound = video.next, audio.next
        last_picture, last_sound = video.index_at(until_ms), audio.index_at(until_ms)
        picture_data, picture_at = pictures.data, pictures.offsets
        sound_data, sound_at = sounds.data, sounds.offsets
        first_picture_byte = picture_byte = picture_at[picture]
        first_sound_byte = sound_byte = sound_at[sound]
        # What `Lane.index_at` does, without what is the same for all runs.
        picture_n, picture_d, picture_z = video.steps
        sound_n, sound_d, sound_z = audio.steps
        for at_ms in _ends_of_runs(self.sent_until_ms, until_ms):
            at_ms *= 2
            run = -(picture_n * (picture_z - at_ms) // picture_d)
            if run > last_picture:
                run = last_picture
            if run > picture:
                picture, begin, picture_byte = run, picture_byte, picture_at[run]
                out.append(picture_data[begin:picture_byte])
            run = -(sound_n * (sound_z - at_ms) // sound_d)
            if run > last_sound:
                run = last_sound
            if run > sound:
                sound, begin, sound_byte = run, sound_byte, sound_at[run]
                out.append(sound_data[begin:sound_byte])
        if picture > video.next:
            video.next, video.last_ms = picture, video.base_ms + pictures.timestamps[picture - 1]
        if sound > audio.next:
            audio.next, audio.last_ms = sound, audio.base_ms + sounds.timestamps[sound - 1]
        if until_ms > self.sent_until_ms:
            self.sent_until_ms = until_ms
        return picture_byte - first_picture_byte + sound_byte - first_sound_byte

    # -- reading ahead ----------------------------------------------------------------------

    def upcoming(self, window_bytes: int, window_ms: int) -> list[tuple[Track, int, int]]:
        """What is sent next: tracks, and from which byte of their files to which.

        Of pictures it is `window_bytes`, of sound what belongs to them, and of both at least
        `window_ms`; the next item is in it when the one on air ends before that.
        """
        found: list[tuple[Track, int, int]] = []
        pictures = self._video.track
        if pictures is not None:
            window_ms = max(window_ms, int(window_bytes / pictures.bytes_per_ms))
        until_ms = self.sent_until_ms + window_ms
        for lane in (self._video, self._audio):
            track = lane.track
            if track is not None and lane.next < track.frames and track.is_intact():
                begin, end = lane.next, max(lane.next, lane.index_at(until_ms))
                found.append((track, track.offsets[begin], track.offsets[end]))
            if lane.end_ms < until_ms:
                ahead = self._ahead(lane.kind, lane.end, until_ms - lane.end_ms)
                if ahead is not None:
                    found.append(ahead)
        return found

    def _ahead(self, kind: TrackKind, at: int, span_ms: int) -> tuple[Track, int, int] | None:
        """The stretch of the programme's track that begins on frame `at`; None for none."""
        found = self._following.get(kind)
        if (
            found is None
            or found[0] is not self.programme
            or found[1] != at
            or not found[2].is_intact()
        ):
            opened = self._open_ahead(kind, at)
            if opened is None:
                return None
            # Asked for again and again until it begins; then it is looked up anew.
            self._following[kind] = found = (self.programme, at, *opened)
        _, _, track, start = found
        first = min(max(0, at - start), track.frames)
        count = int(span_ms * track.messages_per_ms) + 1
        return track, track.offsets[first], track.offsets[min(first + count, track.frames)]

    def _open_ahead(self, kind: TrackKind, at: int) -> tuple[Track, int] | None:
        """The track, and the frame on which its message 0 falls."""
        shown = placement_at(self.programme, at) if kind is TrackKind.VIDEO else None
        heard = sound_at(self.programme, at) if kind is TrackKind.AUDIO else None
        try:
            if shown is not None:
                return self._shelf.track(shown.item.video, kind), shown.start
            if heard is not None:
                return self._shelf.track(heard.audio, kind), heard.start
        except TrackError:
            pass
        return None


def _ends_of_runs(begin_ms: int, end_ms: int) -> list[int]:
    """Where the runs of that stretch end, which are as long as each other."""
    span = end_ms - begin_ms
    count = max(1, -((_SPARE_MS - span) // INTERLEAVE_MS))
    return [begin_ms + span * n // count for n in range(1, count + 1)]


def _ready(track: Track, within: int, last: int, *, goes_on: bool) -> int:
    """The message before which a stretch from `within` to `last` must end; `within` for none.

    Where a block is missing it ends at a key frame, or in the middle of a group that is on.
    """
    if not track.blocks.missing:
        return last
    ready = track.ready_until(within)
    if ready >= last:
        return last
    key = track.key_at_or_before(ready)
    if key > within:
        return key
    return ready if goes_on and not track.is_key(within) else within


def _after_group(track: Track, start: int, frame: int) -> int:
    """The next key frame of `track` behind `frame`, or its end, since the epoch."""
    key = track.key_at_or_after(frame - start + 1)
    return start + (track.frames if key is None else key)


def _same_place(one: Placement, other: Placement) -> bool:
    return (one.item.id, one.start) == (other.item.id, other.start)


def _incomplete(track: Track, message: int) -> TrackIncomplete:
    at = track.ready_until(message)
    block = track.block_of(at)
    if block not in track.blocks.missing:
        block += 1
    return TrackIncomplete(
        f"Block {block} of the {track.kind.value} track in {track.directory} cannot be sent."
    )
