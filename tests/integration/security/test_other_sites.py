"""What a page of another site makes a browser send changes nothing."""

from __future__ import annotations

import json

import pytest
from django.core.cache import cache

from tests.architecture.addresses import ADDRESSES
from tests.architecture.cast import Cast, body_of, ids_for, path_of, snapshot, writes

EVIL = {"Origin": "https://evil.example", "Referer": "https://evil.example/page"}
UNSAFE = [
    (method, route)
    for route, walls in ADDRESSES.items()
    for method in walls
    if method in ("POST", "PUT", "PATCH", "DELETE")
]


@pytest.mark.parametrize("kind", ["form", "json", "text"])
def test_a_request_of_another_site_is_refused(kind: str, cast: Cast):
    before = snapshot()
    alice = cast["alice"]
    alice._client.handler.enforce_csrf_checks = True
    passed = []
    for method, route in UNSAFE:
        request = body_of(method, route, cast.alice)
        if kind == "json":
            request = {"data": json.dumps({"a": 1}), "content_type": "application/json"}
        elif kind == "text":
            request = {"data": "name=changed", "content_type": "text/plain"}
        request["headers"] = request.get("headers", {}) | EVIL
        cache.clear()
        with writes() as changed:
            answer = alice.ask(method, path_of(route, ids_for(route, cast.alice)), **request)
        # The API knows tokens alone, and no browser sends those by itself.
        expected = {401} if route.startswith("api/") else {403}
        # Passkeys of no account, and sign-in by a token that Google signed, have their own proof.
        if answer.status_code not in expected or changed:
            passed.append((method, route, answer.status_code, changed[:1]))
    assert not [one for one in passed if not one[1].startswith("accounts/google/login/")]
    assert all(not changed for _method, _route, _status, changed in passed)
    assert snapshot() == before


def test_looking_at_everything_changes_nothing(cast: Cast):
    before = snapshot()
    for route, walls in ADDRESSES.items():
        if "GET" not in walls:
            continue
        address = path_of(route, ids_for(route, cast.alice))
        for name in ("alice", "charlie", "nobody", "token for all"):
            for query in ("", f"?workspace={cast.alice.workspace.slug}&action=delete&confirm=1"):
                with writes() as changed:
                    cast[name].ask("GET", address + query)
                assert not changed, f"{address} by {name}: {changed}"
    assert snapshot() == before
