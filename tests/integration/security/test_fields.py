"""What is sent beside the fields of a form changes nothing: no owner, no role, no wish."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache

from tests.architecture.addresses import ADDRESSES, Wall
from tests.architecture.cast import Actor, Cast, body_of, ids_for, path_of, undone

WRITES = [
    (method, route)
    for route, walls in ADDRESSES.items()
    for method, wall in walls.items()
    # Who leaves their only team gets one of their own, whose id differs each time.
    if route != "settings/team/leave/"
    and method in ("POST", "PUT", "PATCH")
    and (wall.role or wall.scope or wall is Wall.SIGNED_IN)
]

RANDOM = {
    "id", "created_at", "updated_at", "at", "sent_at", "expires_at", "key", "digest", "hint",
    "started_at", "stopped_at", "timeline_epoch", "epoch", "last_login", "last_used_at",
    "item", "item_id", "fingerprint", "publishing_point", "deleted_at", "revoked_at",
    "last_seen_at", "destination_id", "playlist_id", "asset_id", "stream_id", "output_id", "data",
    "items", "password", "slug", "storage_key", "object_id", "video_id", "audio_id", "seed",
    "claimed_at", "state_since", "sealed_secret", "wanted_since", "look_at", "on_air_at",
    "replaced_at",
}  # fmt: skip


def rows() -> list[str]:
    """Every row by what it says; ids and moments, which differ each time, are left out."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table in ("django_session", "core_storedreply"):
            continue
        names = [f.attname for f in model._meta.concrete_fields if f.attname not in RANDOM]
        found += [
            f"{model._meta.db_table} {values!r}"
            for values in model._base_manager.values_list(*names)
        ]
    return sorted(found)


def extra(cast: Cast) -> dict[str, Any]:
    """What somebody might add who read our models."""
    charlie = cast.charlie
    person, place = str(charlie.owner.pk), str(charlie.workspace.pk)
    return {
        "workspace": place, "workspace_id": place, "owner": person, "user": person,
        "user_id": person, "uploaded_by": person, "created_by": person, "invited_by": person,
        "role": "owner", "desired": "on", "generation": "77", "state": "failed", "token": "999",
        "node": "mine", "is_staff": "1", "is_superuser": "1", "is_active": "", "plan": "unlimited",
        "scopes": "admin", "storage_bytes": "1", "size_bytes": "1", "accepted_at": "2026-01-01",
        "publishing_point": "x", "id": str(uuid.uuid4()), "pk": str(uuid.uuid4()),
        "slug": "taken", "first_steps_hidden": "1", "verified": "1", "attempt": "9",
    }  # fmt: skip


def sent(actor: Actor, method: str, route: str, cast: Cast, more: dict[str, Any]) -> Any:
    request = body_of(method, route, cast.alice)
    address = path_of(route, ids_for(route, cast.alice))
    if not route.startswith("api/"):
        address += f"?workspace={cast.alice.workspace.slug}"
    cache.clear()
    if "application/json" in str(request.get("content_type")):
        request["data"] = json.dumps(more | request["data"])
    elif not isinstance(request.get("data"), bytes):
        request["data"] = more | request.get("data", {})
        if method != "POST":
            return actor.ask(method, address)
    return actor.ask(method, address, **request)


@pytest.mark.parametrize(("method", "route"), WRITES)
def test_fields_that_nobody_asked_for_are_ignored_or_refused(method: str, route: str, cast: Cast):
    actor = cast["token for all"] if route.startswith("api/") else cast["alice"]
    before = rows()
    with undone():
        plain = sent(actor, method, route, cast, {})
        expected = rows()
    assert plain.status_code < 500
    with undone():
        answer = sent(actor, method, route, cast, extra(cast))
        found = rows()
    assert answer.status_code < 500
    if answer.status_code in (400, 415, 422):
        expected = before
    assert found == expected
    assert rows() == before
