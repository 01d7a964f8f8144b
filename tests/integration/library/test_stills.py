"""Pictures in the library: uploaded, looked at, prepared, and refused when they are hostile."""

from __future__ import annotations

import io

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from PIL import Image

from apps.library import preparation, services
from apps.library.models import Track
from tests.integration.library.conftest import PROFILE

pytestmark = pytest.mark.django_db


@pytest.fixture
def photo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 360), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


def test_a_picture_is_a_kind_of_its_own_and_is_prepared_as_a_loop(received, photo):
    asset = received(photo, "cover.jpg")
    assert preparation.check(asset.pk) == "ready"
    asset.refresh_from_db()
    assert (asset.kind, asset.width, asset.height) == ("picture", 640, 360)
    assert asset.probe["summary"] == "JPEG picture: 640x360 pixels."
    with default_storage.open(asset.thumbnail_key) as picture:
        assert Image.open(picture).size == (640, 360)
    rendition = services.request_rendition(asset=asset, profile=PROFILE)
    assert preparation.prepare(rendition.pk) == "ready"
    assert Track.objects.get(kind="video").frames == 300
    asset.refresh_from_db()
    assert asset.duration_ms == 10_000


def test_the_pages_say_that_it_is_a_picture(received, photo, as_alice, workspace):
    asset = received(photo, "cover.jpg")
    preparation.check(asset.pk)
    listed = as_alice.get(f"{reverse('library:library')}?workspace={workspace.slug}").content
    assert b"<span>Picture</span>" in listed
    page = as_alice.get(reverse("library:asset", args=[asset.pk])).content
    assert b"JPEG picture: 640x360 pixels." in page


def test_a_hostile_picture_fails_with_a_reason(received, photo):
    for content, code in ((photo[:-50], "source.truncated"), (b"GIF89a\1\0\1\0", "source.image")):
        asset = received(content, "cover.jpg")
        assert preparation.check(asset.pk) == "failed"
        asset.refresh_from_db()
        assert (asset.failure_code, asset.storage_key) == (code, "")
        assert asset.failure_advice
