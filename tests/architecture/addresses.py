"""Every address of the project, and who may use it with which method.

`test_walls.py` reads the addresses from the project itself, so one that is missing here fails.
"""

from __future__ import annotations

from enum import Enum

from apps.accounts.models import Role, Scope


class Wall(Enum):
    """Who may pass."""

    PUBLIC = "anybody; tells and changes nothing of a workspace"
    SIGNED_IN = "anybody signed in, about their own account"
    VIEWER = "members of the workspace"
    EDITOR = "its editors and owners"
    OWNER = "its owners"
    STAFF = "staff of the installation"
    MACHINE = "this machine, or who has the token for metrics"
    READ = "programs with the scope `read`"
    LIBRARY = "programs with the scope `library`"
    STREAMS = "programs with the scope `streams`"
    ADMIN = "programs with the scope `admin`"

    @property
    def role(self) -> Role | None:
        """The role that a member must have."""
        return Role(self.name.lower()) if self.name.lower() in Role.values else None

    @property
    def scope(self) -> Scope | None:
        """The scope that a token must have."""
        return Scope(self.name.lower()) if self.name.lower() in Scope.values else None


PUBLIC, SIGNED_IN, STAFF, MACHINE = Wall.PUBLIC, Wall.SIGNED_IN, Wall.STAFF, Wall.MACHINE
VIEWER, EDITOR, OWNER = Wall.VIEWER, Wall.EDITOR, Wall.OWNER
READ, LIBRARY, STREAMS, ADMIN = Wall.READ, Wall.LIBRARY, Wall.STREAMS, Wall.ADMIN


def _form(wall: Wall) -> dict[str, Wall]:
    """A page with a form."""
    return {"GET": wall, "POST": wall}


ADDRESSES: dict[str, dict[str, Wall]] = {
    # -- for machines, and for who builds the pages
    "health/live": {"GET": PUBLIC},
    "health/ready": {"GET": PUBLIC},
    "metrics": {"GET": MACHINE},
    "styleguide/": {"GET": STAFF},
    # -- the workspace and its team
    "": {"GET": PUBLIC},
    "settings/": {"GET": VIEWER, "POST": OWNER},
    "settings/team/": {"GET": VIEWER, "POST": OWNER},
    "settings/team/leave/": _form(VIEWER),
    "settings/first-steps/hide/": {"POST": VIEWER},
    "settings/tokens/": _form(OWNER),
    "settings/tokens/<uuid:token_id>/revoke/": _form(OWNER),
    "settings/invitations/<uuid:invitation_id>/resend/": {"POST": OWNER},
    "settings/invitations/<uuid:invitation_id>/revoke/": {"POST": OWNER},
    "settings/members/<uuid:membership_id>/owner/": _form(OWNER),
    "settings/members/<uuid:membership_id>/role/": {"POST": OWNER},
    "settings/members/<uuid:membership_id>/remove/": _form(OWNER),
    # -- one's own account
    "settings/profile/": _form(SIGNED_IN),
    "settings/security/": {"GET": SIGNED_IN},
    "accounts/2fa/": {"GET": SIGNED_IN},
    "accounts/sessions/end/": {"POST": SIGNED_IN},
    "accounts/email/": _form(SIGNED_IN),
    "accounts/reauthenticate/": _form(SIGNED_IN),
    "accounts/password/change/": _form(SIGNED_IN),
    "accounts/password/set/": _form(SIGNED_IN),
    "accounts/2fa/reauthenticate/": _form(SIGNED_IN),
    "accounts/2fa/totp/activate/": _form(SIGNED_IN),
    "accounts/2fa/totp/deactivate/": _form(SIGNED_IN),
    "accounts/2fa/recovery-codes/": {"GET": SIGNED_IN},
    "accounts/2fa/recovery-codes/generate/": _form(SIGNED_IN),
    "accounts/2fa/recovery-codes/download/": {"GET": SIGNED_IN},
    "accounts/2fa/webauthn/": {"GET": SIGNED_IN},
    "accounts/2fa/webauthn/add/": _form(SIGNED_IN),
    "accounts/2fa/webauthn/reauthenticate/": _form(SIGNED_IN),
    "accounts/2fa/webauthn/keys/<int:pk>/remove/": _form(SIGNED_IN) | {"DELETE": SIGNED_IN},
    "accounts/2fa/webauthn/keys/<int:pk>/edit/": _form(SIGNED_IN),
    "accounts/3rdparty/": _form(SIGNED_IN),
    "accounts/sessions/": _form(SIGNED_IN),
    # -- before one is signed in; what they tell depends on what was mailed or typed
    "accounts/login/": _form(PUBLIC),
    "accounts/logout/": _form(PUBLIC),
    "accounts/inactive/": {"GET": PUBLIC},
    "accounts/signup/": _form(PUBLIC),
    "accounts/confirm-email/": {"GET": PUBLIC},
    "accounts/confirm-email/resend/": {"POST": PUBLIC},
    r"accounts/^confirm-email/(?P<key>[-:\w]+)/$": _form(PUBLIC),
    "accounts/invitation/<str:secret>/": _form(PUBLIC),
    "accounts/password/reset/": _form(PUBLIC),
    "accounts/password/reset/done/": {"GET": PUBLIC},
    r"accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": _form(PUBLIC),
    "accounts/password/reset/key/done/": {"GET": PUBLIC},
    "accounts/login/code/confirm/": _form(PUBLIC),
    "accounts/2fa/authenticate/": _form(PUBLIC),
    "accounts/2fa/webauthn/login/": _form(PUBLIC),
    "accounts/3rdparty/login/cancelled/": {"GET": PUBLIC},
    "accounts/3rdparty/login/error/": {"GET": PUBLIC},
    "accounts/3rdparty/signup/": _form(PUBLIC),
    "accounts/social/login/cancelled/": _form(PUBLIC),
    "accounts/social/login/error/": _form(PUBLIC),
    "accounts/social/signup/": _form(PUBLIC),
    "accounts/social/connections/": _form(PUBLIC),
    "accounts/google/login/": _form(PUBLIC),
    "accounts/google/login/callback/": _form(PUBLIC),
    "accounts/google/login/token/": _form(PUBLIC),
    # -- the library
    "library/": {"GET": VIEWER},
    "library/progress/": {"GET": VIEWER},
    "library/delete/": {"POST": EDITOR},
    "library/restore/": {"POST": EDITOR},
    "library/move/": {"POST": EDITOR},
    "library/folders/new/": _form(EDITOR),
    "library/folders/<uuid:folder_id>/rename/": _form(EDITOR),
    "library/folders/<uuid:folder_id>/delete/": _form(EDITOR),
    "library/upload/": {"POST": EDITOR},
    "library/uploads/": {"POST": EDITOR, "OPTIONS": PUBLIC},
    "library/uploads/<uuid:upload_id>/": {
        "HEAD": EDITOR,
        "PATCH": EDITOR,
        "DELETE": EDITOR,
        "OPTIONS": PUBLIC,
    },
    "library/<uuid:asset_id>/": {"GET": VIEWER},
    "library/<uuid:asset_id>/rename/": _form(EDITOR),
    "library/<uuid:asset_id>/delete/": _form(EDITOR),
    "library/<uuid:asset_id>/restore/": {"POST": EDITOR},
    "library/<uuid:asset_id>/retry/": {"POST": EDITOR},
    "library/<uuid:asset_id>/prepare-again/": {"POST": EDITOR},
    "library/<uuid:asset_id>/prepare/": {"POST": EDITOR},
    "library/<uuid:asset_id>/thumbnail/": {"GET": VIEWER},
    # -- channels
    "channels/": {"GET": VIEWER},
    "channels/connect/": {"POST": OWNER},
    "channels/oauth/callback/": {"GET": SIGNED_IN},
    "channels/quota/": {"GET": VIEWER},
    "channels/client/": _form(OWNER),
    "channels/client/remove/": {"POST": OWNER},
    "channels/<uuid:channel_id>/": {"GET": VIEWER},
    "channels/<uuid:channel_id>/check/": {"POST": EDITOR},
    "channels/<uuid:channel_id>/reconnect/": {"POST": OWNER},
    "channels/<uuid:channel_id>/disconnect/": _form(OWNER),
    # -- streams and playlists
    "dashboard/": {"GET": VIEWER},
    "watch/": {"GET": VIEWER},
    "streams/": {"GET": VIEWER},
    "streams/new/": _form(EDITOR),
    "streams/<uuid:stream_id>/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/live/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/ready/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/edit/": _form(EDITOR),
    "streams/<uuid:stream_id>/start/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/stop/": _form(EDITOR),
    "streams/<uuid:stream_id>/delete/": _form(EDITOR),
    "streams/<uuid:stream_id>/programme/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/details/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/arrived/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/skip/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/jump/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/next/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/swap/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/pause/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/resume/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/undo/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/destinations/new/": _form(EDITOR),
    "streams/<uuid:stream_id>/destinations/<uuid:output_id>/": _form(EDITOR),
    "streams/<uuid:stream_id>/destinations/<uuid:output_id>/backup/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/destinations/<uuid:output_id>/remove/": _form(EDITOR),
    "streams/<uuid:stream_id>/watch/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/watch.flv": {"GET": VIEWER},
    "streams/<uuid:stream_id>/youtube/": _form(EDITOR),
    "streams/<uuid:stream_id>/youtube/state/": {"GET": VIEWER},
    "streams/<uuid:stream_id>/youtube/live/": {"POST": EDITOR},
    "streams/<uuid:stream_id>/youtube/adopt/": _form(EDITOR),
    "streams/<uuid:stream_id>/youtube/texts/": _form(EDITOR),
    "streams/<uuid:stream_id>/youtube/end/": _form(EDITOR),
    "playlists/": {"GET": VIEWER, "POST": EDITOR},
    "playlists/add/": _form(EDITOR),
    "playlists/youtube/": _form(EDITOR),
    "playlists/<uuid:playlist_id>/refresh/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/": {"GET": VIEWER, "POST": EDITOR},
    "playlists/<uuid:playlist_id>/choices/": {"GET": EDITOR},
    "playlists/<uuid:playlist_id>/add/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/restore/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/remove/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/order/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/delete/": _form(EDITOR),
    "playlists/<uuid:playlist_id>/items/<uuid:item_id>/remove/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/items/<uuid:item_id>/move/": {"POST": EDITOR},
    "playlists/<uuid:playlist_id>/items/<uuid:item_id>/weight/": {"POST": EDITOR},
    # -- the REST API
    "api/v1/streams": {"GET": READ, "POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>": {"GET": READ, "PATCH": STREAMS, "DELETE": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/start": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/stop": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/status": {"GET": READ},
    "api/v1/streams/<uuidstr:stream_id>/events": {"GET": READ},
    "api/v1/streams/<uuidstr:stream_id>/coming": {"GET": READ},
    "api/v1/streams/<uuidstr:stream_id>/skip": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/jump": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/play-next": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/swap": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/pause": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/resume": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/undo": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/destinations": {"GET": READ, "POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/destinations/<uuidstr:output_id>": {
        "GET": READ,
        "PATCH": STREAMS,
        "DELETE": STREAMS,
    },
    "api/v1/destinations": {"GET": READ},
    "api/v1/streams/<uuidstr:stream_id>/youtube": {"GET": READ, "PUT": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/youtube/live": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/youtube/adopt": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/youtube/texts": {"PATCH": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/youtube/thumbnail": {"POST": STREAMS},
    "api/v1/streams/<uuidstr:stream_id>/youtube/viewers": {"GET": READ},
    "api/v1/streams/<uuidstr:stream_id>/youtube/end": {"POST": STREAMS},
    "api/v1/channels": {"GET": READ},
    "api/v1/channels/<uuidstr:channel_id>": {"GET": READ, "DELETE": ADMIN},
    "api/v1/channels/<uuidstr:channel_id>/check": {"POST": STREAMS},
    "api/v1/channels/<uuidstr:channel_id>/look": {"POST": STREAMS},
    "api/v1/channels/<uuidstr:channel_id>/playlists": {"POST": STREAMS},
    "api/v1/youtube/quota": {"GET": READ},
    "api/v1/profiles": {"GET": READ},
    "api/v1/playlists": {"GET": READ, "POST": STREAMS},
    "api/v1/playlists/<uuidstr:playlist_id>": {
        "GET": READ,
        "PATCH": STREAMS,
        "DELETE": STREAMS,
    },
    "api/v1/playlists/from-youtube": {"POST": STREAMS},
    "api/v1/playlists/<uuidstr:playlist_id>/refresh": {"POST": STREAMS},
    "api/v1/playlists/<uuidstr:playlist_id>/items": {"GET": READ, "POST": STREAMS},
    "api/v1/playlists/<uuidstr:playlist_id>/items/<uuidstr:item_id>": {
        "PATCH": STREAMS,
        "DELETE": STREAMS,
    },
    "api/v1/playlists/<uuidstr:playlist_id>/items/<uuidstr:item_id>/move": {"POST": STREAMS},
    "api/v1/playlists/<uuidstr:playlist_id>/order": {"PUT": STREAMS},
    "api/v1/library": {"GET": READ},
    "api/v1/folders": {"GET": READ, "POST": LIBRARY},
    "api/v1/folders/<uuidstr:folder_id>": {"GET": READ, "PATCH": LIBRARY, "DELETE": LIBRARY},
    "api/v1/assets": {"GET": READ, "POST": LIBRARY},
    "api/v1/assets/<uuidstr:asset_id>": {"GET": READ, "PATCH": LIBRARY, "DELETE": LIBRARY},
    "api/v1/assets/<uuidstr:asset_id>/restore": {"POST": LIBRARY},
    "api/v1/assets/<uuidstr:asset_id>/retry": {"POST": LIBRARY},
    "api/v1/assets/<uuidstr:asset_id>/prepare-again": {"POST": LIBRARY},
    "api/v1/assets/<uuidstr:asset_id>/renditions": {"GET": READ, "POST": LIBRARY},
    "api/v1/uploads": {"POST": LIBRARY, "OPTIONS": PUBLIC},
    "api/v1/uploads/<uuidstr:upload_id>": {
        "HEAD": LIBRARY,
        "PATCH": LIBRARY,
        "DELETE": LIBRARY,
    },
    "api/v1/workspace": {"GET": READ, "PATCH": ADMIN},
    "api/v1/members": {"GET": READ},
    "api/v1/members/<uuidstr:member_id>": {"PATCH": ADMIN, "DELETE": ADMIN},
    "api/v1/invitations": {"GET": ADMIN, "POST": ADMIN},
    "api/v1/invitations/<uuidstr:invitation_id>": {"DELETE": ADMIN},
    "api/v1/invitations/<uuidstr:invitation_id>/resend": {"POST": ADMIN},
    "api/v1/tokens": {"GET": ADMIN},
    "api/v1/tokens/<uuidstr:token_id>": {"DELETE": ADMIN},
    "api/v1/openapi.json": {"GET": PUBLIC},
    "api/v1/docs": {"GET": PUBLIC},
    "api/v1/problems/<str:code>": {"GET": PUBLIC},
    "api/v1/": {},
    "api/v1/<anything:rest>": {},
    # -- the admin: every address below is for staff but these
    "admin/login/": _form(PUBLIC),
    "admin/logout/": {"POST": PUBLIC},
}

STAFF_BELOW = "admin/"
"""Where Django's admin is mounted; it makes its addresses from the models."""


def walls_of(route: str) -> dict[str, Wall] | None:
    """The wall for each method; None for an address that nobody thought about."""
    if route in ADDRESSES:
        return ADDRESSES[route]
    return _form(STAFF) if route.startswith(STAFF_BELOW) else None
