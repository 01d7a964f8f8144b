"""Generated requests: nothing fails on our side, answers are as described, walls hold.

Charlie's program sends what the document allows and what it forbids, with the ids of Alice's rows
wherever an id goes. Whatever it sends, nothing of Alice's is told, changed or counted.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.accounts import services
from apps.accounts.invitations import invite
from apps.accounts.models import ApiToken, Invitation, Membership, Role, Scope
from apps.library.models import Asset, Upload
from apps.library.services import create_upload
from apps.streaming import stream_manager
from apps.streaming.models import Playlist, PlaylistItem, Stream
from apps.youtube.models import Channel
from config.api import openapi
from tests.integration.streaming.conftest import make_asset, make_stream, prepare

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
DOCUMENT = json.loads(json.dumps(openapi()))
OPERATIONS = [
    (method, path, operation["operationId"])
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
SECRET = "Alice's own"


def tables(workspace) -> dict[str, Any]:
    """Everything of a workspace that a program could change."""
    rows = {
        "workspace": [workspace.__class__.objects.filter(pk=workspace.pk)],
        "invitations": [Invitation.objects.filter(workspace=workspace)],
        "members": [Membership.objects.filter(workspace=workspace)],
        "tokens": [ApiToken.objects.filter(workspace=workspace).defer("last_used_at")],
        "assets": [Asset.objects.filter(workspace=workspace)],
        "uploads": [Upload.objects.filter(asset__workspace=workspace)],
        "playlists": [Playlist.objects.filter(workspace=workspace)],
        "items": [PlaylistItem.objects.filter(playlist__workspace=workspace)],
        "streams": [Stream.objects.filter(workspace=workspace)],
    }
    return {name: sorted(map(str, query[0].values())) for name, query in rows.items()}


def rows_of(owner, workspace, title) -> dict[str, Any]:
    """One of everything; their ids by the name of the parameter that takes them."""
    workspace.name = title
    workspace.save()
    asset = prepare(make_asset(workspace, title))
    upload = create_upload(workspace=workspace, by=owner, name=title, length=10)
    playlist = stream_manager.create_playlist(workspace=workspace, name=title)
    (item,) = stream_manager.add_items(playlist=playlist, assets=[asset])
    stream = make_stream(workspace, playlist, title=title, key=f"key-of-{owner.email}")
    token, _ = services.create_token(workspace=workspace, by=owner, name=title)
    invitation, _ = invite(
        workspace=workspace, email="dora@example.org", role=Role.VIEWER, by=owner
    )
    return {
        "invitation_id": invitation.pk,
        "asset_id": asset.pk,
        "upload_id": upload.pk,
        "playlist_id": playlist.pk,
        "item_id": item.pk,
        "stream_id": stream.pk,
        "output_id": stream.outputs.get().pk,
        "channel_id": Channel.objects.create(
            workspace=workspace,
            youtube_id=f"UC{workspace.slug}",
            title=title,
            state_since=timezone.now(),
        ).pk,
        "member_id": Membership.objects.get(user=owner, workspace=workspace).pk,
        "token_id": token.pk,
    }


@pytest.fixture(autouse=True)
def _installation(settings, tmp_path):
    settings.DATA_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    }
    settings.API_RATE_PER_MINUTE = 10**9
    settings.DESTINATION_POLICY = "youtube"
    cache.clear()


@pytest.fixture
def alice_s(alice, workspace):
    """Ids of Alice's rows."""
    return rows_of(alice, workspace, SECRET)


@pytest.fixture
def charlie_s(charlie):
    """Ids of Charlie's rows."""
    return rows_of(charlie, charlie.workspaces.get(), "Charlie's own")


@pytest.fixture
def charlie_s_token(charlie):
    """The text of a token that may do everything in Charlie's workspace."""
    _, text = services.create_token(
        workspace=charlie.workspaces.get(), by=charlie, name="c", scopes=Scope.values
    )
    return text


@schemathesis.serializer("application/offset+octet-stream")
def piece(_context, value) -> bytes:
    """A piece of a file is sent as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


def send_all(schema, method, path, *, text, ids, examples, mode, on_answer) -> None:
    operation = schema[path][method.upper()]

    @seed(20261122)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case) -> None:
        for name in case.path_parameters or {}:
            if name in ids:
                case.path_parameters[name] = str(ids[name])
        headers = {"Authorization": f"Bearer {text}", "Accept-Encoding": "identity"}
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKS, headers=headers)
        on_answer(case, answer)

    send()


@pytest.fixture
def schema():
    """The document, with requests answered in this process and in the test's transaction."""
    found = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig())
    found.app = WSGIHandler()  # Not `get_wsgi_application`, which sets logging up once more.
    # As Django's own test client does: a request must not end the connection of the test.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield found
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize(
    "examples", [2, pytest.param(100, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize(("method", "path", "name"), OPERATIONS, ids=[one[2] for one in OPERATIONS])
def test_a_stranger_s_program_meets_walls(
    schema, alice_s, charlie_s, charlie_s_token, workspace, method, path, name, examples
):
    before = tables(workspace)

    def refused(case, answer) -> None:
        assert SECRET not in answer.text
        if "{" in path:
            assert answer.status_code >= 400, "a foreign id was accepted"

    def walled(case, answer) -> None:
        assert SECRET not in answer.text

    for ids, mode, check in (
        (alice_s, GenerationMode.POSITIVE, refused),
        (alice_s, GenerationMode.NEGATIVE, refused),
        (charlie_s, GenerationMode.POSITIVE, walled),
    ):
        send_all(
            schema,
            method,
            path,
            text=charlie_s_token,
            ids=ids,
            examples=examples,
            mode=mode,
            on_answer=check,
        )
    assert tables(workspace) == before


def test_the_wall_is_what_refuses(schema, alice_s, workspace, alice):
    """With Alice's own token the same requests do reach her rows."""
    _, text = services.create_token(workspace=workspace, by=alice, name="a", scopes=Scope.values)
    seen = []
    for path in ("/api/v1/streams/{stream_id}", "/api/v1/assets/{asset_id}"):
        send_all(
            schema,
            "get",
            path,
            text=text,
            ids=alice_s,
            examples=2,
            mode=GenerationMode.POSITIVE,
            on_answer=lambda _case, answer: seen.append(SECRET in answer.text),
        )
    assert seen
    assert all(seen)
