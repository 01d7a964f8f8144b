"""Streams and where they go: made, changed, removed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.core.wake import wake_on_commit
from apps.streaming import destinations, events, selectors
from apps.streaming.lease import GRACE
from apps.streaming.models import (
    Desired,
    Destination,
    Leg,
    Output,
    Playlist,
    StartPolicy,
    Stream,
)
from apps.streaming.stream_manager.playlists import request_renditions
from apps.streaming.stream_manager.programmes import (
    CHANNEL,
    StreamIsOnAir,
    locked,
    refresh_programme,
)
from apps.streaming.stream_manager.starting import KEY_IN_USE, key_problems
from apps.streaming.stream_manager.title_cards import plan_cards, tell_cards
from apps.youtube import selectors as youtube
from apps.youtube.models import Channel
from apps.youtube.services import shows


def create_stream(
    *,
    workspace: Workspace,
    title: str,
    playlist: Playlist | None,
    profile: str,
    loop: bool = True,
    start_policy: str = StartPolicy.TOP,
    shuffle: bool = False,
    music: Playlist | None = None,
    shuffle_music: bool = False,
    title_cards: str = "",
    filler: Playlist | None = None,
    address: str = "",
    key: str = "",
    channel: Channel | None = None,
    by: User | None = None,
) -> Stream:
    """A new stream, off, with one destination when an address and a key are given.

    A connected `channel` gives it a key when it is started.
    Raises `destinations.DestinationRefused`.
    """
    with transaction.atomic():
        stream = Stream.objects.create(
            workspace=workspace,
            title=title,
            playlist=playlist,
            profile=profile,
            loop=loop,
            start_policy=start_policy,
            shuffle=shuffle,
            music=music,
            shuffle_music=shuffle_music,
            title_cards=title_cards,
            filler=filler,
        )
        if address:
            _new_output(stream, address=address, key=key)
        if channel is not None:
            shows.describe(workspace=workspace, subject=stream.pk, name=title, channel=channel)
        events.record(stream, "stream.created", "The stream was created.", by=by)
        for each in (playlist, music, filler):
            request_renditions(each)
    return stream


def update_stream(
    *,
    stream: Stream,
    title: str,
    playlist: Playlist | None,
    profile: str,
    loop: bool,
    start_policy: str,
    shuffle: bool = False,
    music: Playlist | None = None,
    shuffle_music: bool = False,
    title_cards: str = "",
    filler: Playlist | None = None,
    address: str = "",
    key: str = "",
    by: User | None = None,
) -> Stream:
    """Change a stream. On air its format, where it goes, and radio mode itself stay as they are.

    An empty key keeps the old one. Raises `StreamIsOnAir`, `destinations.DestinationRefused`.
    """
    with transaction.atomic():
        stream = locked(stream)
        output = selectors.outputs_of(stream).first()
        old = output.destination if output else None
        redirected = bool(key) or bool(address and (old is None or old.address != address))
        if stream.desired == Desired.ON and (redirected or profile != stream.profile):
            raise StreamIsOnAir(
                _("Format and destination cannot change on air. Stop the stream first.")
            )
        if stream.desired == Desired.ON and stream.is_radio != (music is not None):
            raise StreamIsOnAir(
                _("Radio mode cannot be switched on or off on air. Stop the stream first.")
            )
        stream.title, stream.playlist, stream.profile = title, playlist, profile
        stream.loop, stream.start_policy = loop, start_policy
        stream.shuffle, stream.shuffle_music = shuffle, shuffle_music
        stream.music, stream.filler = music, filler
        restyled = stream.title_cards != title_cards
        stream.title_cards = title_cards
        stream.save(
            update_fields=[
                "title", "playlist", "profile", "loop", "start_policy", "shuffle",
                "shuffle_music", "title_cards", "music", "filler", "updated_at",
            ]
        )  # fmt: skip
        if redirected and output is not None:
            _redirect(output, address=address or output.destination.address, key=key)
        elif redirected:
            _new_output(stream, address=address, key=key)
        stream.outputs.update(profile=profile)
        events.record(stream, "stream.updated", "The settings were changed.", by=by)
        for each in (playlist, music, filler):
            request_renditions(each)
        refresh_programme(stream=stream)
        if restyled and stream.desired == Desired.ON:
            tell_cards(stream=stream)
            plan_cards(stream=stream)
    return stream


def delete_stream(*, stream: Stream, by: User | None = None) -> None:
    """Remove a stream that is off, and its destinations when nothing else uses them.

    Raises `StreamIsOnAir` while it is wished, or while a node still holds it.
    """
    with transaction.atomic():
        stream = locked(stream)
        held = stream.outputs.exclude(node="").filter(expires_at__gt=Now()).exists()
        if stream.desired == Desired.ON or held:
            raise StreamIsOnAir(_("Stop the stream, wait until it is off, and delete it then."))
        used = list(stream.outputs.values_list("destination_id", flat=True))
        shows.forget(subject=stream.pk)
        stream.delete()
        _forget_destinations(used)


# -- where it goes ------------------------------------------------------------------------------


class DestinationBusy(Exception):
    """The publishing point is used by another output; the text says by which."""


def add_destination(
    *,
    stream: Stream,
    address: str,
    key: str,
    name: str = "",
    leg: str = Leg.PRIMARY,
    by: User | None = None,
) -> Output:
    """Send the stream to one more place; at once when it is on air. The others do not notice.

    Raises `destinations.DestinationRefused` and `DestinationBusy`.
    """
    with transaction.atomic():
        stream = locked(stream)
        fingerprint = destinations.fingerprint(address, key)
        if selectors.outputs_of(stream).filter(destination__fingerprint=fingerprint).exists():
            raise DestinationBusy(_("The stream goes there already."))
        if stream.desired == Desired.ON:
            problems = key_problems(stream, [fingerprint])
            if problems:
                raise DestinationBusy(problems[0])
        output = _new_output(stream, address=address, key=key, name=name, leg=leg)
        events.record(
            stream,
            "stream.destination_added",
            "A destination was added.",
            by=by,
            output=output,
            name=output.destination.name,
        )
        if stream.desired == Desired.ON:
            _look_again(stream, besides=output)
            try:
                with transaction.atomic():
                    Output.objects.filter(pk=output.pk).update(
                        desired=Desired.ON,
                        generation=F("generation") + 1,
                        publishing_point=fingerprint,
                        joined_at=timezone.now(),
                    )
            except IntegrityError:
                raise DestinationBusy(str(KEY_IN_USE)) from None
            wake_on_commit(CHANNEL, stream.pk)
    return output


def add_backup(*, stream: Stream, output: Output, by: User | None = None) -> Output:
    """Send the stream to YouTube's backup entry too, with the key of `output`.

    Raises `destinations.DestinationRefused` when `output` does not go to YouTube's first entry,
    and `DestinationBusy`.
    """
    address = destinations.backup_of(output.destination.address)
    if address is None:
        raise destinations.DestinationRefused(_("This service has no backup entry that we know."))
    return add_destination(
        stream=stream,
        address=address,
        key=output.destination.key,
        name=_("%(name)s, backup") % {"name": output.destination.name},
        leg=Leg.BACKUP,
        by=by,
    )


def change_destination(
    *,
    stream: Stream,
    output: Output,
    name: str,
    address: str,
    key: str = "",
    leg: str | None = None,
    by: User | None = None,
) -> Output:
    """Change a name, an address, a key. An empty key keeps the old one.

    Raises `StreamIsOnAir` when more than the name would change on air, and
    `destinations.DestinationRefused`, `DestinationBusy`.
    """
    with transaction.atomic():
        stream = locked(stream)
        output = selectors.outputs_of(stream).get(pk=output.pk)
        redirected = bool(key) or address != output.destination.address
        if redirected or (leg and leg != output.leg):
            if stream.desired == Desired.ON:
                raise StreamIsOnAir(
                    _("Address and key cannot change on air. Add a destination and remove this.")
                )
            fingerprint = destinations.fingerprint(address, key or output.destination.key)
            others = selectors.outputs_of(stream).exclude(pk=output.pk)
            if others.filter(destination__fingerprint=fingerprint).exists():
                raise DestinationBusy(_("The stream goes there already."))
            _redirect(output, address=address, key=key)
            Output.objects.filter(pk=output.pk).update(leg=leg or output.leg)
        if name:
            Destination.objects.filter(pk=output.destination_id).update(name=name)
        events.record(
            stream, "stream.destination_changed", "A destination was changed.", by=by, output=output
        )
    return selectors.outputs_of(stream).get(pk=output.pk)


def remove_destination(*, stream: Stream, output: Output, by: User | None = None) -> bool:
    """Send the stream there no more, as a person wishes; False when it did not.

    Raises `StreamIsOnAir` for the only destination of a stream that is wanted: it would be on air
    and go nowhere.
    """
    with transaction.atomic():
        stream = locked(stream)
        others = selectors.outputs_of(stream).exclude(pk=output.pk)
        if stream.desired == Desired.ON and not others.exists():
            raise StreamIsOnAir(
                _("The stream goes nowhere else. Stop it, or add another destination first.")
            )
        return take_out(stream=stream, output=output, by=by)


def take_out(*, stream: Stream, output: Output, by: User | None = None) -> bool:
    """Send the stream there no more; False when it did not. The others do not notice.

    While a node may still be sending, the key waits for `forget_removed`.
    """
    with transaction.atomic():
        stream = locked(stream)
        found = selectors.outputs_of(stream).filter(pk=output.pk).first()
        if found is None:
            return False
        name = found.destination.name
        Output.objects.filter(pk=found.pk).update(
            desired=Desired.OFF,
            generation=F("generation") + 1,
            publishing_point="",
            removed_at=timezone.now(),
        )
        events.record(
            stream,
            "stream.destination_removed",
            "A destination was removed.",
            by=by,
            name=name,
        )
        forget_removed(stream=stream)
        if stream.desired == Desired.ON:
            _look_again(stream, besides=found)
        wake_on_commit(CHANNEL, stream.pk)
    return True


def _look_again(stream: Stream, *, besides: Output) -> None:
    """Let nodes read anew the outputs that fall back to where `besides` publishes.

    It is an output of its own now, or is none any more. The others do not notice.
    """
    others = selectors.outputs_of(stream).filter(desired=Desired.ON).exclude(pk=besides.pk)
    rows = list(others.select_related("destination"))
    keys = (key for row in rows if (key := row.destination.ingest_key) is not None)
    named = youtube.backup_addresses(keys)
    concerned = []
    for row in rows:
        target = row.destination
        backup = named.get(target.ingest_key, "") if target.ingest_key is not None else ""
        address = destinations.fallback_of(target.address, backup=backup)
        if address is not None and (
            destinations.fingerprint(address, target.key) == besides.destination.fingerprint
        ):
            concerned.append(row.pk)
    Output.objects.filter(pk__in=concerned).update(generation=F("generation") + 1)


def forget_removed(*, stream: Stream | None = None) -> int:
    """Forget the keys of outputs that were removed and that no node can be sending; how many.

    The rows of those that were ever on air stay, for the sake of their history.
    """
    with transaction.atomic():
        gone = Output.objects.exclude(Q(removed_at=None) | Q(destination__fingerprint="")).filter(
            Q(node="") | Q(expires_at=None) | Q(expires_at__lt=Now() - GRACE)
        )
        if stream is not None:
            gone = gone.filter(stream=stream)
        found = list(gone.values_list("pk", "destination_id"))
        if found:
            Output.objects.filter(
                pk__in=[pk for pk, _destination in found], sessions=None, as_run=None
            ).delete()
            used = [destination for _pk, destination in found]
            _forget_destinations(used)
            Destination.objects.filter(pk__in=used).update(key="", key_hint="", fingerprint="")
    return len(found)


def _forget_destinations(ids: list[UUID]) -> None:
    Destination.objects.filter(pk__in=ids, outputs=None).delete()


def _new_output(
    stream: Stream, *, address: str, key: str, name: str = "", leg: str = Leg.PRIMARY
) -> Output:
    parts = destinations.check(address)
    if not key:
        raise destinations.DestinationRefused(_("The stream key is missing."))
    destination = Destination.objects.create(
        workspace_id=stream.workspace_id,
        name=name or destinations.name_of(parts),
        **_sealed(address, key),
    )
    return Output.objects.create(
        stream=stream, destination=destination, profile=stream.profile, leg=leg
    )


def _redirect(output: Output, *, address: str, key: str) -> None:
    """Let an output go to `address`; an empty key keeps the old one."""
    parts = destinations.check(address)
    destination = output.destination
    before = destinations.parse(destination.address)
    if destination.name in (before.host, destinations.name_of(before)):
        destination.name = destinations.name_of(parts)
    for name, value in _sealed(address, key or destination.key).items():
        setattr(destination, name, value)
    destination.save()
    Output.objects.filter(pk=output.pk).update(generation=F("generation") + 1)


def _sealed(address: str, key: str) -> dict[str, Any]:
    return {
        "address": address,
        "key": key,
        "key_hint": destinations.key_hint(key),
        "fingerprint": destinations.fingerprint(address, key),
    }
