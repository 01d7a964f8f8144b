"""Files are what their bytes are, whatever they are called, and nothing of them runs anywhere."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.library import preparation, services
from apps.library.models import Asset
from tests.architecture.cast import Cast

SCRIPT = b"<html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
POLYGLOTS = {
    "picture.gif": b"GIF89a/*" + b"\0" * 32 + b"*/=1;alert(1)",
    "picture.jpg": SVG,
    "photo.jpg": b"\xff\xd8\xff\xfe\x00\x30" + SCRIPT + b"\xff\xd9",
    "film.mp4": SCRIPT + b"\0\0\0\x18ftypisom",
    "page.html": SCRIPT,
    "list.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "list.ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "subtitles.srt": b"1\n00:00:00,000 --> 00:00:01,000\n<script>alert(1)</script>\n",
    "archive.zip.mp4": b"PK\x03\x04" + b"\0" * 64,
}


@pytest.fixture
def own_data(settings, tmp_path, local_disk):
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.mark.parametrize("name", POLYGLOTS)
def test_what_is_no_film_is_refused_whatever_its_name(name, alice, workspace, own_data, as_alice):
    asset = services.receive_file(
        workspace=workspace, by=alice, file=SimpleUploadedFile(name, POLYGLOTS[name])
    )
    preparation.check(asset.pk)
    asset.refresh_from_db()
    assert asset.state == "failed"
    assert asset.failure_code
    page = as_alice.get(f"/library/{asset.pk}/")
    assert b"alert(1)</script>" not in page.content
    assert b"root:" not in page.content


ODD_NAMES = [
    "../../../etc/passwd", "..\\..\\win.ini", "/etc/passwd", "a\0b.mp4", "..%2f..%2fx.mp4",
    "%c0%ae%c0%ae/x.mp4", "n" * 300 + ".mp4", "\u202e4pm.exe", "CON.mp4", "nul", "-y", "-f lavfi",
    "; rm -rf ~.mp4", "$(id).mp4", "%{..}.mp4", "movie=/etc/passwd", ".", "..", " ", "\r\nX: y.mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_never_becomes_a_path(name, alice, workspace, own_data, as_alice):
    around = {p for p in own_data.parent.iterdir() if p != own_data}
    upload = services.create_upload(workspace=workspace, by=alice, name=name, length=5)
    services.append_to_upload(upload=upload, offset=0, pieces=iter([b"piece"]))
    asset = Asset.objects.get(pk=upload.asset_id)
    stored = [p for p in own_data.rglob("*") if p.is_file() and p.read_bytes() == b"piece"]
    assert len(stored) == 1
    # Made of our ids, below our own directory.
    assert str(asset.pk) in str(stored[0].relative_to(own_data))
    assert {p for p in own_data.parent.iterdir() if p != own_data} == around
    assert len(asset.title) <= 200
    assert len(asset.original_name) <= 255
    assert asset.title.strip()
    assert not any(c in asset.title + asset.original_name for c in "\0\r\n")
    assert as_alice.get(f"/library/{asset.pk}/").status_code == 200


def test_a_picture_runs_nowhere_and_is_kept_by_no_shared_cache(cast: Cast):
    asset_id = cast.alice.ids["asset_id"]
    key = default_storage.save("thumbnails/t.jpg", ContentFile(SVG))
    Asset.objects.filter(pk=asset_id).update(thumbnail_key=key)
    answer = cast["alice"].ask("GET", f"/library/{asset_id}/thumbnail/")
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Cache-Control"].startswith("private")
    assert cast["charlie"].ask("GET", f"/library/{asset_id}/thumbnail/").status_code == 404


def test_stored_files_have_no_address(cast: Cast):
    key = default_storage.save("sources/s.mp4", ContentFile(b"secret"))
    for address in (f"/media/{key}", f"/{key}", f"/static/../media/{key}", "/static/%2e%2e/.env"):
        assert cast["alice"].ask("GET", address).status_code == 404
