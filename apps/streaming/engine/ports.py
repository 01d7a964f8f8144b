"""Leases, desired states and reports of a node, kept in the database.

One object serves node control from one long-lived thread. Each method is one short transaction; a
method that cannot reach the database raises, and control goes on with what it knew.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Now

from apps.core.wake import wake_task_on_commit
from apps.streaming import destinations, lease, samples, schedule, selectors
from apps.streaming.models import (
    AsRun,
    Desired,
    Event,
    Node,
    Output,
    Sample,
    Session,
    State,
)
from apps.youtube import selectors as youtube
from playout import clock
from playout.errors import AddressNotAllowed, PumpLost
from playout.supervisor.ports import DesiredOutput, Lease, OutputReport
from playout.supervisor.states import OutputState
from playout.timebase import frame_ns
from playout.timeline.programme import Programme

T = TypeVar("T")

log = logging.getLogger(__name__)

CONTACT_GAP_NS = 11_000_000_000
"""Contact with the database counts as broken after two missed renewals."""

QUIET_REPORT_NS = 900_000_000
"""A report in which only counters grew is written at most this often."""

NODE_FRESH = timedelta(seconds=20)
"""A node that renewed within this time can take over the outputs of a draining one."""

FOLLOW_NS = 10_000_000_000
"""What is on air is planned anew at least this often."""

FORGOTTEN = timedelta(days=2)
"""Rows of what was aired that began longer ago are not looked for any more."""

KEPT_NS = 600_000_000_000
"""What was known of an output that is not ours any more is needed so long, for its last words."""

REPLAY_NS = 60_000_000_000
"""Versions that were replaced longer ago than this are no longer told to the pump."""

KEY_UNREADABLE = "destination.key_unreadable"
_KEY_UNREADABLE_TEXT = (
    "The stream key cannot be read any more. Enter it again in the settings of the stream."
)

_LOCK_RETRIES = 4
_LOCK_PAUSE_S = 0.05

_CONNECTED = {State.ON_AIR, State.DEGRADED, State.STOPPING}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What `desired` worked out for one generation of an output."""

    generation: int
    address: str
    key: str = field(repr=False)
    fallbacks: tuple[str, ...]
    programme: Programme | None
    """With ids of tracks."""
    label: str
    stream_id: str


class _Row(NamedTuple):
    """What is read of every output in every sweep."""

    pk: UUID
    token: int
    generation: int
    desired: str
    state: str


class LocalTracks(Protocol):
    """The tracks that lie on this machine."""

    def bring(self, track_ids: set[str]) -> None:
        """Learn of tracks; returns at once."""
        ...

    def follow(self, programmes: Mapping[str, Programme]) -> None:
        """Fetch what these programmes (by output, with ids of tracks) need; returns at once."""
        ...

    def horizon_seconds(self, output_id: str) -> float | None:
        """Media of the output on this disk from now on; None where that is not bounded."""
        ...

    def is_here(self, track_id: str) -> bool:
        """Whether what is due of the track soon lies here, verified."""
        ...

    def directory(self, track_id: str) -> str:
        """Where the track lies, or will lie."""
        ...


class DatabaseEngine:
    """Leases, desired states and reports of one node, kept in the database.

    `tracks` brings the tracks of a programme to this machine. `boottime_ns` is the clock on which
    contact with the database is measured.
    """

    def __init__(
        self,
        tracks: LocalTracks,
        *,
        boottime_ns: Callable[[], int] = clock.boottime_ns,
        utc_ns: Callable[[], int] = clock.utc_ns,
    ) -> None:
        self._tracks = tracks
        self._boottime_ns = boottime_ns
        self._utc_ns = utc_ns
        self._contact_since: int | None = None
        self._last_contact = 0
        self._wishes: dict[UUID, _Wish] = {}
        self._refused: dict[UUID, tuple[str, str]] = {}
        self._reported: dict[UUID, OutputReport] = {}
        self._minutes: dict[UUID, samples.Running] = {}
        self._over: dict[UUID, samples.Minute] = {}
        self._located: dict[UUID, Programme] = {}
        self._held: dict[UUID, int] = {}
        """When each output was last known to be ours, on the clock since boot."""
        self._followed: tuple[int, frozenset[tuple[UUID, int]]] = (0, frozenset())

    # -- playout.supervisor.ports.Leases --------------------------------------------------------

    def claim(self, node: str, limit: int) -> Sequence[Lease]:
        """Take up to `limit` wanted outputs that are free, and add 1 to the token of each."""
        held = self._transact(
            lambda: lease.claim(
                node=node,
                limit=limit,
                contact=self._unbroken_contact(),
                fitting=lambda profiles: _fitting(node, profiles),
            )
        )
        return [Lease(str(each.output_id), each.token) for each in held]

    def renew(self, node: str) -> Sequence[Lease]:
        """Extend all leases of `node` in one statement; return those it still holds."""

        def renew() -> list[lease.Held]:
            Node.objects.filter(pk=node).update(last_seen=Now())
            return lease.renew(node=node)

        return [Lease(str(each.output_id), each.token) for each in self._transact(renew)]

    def peers(self, node: str) -> int:
        """How many other nodes are registered, and so might take over what `node` lets go.

        A silent one counts too: it may be cut off from us and not from the database.
        `manage.py drain_node --forget` removes one that is gone for good.
        """
        return self._transact(lambda: Node.objects.exclude(pk=node).count())

    def release(self, node: str, leases: Sequence[Lease]) -> None:
        """Give up leases whose sessions have ended; an old token changes nothing."""
        held = [lease.Held(UUID(each.output_id), each.token) for each in leases]
        self._transact(lambda: lease.release(node=node, held=held))
        for each in held:
            self._forget(each.output_id)

    # -- playout.supervisor.ports.DesiredStates -------------------------------------------------

    def desired(self, node: str, leases: Sequence[Lease]) -> Sequence[DesiredOutput]:
        """What is wished for each of these leases; an output that no longer exists is left out."""
        tokens = {UUID(each.output_id): each.token for each in leases}
        self._forget_strangers(tokens)
        if not leases:
            return []
        rows, giving_away = self._transact(lambda: self._read_wishes(node, tokens))
        rows = [row for row in rows if tokens.get(row.pk) == row.token]
        wishes = {row.pk: self._wishes[row.pk] for row in rows if row.pk in self._wishes}
        replanned = self._follow(
            {row.pk: wishes[row.pk] for row in rows if row.desired == Desired.ON}
        )
        if replanned:
            # Where a track lies may be known now.
            self._located.clear()
        found = []
        for row in rows:
            on = row.desired == Desired.ON and row.pk != giving_away
            wish = wishes[row.pk] if on else None
            found.append(
                DesiredOutput(
                    output_id=str(row.pk),
                    token=row.token,
                    on=on,
                    generation=wish.generation if wish else row.generation,
                    address=wish.address if wish else "",
                    key=wish.key if wish else "",
                    programme=self._programme(row, wish) if wish else None,
                    label=wish.label if wish else "",
                    stream_id=wish.stream_id if wish else "",
                    fallbacks=wish.fallbacks if wish else (),
                )
            )
        return found

    def _forget_strangers(self, ours: Iterable[UUID]) -> None:
        """Outputs that other nodes took over do not come back to be released."""
        now = self._boottime_ns()
        self._held.update(dict.fromkeys(ours, now))
        for pk in [pk for pk, seen in self._held.items() if now - seen > KEPT_NS]:
            self._forget(pk)

    def _read_wishes(self, node: str, tokens: dict[UUID, int]) -> tuple[list[_Row], UUID | None]:
        rows = [
            _Row(*values)
            for values in Output.objects.filter(node=node).values_list(
                "pk", "token", "generation", "desired", "state"
            )
            if values[0] in tokens
        ]
        # Only generations not seen before are read in full: a quiet sweep is two small queries.
        stale = [
            row.pk
            for row in rows
            if row.desired == Desired.ON
            and (row.pk not in self._wishes or self._wishes[row.pk].generation != row.generation)
        ]
        if stale:
            outputs = list(
                # Keys are read one by one, when needed: one that cannot be decrypted must not keep
                # the other outputs from their wishes.
                Output.objects.filter(pk__in=stale, node=node)
                .select_related("stream", "destination")
                .defer("destination__key")
            )
            for output in outputs:
                self._learn(output)
            self._learn_fallbacks(outputs)
            self._learn_programmes(outputs)
        return [row for row in rows if row.pk in self._wishes or row.desired != Desired.ON], (
            self._to_give_away(node, rows)
        )

    def _to_give_away(self, node: str, outputs: Sequence[_Row]) -> UUID | None:
        """One output that a draining node should end now, when somebody else can take it.

        One at a time: each moves with a gap of about a second, and never all at once.
        """
        if not Node.objects.filter(pk=node, draining=True).exists():
            return None
        others = Node.objects.filter(draining=False, last_seen__gt=Now() - NODE_FRESH)
        if not others.exclude(pk=node).exists():
            return None
        return min((output.pk for output in outputs if output.desired == Desired.ON), default=None)

    def _learn(self, output: Output) -> None:
        """Where it goes, and with what key."""
        address = key = ""
        try:
            destinations.check(output.destination.address)
            address, key = output.destination.address, output.destination.key
        except destinations.DestinationRefused as refused:
            # Without an address the supervisor fails the output for good; `report` says why.
            self._refused[output.pk] = (AddressNotAllowed.code, str(refused))
        except ImproperlyConfigured:
            log.exception("The stream key of output %s cannot be read.", output.pk)
            self._refused[output.pk] = (KEY_UNREADABLE, _KEY_UNREADABLE_TEXT)
        else:
            self._refused.pop(output.pk, None)
        self._located.pop(output.pk, None)
        self._wishes[output.pk] = _Wish(
            generation=output.generation,
            address=address,
            key=key,
            fallbacks=(),
            programme=None,
            label=output.stream.title,
            stream_id=str(output.stream_id),
        )

    def _learn_fallbacks(self, outputs: Sequence[Output]) -> None:
        """Backup entries that no output of its own uses: two queries, however many outputs."""
        named = youtube.backup_addresses(
            key for output in outputs if (key := output.destination.ingest_key) is not None
        )
        found: dict[UUID, tuple[str, str]] = {}
        for output in outputs:
            wish, ingest_key = self._wishes[output.pk], output.destination.ingest_key
            if not wish.address:
                continue
            backup = named.get(ingest_key, "") if ingest_key is not None else ""
            address = destinations.fallback_of(wish.address, backup=backup)
            if address is not None:
                found[output.pk] = address, destinations.fingerprint(address, wish.key)
        used = selectors.publishing_points_in_use({point for _, point in found.values()})
        for pk, (address, point) in found.items():
            if point not in used:
                self._wishes[pk] = replace(self._wishes[pk], fallbacks=(address,))

    def _learn_programmes(self, outputs: Sequence[Output]) -> None:
        """What is on and what comes, of all of them: two queries, and no row that is over.

        A third one for the titles that radio channels show.
        """
        since_ns = self._utc_ns() - REPLAY_NS
        streams = {output.stream_id: output.stream for output in outputs}
        versions = selectors.standing_versions_of(
            streams.values(), since=schedule.from_ns(since_ns)
        )
        programmes = {}
        for output in outputs:
            epoch, rows = output.stream.timeline_epoch, versions.get(output.stream_id)
            if epoch is not None and rows:
                programmes[output.pk] = schedule.programme(
                    epoch=epoch, profile=output.profile, versions=rows, since_ns=since_ns
                )
        styles = {
            output.pk: output.stream.title_cards for output in outputs if output.stream.shows_titles
        }
        cards = selectors.ready_cards(programmes, styles)
        for pk, programme in programmes.items():
            if pk in cards:
                programme = schedule.with_cards(programme, cards[pk], now_ns=self._utc_ns())
            self._wishes[pk] = replace(self._wishes[pk], programme=programme)

    def _follow(self, wished: Mapping[UUID, _Wish]) -> bool:
        """Say what is on air here, when that has changed and from time to time."""
        now = self._boottime_ns()
        about = frozenset((pk, wish.generation) for pk, wish in wished.items())
        if about == self._followed[1] and now - self._followed[0] < FOLLOW_NS:
            return False
        self._followed = now, about
        programmes = {
            str(pk): wish.programme for pk, wish in wished.items() if wish.programme is not None
        }
        self._tracks.bring(set().union(*map(schedule.tracks, programmes.values())))
        self._tracks.follow(programmes)
        return True

    def _programme(self, output: _Row, wish: _Wish) -> Programme | None:
        """The programme, once what is due now lies on this machine.

        Later items are fetched meanwhile. What is on air is never taken away: an item that is
        still missing when its turn comes is replaced by whoever plays it.
        """
        if wish.programme is None:
            return None
        if output.state in (State.IDLE, State.PREPARING):
            due = schedule.tracks_due(wish.programme, now_ns=self._utc_ns())
            if not all(self._tracks.is_here(track) for track in due):
                return None
        located = self._located.get(output.pk)
        if located is None:
            located = schedule.located(wish.programme, self._tracks.directory)
            self._located[output.pk] = located
        return located

    # -- playout.supervisor.ports.Reports -------------------------------------------------------

    def report(self, node: str, reports: Sequence[OutputReport]) -> None:
        """Store reports whose token is still the current one; drop the others."""
        # Sorted, so that two writers of the same rows wait for each other instead of dead-locking.
        due = sorted(
            (report for report in reports if self._is_due(report)), key=lambda r: r.output_id
        )
        if not due:
            return
        stored = self._transact(lambda: self._store_all(node, due))
        for report in stored:
            self._reported[UUID(report.output_id)] = report
            self._count(report)

    def _is_due(self, report: OutputReport) -> bool:
        before = self._reported.get(UUID(report.output_id))
        if (
            before is None
            or report.events
            or report.as_run
            or report.at_ns - before.at_ns >= QUIET_REPORT_NS
        ):
            return True
        return _telling(report) != _telling(before) or report.at_ns < before.at_ns

    def _store_all(self, node: str, reports: Sequence[OutputReport]) -> list[OutputReport]:
        with transaction.atomic():
            stored = self._store(node, reports)
            for report in stored:
                self._keep_sessions(node, report)
            telling = [report for report in stored if report.events or report.as_run]
            outputs = {
                output.pk: output
                for output in Output.objects.filter(
                    pk__in=[report.output_id for report in telling]
                ).select_related("stream")
            }
            Event.objects.bulk_create(
                Event(
                    workspace_id=output.stream.workspace_id,
                    stream_id=output.stream_id,
                    output=output,
                    code=event.code,
                    text=event.text[:500],
                    data={**event.data, "node": node, "token": report.token},
                    at=schedule.from_ns(event.at_ns),
                )
                for report in telling
                for output in [outputs[UUID(report.output_id)]]
                for event in report.events
            )
            self._keep_as_run(outputs, telling)
            told = {report.output_id for report in stored}
            for report in reports:
                if report.as_run and report.output_id not in told:
                    self._end_as_run(report)
            if any(event.code == "programme.ended" for r in telling for event in r.events):
                wake_task_on_commit("apps.streaming.tasks.sweep")
            _keep_minutes(
                {
                    pk: self._over[pk]
                    for report in stored
                    if (pk := UUID(report.output_id)) in self._over
                }
            )
            return stored

    def _count(self, report: OutputReport) -> None:
        """Minutes are counted here, and written with the next report of their outputs."""
        pk = UUID(report.output_id)
        self._over.pop(pk, None)
        counters = samples.Counters(
            at=schedule.from_ns(report.at_ns),
            session=report.session_id,
            acked=report.bytes_acked,
            unsent=report.unsent_bytes,
        )
        self._minutes[pk], over = samples.follow(self._minutes.get(pk), counters)
        if over is not None:
            self._over[pk] = over

    def _store(self, node: str, reports: Sequence[OutputReport]) -> list[OutputReport]:
        """Write the reported columns, all rows by one prepared statement."""
        ids = [report.output_id for report in reports]
        current = dict(Output.objects.filter(pk__in=ids, node=node).values_list("pk", "token"))
        stored = []
        for report in reports:
            if current.get(UUID(report.output_id)) == report.token:
                stored.append(report)
            else:
                log.info(
                    "Dropped a report of output %s with the old token %d.",
                    report.output_id,
                    report.token,
                )
        if not stored:
            return []
        rows = [
            [*self._columns(report).values(), report.output_id, node, report.token]
            for report in stored
        ]
        fields = [_field(name) for name in self._columns(stored[0])]
        fields += [_field(name) for name in ("id", "node", "token")]
        # The condition once more: on some databases nothing locked the rows in between.
        condition = " AND ".join(f"{_quoted(field)} = %s" for field in fields[-3:])
        columns = ", ".join(f"{_quoted(field)} = %s" for field in fields[:-3])
        with connection.cursor() as cursor:
            cursor.executemany(
                # Names of our own columns; all values are parameters.
                f"UPDATE {_table()} SET {columns} WHERE {condition}",  # noqa: S608
                [
                    [field.get_db_prep_save(value, connection) for field, value in pairs]
                    for pairs in (zip(fields, row, strict=True) for row in rows)
                ],
            )
        Output.objects.filter(pk__in=[report.output_id for report in stored], node=node).update(
            reported_at=Now()
        )
        return stored

    def _columns(self, report: OutputReport) -> dict[str, object]:
        code, text, state = report.error_code, report.error_text, report.state
        refused = self._refused.get(UUID(report.output_id))
        if refused is not None and state is OutputState.FAILED:
            code, text = refused
        return {
            "state": state.value,
            "reported_generation": report.generation,
            "session_id": report.session_id[:64],
            "connected_at": _moment(report.connected_at_ns),
            "on_air_since": _moment(report.on_air_since_ns),
            "bytes_sent": report.bytes_sent,
            "bytes_acked": report.bytes_acked,
            "kbps": report.kbps,
            "late_ms": report.late_ms,
            "reconnects": report.reconnects,
            "unsent_bytes": report.unsent_bytes,
            "joins": report.joins,
            "jumps": report.jumps,
            "substitutions": report.substitutions,
            "cache_horizon_s": self._tracks.horizon_seconds(report.output_id),
            "item_id": report.item_id[:64],
            "item_position_ms": report.item_position_ms,
            "next_item_id": report.next_item_id[:64],
            "sound_id": report.sound_id[:64],
            "sound_position_ms": report.sound_position_ms,
            "next_sound_id": report.next_sound_id[:64],
            "error_code": code[:64],
            "error_text": text[:500],
            "retry_at": _moment(report.retry_at_ns),
        }

    def _keep_as_run(self, outputs: dict[UUID, Output], reports: Sequence[OutputReport]) -> None:
        """One row for each stretch, however often it is told."""
        rows = []
        for report in reports:
            output = outputs[UUID(report.output_id)]
            epoch = output.stream.timeline_epoch
            known = self._wishes.get(output.pk)
            if epoch is None or known is None or known.programme is None:
                continue
            rate = known.programme.video_rate
            for aired in report.as_run:
                end = aired.end_frame
                rows.append(
                    AsRun(
                        output=output,
                        token=report.token,
                        epoch=schedule.from_ns(known.programme.epoch_ns),
                        start_frame=aired.start_frame,
                        end_frame=end,
                        item_id=aired.item_id[:64],
                        title=aired.title[:255],
                        cause=aired.cause[:64],
                        started_at=schedule.from_ns(
                            known.programme.epoch_ns + frame_ns(aired.start_frame, rate)
                        ),
                        ended_at=None
                        if end is None
                        else schedule.from_ns(known.programme.epoch_ns + frame_ns(end, rate)),
                    )
                )
        unique = ["output", "token", "epoch", "start_frame"]
        # A statement must not touch a row twice: the last word about a stretch counts.
        last = {(row.output_id, row.token, row.epoch, row.start_frame): row for row in rows}
        AsRun.objects.bulk_create(
            last.values(),
            update_conflicts=True,
            unique_fields=unique,
            update_fields=["end_frame", "ended_at", "cause"],
        )
        self._end_forgotten([row for row in last.values() if row.end_frame is None])

    def _end_as_run(self, report: OutputReport) -> None:
        """The last words of a node about what it aired before another one took the output over.

        Its rows bear the token of its own lease, so they can say nothing of what came after.
        """
        known = self._wishes.get(UUID(report.output_id))
        if known is None or known.programme is None:
            return
        programme = known.programme
        for aired in report.as_run:
            if aired.end_frame is not None:
                AsRun.objects.filter(
                    output=UUID(report.output_id),
                    token=report.token,
                    epoch=schedule.from_ns(programme.epoch_ns),
                    start_frame=aired.start_frame,
                ).update(
                    end_frame=aired.end_frame,
                    ended_at=schedule.from_ns(
                        programme.epoch_ns + frame_ns(aired.end_frame, programme.video_rate)
                    ),
                    cause=aired.cause[:64],
                )

    def _end_forgotten(self, begun: Sequence[AsRun]) -> None:
        """Rows whose process died before it could end them are over where the next one begins."""
        if not begun:
            return
        first = {row.output_id: row for row in sorted(begun, key=lambda row: row.started_at)[::-1]}
        forgotten = AsRun.objects.filter(
            output__in=first,
            end_frame=None,
            started_at__gt=min(row.started_at for row in begun) - FORGOTTEN,
        )
        for row in forgotten:
            following = first[row.output_id]
            if row.started_at >= following.started_at:
                continue
            ended = following.started_at
            row.ended_at, row.end_frame = ended, following.start_frame
            if row.epoch != following.epoch:
                row.end_frame = schedule.frame_at(row.epoch, following.output.profile, ended)
            row.save(update_fields=["end_frame", "ended_at"])

    def _keep_sessions(self, node: str, report: OutputReport) -> None:
        """One row for each connection; the rows of connections that are gone get their end."""
        before = self._reported.get(UUID(report.output_id))
        session_id = report.session_id[:64] if _is_connected(report) else ""
        known = before is not None and before.token == report.token
        if known and before is not None:
            before_id = before.session_id[:64] if _is_connected(before) else ""
            if before_id == session_id:
                return
        at = schedule.from_ns(report.at_ns)
        open_sessions = Session.objects.filter(output_id=report.output_id, ended_at=None).exclude(
            session_id=session_id
        )
        if not known and not _FAREWELLS & {event.code for event in report.events}:
            self._tell_of_silence(node, report, open_sessions)
        open_sessions.update(
            # A node's clock may lag behind that of the node before it.
            ended_at=Greatest(F("started_at"), at),
            reason=report.error_code[:64],
            bytes_sent=before.bytes_sent if known and before is not None else F("bytes_sent"),
        )
        if session_id:
            Session.objects.get_or_create(
                output_id=report.output_id,
                session_id=session_id,
                defaults={
                    "node": node,
                    "token": report.token,
                    "started_at": _moment(report.connected_at_ns) or at,
                    "bytes_sent": report.bytes_sent,
                },
            )

    def _tell_of_silence(
        self, node: str, report: OutputReport, forgotten: QuerySet[Session]
    ) -> None:
        """Who held these connections ended, or was cut off, before it could tell that they did."""
        last = forgotten.select_related("output__stream").first()
        if last is None or last.output.desired == Desired.OFF:
            return
        lost = PumpLost("The process that sent the stream ended without a word.")
        Event.objects.create(
            workspace_id=last.output.stream.workspace_id,
            stream_id=last.output.stream_id,
            output=last.output,
            code="session.lost",
            text=str(lost),
            data={"code": lost.code, "node": node, "token": report.token},
            at=max(last.started_at, schedule.from_ns(report.at_ns)),
        )

    # -- the connection -------------------------------------------------------------------------

    def _transact(self, work: Callable[[], T]) -> T:
        """Run `work`, with fresh connections and a bounded patience for SQLite's single writer."""
        for attempt in range(_LOCK_RETRIES + 1):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            try:
                result = work()
            except OperationalError as error:
                if attempt < _LOCK_RETRIES and "locked" in str(error):
                    time.sleep(_LOCK_PAUSE_S * 2**attempt)
                    continue
                self._lose_contact()
                raise
            except DatabaseError:
                self._lose_contact()
                raise
            now = self._boottime_ns()
            if self._contact_since is None or now - self._last_contact > CONTACT_GAP_NS:
                self._contact_since = now
            self._last_contact = now
            return result
        raise AssertionError("the last attempt returns or raises")

    def _lose_contact(self) -> None:
        self._contact_since = None
        if not connection.in_atomic_block:
            connection.close()

    def _unbroken_contact(self) -> timedelta:
        now = self._boottime_ns()
        if self._contact_since is None or now - self._last_contact > CONTACT_GAP_NS:
            return timedelta(0)
        return timedelta(microseconds=(now - self._contact_since) // 1000)

    def _forget(self, output_id: UUID) -> None:
        self._held.pop(output_id, None)
        self._wishes.pop(output_id, None)
        self._located.pop(output_id, None)
        self._refused.pop(output_id, None)
        self._reported.pop(output_id, None)
        self._minutes.pop(output_id, None)
        self._over.pop(output_id, None)


def peer_addresses(node: str) -> dict[str, str]:
    """Where each other registered node answers; empty for one that does not say.

    A silent node counts too: `manage.py drain_node --forget` removes one that is gone for good.
    """
    return dict(Node.objects.exclude(pk=node).values_list("pk", "peer_address"))


def record_pumps(node: str, figures: Mapping[str, Mapping[str, object]]) -> None:
    """Keep what the pumps of a node last said of themselves. For a thread of its own."""
    try:
        Node.objects.filter(pk=node).update(pumps=figures)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def register_node(
    *, node: str, name: str, version: str, capacity_mbps: int, peer_address: str = ""
) -> None:
    """Write down that this node exists and is starting; a start ends an earlier drain."""
    Node.objects.update_or_create(
        pk=node,
        defaults={
            "name": name[:120],
            "version": version[:40],
            "capacity_mbps": capacity_mbps,
            "peer_address": peer_address[:255],
            "draining": False,
            "last_seen": Now(),
        },
    )


def _fitting(node: str, profiles: Sequence[str]) -> int:
    """How many more outputs with these profiles the node can send within its capacity."""
    capacity = Node.objects.filter(pk=node).values_list("capacity_mbps", flat=True).first()
    if not capacity:
        return len(profiles)
    held = Output.objects.filter(node=node).values_list("profile", flat=True)
    room = capacity * 1000 - sum(schedule.kbps(profile) for profile in held)
    for count, profile in enumerate(profiles):
        room -= schedule.kbps(profile)
        if room < 0:
            return count
    return len(profiles)


def _keep_minutes(minutes: Mapping[UUID, samples.Minute]) -> None:
    """Into the rows of their hours: two statements, whatever the number of outputs."""
    if not minutes:
        return
    hours = {samples.hour_of(minute.at) for minute in minutes.values()}
    rows = {
        (row.output_id, row.hour): row
        for row in Sample.objects.filter(output__in=minutes, hour__in=hours)
    }
    for pk, minute in minutes.items():
        key = pk, samples.hour_of(minute.at)
        row = rows.setdefault(key, Sample(output_id=pk, hour=key[1]))
        row.acked_kbps = samples.noted(row.acked_kbps, minute.at, minute.kbps)
        row.unsent_bytes = samples.noted(row.unsent_bytes, minute.at, minute.unsent)
    Sample.objects.bulk_create(
        [
            Sample(
                output_id=row.output_id,
                hour=row.hour,
                acked_kbps=row.acked_kbps,
                unsent_bytes=row.unsent_bytes,
            )
            for row in rows.values()
        ],
        update_conflicts=True,
        unique_fields=["output", "hour"],
        update_fields=["acked_kbps", "unsent_bytes"],
    )


def _field(name: str) -> Any:
    return Output._meta.get_field(name)  # noqa: SLF001 - Django's documented interface


def _quoted(field: Any) -> str:
    return connection.ops.quote_name(field.column)


def _table() -> str:
    return connection.ops.quote_name(Output._meta.db_table)  # noqa: SLF001 - as above


def _telling(report: OutputReport) -> tuple[object, ...]:
    """What a person would notice at once."""
    return (
        report.token,
        report.generation,
        report.state,
        report.session_id,
        report.reconnects,
        report.item_id,
        report.sound_id,
        report.error_code,
    )


_FAREWELLS = {"session.lost", "session.stopped", "programme.ended", "output.failed"}
"""Events that tell why a connection is no more."""


def _is_connected(report: OutputReport) -> bool:
    # An attempt that never got through has an id too, but is no connection.
    return (
        State(report.state.value) in _CONNECTED
        and report.connected_at_ns > 0
        and bool(report.session_id)
    )


def _moment(ns: int) -> datetime | None:
    return schedule.from_ns(ns) if ns else None
