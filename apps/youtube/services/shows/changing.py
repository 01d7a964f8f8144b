"""Changes of what YouTube shows of a broadcast, while it is live and of the archive afterwards.

A wish is a row; each part of it is one call, written down before it is made. Whether a call whose
answer was lost was carried out is read, and what was not there is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from apps.accounts.models import User
from apps.youtube import merging, texts
from apps.youtube.client import Api, Retry, YouTubeError
from apps.youtube.models import Broadcast, Change, ChangeState, Origin, Sent, Show
from apps.youtube.quota import Purpose
from apps.youtube.services.shows.intents import begin, is_absent
from apps.youtube.services.shows.look import Look
from apps.youtube.services.tokens import api_of
from apps.youtube.truth import Lifecycle

logger = logging.getLogger(__name__)

GIVEN_UP_AFTER = timedelta(days=7)
_TRIES = 5
_VIDEO = (*merging.TEXTS, "privacyStatus")


def ask_change(
    *,
    row: Broadcast,
    origin: Origin,
    wish: Mapping[str, Any],
    thumbnail: bytes = b"",
    by: User | None = None,
) -> Change | None:
    """Write a wish down; None when it wishes nothing. Of those that wait it takes up the rest.

    `wish` has some of title, description, categoryId, tags, privacyStatus and playlist.
    """
    wished = dict(wish)
    if not wished and not thumbnail:
        return None
    with transaction.atomic():
        waiting = Change.objects.select_for_update().filter(
            broadcast=row, origin=origin, state=ChangeState.PENDING, sent=Sent.NOTHING
        )
        for older in waiting:
            wished = older.wish | wished
            thumbnail = thumbnail or bytes(older.thumbnail)
            Change.objects.filter(pk=older.pk).update(state=ChangeState.REPLACED)
        todo = [
            part
            for part, is_wished in (
                ("video", any(name in wished for name in _VIDEO)),
                ("thumbnail", bool(thumbnail)),
                ("playlist", bool(wished.get("playlist"))),
            )
            if is_wished
        ]
        return Change.objects.create(
            workspace=row.workspace, broadcast=row, by=by, origin=origin, wish=wished,
            thumbnail=thumbnail, todo=todo,
        )  # fmt: skip


def ask_after_end(show: Show, row: Broadcast) -> None:
    """What its show says is done with an archive. A rehearsal's is left as it is."""
    if show.is_rehearsal or row.lifecycle != Lifecycle.COMPLETE or row.live_at is None:
        return
    wish: dict[str, Any] = {}
    if show.after_title:
        values = texts.values_of(
            stream=show.name, channel=row.channel.title, at=row.live_at, title=row.title
        )
        wish["title"] = texts.title_of(show.after_title, values)
    if show.after_privacy:
        wish["privacyStatus"] = show.after_privacy
    if show.after_playlist:
        wish["playlist"] = show.after_playlist
    ask_change(row=row, origin=Origin.END, wish=wish)


def apply_changes(look: Look) -> None:
    """Carry out what waits: of each broadcast the oldest wish, one call at most."""
    loaded = {row.pk: row for row in look.broadcasts}
    waiting = Change.objects.filter(broadcast__show=look.show, state=ChangeState.PENDING)
    seen = set()
    for change in waiting.select_related("broadcast__channel__client").order_by("created_at"):
        if change.broadcast_id in seen:
            look.within(look.waits.poll)
            continue
        seen.add(change.broadcast_id)
        row = loaded.get(change.broadcast_id, change.broadcast)
        if row.sent or not row.youtube_id:
            look.within(look.waits.poll)
        elif change.retry_at is not None and change.retry_at > look.now:
            look.within(change.retry_at - look.now)
        else:
            _advance(look, row, change)


def _advance(look: Look, row: Broadcast, change: Change) -> None:
    if row.lifecycle in (Lifecycle.REVOKED, Lifecycle.MISSING):
        _refuse(look, change, "The broadcast is not there any more.", whole=True)
        return
    if look.now - change.created_at > GIVEN_UP_AFTER:
        _refuse(look, change, change.said or "YouTube could not be asked.", whole=True)
        return
    part = change.todo[0]
    try:
        is_done = _CALLS[part](look, api_of(row.channel, Purpose.ASKED), row, change)
    except YouTubeError as error:
        _note_error(look, change, part, error)
        return
    if is_done:
        _end_part(look, change)


def _change_video(look: Look, api: Api, row: Broadcast, change: Change) -> bool:
    """Title, description, category, tags and privacy; all else is sent as it is read."""
    video = next(iter(api.list("videos", "id,snippet,status", id=row.youtube_id)), None)
    if video is None:
        # Not there yet, or not there any more.
        if is_absent(look, change):
            raise YouTubeError("videoNotFound", Retry.NEVER, "The video is not there any more.")
        return False
    is_told_lately = row.told_at is not None and look.now - row.told_at < look.waits.lag
    body = merging.with_wish(video, change.wish, told=row.told if is_told_lately else {})
    if body:
        if change.sent and not is_absent(look, change):
            return False
        begin(change, Sent.VIDEO, look.now)
        api.update("videos", ",".join(body), {"id": row.youtube_id, **body})
    wished = {name: change.wish[name] for name in _VIDEO if name in change.wish}
    row.told, row.told_at = row.told | wished, look.now
    row.title = wished.get("title", row.title)
    row.privacy = wished.get("privacyStatus", row.privacy)
    row.save(update_fields=["told", "told_at", "title", "privacy", "updated_at"])
    return True


def _change_thumbnail(look: Look, api: Api, row: Broadcast, change: Change) -> bool:
    """The picture. It cannot be read back, and setting it twice does no harm."""
    if change.sent:
        change.attempts += 1
        change.save(update_fields=["attempts", "updated_at"])
        if change.attempts > _TRIES:
            raise YouTubeError("http.no_answer", Retry.NEVER, "YouTube did not answer.")
    begin(change, Sent.THUMBNAIL, look.now)
    api.set_thumbnail(row.youtube_id, bytes(change.thumbnail))
    return True


def _add_to_playlist(look: Look, api: Api, row: Broadcast, change: Change) -> bool:
    """Once: YouTube would take it twice."""
    playlist = change.wish["playlist"]
    listed = api.list("playlistItems", "id", playlistId=playlist, videoId=row.youtube_id)
    if listed:
        return True
    if change.sent and not is_absent(look, change):
        return False
    begin(change, Sent.PLAYLIST, look.now)
    resource = {"kind": "youtube#video", "videoId": row.youtube_id}
    api.insert(
        "playlistItems", "snippet", {"snippet": {"playlistId": playlist, "resourceId": resource}}
    )
    return True


_CALLS = {"video": _change_video, "thumbnail": _change_thumbnail, "playlist": _add_to_playlist}
_SAID = {
    "video": "its texts", "thumbnail": "its picture", "playlist": "its place in a playlist",
}  # fmt: skip


def _end_part(look: Look, change: Change) -> None:
    change.todo = change.todo[1:]
    change.sent, change.sent_at, change.doubted_at = Sent.NOTHING, None, None
    change.attempts, change.retry_at = 0, None
    if change.todo:
        look.within(timedelta(0))
    else:
        change.state = ChangeState.REFUSED if change.is_refused else ChangeState.APPLIED
        change.decided_at = look.now
        change.thumbnail = b""
        if not change.is_refused:
            change.said = ""
            look.say("youtube.changed", "YouTube shows the broadcast as it was wished.")
    change.save()


def _refuse(look: Look, change: Change, why: str, *, whole: bool = False) -> None:
    change.said, change.is_refused = why[:300], True
    if whole:
        change.todo = change.todo[:1]
    what = _SAID[change.todo[0]]
    look.say("youtube.change_refused", f"YouTube did not change {what}: {why}"[:300])
    _end_part(look, change)


def _note_error(look: Look, change: Change, part: str, error: YouTubeError) -> None:
    """Say when it is tried again, or that it was refused. The broadcast itself is not touched."""
    logger.info("Change %s of %s: %s.", change.pk, part, error.code)
    pace = look.waits
    if part == "thumbnail" and error.code == "forbidden":
        why = "Its channel has to be verified by phone first, at youtube.com/verify."
        _refuse(look, change, why)
        return
    if error.retry in (Retry.NEVER, Retry.REPLAN):
        _refuse(look, change, error.text)
        return
    if error.retry is Retry.READ:
        # It stays written down as sent: the next look reads.
        wait = pace.agree
    elif error.retry in (Retry.AT_RESET, Retry.RECONNECT) or error.code.startswith("upload"):
        wait = pace.park
    else:
        is_soon = error.retry is Retry.SOON
        first, most = (pace.poll, pace.slowly) if is_soon else (pace.slowly, pace.park)
        wait = min(first * 2 ** min(change.attempts, 8), most)
        change.attempts += 1
    if error.retry is not Retry.READ:
        if change.sent_at == look.now:
            # This call was not carried out. An earlier one stays in doubt when a read failed.
            change.sent, change.sent_at, change.doubted_at = Sent.NOTHING, None, None
        change.retry_at = look.now + wait
        change.said = error.text[:300]
    change.save()
    look.within(wait)
