"""What somebody new is shown, from sign-up to the first start."""

import pytest
from django.urls import reverse

from apps.accounts.models import Role
from apps.library.models import Asset, AssetState
from apps.streaming import selectors, stream_manager
from apps.streaming.models import Playlist, PlaylistItem, StartPolicy, Stream

DASHBOARD = reverse("streaming:dashboard")


@pytest.fixture(autouse=True)
def our_destination(settings):
    settings.DESTINATION_ALLOWLIST = ["127.0.0.1:1935"]


def make_stream(workspace, by, playlist=None):
    return stream_manager.create_stream(
        workspace=workspace, by=by, title="Night", playlist=playlist, profile="480p30@1",
        loop=True, start_policy=StartPolicy.TOP, address="rtmp://127.0.0.1:1935/live2",
        key="abcd-efgh-ijkl-mnop",
    )  # fmt: skip


def make_file(workspace):
    return Asset.objects.create(workspace=workspace, title="Rain", state=AssetState.UPLOADING)


def test_somebody_new_sees_five_steps_and_begins_with_the_key(as_alice, alice, workspace):
    page = as_alice.get(DASHBOARD).content.decode()
    assert "0 of 5 done" in page
    assert selectors.first_steps(workspace, alice).next == "key"


def test_each_step_is_read_from_what_is_there(as_alice, alice, workspace):
    def following():
        return selectors.first_steps(workspace, alice).next

    playlist = Playlist.objects.create(workspace=workspace, name="Evenings")
    make_stream(workspace, alice, playlist)
    assert following() == "files"
    asset = make_file(workspace)
    assert following() == "playlist", "an empty playlist is no step"
    PlaylistItem.objects.create(playlist=playlist, asset=asset, position=1)
    assert following() == "ready"
    assert "3 of 5 done" in as_alice.get(DASHBOARD).content.decode()


def test_what_others_have_counts_nothing(as_alice, charlie, alice, workspace):
    theirs = charlie.workspaces.get()
    make_stream(theirs, charlie)
    make_file(theirs)
    assert selectors.first_steps(workspace, alice).done == 0


def test_they_are_hidden_for_one_person_when_asked(as_alice, alice, bob, workspace):
    as_alice.post(reverse("first-steps-hide"))
    assert "of 5 done" not in as_alice.get(DASHBOARD).content.decode()
    assert not selectors.first_steps(workspace, bob).is_hidden


def test_they_go_once_something_was_started(as_alice, alice, workspace):
    stream = make_stream(workspace, alice)
    Stream.objects.filter(pk=stream.pk).update(started_at="2026-01-01T00:00Z")
    assert "of 5 done" not in as_alice.get(DASHBOARD).content.decode()


@pytest.mark.parametrize("size", [1, 30])
def test_they_cost_two_queries(alice, workspace, django_assert_num_queries, size):
    playlist = Playlist.objects.create(workspace=workspace, name="Evenings")
    make_stream(workspace, alice, playlist)
    for number in range(size):
        asset = make_file(workspace)
        PlaylistItem.objects.create(playlist=playlist, asset=asset, position=number)
    with django_assert_num_queries(2):
        selectors.first_steps(workspace, alice)


# -- ready to go live? -----------------------------------------------------------------------------


def ready(client, stream):
    return client.get(reverse("streaming:stream-ready", args=[stream.pk]))


def test_the_page_says_what_start_would_refuse(as_alice, alice, workspace):
    stream = make_stream(workspace, alice)
    with pytest.raises(stream_manager.StartRefused) as refused:
        stream_manager.start_stream(stream=stream, by=alice)
    page = ready(as_alice, stream).content.decode()
    assert refused.value.problems
    for problem in refused.value.problems:
        assert problem in page


def test_an_unprepared_playlist_is_not_ready(alice, workspace):
    playlist = Playlist.objects.create(workspace=workspace, name="Evenings")
    PlaylistItem.objects.create(playlist=playlist, asset=make_file(workspace), position=1)
    checks = stream_manager.checks(make_stream(workspace, alice, playlist))
    assert {check.what: check.is_well for check in checks} == {
        "playlist": True, "videos": False, "destination": True, "key": True,
    }  # fmt: skip


def test_what_cannot_be_told_yet_is_not_called_well(alice, workspace):
    checks = stream_manager.checks(make_stream(workspace, alice))
    assert [check.what for check in checks if check.is_well] == ["destination", "key"]


@pytest.mark.parametrize("bob", [Role.VIEWER], indirect=True)
def test_viewers_may_look_and_strangers_may_not(as_bob, as_charlie, alice, bob, workspace):
    stream = make_stream(workspace, alice)
    assert ready(as_bob, stream).status_code == 200
    assert ready(as_charlie, stream).status_code == 404


def test_it_never_shows_the_key(as_alice, alice, workspace):
    stream = make_stream(workspace, alice)
    assert "abcd-efgh" not in ready(as_alice, stream).content.decode()
