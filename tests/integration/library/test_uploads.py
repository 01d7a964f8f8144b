"""The upload protocol, as a browser speaks it."""

from __future__ import annotations

import base64
import fcntl
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.library import services
from apps.library.models import Asset, Upload
from apps.library.services import uploads
from tests.integration.library.conftest import files_in

pytestmark = pytest.mark.django_db

VERSION = {"Tus-Resumable": "1.0.0"}
PIECE = "application/offset+octet-stream"


def begin(client: Client, workspace: Workspace, length: int, name: str = "a film.mp4"):
    return client.post(
        f"/library/uploads/?workspace={workspace.slug}",
        headers={
            **VERSION,
            "Upload-Length": str(length),
            "Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}",
        },
    )


def send(client: Client, url: str, offset: int, data: bytes, content_type: str = PIECE):
    return client.patch(
        url, data, content_type=content_type, headers={**VERSION, "Upload-Offset": str(offset)}
    )


def test_it_takes_a_file_in_pieces(as_alice, workspace):
    made = begin(as_alice, workspace, 10)
    assert made.status_code == 201
    url = made["Location"]
    assert send(as_alice, url, 0, b"01234")["Upload-Offset"] == "5"
    last = send(as_alice, url, 5, b"56789")
    assert (last.status_code, last["Upload-Offset"]) == (204, "10")
    asset = Asset.objects.get()
    assert (asset.state, asset.title, asset.size_bytes) == ("checking", "a film", 10)
    with default_storage.open(asset.storage_key) as file:
        assert file.read() == b"0123456789"


def test_it_resumes_where_it_stopped(as_alice, workspace):
    url = begin(as_alice, workspace, 10)["Location"]
    send(as_alice, url, 0, b"0123")
    asked = as_alice.head(url, headers=VERSION)
    assert (asked["Upload-Offset"], asked["Upload-Length"]) == ("4", "10")
    assert asked["Cache-Control"] == "no-store"
    assert send(as_alice, url, 4, b"456789").status_code == 204


def test_it_says_that_all_arrived_when_the_last_answer_was_lost(as_alice, workspace):
    url = begin(as_alice, workspace, 4)["Location"]
    send(as_alice, url, 0, b"0123")
    assert as_alice.head(url, headers=VERSION)["Upload-Offset"] == "4"
    assert send(as_alice, url, 4, b"").status_code == 204
    assert Asset.objects.count() == 1


def test_it_refuses_a_piece_for_the_wrong_place(as_alice, workspace):
    url = begin(as_alice, workspace, 10)["Location"]
    send(as_alice, url, 0, b"0123")
    answer = send(as_alice, url, 7, b"789")
    assert (answer.status_code, answer["Upload-Offset"]) == (409, "4")
    assert Upload.objects.get().offset == 4


def test_it_refuses_more_than_was_promised(as_alice, workspace):
    url = begin(as_alice, workspace, 4)["Location"]
    answer = send(as_alice, url, 0, b"012345")
    assert answer.status_code == 413
    assert answer.json()["code"] == "upload.longer"


def test_bytes_behind_the_noted_offset_are_written_again(as_alice, workspace):
    """A crash after writing and before noting must not shift what follows."""
    url = begin(as_alice, workspace, 8)["Location"]
    send(as_alice, url, 0, b"0123")
    with uploads.part_path(Upload.objects.get().pk).open("ab") as part:
        part.write(b"never noted")
    send(as_alice, url, 4, b"4567")
    with default_storage.open(Asset.objects.get().storage_key) as file:
        assert file.read() == b"01234567"


def test_a_part_that_lost_its_end_is_sent_again(as_alice, workspace):
    url = begin(as_alice, workspace, 8)["Location"]
    send(as_alice, url, 0, b"0123")
    uploads.part_path(Upload.objects.get().pk).write_bytes(b"01")
    assert as_alice.head(url, headers=VERSION)["Upload-Offset"] == "2"
    assert send(as_alice, url, 2, b"234567").status_code == 204


def test_two_writers_do_not_mix(as_alice, workspace):
    url = begin(as_alice, workspace, 8)["Location"]
    with uploads.part_path(Upload.objects.get().pk).open("w") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        assert send(as_alice, url, 0, b"0123").status_code == 423


def test_giving_up_leaves_nothing(as_alice, workspace, library):
    url = begin(as_alice, workspace, 8)["Location"]
    send(as_alice, url, 0, b"0123")
    assert as_alice.delete(url, headers=VERSION).status_code == 204
    assert as_alice.head(url, headers=VERSION).status_code == 404
    assert not Asset.objects.exists()
    assert files_in(library) == []


def test_giving_up_too_late_keeps_the_file(as_alice, workspace):
    url = begin(as_alice, workspace, 4)["Location"]
    send(as_alice, url, 0, b"0123")
    as_alice.delete(url, headers=VERSION)
    assert default_storage.exists(Asset.objects.get().storage_key)


def test_what_nobody_goes_on_with_is_thrown_away(as_alice, workspace, library):
    url = begin(as_alice, workspace, 8)["Location"]
    send(as_alice, url, 0, b"0123")
    assert services.expire_uploads() == 0
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.expire_uploads() == 1
    assert files_in(library) == []
    assert not Asset.objects.exists()


@pytest.mark.parametrize("length", ["", "-1", "+5", "1_000", "1.5", "9" * 30, "٣"])
def test_it_refuses_a_length_that_is_no_number(as_alice, workspace, length):
    answer = as_alice.post(
        f"/library/uploads/?workspace={workspace.slug}",
        headers={**VERSION, "Upload-Length": length},
    )
    assert answer.status_code == 400
    assert not Asset.objects.exists()


def test_it_refuses_an_empty_file(as_alice, workspace):
    assert begin(as_alice, workspace, 0).json()["code"] == "upload.empty"


def test_it_refuses_a_file_above_the_limit(as_alice, workspace, settings):
    settings.UPLOAD_MAX_BYTES = 1000
    answer = begin(as_alice, workspace, 1001)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload.too_large")


def test_it_refuses_what_the_disk_cannot_hold(as_alice, workspace, library, settings):
    settings.UPLOAD_MAX_BYTES = 1 << 60
    free = shutil.disk_usage(library).free
    answer = begin(as_alice, workspace, min(free, 190 << 30))
    assert (answer.status_code, answer.json()["code"]) in (
        (507, "upload.no_space"),
        (413, "upload.quota"),
    )
    assert not Asset.objects.exists()


def test_it_counts_uploads_that_are_still_coming_against_the_plan(as_alice, workspace, alice):
    allowed = 200 << 30
    Asset.objects.create(workspace=workspace, title="large", size_bytes=allowed - 100)
    assert begin(as_alice, workspace, 60).status_code == 201
    assert begin(as_alice, workspace, 60).json()["code"] == "upload.quota"


def test_it_needs_the_protocol_version(as_alice, workspace):
    answer = as_alice.post(f"/library/uploads/?workspace={workspace.slug}")
    assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")


def test_it_refuses_a_piece_of_another_type(as_alice, workspace):
    url = begin(as_alice, workspace, 4)["Location"]
    assert send(as_alice, url, 0, b"0123", "application/json").status_code == 415


def test_a_stranger_sees_no_upload(as_alice, as_charlie, workspace):
    url = begin(as_alice, workspace, 4)["Location"]
    assert as_charlie.head(url, headers=VERSION).status_code == 404
    assert send(as_charlie, url, 0, b"0123").status_code == 404
    assert as_charlie.delete(url, headers=VERSION).status_code == 404
    assert begin(as_charlie, workspace, 4).status_code == 404


def test_a_viewer_may_not_upload(as_bob, workspace):
    assert begin(as_bob, workspace, 4).status_code == 403
    answer = as_bob.post(
        f"/library/upload/?workspace={workspace.slug}",
        {"file": SimpleUploadedFile("a.mp4", b"0123")},
    )
    assert answer.status_code == 403
    assert not Asset.objects.exists()


def test_somebody_signed_out_is_told_so(client, workspace):
    assert begin(client, workspace, 4).status_code == 401


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\night.mp4", "night.mp4"),
        ("-rf.mp4", "-rf.mp4"),
        ("evil\u202e4pm.exe", "evil4pm.exe"),
        ("a\x00b\nc.mp4", "ab c.mp4"),
        ("", "untitled"),
        ("🎬" * 400, "🎬" * 255),
    ],
)
def test_a_name_is_only_ever_shown(as_alice, workspace, library, sent, shown):
    url = begin(as_alice, workspace, 4, sent)["Location"]
    send(as_alice, url, 0, b"0123")
    asset = Asset.objects.get()
    assert asset.original_name == shown
    assert files_in(library / "media") == [f"sources/{workspace.pk}/{asset.pk}"]


def test_a_name_is_escaped_on_the_page(as_alice, workspace):
    begin(as_alice, workspace, 4, "<script>alert(1)<_script>.mp4")
    page = as_alice.get("/library/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_plain_form_uploads_too(as_alice, workspace, clip: Path):
    with clip.open("rb") as file:
        answer = as_alice.post(
            f"/library/upload/?workspace={workspace.slug}", {"file": file}, follow=True
        )
    assert "clip.mp4 was uploaded." in answer.content.decode()
    assert Asset.objects.get().size_bytes == clip.stat().st_size


def test_sources_are_readable_by_the_service_alone(received, clip, library):
    asset = received(clip)
    path = Path(default_storage.path(asset.storage_key))
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
