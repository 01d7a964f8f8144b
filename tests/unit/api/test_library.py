"""Files and uploads through the API."""

import base64
import uuid
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apps.library import services
from apps.library.models import Asset, Rendition, Track
from apps.streaming import stream_manager
from tests.integration.streaming.conftest import PROFILE, make_asset, make_stream, prepare
from tests.unit.api.conftest import code_of

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = "application/offset+octet-stream"


@pytest.fixture(autouse=True)
def _files(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    }
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def asset(workspace):
    return prepare(make_asset(workspace, "Summer mix"))


def tus(api, method, path, content=b"", **headers):
    return api.client.generic(
        method,
        f"/api/v1{path}" if not path.startswith("/api") else path,
        content,
        content_type=PIECE if content else "",
        headers={"Authorization": f"Bearer {api.text}"} | TUS | headers,
    )


def test_files_are_listed_found_and_filtered(api, workspace, asset):
    make_asset(workspace, "Winter", state="failed")
    assert [row["title"] for row in api.read("/assets")["items"]] == ["Winter", "Summer mix"]
    assert [row["title"] for row in api.read("/assets?q=mix")["items"]] == ["Summer mix"]
    assert [row["title"] for row in api.read("/assets?state=failed")["items"]] == ["Winter"]
    assert api.read("/assets?kind=audio")["items"] == []
    assert code_of(api("GET", "/assets?state=lost")) == "request.invalid"


def test_a_file_is_renamed_deleted_and_brought_back(api, asset):
    path = f"/assets/{asset.pk}"
    assert api("PATCH", path, {"title": " New "}).json()["title"] == "New"
    assert api("DELETE", path).status_code == 204
    assert code_of(api("GET", path)) == "resource.not_found"
    assert api.read("/assets")["items"] == []
    assert api("POST", f"{path}/restore").json()["title"] == "New"
    assert code_of(api("POST", f"{path}/restore")) == "resource.not_found"


def test_after_the_time_to_undo_a_file_stays_away(api, asset):
    api("DELETE", f"/assets/{asset.pk}")
    Asset.objects.update(deleted_at=timezone.now() - timedelta(hours=1))
    assert code_of(api("POST", f"/assets/{asset.pk}/restore")) == "asset.too_late"


def test_a_file_on_air_is_not_deleted(api, workspace, asset):
    playlist = stream_manager.create_playlist(workspace=workspace, name="P")
    stream_manager.add_items(playlist=playlist, assets=[asset])
    stream_manager.start_stream(stream=make_stream(workspace, playlist, title="Radio"))
    answer = api("DELETE", f"/assets/{asset.pk}")
    assert (answer.status_code, code_of(answer)) == (409, "asset.in_use")
    assert "Radio" in answer.json()["detail"]


def test_formats_are_asked_for_and_failed_ones_tried_again(api, asset):
    path = f"/assets/{asset.pk}"
    asked = api("POST", f"{path}/renditions", {"profile": "720p30@1"})
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    told = {one["profile"]: one["state"] for one in api.read(f"{path}/renditions")["items"]}
    assert told == {PROFILE: "ready", "720p30@1": "queued"}
    unknown = api("POST", f"{path}/renditions", {"profile": "8k"})
    assert unknown.json()["errors"][0]["pointer"] == "/profile"
    assert code_of(api("POST", f"{path}/retry")) == "asset.nothing_failed"
    Track.objects.filter(profile="720p30@1").update(state="failed", failure_code="prepare.failed")
    assert api.read(path)["renditions"][1]["failure_code"] == "prepare.failed"
    assert api("POST", f"{path}/retry").status_code == 202
    assert Rendition.objects.get(profile="720p30@1").state == "queued"


def test_what_is_ready_is_prepared_again_and_once(api, asset):
    path = f"/assets/{asset.pk}/prepare-again"
    asked = api("POST", path)
    assert (asked.status_code, asked.json()["renditions"][0]["state"]) == (202, "queued")
    again = api("POST", path)
    assert (again.status_code, code_of(again)) == (409, "asset.not_ready")


def test_a_file_is_uploaded_in_one_piece_and_once(api):
    def send():
        return api.client.post(
            "/api/v1/assets",
            {"file": SimpleUploadedFile("My_clip.mp4", b"bytes")},
            headers={"Authorization": f"Bearer {api.text}", "Idempotency-Key": "k"},
        )

    first, second = send(), send()
    assert first.status_code == 201, first.content
    assert (first.json()["title"], first.json()["state"]) == ("My clip", "checking")
    assert second.content == first.content
    assert Asset.objects.count() == 1


def test_an_empty_file_and_none_at_all_are_refused(api):
    headers = {"Authorization": f"Bearer {api.text}"}
    empty = {"file": SimpleUploadedFile("x.mp4", b"")}
    assert code_of(api.client.post("/api/v1/assets", empty, headers=headers)) == "upload.empty"
    assert code_of(api.client.post("/api/v1/assets", {}, headers=headers)) == "request.invalid"
    damaged = api.client.generic(
        "POST", "/api/v1/assets", b"--x", content_type="multipart/form-data", headers=headers
    )
    assert code_of(damaged) == "request.invalid"


def test_an_upload_is_resumed_by_tus_with_a_token(api):
    name = base64.b64encode(b"clip.mp4").decode()
    made = tus(
        api, "POST", "/uploads", **{"Upload-Length": "10", "Upload-Metadata": f"filename {name}"}
    )
    assert made.status_code == 201, made.content
    where = made["Location"]
    assert where.startswith("/api/v1/uploads/")
    assert tus(api, "PATCH", where, b"01234", **{"Upload-Offset": "0"})["Upload-Offset"] == "5"
    wrong = tus(api, "PATCH", where, b"x", **{"Upload-Offset": "0"})
    assert (code_of(wrong), wrong["Upload-Offset"]) == ("upload.conflict", "5")
    assert tus(api, "HEAD", where)["Upload-Offset"] == "5"
    done = tus(api, "PATCH", where, b"56789", **{"Upload-Offset": "5"})
    assert (done.status_code, done["Upload-Offset"]) == (204, "10")
    told = api.read(f"/assets/{made['X-Asset']}")
    assert (told["title"], told["state"], told["size_bytes"]) == ("clip", "checking", 10)


def test_an_upload_is_begun_once_and_can_be_given_up(api):
    both = {"Upload-Length": "10", "Idempotency-Key": "k"}
    first = tus(api, "POST", "/uploads", **both)
    assert tus(api, "POST", "/uploads", **both)["Location"] == first["Location"]
    assert tus(api, "DELETE", first["Location"]).status_code == 204
    assert tus(api, "HEAD", first["Location"]).status_code == 404
    assert not Asset.objects.exists()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Upload-Length": "x"}, "upload.length"),
        ({}, "upload.length"),
        ({"Upload-Length": "0"}, "upload.empty"),
        ({"Upload-Length": str(1 << 50)}, "upload.too_large"),
        ({"Upload-Length": "9", "Tus-Resumable": "0.1"}, "upload.version"),
    ],
)
def test_an_upload_that_cannot_be_is_refused(api, headers, code):
    assert code_of(tus(api, "POST", "/uploads", **headers)) == code
    assert not Asset.objects.exists()


def test_senders_may_ask_what_the_server_can_do(client, db):
    answer = client.options("/api/v1/uploads")
    assert (answer.status_code, answer["Tus-Version"]) == (204, "1.0.0")


def test_uploading_needs_its_scope(program, alice):
    reader = program(alice, "read", "streams")
    assert code_of(tus(reader, "POST", "/uploads", **{"Upload-Length": "9"})) == (
        "auth.scope_missing"
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"title": "x"}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("POST", "/retry", None),
        ("POST", "/prepare-again", None),
        ("GET", "/renditions", None),
        ("POST", "/renditions", {"profile": "720p30@1"}),
    ],
)
def test_foreign_and_missing_files_look_the_same(foreign, asset, method, path, body):
    answers = [
        foreign(method, f"/assets/{asset_id}{path}", body) for asset_id in (asset.pk, uuid.uuid4())
    ]
    assert answers[0].content == answers[1].content
    assert code_of(answers[0]) == "resource.not_found"


def test_an_upload_of_another_workspace_looks_missing(api, foreign):
    where = tus(api, "POST", "/uploads", **{"Upload-Length": "10"})["Location"]
    for method in ("HEAD", "PATCH", "DELETE"):
        content = b"x" if method == "PATCH" else b""
        answer = tus(foreign, method, where, content, **{"Upload-Offset": "0"})
        assert answer.status_code == 404
    assert tus(api, "HEAD", where)["Upload-Offset"] == "0"


def test_folders_are_made_filled_renamed_and_removed(api, asset):
    made = api("POST", "/folders", {"name": "Rain"})
    assert made.status_code == 201
    folder = made.json()["id"]
    assert made["Location"].endswith(f"/folders/{folder}")
    path = f"/assets/{asset.pk}"
    assert api("PATCH", path, {"folder_id": folder}).json()["folder_id"] == folder
    assert api("PATCH", path, {"title": "Named"}).json()["folder_id"] == folder
    assert [row["title"] for row in api.read(f"/assets?folder_id={folder}")["items"]] == ["Named"]
    assert api("PATCH", f"/folders/{folder}", {"name": "Sun"}).json()["name"] == "Sun"
    assert code_of(api("POST", "/folders", {"name": "Sun"})) == "request.invalid"
    assert api("DELETE", f"/folders/{folder}").status_code == 204
    assert api.read("/folders")["items"] == []
    assert api.read(path)["folder_id"] is None


def test_a_foreign_folder_is_none(api, asset, charlie):
    foreign = services.create_folder(workspace=charlie.workspaces.get(), name="Mine")
    assert code_of(api("GET", f"/folders/{foreign.pk}")) == "resource.not_found"
    refused = api("PATCH", f"/assets/{asset.pk}", {"folder_id": str(foreign.pk)})
    assert code_of(refused) == "resource.not_found"
    assert code_of(api("GET", f"/assets?folder_id={foreign.pk}")) == "resource.not_found"


def test_the_library_tells_its_sums(api, asset):
    told = api.read("/library")
    assert told["files"] == 1
    assert told["allowed_bytes"] > 0
