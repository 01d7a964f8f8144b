"""What our answers say to caches and browsers, and what odd requests are answered."""

from __future__ import annotations

import gzip
import re
import time
from pathlib import Path

import pytest
from django.core.cache import cache
from django.urls import NoReverseMatch, reverse

from apps.library.models import Asset
from tests.architecture.addresses import ADDRESSES, Wall
from tests.architecture.cast import Cast, path_of

PRIVATE = [
    route
    for route, walls in ADDRESSES.items()
    if walls.get("GET") and (walls["GET"].role or walls["GET"] is Wall.SIGNED_IN)
]
LISTS = [
    route
    for route, walls in ADDRESSES.items()
    if route.startswith("api/") and walls.get("GET") is Wall.READ and "<" not in route
]


TEXT = re.compile(r"text/|application/(problem\+)?json|application/javascript")
SMALL = 1000
"""Bytes below which compression may be no gain, with what is added to hide the true length."""
POLLED = {
    "library:progress": "ids={asset_id}",
    "streaming:dashboard": "",
    "streaming:streams": "",
    "streaming:stream-live": "",
    "streaming:stream-details": "",
    "streaming:stream-arrived": "",
    "streaming:stream-programme": "",
    "streaming:stream-ready": "",
    "streaming:show-state": "",
}
"""Addresses that open pages ask again and again."""


@pytest.mark.parametrize("name", ["alice", "charlie", "nobody"])
def test_no_shared_cache_keeps_what_is_private(name: str, cast: Cast):
    kept = []
    for route in PRIVATE:
        answer = cast[name].ask("GET", path_of(route, cast.alice.ids))
        told = answer.get("Cache-Control", "")
        is_private = "private" in told or "no-store" in told
        if not is_private and not (answer.status_code in (301, 302, 404) and name == "nobody"):
            kept.append((route, answer.status_code, told))
        if name != "nobody" and "Cookie" not in answer.get("Vary", ""):
            kept.append((route, answer.status_code, "Vary"))
    assert not kept


@pytest.mark.parametrize("suffix", ["x.css", "x.js", "%2e%2e/x.css", ";x.css"])
def test_a_private_page_is_not_found_under_the_name_of_a_file(suffix: str, cast: Cast):
    for page in ("/settings/", "/settings/security/", "/dashboard/"):
        answer = cast["alice"].ask("GET", page + suffix)
        assert answer.status_code == 404
        assert cast.alice.owner.email.encode() not in answer.content


@pytest.mark.parametrize("route", LISTS)
@pytest.mark.parametrize("limit", ["1000000000", "101", "0", "-1", "1e9", "NaN", "9" * 4000])
def test_a_list_gives_at_most_a_hundred_rows(route: str, limit: str, cast: Cast):
    answer = cast["token for all"].ask("GET", f"/{route}?limit={limit}")
    assert answer.status_code in (200, 422)
    if answer.status_code == 200 and "items" in answer.json():
        assert len(answer.json()["items"]) <= 100


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1e9", "%00", "a" * 60_000, "%ff%fe", "[]"])
def test_odd_queries_are_answered_fast(value: str, cast: Cast):
    alice = cast["alice"]
    for page in ("/library/", "/streams/", "/playlists/", "/dashboard/"):
        for key in ("page", "before", "after", "q", "ids", "undo"):
            began = time.monotonic()
            answer = alice.ask("GET", f"{page}?{key}={value}")
            assert answer.status_code < 500, (page, key)
            assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 30_000 + "1" + "}" * 30_000,
        '{"name":' + "9" * 100_000 + "}",
        '{"name": 1e99999}',
        "{" + ",".join(f'"k{n}":1' for n in range(15_000)) + "}",
    ],
    ids=["arrays", "objects", "digits", "infinity", "keys"],
)
def test_deep_and_wide_json_is_refused_fast(body: str, cast: Cast):
    began = time.monotonic()
    answer = cast["token for all"].ask(
        "POST", "/api/v1/playlists", data=body, content_type="application/json"
    )
    assert answer.status_code in (400, 413, 422)
    assert len(answer.content) < 50_000
    assert time.monotonic() - began < 5


def test_a_form_of_countless_fields_is_refused(cast: Cast):
    fields = "&".join(f"f{n}=1" for n in range(50_000))
    answer = cast["alice"].ask(
        "POST", "/playlists/", data=fields, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 400


LINES = "x\r\nSet-Cookie: evil=1\r\n\r\n<script>alert(1)</script>"


def test_line_breaks_in_fields_make_no_headers(cast: Cast):
    ids, alice = cast.alice.ids, cast["alice"]
    for address, data in (
        ("/settings/", {"name": LINES}),
        ("/settings/profile/", {"name": LINES}),
        ("/playlists/", {"name": LINES}),
        (f"/playlists/{ids['playlist_id']}/", {"name": LINES}),
        (f"/library/{ids['asset_id']}/rename/", {"title": LINES}),
        ("/settings/team/", {"email": LINES, "role": "viewer"}),
        ("/settings/first-steps/hide/", {"next": "/" + LINES}),
        ("/accounts/login/?next=/%0d%0aSet-Cookie:%20evil=1", {"login": "a", "password": "b"}),
    ):
        cache.clear()
        answer = alice.ask("POST", address, data=data)
        assert answer.status_code < 500, address
        assert "evil" not in answer.cookies
        assert not any("\r" in value or "\n" in value for _name, value in answer.items())
        assert b"<script>alert(1)" not in answer.content


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "\u202etxt.exe\u202c",
    "{{ request.user.password }}{% debug %}",
    "\U0001f600" * 200,
]


@pytest.mark.parametrize("title", HOSTILE)
def test_titles_are_text_on_every_page_and_in_the_admin(title: str, cast: Cast):
    asset_id = cast.alice.ids["asset_id"]
    Asset.objects.filter(pk=asset_id).update(title=title[:200], original_name=title[:255])
    alice = cast["alice"]
    alice.user.is_staff = alice.user.is_superuser = True  # type: ignore[union-attr]
    alice.user.save()  # type: ignore[union-attr]
    for page in (
        "/library/",
        f"/library/{asset_id}/",
        f"/library/{asset_id}/rename/",
        f"/library/{asset_id}/delete/",
        f"/playlists/{cast.alice.ids['playlist_id']}/",
        "/admin/library/asset/",
        f"/admin/library/asset/{asset_id}/change/",
        f"/admin/library/asset/{asset_id}/history/",
    ):
        answer = alice.ask("GET", page)
        assert answer.status_code == 200, page
        assert not any(
            raw in answer.content for raw in (b"alert(1)</script>", b"<img src=x", b"<svg onload")
        )


# -- bytes --------------------------------------------------------------------------------------


def test_text_is_compressed_wherever_it_comes_from(cast: Cast):
    plain, seen = [], 0
    for route, walls in ADDRESSES.items():
        if "GET" not in walls:
            continue
        name = "token for all" if route.startswith("api/") else "alice"
        answer = cast[name].ask(
            "GET", path_of(route, cast.alice.ids), headers={"Accept-Encoding": "gzip"}
        )
        if answer.streaming or not TEXT.match(answer.get("Content-Type", "").lower()):
            continue
        if answer.get("Content-Encoding") == "gzip":
            seen += 1
            assert len(gzip.decompress(answer.content)) > len(answer.content)
            assert "Accept-Encoding" in answer["Vary"], route
        elif len(answer.content) > SMALL:
            plain.append(route)
    assert not plain
    assert seen > 40


def test_every_part_that_is_asked_again_is_answered_with_304_while_nothing_changes(cast: Cast):
    templates = (Path(__file__).resolve().parents[3] / "templates").rglob("*.html")
    assert sum(" data-poll" in path.read_text() for path in templates) == len(POLLED)
    for name, query in POLLED.items():
        try:
            path = reverse(name)
        except NoReverseMatch:
            path = reverse(name, args=[cast.alice.ids["stream_id"]])
        path += f"?{query.format(**cast.alice.ids)}" if query else ""
        asked = {"HX-Request": "true", "Accept-Encoding": "gzip"}
        first = cast["alice"].ask("GET", path, headers=asked)
        assert first.status_code == 200, name
        # As the browser got it: compressed, the tag is a weak one.
        again = cast["alice"].ask("GET", path, headers=asked | {"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b""), name
        assert again["ETag"].removeprefix("W/") == first["ETag"].removeprefix("W/"), name


def test_the_secret_against_forged_requests_never_reads_the_same_twice(cast: Cast):
    """Compressed beside what a stranger put into the page, it would give itself away (BREACH)."""
    told = set()
    for _ in range(5):
        page = cast["alice"].ask("GET", "/settings/profile/").content.decode()
        found = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
        assert found
        told |= found
    assert len(told) == 5
