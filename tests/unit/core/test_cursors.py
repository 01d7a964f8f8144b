"""Paging through rows in an order of several columns, forwards and backwards."""

import pytest

from apps.core.cursors import encode, in_order
from apps.streaming.models import Playlist

pytestmark = pytest.mark.django_db

ORDER = ("-name", "created_at", "pk")


@pytest.fixture
def lists(workspace):
    for name in ("a", "b", "b", "b", "c", "c", "d"):
        Playlist.objects.create(workspace=workspace, name=name)
    return Playlist.objects.filter(workspace=workspace)


def walk(rows, limit):
    """All pages from the first to the last."""
    pages, after = [], ""
    while True:
        page = in_order(rows, ORDER, after=after, limit=limit)
        pages.append(page)
        if not page.after:
            return pages
        after = page.after


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 100])
def test_every_row_comes_once_and_in_order(lists, limit):
    expected = list(lists.order_by(*ORDER))
    pages = walk(lists, limit)
    assert [row for page in pages for row in page.rows] == expected
    assert pages[0].before == ""


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_the_way_back_shows_the_same_pages(lists, limit):
    pages = walk(lists, limit)
    back = pages[-1]
    for page in pages[-2::-1]:
        back = in_order(lists, ORDER, before=back.before, limit=limit)
        assert list(back.rows) == list(page.rows)
    assert back.before == ""


def test_rows_that_come_and_go_neither_repeat_nor_hide_others(lists, workspace):
    first = in_order(lists, ORDER, limit=3)
    rest = [row.pk for row in lists.order_by(*ORDER)[3:]]
    first.rows[0].delete()
    Playlist.objects.create(workspace=workspace, name="z")
    following = in_order(lists, ORDER, after=first.after, limit=100)
    assert [row.pk for row in following.rows] == rest


@pytest.mark.parametrize(
    "cursor", ["x", encode("a"), encode("a", "b", "c"), encode("a", "2026-01-01", "x"), "\x00"]
)
def test_a_cursor_that_is_not_ours_leads_to_the_first_page(lists, cursor):
    assert in_order(lists, ORDER, after=cursor).rows == in_order(lists, ORDER).rows


def test_nothing_has_no_neighbours(workspace):
    page = in_order(Playlist.objects.filter(workspace=workspace), ORDER)
    assert (list(page.rows), page.before, page.after) == ([], "", "")
