"""Start and stop: what a stream needs before it can start, and the wish itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User
from apps.core.wake import wake_on_commit
from apps.streaming import destinations, events, selectors
from apps.streaming.models import Desired, Output, Stream
from apps.streaming.stream_manager.programmes import CHANNEL, begin_programme, locked
from apps.youtube import selectors as youtube
from apps.youtube.services import shows


class StartRefused(Exception):
    """The stream cannot be started as it is; `problems` says in plain words what is missing."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


def start_stream(*, stream: Stream, by: User | None = None) -> bool:
    """Ask for `stream` to be on air. Returns before it is; False when it was wished already.

    One that goes to a connected channel alone starts as soon as YouTube gave it a key.
    Raises `StartRefused` and changes nothing when something is missing.
    """
    with transaction.atomic():
        stream = locked(stream)
        if stream.desired == Desired.ON:
            return False
        outputs = list(selectors.outputs_of(stream))
        lists = selectors.ready_lists(stream)
        problems = _problems(stream, lists, outputs)
        if problems:
            raise StartRefused(problems)
        show = None if outputs else youtube.show_of(stream.pk)
        if show is not None:
            events.record(stream, "stream.start_requested", "Start was asked for.", by=by)
            shows.go_live(show=show)
            return True
        now = timezone.now()
        stream.paused_from = None
        begin_programme(stream, lists, now=now)
        stream.desired = Desired.ON
        stream.generation += 1
        stream.started_at, stream.stopped_at = now, None
        stream.save(
            update_fields=[
                "desired", "generation", "started_at", "stopped_at", "timeline_epoch",
                "paused_from", "updated_at",
            ]
        )  # fmt: skip
        try:
            with transaction.atomic():
                for output in outputs:
                    Output.objects.filter(pk=output.pk).update(
                        desired=Desired.ON,
                        generation=F("generation") + 1,
                        profile=stream.profile,
                        publishing_point=output.destination.fingerprint,
                        joined_at=None,
                    )
        except IntegrityError:
            # Somebody else started the same publishing point since we looked.
            raise StartRefused([str(KEY_IN_USE)]) from None
        events.record(stream, "stream.start_requested", "Start was asked for.", by=by)
        shows.subject_started(subject=stream.pk)
        wake_on_commit(CHANNEL, stream.pk)
    return True


def stop_stream(
    *, stream: Stream, by: User | None = None, reason: str = "Stop was asked for."
) -> bool:
    """Ask for `stream` to be off. Returns before it is; False when it was off already."""
    with transaction.atomic():
        stream = locked(stream)
        if stream.desired == Desired.OFF:
            return False
        stream.desired = Desired.OFF
        stream.generation += 1
        stream.stopped_at = timezone.now()
        stream.save(update_fields=["desired", "generation", "stopped_at", "updated_at"])
        stream.outputs.update(
            desired=Desired.OFF, generation=F("generation") + 1, publishing_point=""
        )
        events.record(stream, "stream.stop_requested", reason, by=by)
        shows.follow(subject=stream.pk)
        wake_on_commit(CHANNEL, stream.pk)
    return True


KEY_IN_USE = gettext_lazy(
    "Another stream uses this stream key. Stop that one first, or use another key."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a stream needs before it can start."""

    what: Literal["playlist", "videos", "music", "destination", "key"]
    problems: tuple[str, ...]
    """What is missing and what to do, in plain words."""
    waits: bool = False
    """It cannot be told before another check is well."""

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing here."""
        return not self.problems and not self.waits


def checks(stream: Stream) -> list[Check]:
    """Whether `stream` is ready to go live: what `start_stream` would refuse, and what is well.

    Six queries or fewer, whatever is in the playlist, while there is one output.
    """
    outputs = list(selectors.outputs_of(stream))
    return _checks(stream, selectors.ready_lists(stream), outputs)


def _problems(stream: Stream, lists: selectors.ReadyLists, outputs: Sequence[Output]) -> list[str]:
    return [text for check in _checks(stream, lists, outputs) for text in check.problems]


def _checks(stream: Stream, lists: selectors.ReadyLists, outputs: Sequence[Output]) -> list[Check]:
    playlist, videos, destination = [], [], []
    if stream.playlist_id is None:
        playlist.append(_("The stream has no playlist. Choose one."))
    elif not lists.pictures:
        if selectors.is_playlist_empty(stream.playlist_id):
            playlist.append(_("The playlist is empty. Add at least one video to it."))
        else:
            videos.append(
                _("No video of the playlist is prepared yet. Wait until one is, then start.")
            )
    show = None if outputs else youtube.show_of(stream.pk)
    if show is not None and not show.channel.is_connected:
        destination.append(
            _("The channel “%(title)s” is not connected. Reconnect it, or add a destination.")
            % {"title": show.channel.title}
        )
    elif not outputs and show is None:
        destination.append(
            _("The stream has no destination. Choose a channel, or give an address and a key.")
        )
    for output in outputs:
        try:
            destinations.check(output.destination.address)
        except destinations.DestinationRefused as refused:
            destination.append(str(refused))
    found = [
        Check("playlist", tuple(playlist)),
        Check("videos", tuple(videos), waits=bool(playlist)),
    ]
    if stream.is_radio:
        music = []
        if not lists.sound:
            music.append(_("No music of the playlist for the sound is prepared yet. Add some."))
        found.append(Check("music", tuple(music)))
    key = key_problems(stream, [output.destination.fingerprint for output in outputs])
    return [
        *found,
        Check("destination", tuple(destination)),
        Check("key", tuple(key), waits=bool(destination) and not outputs),
    ]


def key_problems(stream: Stream, fingerprints: Sequence[str]) -> list[str]:
    """Why `stream` cannot send to these publishing points now, in plain words: one query."""
    problems = []
    for busy in selectors.busy_outputs(fingerprints, besides=stream):
        if busy.stream.workspace_id != stream.workspace_id:
            problems.append(str(KEY_IN_USE))
        elif busy.desired == Desired.ON:
            problems.append(
                _(
                    "The stream “%(title)s” is using this stream key. Stop it first, or use "
                    "another key."
                )
                % {"title": busy.stream.title}
            )
        else:
            problems.append(
                _(
                    "The stream “%(title)s” is still closing its session with this stream key. "
                    "Try again in a few seconds."
                )
                % {"title": busy.stream.title}
            )
    return list(dict.fromkeys(problems))
