"""Who knocks at the walls: two workspaces that hold one of everything, and all who may ask."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookies import SimpleCookie
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLResolver
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData
from PIL import Image

from apps.accounts import invitations, services
from apps.accounts.models import Membership, Role, Scope, User, Workspace
from apps.library import services as library
from apps.library.models import Asset, Rendition, Track, Upload
from apps.streaming import stream_manager
from apps.youtube.models import Channel
from apps.youtube.services import shows

PROFILE = "480p30-economy@1"
ADDRESS = "rtmps://a.rtmps.youtube.com:443/live2"
SIGNED_IN_BY = "allauth.account.auth_backends.AuthenticationBackend"

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


# -- what there is ------------------------------------------------------------------------------


@dataclass
class Tenant:
    """A workspace with one of everything; `ids` are named as the arguments of addresses."""

    owner: User
    workspace: Workspace
    ids: dict[str, str] = field(default_factory=dict)
    deleted_asset: str = ""
    other_asset: str = ""

    @property
    def secrets(self) -> list[str]:
        """What nobody outside may read."""
        known = [self.workspace.slug, self.deleted_asset, self.other_asset, self.owner.email]
        named = (value for name, value in self.ids.items() if len(value) > 8 and name != "code")
        return [*known, *named, f"title-of-{self.workspace.slug}"]


def tenant_of(owner: User) -> Tenant:
    """The owner's first workspace, filled."""
    workspace = owner.workspaces.get()
    title = f"title-of-{workspace.slug}"
    asset, other, deleted = (_asset(workspace, f"{title}-{n}") for n in range(3))
    Asset.objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())
    coming = Asset.objects.create(workspace=workspace, title=title)
    upload = Upload.objects.create(
        asset=coming, length=1000, expires_at=timezone.now() + timedelta(hours=1)
    )
    playlist = stream_manager.create_playlist(workspace=workspace, name=title)
    stream_manager.add_items(playlist=playlist, assets=[asset])
    folder = library.create_folder(workspace=workspace, name=title)
    library.move_assets(workspace=workspace, asset_ids=[asset.pk], folder=folder)
    stream = stream_manager.create_stream(
        workspace=workspace,
        by=owner,
        title=title,
        # Nothing of it is used elsewhere, or it could not be deleted.
        playlist=playlist,
        profile=PROFILE,
        address=ADDRESS,
        key=f"key-of-{workspace.slug}",
    )
    guest = services.create_user(email=f"guest-of-{workspace.slug}@example.org")
    member = Membership.objects.create(user=guest, workspace=workspace, role=Role.VIEWER)
    invited, secret = invitations.invite(
        workspace=workspace, email=f"new-{workspace.slug}@example.org", role=Role.VIEWER, by=owner
    )
    token, _text = services.create_token(workspace=workspace, by=owner, name=title)
    passkey = Authenticator.objects.create(
        user=owner,
        type=Authenticator.Type.WEBAUTHN,
        data={"name": title, "credential": _credential()},
    )
    channel = Channel.objects.create(
        workspace=workspace,
        youtube_id=f"UC-{workspace.slug}",
        title=title,
        state_since=timezone.now(),
    )
    shows.describe(workspace=workspace, subject=stream.pk, name=title, channel=channel)
    return Tenant(
        owner,
        workspace,
        ids={
            "asset_id": str(asset.pk),
            "folder_id": str(folder.pk),
            "upload_id": str(upload.pk),
            "playlist_id": str(playlist.pk),
            "item_id": str(playlist.items.get().pk),
            "stream_id": str(stream.pk),
            "output_id": str(stream.outputs.get().pk),
            "channel_id": str(channel.pk),
            "membership_id": str(member.pk),
            "member_id": str(member.pk),
            "invitation_id": str(invited.pk),
            "token_id": str(token.pk),
            "secret": secret,
            "pk": str(passkey.pk),
            "key": "made-up",
            "uidb36": "a1",
            "code": "request.not_found",
            "rest": "nowhere",
        },
        deleted_asset=str(deleted.pk),
        other_asset=str(other.pk),
    )


def _credential() -> dict[str, Any]:
    """What a browser says when a passkey is made."""
    key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    made = AttestedCredentialData.create(Aaguid(bytes(16)), b"credential", key)
    told = AuthenticatorData.create(hashlib.sha256(b"testserver").digest(), 0x45, 0, made)
    return {
        "id": websafe_encode(b"credential"),
        "rawId": websafe_encode(b"credential"),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(
                b'{"type":"webauthn.create","challenge":"eA","origin":"http://testserver"}'
            ),
            "attestationObject": websafe_encode(AttestationObject.create("none", told, {})),
        },
        "clientExtensionResults": {},
    }


def _asset(workspace: Workspace, title: str) -> Asset:
    asset = Asset.objects.create(
        workspace=workspace, title=title, state="ready", kind="video", duration_ms=10_000,
        storage_key="sources/x", size_bytes=1000,
    )  # fmt: skip
    ready = {"state": "ready", "prefix": f"tracks/{asset.pk}"}
    video = Track.objects.create(asset=asset, kind="video", profile=PROFILE, frames=300, **ready)
    audio = Track.objects.create(
        asset=asset, kind="audio", profile="aac-44100-stereo@1", frames=431, **ready
    )
    Rendition.objects.create(asset=asset, profile=PROFILE, video=video, audio=audio)
    return asset


# -- addresses and requests ---------------------------------------------------------------------


def routes() -> list[str]:
    """Every address that the project answers, as it is written in its `urls` modules."""

    def below(resolver: URLResolver, prefix: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from below(pattern, route)
            else:
                yield route

    return sorted(set(below(get_resolver(), "")))


_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\\.)*\)")


def arguments_of(route: str) -> set[str]:
    """The names of the variable parts of an address."""
    return {one or other for one, other in _ARGUMENT.findall(route)}


TENANTS_OWN = {
    "asset_id", "folder_id", "upload_id", "playlist_id", "item_id", "stream_id", "membership_id",
    "member_id", "invitation_id", "token_id", "pk", "output_id", "channel_id",
}  # fmt: skip
"""Arguments that name a row of one tenant."""


def path_of(route: str, ids: dict[str, str]) -> str:
    """An address with its variable parts filled in."""
    filled = _ARGUMENT.sub(lambda match: ids.get(match[1] or match[2], "1"), route)
    return "/" + filled.replace("^", "").removesuffix("$")


def made_up(ids: dict[str, str]) -> dict[str, str]:
    """The same names with ids that no row has."""
    return {
        name: str(uuid.uuid4()) if name.endswith("_id") else "987654" if name == "pk" else value
        for name, value in ids.items()
    }


def _json(body: dict[str, Any]) -> dict[str, Any]:
    return {"data": body, "content_type": "application/json"}


def _tus(**headers: str) -> dict[str, Any]:
    return {"headers": {"Tus-Resumable": "1.0.0", **headers}}


def body_of(method: str, route: str, of: Tenant) -> dict[str, Any]:
    """A request that would work for the owner of `of`; it names that tenant's rows."""
    ids, title = of.ids, "changed"
    name = base64.b64encode(b"a.mp4").decode()
    piece = {"content_type": "application/offset+octet-stream", "data": b"piece"}
    create = _tus(**{"Upload-Length": "10", "Upload-Metadata": f"filename {name}"})
    append = _tus(**{"Upload-Offset": "0"}) | piece
    wish = {
        "title": title, "playlist_id": ids["playlist_id"],
        "destination": {"service": "youtube", "key": "another-key-1234"},
    }  # fmt: skip
    form = {
        "title": title, "playlist": ids["playlist_id"], "profile": PROFILE, "start_policy": "top",
        "loop": "on", "service": "youtube", "key": "another-key-1234",
    }  # fmt: skip
    chosen = {"data": {"asset": of.other_asset}}
    known: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", "settings/"): {"data": {"name": title}},
        ("POST", "settings/team/"): {"data": {"email": "x@example.org", "role": "owner"}},
        ("POST", "settings/members/<uuid:membership_id>/role/"): {"data": {"role": "owner"}},
        ("POST", "settings/profile/"): {"data": {"name": title}},
        ("POST", "library/delete/"): chosen,
        ("POST", "library/restore/"): {"data": {"asset": of.deleted_asset}},
        ("POST", "library/uploads/"): create,
        ("HEAD", "library/uploads/<uuid:upload_id>/"): _tus(),
        ("PATCH", "library/uploads/<uuid:upload_id>/"): append,
        ("DELETE", "library/uploads/<uuid:upload_id>/"): _tus(),
        ("POST", "library/<uuid:asset_id>/rename/"): {"data": {"title": title}},
        ("POST", "library/move/"): {"data": {"asset": of.other_asset, "to": ids["folder_id"]}},
        ("POST", "library/folders/new/"): {"data": {"name": title}},
        ("POST", "library/folders/<uuid:folder_id>/rename/"): {"data": {"name": title}},
        ("POST", "library/<uuid:asset_id>/prepare/"): {"data": {"profile": "720p30-economy@1"}},
        ("POST", "channels/client/"): {
            "data": {"client_id": "x", "secret": "y", "units_per_day": "10000"}
        },
        ("GET", "playlists/add/"): chosen,
        ("POST", "playlists/add/"): {"data": {"asset": of.other_asset, "name": title}},
        ("POST", "playlists/"): {"data": {"name": title}},
        ("POST", "playlists/<uuid:playlist_id>/"): {"data": {"name": title}},
        ("POST", "playlists/<uuid:playlist_id>/add/"): chosen,
        ("POST", "playlists/<uuid:playlist_id>/restore/"): {
            "data": {"asset": of.other_asset, "item": str(uuid.uuid4()), "position": "0"}
        },
        ("POST", "playlists/<uuid:playlist_id>/remove/"): {"data": {"item": ids["item_id"]}},
        ("POST", "playlists/<uuid:playlist_id>/order/"): {"data": {"item": ids["item_id"]}},
        ("POST", "streams/new/"): {"data": form},
        ("POST", "streams/<uuid:stream_id>/edit/"): {"data": form},
        ("POST", "streams/<uuid:stream_id>/destinations/new/"): {
            "data": {"service": "youtube", "key": "another-key-1234"}
        },
        ("POST", "streams/<uuid:stream_id>/destinations/<uuid:output_id>/"): {
            "data": {"service": "youtube", "name": title}
        },
        ("POST", "api/v1/streams/<uuidstr:stream_id>/destinations"): _json(
            {"service": "youtube", "key": "another-key-1234"}
        ),
        ("PATCH", "api/v1/streams/<uuidstr:stream_id>/destinations/<uuidstr:output_id>"): _json(
            {"name": title}
        ),
        ("POST", "streams/<uuid:stream_id>/jump/"): {"data": {"item": ids["item_id"]}},
        ("POST", "streams/<uuid:stream_id>/next/"): {"data": {"asset": of.other_asset}},
        ("POST", "streams/<uuid:stream_id>/swap/"): {"data": {"playlist": ids["playlist_id"]}},
        ("POST", "streams/<uuid:stream_id>/undo/"): {"data": {"version": "1"}},
        ("POST", "playlists/<uuid:playlist_id>/items/<uuid:item_id>/weight/"): {
            "data": {"weight": "3"}
        },
        ("PATCH", "api/v1/playlists/<uuidstr:playlist_id>/items/<uuidstr:item_id>"): _json(
            {"weight": 3}
        ),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/skip"): _json({}),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/jump"): _json({"item_id": ids["item_id"]}),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/play-next"): _json(
            {"asset_id": of.other_asset}
        ),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/swap"): _json(
            {"playlist_id": ids["playlist_id"]}
        ),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/undo"): _json({"version": 1}),
        ("POST", "api/v1/streams"): _json(wish),
        ("PATCH", "api/v1/streams/<uuidstr:stream_id>"): _json({"title": title}),
        ("PUT", "api/v1/streams/<uuidstr:stream_id>/youtube"): _json(
            {"channel_id": ids["channel_id"]}
        ),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/youtube/live"): _json({}),
        ("POST", "api/v1/streams/<uuidstr:stream_id>/youtube/adopt"): _json(
            {"broadcast_id": "somevideo01"}
        ),
        ("PATCH", "api/v1/streams/<uuidstr:stream_id>/youtube/texts"): _json({"title": title}),
        ("POST", "streams/<uuid:stream_id>/youtube/texts/"): {"data": {"title": title}},
        ("POST", "streams/<uuid:stream_id>/youtube/adopt/"): {
            "data": {"channel_id": ids["channel_id"], "broadcast": "somevideo01"}
        },
        ("POST", "streams/<uuid:stream_id>/youtube/"): {
            "data": {
                "channel": ids["channel_id"],
                "title": title,
                "category_id": "24",
                "privacy": "public",
                "policy": "forever",
                "on_end": "replace",
                "latency": "normal",
            }
        },
        ("POST", "playlists/youtube/"): {
            "data": {"channel_id": ids["channel_id"], "playlist": "PLsome"}
        },
        ("POST", "api/v1/playlists/from-youtube"): _json(
            {"channel_id": ids["channel_id"], "youtube_id": "PLsome"}
        ),
        ("POST", "api/v1/playlists"): _json({"name": title}),
        ("PATCH", "api/v1/playlists/<uuidstr:playlist_id>"): _json({"name": title}),
        ("POST", "api/v1/playlists/<uuidstr:playlist_id>/items"): _json(
            {"asset_ids": [of.other_asset]}
        ),
        ("POST", "api/v1/playlists/<uuidstr:playlist_id>/items/<uuidstr:item_id>/move"): _json(
            {"by": 1}
        ),
        ("PUT", "api/v1/playlists/<uuidstr:playlist_id>/order"): _json(
            {"item_ids": [ids["item_id"]]}
        ),
        ("PATCH", "api/v1/assets/<uuidstr:asset_id>"): _json({"title": title}),
        ("POST", "api/v1/folders"): _json({"name": title}),
        ("PATCH", "api/v1/folders/<uuidstr:folder_id>"): _json({"name": title}),
        ("POST", "api/v1/assets/<uuidstr:asset_id>/renditions"): _json(
            {"profile": "720p30-economy@1"}
        ),
        ("POST", "api/v1/uploads"): create,
        ("HEAD", "api/v1/uploads/<uuidstr:upload_id>"): _tus(),
        ("PATCH", "api/v1/uploads/<uuidstr:upload_id>"): append,
        ("DELETE", "api/v1/uploads/<uuidstr:upload_id>"): _tus(),
        ("PATCH", "api/v1/workspace"): _json({"name": title}),
        ("POST", "api/v1/invitations"): _json({"email": "carol@example.org", "role": "viewer"}),
        ("POST", "settings/tokens/"): {"data": {"name": title, "scopes": "read"}},
        ("PATCH", "api/v1/members/<uuidstr:member_id>"): _json({"role": "editor"}),
    }
    if (method, route) == ("POST", "api/v1/assets"):
        return {"data": {"file": SimpleUploadedFile("a.mp4", b"not a film")}}
    if (method, route) == ("POST", "library/upload/"):
        return {"data": {"file": SimpleUploadedFile("a.mp4", b"not a film")}}
    if (method, route) == ("POST", "api/v1/streams/<uuidstr:stream_id>/youtube/thumbnail"):
        return {"data": {"file": SimpleUploadedFile("a.png", a_picture())}}
    return known.get((method, route), {})


def a_picture() -> bytes:
    """A PNG that YouTube would take."""
    file = BytesIO()
    Image.new("RGB", (1280, 720), "navy").save(file, "PNG")
    return file.getvalue()


def ids_for(route: str, of: Tenant) -> dict[str, str]:
    """The tenant's ids, such that the request would work."""
    if route.endswith(("asset_id>/restore/", "asset_id>/restore")):
        return of.ids | {"asset_id": of.deleted_asset}
    if route.startswith(("api/v1/assets/", "library/<uuid:asset_id>/delete")):
        return of.ids | {"asset_id": of.other_asset}
    return of.ids


# -- who asks -----------------------------------------------------------------------------------


@dataclass
class Actor:
    """Somebody with a browser, or a program with a token."""

    name: str
    role: Role | None = None
    """In Alice's workspace."""
    user: User | None = None
    token: str = ""
    scopes: tuple[str, ...] = ()
    tenant: Tenant | None = None
    """Whose the token is."""
    _client: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    _cookies: str = ""

    def __post_init__(self) -> None:
        if self.user is not None:
            self._client.force_login(self.user, backend=SIGNED_IN_BY)
            session = self._client.session
            # As if the password had been typed a moment ago, or many pages would ask for it first.
            request = HttpRequest()
            request.session = session
            record_authentication(request, self.user, "password", reauthenticated=True)
            session.save()
            self._cookies = self._client.cookies.output(header="", sep=";")

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """The answer, as if nobody had asked before."""
        self._client.cookies = SimpleCookie(self._cookies)
        headers = request.pop("headers", {})
        if self.token:
            headers = headers | {"Authorization": f"Bearer {self.token}"}
        named = dict(parse_qsl(urlsplit(path).query))
        if method == "GET" and "data" in request and named:
            request["data"] = request["data"] | named
        # From elsewhere: what this machine may read is not for everybody.
        return getattr(self._client, method.lower())(
            path, headers=headers, REMOTE_ADDR="203.0.113.9", **request
        )


@dataclass
class Cast:
    """Both tenants and everybody who asks."""

    alice: Tenant
    charlie: Tenant
    actors: list[Actor]

    def __getitem__(self, name: str) -> Actor:
        return next(actor for actor in self.actors if actor.name == name)


def assemble() -> Cast:
    """Alice, three Bobs, Charlie, somebody unknown, and programs with tokens."""
    alice, charlie = (
        tenant_of(
            services.create_user(email=f"{name}@example.org", password="x", name=name.title())
        )
        for name in ("alice", "charlie")
    )
    services.create_user(email="carol@example.org")
    actors = [Actor("alice", Role.OWNER, alice.owner)]
    for role in Role:
        bob = services.create_user(email=f"bob-{role}@example.org", password="x")
        Membership.objects.create(user=bob, workspace=alice.workspace, role=role)
        actors.append(Actor(f"bob the {role}", role, bob))
    actors += [Actor("charlie", user=charlie.owner), Actor("nobody")]
    for name, tenant, scopes in (
        ("token to read", alice, (Scope.READ.value,)),
        ("token for all", alice, tuple(Scope.values)),
        ("charlie's token", charlie, tuple(Scope.values)),
    ):
        _, text = services.create_token(
            workspace=tenant.workspace, by=tenant.owner, name=name, scopes=scopes
        )
        actors.append(Actor(name, token=text, scopes=scopes, tenant=tenant))
    return Cast(alice, charlie, actors)


# -- what changed -------------------------------------------------------------------------------

_MAY_CHANGE = {"django_session"}
"""Which workspace was looked at last is remembered in the session, whatever the method."""


def snapshot() -> str:
    """A hash of every row, without sessions and when tokens were used last."""
    digest = hashlib.sha256()
    for model in sorted(apps.get_models(include_auto_created=True), key=lambda m: m._meta.db_table):
        if model._meta.db_table in _MAY_CHANGE:
            continue
        names = [f.attname for f in model._meta.concrete_fields if f.name != "last_used_at"]
        rows = model._base_manager.order_by("pk").values_list(*names)
        digest.update(f"{model._meta.db_table} {[*map(repr, rows)]}".encode())
    return digest.hexdigest()


@contextmanager
def writes() -> Iterator[list[str]]:
    """Statements that change rows while it is open; see `_MAY_CHANGE`."""
    found: list[str] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        is_write = sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))
        if is_write and "last_used_at" not in sql and not any(f'"{t}"' in sql for t in _MAY_CHANGE):
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside did not happen."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
