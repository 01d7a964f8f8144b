"""Every address × every method × everybody: nobody reads or changes what is not theirs.

The addresses come from the project's resolver, who may use them from `addresses.py`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import path

from apps.accounts.models import ApiToken, Invitation, Membership, Workspace
from apps.library.access import get_asset_for
from apps.library.models import Asset, Rendition, Upload
from apps.streaming.models import Destination, Output, Playlist, PlaylistItem, Stream
from tests.architecture import addresses
from tests.architecture.addresses import PUBLIC, Wall, walls_of
from tests.architecture.cast import (
    METHODS,
    TENANTS_OWN,
    Actor,
    Cast,
    arguments_of,
    assemble,
    body_of,
    ids_for,
    made_up,
    path_of,
    routes,
    snapshot,
    undone,
    writes,
)

SIGN_IN = "/accounts/login/"
ONE_OF_EACH = ("alice", "bob the viewer", "charlie", "nobody", "token for all")


@pytest.fixture
def cast(db: None, local_disk: object, settings) -> Iterator[Cast]:
    settings.API_RATE_PER_MINUTE = 1_000_000
    settings.IN_PRODUCTION = True
    cache.clear()
    # Thousands of refusals are expected here, and worth no line each.
    logging.disable(logging.ERROR)
    yield assemble()
    logging.disable(logging.NOTSET)


# -- the judge ----------------------------------------------------------------------------------


def faults_of(route: str, walls: dict[str, Wall], cast: Cast) -> list[str]:
    """What is wrong with one address, in words; every method and everybody is tried."""
    before = snapshot()
    found = [
        f"{method} {route} by {actor.name}: {fault}"
        for method in METHODS
        # What no view answers is asked by one of each kind; it costs most of the time.
        for actor in (cast.actors if method in walls else [cast[name] for name in ONE_OF_EACH])
        for fault in _try(method, route, walls, actor, cast)
    ]
    if snapshot() != before:
        found.append(f"{route}: rows differ after requests that were refused or undone")
    return found


def _try(method: str, route: str, walls: dict[str, Wall], actor: Actor, cast: Cast) -> list[str]:
    """One request that names Alice's rows, or her workspace when the address names none."""
    # Views that are classes answer HEAD like GET, and PUT like POST.
    wall = walls.get(method) or walls.get({"HEAD": "GET", "PUT": "POST"}.get(method, ""))
    ids = ids_for(route, cast.alice)
    address = path_of(route, ids)
    names_rows = bool(arguments_of(route) & TENANTS_OWN)
    by_query = wall is not None and wall.role is not None and not names_rows
    if by_query:
        address += f"?workspace={cast.alice.workspace.slug}"
    request = body_of(method, route, cast.alice)
    cache.clear()
    with undone(), writes() as changed:
        answer = actor.ask(method, address, **request)
        body = b"" if answer.streaming else answer.content
    status = answer.status_code
    faults = []
    if status >= 500 and status != 503:
        faults.append(f"the server failed ({status})")
    if method in ("GET", "HEAD", "OPTIONS") and changed:
        faults.append(f"reading wrote: {changed[0][:120]}")
    if wall is None:
        guarded = set(walls.values()) != {PUBLIC}
        if status < 300 and method not in ("HEAD", "OPTIONS") and guarded:
            faults.append(f"{status}, though the method is not in the table")
        if changed:
            faults.append(f"a method that is not in the table wrote: {changed[0][:120]}")
        return faults
    if wall is PUBLIC:
        return faults
    if may_pass(wall, actor, names_rows):
        unheard = {405} if method not in walls else set()
        if status in {401, 403, 404, 405} - unheard and not _has_nothing(route, status):
            faults.append(f"{status}, though they may")
        elif _to_sign_in(answer) and not _leads_to_sign_in(route):
            faults.append("sent to sign in, though they may")
    else:
        expected = refusals(wall, actor)
        refused = status in expected or (status == 405 and method not in walls)
        if not refused and not (302 in expected and _to_sign_in(answer)):
            faults.append(f"{status} instead of {sorted(expected)}")
        if changed:
            faults.append(f"refused, and yet wrote: {changed[0][:120]}")
    if actor.name in ("charlie", "nobody", "charlie's token"):
        told = [text for text in cast.alice.secrets if text.encode() in body]
        if told:
            faults.append(f"the answer tells {told[0]}")
        if status == 404 and names_rows:
            faults += _differs(method, route, actor, cast, len(body))
    return faults


def _differs(method: str, route: str, actor: Actor, cast: Cast, length: int) -> list[str]:
    """What is foreign must look like what does not exist."""
    address = path_of(route, made_up(cast.alice.ids))
    with undone():
        missing = actor.ask(method, address, **body_of(method, route, cast.alice))
    if missing.status_code != 404 or len(missing.content) != length:
        return [f"404 for foreign, and {missing.status_code} of another length for missing rows"]
    return []


def may_pass(wall: Wall, actor: Actor, names_rows: bool) -> bool:
    """Whether this actor may do this to Alice's rows, or to those their own session leads to."""
    if wall.scope is not None:
        own = actor.tenant is not None and (not names_rows or actor.tenant.owner.name == "Alice")
        return own and wall.scope in actor.scopes
    if wall in (Wall.STAFF, Wall.MACHINE):
        return False
    if wall is Wall.SIGNED_IN:
        return actor.user is not None and (not names_rows or actor.name == "alice")
    return actor.role is not None and wall.role is not None and actor.role >= wall.role


def refusals(wall: Wall, actor: Actor) -> set[int]:
    """The statuses by which this actor may be refused; 302 stands for the way to sign in."""
    if wall is Wall.STAFF:
        return {302, 404}
    if wall is Wall.MACHINE:
        return {404}
    if wall.scope is not None:
        if not actor.token:
            return {401}
        return {403} if wall.scope not in actor.scopes else {404}
    if actor.user is None:
        return {302, 401, 404}
    if wall is Wall.SIGNED_IN:
        return {404}
    return {403} if actor.role is not None else {404}


def _to_sign_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith(
        (SIGN_IN, "/admin/login/", "/accounts/reauthenticate/")
    )


def _leads_to_sign_in(route: str) -> bool:
    """Who signed out everywhere does it here too; who has no second factor types a password."""
    return route.endswith(("sessions/end/", "reauthenticate/"))


def _has_nothing(route: str, status: int) -> bool:
    """Alice's rows have no picture, no receiver, no second factor: 404 is the true answer."""
    return status == 404 and route.endswith(
        ("/thumbnail/", "/watch/", "watch.flv", "/download/", "recovery-codes/", "deactivate/")
    )


# -- the matrix ---------------------------------------------------------------------------------

OWN = [route for route in routes() if not route.startswith(addresses.STAFF_BELOW)]


def test_every_address_is_in_the_table():
    unknown = [route for route in routes() if walls_of(route) is None]
    assert not unknown, f"say in addresses.py who may use {unknown}"
    gone = sorted(set(addresses.ADDRESSES) - set(routes()))
    assert not gone, f"addresses.py names what does not exist: {gone}"


@pytest.mark.parametrize("route", OWN)
def test_only_those_pass_who_may(route: str, cast: Cast):
    walls = walls_of(route)
    assert walls is not None, f"say in addresses.py who may use {route}"
    assert "\n".join(faults_of(route, walls, cast)) == ""


def test_the_admin_is_for_staff(cast: Cast):
    before = snapshot()
    ids = {"object_id": cast.alice.ids["asset_id"], "content_type_id": "1", "id": "1"}
    open_to = []
    for route in routes():
        if (
            not route.startswith(addresses.STAFF_BELOW)
            or PUBLIC in (walls_of(route) or {}).values()
        ):
            continue
        address = path_of(route, ids | {"app_label": "library", "url": "x"})
        for name in ("alice", "charlie", "nobody", "token for all"):
            for method in ("GET", "POST"):
                answer = cast[name].ask(method, address)
                if answer.status_code != 404 and not _to_sign_in(answer):
                    open_to.append(f"{method} {address} by {name}: {answer.status_code}")
    assert not open_to
    assert snapshot() == before


# -- rows of others in one's own requests ---------------------------------------------------------


def test_nobody_reaches_a_foreign_row_through_their_own(cast: Cast):
    """Charlie's addresses, Alice's ids in what he sends."""
    alice, charlie = cast.alice, cast.charlie
    mixed = [
        (method, route)
        for route in OWN
        for method, wall in (walls_of(route) or {}).items()
        if wall.role or wall.scope
    ]
    faults = []
    for method, route in mixed:
        address = path_of(route, ids_for(route, charlie)) + f"?workspace={charlie.workspace.slug}"
        if not route.startswith("api/"):
            actor = cast["charlie"]
        else:
            actor = cast["charlie's token"]
        request = body_of(method, route, alice)
        of_alice = _alices(cast)
        cache.clear()
        with undone():
            answer = actor.ask(method, address, **request)
            if answer.status_code >= 500:
                faults.append(f"{method} {route}: {answer.status_code}")
            if _alices(cast) != of_alice:
                faults.append(f"{method} {route}: a row of Alice's changed")
            if _holds_foreign(cast):
                faults.append(f"{method} {route}: a row of Charlie's points at Alice's")
            body = b"" if answer.streaming else answer.content
            # What was typed is shown again; what only Alice's rows hold is not.
            if f"title-of-{alice.workspace.slug}".encode() in body:
                faults.append(f"{method} {route}: the answer tells the title")
    assert len(mixed) > 100
    assert not faults


def _alices(cast: Cast) -> list[object]:
    workspace = cast.alice.workspace
    return [
        list(model.objects.filter(**{path: workspace.pk}).order_by("pk").values())
        for model, path in (
            (Asset, "workspace"), (Playlist, "workspace"), (Stream, "workspace"),
            (PlaylistItem, "playlist__workspace"), (Output, "stream__workspace"),
            (Destination, "workspace"), (Membership, "workspace"), (Invitation, "workspace"),
            (ApiToken, "workspace"), (Upload, "asset__workspace"),
            (Rendition, "asset__workspace"), (Workspace, "pk"),
        )
    ]  # fmt: skip


def _holds_foreign(cast: Cast) -> bool:
    mine, theirs = cast.charlie.workspace, cast.alice.workspace
    return (
        PlaylistItem.objects.filter(playlist__workspace=mine, asset__workspace=theirs).exists()
        or Stream.objects.filter(workspace=mine, playlist__workspace=theirs).exists()
        or Output.objects.filter(stream__workspace=mine, destination__workspace=theirs).exists()
    )


# -- the matrix itself ----------------------------------------------------------------------------


def _leak(request: HttpRequest, asset_id: object) -> HttpResponse:
    """A view that somebody forgot to check."""
    found = Asset.objects.filter(pk=asset_id).first()
    if found is None:
        return HttpResponse(status=404)
    if request.method == "POST":
        Asset.objects.filter(pk=asset_id).update(title="taken")
    return HttpResponse(found.title)


def _counts(request: HttpRequest, asset_id: object) -> HttpResponse:
    """A view that knows its people, and writes when it is read."""
    found = get_asset_for(request.user, asset_id)  # type: ignore[arg-type]
    Asset.objects.filter(pk=found.pk).update(attempt=found.attempt + 1)
    return HttpResponse("read")


@pytest.fixture
def careless(settings) -> str:
    """The project with two addresses more."""
    from config import urls

    module = ModuleType("tests.architecture.careless_urls")
    module.urlpatterns = [  # type: ignore[attr-defined]
        *urls.urlpatterns,
        path("leak/<uuid:asset_id>/", _leak),
        path("counts/<uuid:asset_id>/", _counts),
    ]
    sys.modules[module.__name__] = module
    settings.ROOT_URLCONF = module.__name__
    return module.__name__


def test_a_new_address_must_be_classified(careless: str):
    assert [route for route in routes() if walls_of(route) is None] == [
        "counts/<uuid:asset_id>/",
        "leak/<uuid:asset_id>/",
    ]


def test_a_view_without_a_check_turns_the_matrix_red(careless: str, cast: Cast):
    walls = {"GET": Wall.VIEWER, "POST": Wall.EDITOR}
    faults = "\n".join(faults_of("leak/<uuid:asset_id>/", walls, cast))
    for expected in (
        "GET leak/<uuid:asset_id>/ by charlie: 200 instead of [404]",
        "GET leak/<uuid:asset_id>/ by charlie: the answer tells",
        "GET leak/<uuid:asset_id>/ by nobody: 200 instead of [302, 401, 404]",
        "POST leak/<uuid:asset_id>/ by bob the viewer: 200 instead of [403]",
        "POST leak/<uuid:asset_id>/ by charlie: refused, and yet wrote",
        "DELETE leak/<uuid:asset_id>/ by charlie: 200, though the method is not in the table",
    ):
        assert expected in faults


def test_a_view_that_writes_when_read_turns_the_matrix_red(careless: str, cast: Cast):
    faults = "\n".join(faults_of("counts/<uuid:asset_id>/", {"GET": Wall.VIEWER}, cast))
    assert "GET counts/<uuid:asset_id>/ by alice: reading wrote: UPDATE" in faults
    assert "by charlie" not in faults


def test_the_snapshot_sees_any_row(cast: Cast):
    before = snapshot()
    assert snapshot() == before
    with undone():
        Asset.objects.filter(pk=cast.alice.other_asset).update(attempt=7)
        assert snapshot() != before
    assert snapshot() == before
