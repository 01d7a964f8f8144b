"""The only HTTP caller of this app: Google's OAuth endpoints, and the YouTube Data API v3.

Every call has a deadline, costs units that are reserved before it is made, and ends in an answer
or in a `YouTubeError` that says what may be done next. No token is in any address or error.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

PAGE = 50
"""Rows of a page, and ids of one question."""

MOST_PAGES = 40
"""Of one list; YouTube's own limits on what has not ended are far below."""

SCOPE = "https://www.googleapis.com/auth/youtube"
SCOPE_SSL = "https://www.googleapis.com/auth/youtube.force-ssl"
ENOUGH = frozenset({SCOPE, SCOPE_SSL})
"""Either of these is enough for all we do."""

COSTS = {
    "channels.list": 1,
    "liveBroadcasts.list": 1,
    "liveBroadcasts.insert": 50,
    "liveBroadcasts.bind": 50,
    "liveBroadcasts.transition": 50,
    "liveBroadcasts.update": 50,
    "liveBroadcasts.delete": 50,
    "liveStreams.list": 1,
    "liveStreams.insert": 50,
    "liveStreams.delete": 50,
    "videos.list": 1,
    "videos.update": 50,
    "thumbnails.set": 50,
    "playlists.list": 1,
    "playlistItems.list": 1,
    "playlistItems.insert": 50,
}

_CACHED_SECONDS = 600


class Retry(enum.Enum):
    """What may be done after an error."""

    SOON = "Google's side failed: again in a moment"
    SLOWLY = "too fast: again after a longer pause"
    READ = "nobody knows whether it was carried out: read first, then decide"
    AT_RESET = "the day's quota is used up: after midnight in California"
    RECONNECT = "a person has to connect the channel again"
    REPLAN = "the state is another than we thought: read it and plan anew"
    NEVER = "it will be refused again: a person, or another version of us, has to change it"


@dataclass
class YouTubeError(Exception):
    """A call did not succeed. `code` is Google's reason, or ours with a dot in it."""

    code: str
    retry: Retry
    text: str

    def __str__(self) -> str:
        return f"{self.text} ({self.code})"


class QuotaSpent(YouTubeError):
    """We did not make the call, to stay within the quota."""

    def __init__(self, text: str) -> None:
        super().__init__("quota.reserved", Retry.AT_RESET, text)


_REASONS: dict[str, Retry] = {
    **dict.fromkeys(
        ("backendError", "internalError", "errorExecutingTransition", "serviceUnavailable"),
        Retry.SOON,
    ),
    **dict.fromkeys(
        ("rateLimitExceeded", "userRateLimitExceeded", "userRequestsExceedRateLimit",
         "uploadRateLimitExceeded"),
        Retry.SLOWLY,
    ),
    **dict.fromkeys(("quotaExceeded", "dailyLimitExceeded"), Retry.AT_RESET),
    "errorStreamInactive": Retry.SOON,
    **dict.fromkeys(
        ("redundantTransition", "invalidTransition", "liveBroadcastBindingNotAllowed",
         "liveBroadcastNotFound", "liveStreamNotFound", "videoNotFound",
         "liveBroadcastDeletionNotAllowed", "liveStreamDeletionNotAllowed"),
        Retry.REPLAN,
    ),
    **dict.fromkeys(
        ("authError", "unauthorized", "UNAUTHENTICATED", "insufficientLivePermissions",
         "insufficientPermissions", "forbidden", "invalid_grant", "youtubeSignupRequired",
         "NoLinkedYouTubeAccount",
         "invalid_client", "unauthorized_client"),
        Retry.RECONNECT,
    ),
}  # fmt: skip

Spend = Callable[[str, int], None]
"""Reserves units for a method; raises `QuotaSpent` when the call must not be made."""


class Api:
    """The Data API for one access token.

    Args:
        token: gives the access token; asked again with True after Google refused the last one.
        spend: called with method and units before each call.
    """

    def __init__(self, token: Callable[[bool], str], spend: Spend) -> None:
        self._token = token
        self._spend = spend

    def all(self, resource: str, parts: str, **query: Any) -> list[Any]:
        """All rows of all pages. Raises `YouTubeError` rather than to leave some out."""
        items: list[Any] = []
        token = ""
        for _page in range(MOST_PAGES):
            more: dict[str, Any] = {"pageToken": token} if token else {}
            page = self.page(resource, parts, **query, **more)
            items += page.get("items", [])
            token = str(page.get("nextPageToken") or "")
            if not token:
                return items
        raise YouTubeError(
            "youtube.too_many", Retry.SLOWLY, f"The channel has more {resource} than we can read."
        )

    def list(self, resource: str, parts: str, *, cached: bool = False, **query: Any) -> list[Any]:
        """All rows of one page. `cached` asks with the `ETag` of the last answer: only for what
        holds no secret."""
        items: list[Any] = self.page(resource, parts, cached=cached, **query).get("items", [])
        return items

    def page(
        self, resource: str, parts: str, *, cached: bool = False, **query: Any
    ) -> dict[str, Any]:
        """One page as it was answered."""
        if any(isinstance(value, (list, tuple)) for value in query.values()):
            query = {
                name: ",".join(value) if isinstance(value, (list, tuple)) else value
                for name, value in query.items()
            }
        query = {"part": parts, **query}
        if not {"id"} & set(query) or resource not in ("videos", "liveBroadcasts", "liveStreams"):
            query.setdefault("maxResults", PAGE)
        return self._call(f"{resource}.list", "GET", resource, query, cached=cached)

    def insert(self, resource: str, parts: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make something; after `Retry.READ` it may be there."""
        return self._call(f"{resource}.insert", "POST", resource, {"part": parts}, body)

    def update(self, resource: str, parts: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace whole parts: what the body leaves out is reset."""
        return self._call(f"{resource}.update", "PUT", resource, {"part": parts}, body)

    def delete(self, resource: str, row_id: str) -> None:
        """Remove something."""
        self._call(f"{resource}.delete", "DELETE", resource, {"id": row_id})

    def bind(self, broadcast_id: str, stream_id: str) -> dict[str, Any]:
        """Let a broadcast show what arrives at a stream."""
        query = {"part": "id,status,contentDetails", "id": broadcast_id, "streamId": stream_id}
        return self._call("liveBroadcasts.bind", "POST", "liveBroadcasts/bind", query)

    def transition(self, broadcast_id: str, status: str) -> dict[str, Any]:
        """Ask for `testing`, `live` or `complete`."""
        query = {"part": "id,status", "id": broadcast_id, "broadcastStatus": status}
        return self._call("liveBroadcasts.transition", "POST", "liveBroadcasts/transition", query)

    def set_thumbnail(self, video_id: str, image: bytes) -> None:
        """Give a video its picture: a JPEG or PNG of at most 2 MB."""
        kind = "image/png" if image.startswith(b"\x89PNG") else "image/jpeg"
        self._call(
            "thumbnails.set", "POST", "thumbnails/set",
            {"videoId": video_id, "uploadType": "media"}, image=(kind, image),
        )  # fmt: skip

    def _call(
        self,
        method: str,
        verb: str,
        path: str,
        query: dict[str, Any],
        body: dict[str, Any] | None = None,
        *,
        cached: bool = False,
        image: tuple[str, bytes] | None = None,
    ) -> dict[str, Any]:
        place = f"upload/youtube/v3/{path}" if image else f"youtube/v3/{path}"
        address = f"{settings.YOUTUBE_API_BASE.rstrip('/')}/{place}?{urlencode(query)}"
        is_read = verb == "GET"
        for is_second in (False, True):
            token = self._token(is_second)
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            data: bytes | None = None
            if body is not None:
                headers["Content-Type"] = "application/json"
                data = json.dumps(body).encode()
            elif image is not None:
                headers["Content-Type"], data = image
            remembered = None
            key = ""
            if cached:
                whose = hashlib.sha256(f"{token}\0{address}".encode()).hexdigest()
                key = f"youtube:etag:{whose}"
                remembered = cache.get(key)
                if remembered:
                    headers["If-None-Match"] = remembered[0]
            _check_rest()
            self._spend(method, COSTS[method])
            answer = _asked(verb, address, headers, data, is_read=is_read)
            if answer.status_code == 304 and remembered:
                known: dict[str, Any] = remembered[1]
                return known
            if answer.status_code == 401 and not is_second:
                continue
            told = _json_of(answer, is_read=is_read)
            if cached and (etag := answer.headers.get("ETag") or told.get("etag")):
                cache.set(key, (etag, told), _CACHED_SECONDS)
            return told
        raise AssertionError("The second answer was neither returned nor raised.")


# -- a pause for everybody while YouTube is silent ----------------------------------------------

_SILENCES = 5
_WINDOW_S = 60.0
_SILENT_AT, _REST_UNTIL = "youtube:silent-at", "youtube:rest-until"


def _asked(
    verb: str, address: str, headers: dict[str, str], data: bytes | None, *, is_read: bool
) -> requests.Response:
    """One call; five in a row without an answer within a minute, and nobody asks for a minute.

    Without this, every worker would spend its time in time-outs while YouTube is down.
    """
    try:
        answer = _send(verb, address, headers, data, is_read=is_read)
    except YouTubeError:
        _note_silence()
        raise
    if answer.status_code >= 500:
        _note_silence()
    else:
        cache.delete(_SILENT_AT)
    return answer


def _note_silence() -> None:
    window_s = _WINDOW_S / settings.YOUTUBE_TIME_SCALE
    now = timezone.now().timestamp()
    silent_at = [at for at in cache.get(_SILENT_AT) or [] if now - at < window_s] + [now]
    if len(silent_at) >= _SILENCES:
        cache.set(_REST_UNTIL, now + window_s, _CACHED_SECONDS)
        # The first call after the pause finds out; one more silence, and the next one begins.
        silent_at = [now + window_s] * (_SILENCES - 1)
    cache.set(_SILENT_AT, silent_at, _CACHED_SECONDS)


def _check_rest() -> None:
    if timezone.now().timestamp() < (cache.get(_REST_UNTIL) or 0):
        raise YouTubeError(
            "youtube.resting", Retry.SOON,
            "YouTube does not answer just now. It is asked again within a minute.",
        )  # fmt: skip


# -- OAuth --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """An OAuth client of a Google project."""

    client_id: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.client_id})"


def consent_address(
    credentials: Credentials, *, redirect_uri: str, state: str, challenge: str
) -> str:
    """Where somebody is sent to choose a channel and to agree.

    `prompt=consent`, since a returning user's answer would carry no refresh token without it.
    """
    query = {
        "client_id": credentials.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": SCOPE_SSL,
        "access_type": "offline",
        "prompt": "consent select_account",
        "include_granted_scopes": "true",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{settings.GOOGLE_AUTHORIZE_URL}?{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave."""

    access_token: str
    expires_in_s: int
    refresh_token: str
    """Empty when none was given: the old one goes on."""
    scopes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Grant(***, {self.scopes})"


def exchange(credentials: Credentials, *, code: str, verifier: str, redirect_uri: str) -> Grant:
    """Tokens for the code that the consent screen sent back. Raises `YouTubeError`."""
    return _tokens(
        credentials,
        {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        },
    )


def refresh(credentials: Credentials, refresh_token: str) -> Grant:
    """A new access token. Raises `YouTubeError`, `invalid_grant` when access was withdrawn."""
    return _tokens(credentials, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def revoke(token: str) -> bool:
    """Give the whole access back; False when Google did not confirm it."""
    try:
        answer = _send(
            "POST", settings.GOOGLE_REVOKE_URL, {}, urlencode({"token": token}).encode(),
            is_read=True,
        )  # fmt: skip
    except YouTubeError:
        return False
    # 400: it was dead already.
    return answer.status_code in (200, 400)


def _tokens(credentials: Credentials, fields: dict[str, str]) -> Grant:
    form = fields | {"client_id": credentials.client_id, "client_secret": credentials.secret}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    # Asking twice is safe: a refresh may be repeated, and a code that was used says so.
    answer = _send(
        "POST", settings.GOOGLE_TOKEN_URL, headers, urlencode(form).encode(), is_read=True
    )
    told = _json_of(answer, is_read=True)
    if not told.get("access_token"):
        raise YouTubeError("oauth.no_token", Retry.SOON, "Google answered without a token.")
    return Grant(
        access_token=str(told["access_token"]),
        expires_in_s=int(told.get("expires_in", 3600)),
        refresh_token=str(told.get("refresh_token", "")),
        scopes=tuple(str(told.get("scope", "")).split()),
    )


# -- the wire -----------------------------------------------------------------------------------


def _send(
    verb: str, address: str, headers: dict[str, str], data: bytes | None, *, is_read: bool
) -> requests.Response:
    with requests.Session() as session:
        # Neither a proxy's nor a password file's settings may replace our authorisation.
        session.trust_env = False
        try:
            return session.request(
                verb, address, headers=headers, data=data,
                timeout=(5, settings.YOUTUBE_TIMEOUT_SECONDS), allow_redirects=False,
            )  # fmt: skip
        except requests.exceptions.ConnectTimeout:
            pass  # Nothing was sent.
        except requests.RequestException as error:
            refused = "refused" in str(error).lower()
            if not is_read and not refused:
                raise YouTubeError(
                    "http.no_answer", Retry.READ, "YouTube did not answer in time."
                ) from None
    raise YouTubeError("http.unreachable", Retry.SOON, "YouTube cannot be reached just now.")


def _json_of(answer: requests.Response, *, is_read: bool) -> dict[str, Any]:
    if answer.status_code == 204 or (answer.ok and not answer.content):
        return {}
    try:
        told = answer.json()
    except ValueError:
        told = {}
    if answer.ok and isinstance(told, dict) and told:
        return told
    raise _error_of(answer.status_code, told if isinstance(told, dict) else {}, is_read=is_read)


def _error_of(status: int, told: dict[str, Any], *, is_read: bool) -> YouTubeError:
    error = told.get("error")
    if isinstance(error, str):
        # The token endpoint's form. Its description may quote what was sent.
        text = "Google refused the connection."
        return YouTubeError(error, _REASONS.get(error, _by_status(status, is_read)), text)
    error = error if isinstance(error, dict) else {}
    details: Sequence[Any] = error.get("errors") or [{}]
    reason = str(details[0].get("reason") or error.get("status") or f"http.{status}")
    text = str(error.get("message") or "YouTube refused the request.")[:200]
    if status >= 500 and not is_read:
        # It may have been carried out all the same.
        return YouTubeError(reason, Retry.READ, text)
    if reason in _REASONS:
        return YouTubeError(reason, _REASONS[reason], text)
    return YouTubeError(reason, _by_status(status, is_read), text)


def _by_status(status: int, is_read: bool) -> Retry:
    if status >= 500:
        return Retry.SOON if is_read else Retry.READ
    if status == 401:
        return Retry.RECONNECT
    if status == 429:
        return Retry.SLOWLY
    return Retry.REPLAN if status in (404, 409) else Retry.NEVER
