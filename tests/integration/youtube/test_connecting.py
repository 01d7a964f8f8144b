import logging
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import Membership, Role, Scope
from apps.youtube import tasks
from apps.youtube.client import YouTubeError
from apps.youtube.models import Alert, Channel, ChannelState, ConnectionAttempt, Show
from apps.youtube.services import connecting, tokens
from simulator import seed
from tests.integration.youtube.conftest import GARDEN, HARBOUR, NIGHT, make_stream

pytestmark = pytest.mark.django_db


def texts(client):
    return client.get("/channels/").content.decode()


def test_a_channel_is_connected_with_lasting_access(stage, as_alice, workspace):
    back = stage.consent(as_alice, "/channels/connect/")
    answer = as_alice.get(back)
    channel = Channel.objects.get()
    assert answer["Location"] == channel.get_absolute_url()
    assert (channel.workspace, channel.youtube_id) == (workspace, seed.HARBOUR)
    assert (channel.title, channel.handle) == ("Harbour Radio", "@harbourradio")
    assert channel.refresh_token.startswith("1//")
    assert channel.eligibility == "ready"
    assert channel.is_verified
    assert "Harbour Radio" in texts(as_alice)


def test_several_channels_of_one_account_live_in_one_workspace(stage, as_alice):
    stage.connect(as_alice, who=HARBOUR)
    stage.connect(as_alice, who=NIGHT)
    assert Channel.objects.count() == 2
    for channel in Channel.objects.all():
        assert tokens.access_token(channel)


def test_a_state_works_once_and_only_where_it_began(stage, as_alice, as_charlie, alice):
    back = stage.consent(as_alice, "/channels/connect/")
    # The attacker's code in the victim's session.
    assert as_charlie.get(back).status_code == 400
    assert not Channel.objects.exists()
    # It is burnt for its owner as well.
    assert as_alice.get(back).status_code == 400
    back = stage.consent(as_alice, "/channels/connect/")
    assert as_alice.get(back).status_code == 302
    assert as_alice.get(back).status_code == 400
    assert Channel.objects.count() == 1


def test_another_session_of_the_same_person_cannot_finish_it(stage, as_alice, alice, client):
    back = stage.consent(as_alice, "/channels/connect/")
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(back).status_code == 400
    assert not Channel.objects.exists()


@pytest.mark.parametrize("query", ["", "?code=x", "?state=unknown&code=x", "?error=access_denied"])
def test_nothing_comes_of_a_return_without_a_known_state(stage, as_alice, query):
    assert as_alice.get(f"/channels/oauth/callback/{query}").status_code == 400


def test_an_attempt_is_over_after_ten_minutes(stage, as_alice):
    back = stage.consent(as_alice, "/channels/connect/")
    ConnectionAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert as_alice.get(back).status_code == 400


def test_saying_no_connects_nothing(stage, as_alice):
    back = stage.consent(as_alice, "/channels/connect/", decision="deny")
    assert as_alice.get(back).status_code == 302
    assert "access was not given" in texts(as_alice)
    assert not Channel.objects.exists()


def test_an_unticked_permission_is_explained(stage, as_alice):
    back = stage.consent(as_alice, "/channels/connect/")
    # What was granted to this client before comes along; what is needed now was not ticked.
    for grant in stage.world.grants.values():
        grant.scopes = ["https://www.googleapis.com/auth/youtube.readonly"]
    as_alice.get(back)
    assert "was not ticked" in texts(as_alice)
    assert not Channel.objects.exists()
    assert all(grant.is_revoked for grant in stage.world.grants.values())


def test_an_account_without_a_channel_is_explained(stage, as_alice):
    back = stage.consent(as_alice, "/channels/connect/", who="nobody@example.org")
    as_alice.get(back)
    assert "has no YouTube channel" in texts(as_alice)


def test_reconnecting_keeps_everything_and_refuses_another_channel(stage, as_alice, channel):
    tokens.mark_lost(channel)
    path = f"/channels/{channel.pk}/reconnect/"
    as_alice.get(stage.consent(as_alice, path, who=GARDEN))
    channel.refresh_from_db()
    assert channel.state == ChannelState.RECONNECT
    assert channel.youtube_id == seed.HARBOUR
    as_alice.get(stage.consent(as_alice, path, who=HARBOUR))
    channel.refresh_from_db()
    assert channel.state == ChannelState.CONNECTED
    assert Channel.objects.count() == 1
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_a_channel_belongs_to_one_workspace(stage, as_alice, as_charlie, channel):
    as_charlie.get(stage.consent(as_charlie, "/channels/connect/"))
    assert "another workspace" in texts(as_charlie)
    assert Channel.objects.get() == channel
    # Google takes all access to a channel back at once: handing this one back would take Alice's.
    stage.skip(3600)
    assert tokens.access_token(channel)


def test_a_code_of_another_attempt_is_not_taken(stage, as_alice):
    one, other = (stage.consent(as_alice, "/channels/connect/") for _ in range(2))
    states, codes = (re.findall(rf"{name}=([^&]+)", f"{one} {other}") for name in ("state", "code"))
    # The state is good, the code as well, but it was asked for with another challenge.
    as_alice.get(f"/channels/oauth/callback/?state={states[0]}&code={codes[1]}")
    assert "did not confirm" in texts(as_alice)
    assert not Channel.objects.exists()


def test_it_leads_nowhere_else_afterwards(stage, as_alice):
    back = stage.consent(as_alice, "/channels/connect/?next=https://evil.example.org/")
    answer = as_alice.get(f"{back}&next=https://evil.example.org/&redirect_uri=//evil.example.org")
    assert answer["Location"] == Channel.objects.get().get_absolute_url()


def test_nobody_describes_a_show_for_a_foreign_channel(stage, channel, as_charlie, charlie):
    own = make_stream(charlie.workspaces.get(), charlie)
    path = f"/api/v1/streams/{own.pk}/youtube"
    _row, token = services.create_token(
        workspace=charlie.workspaces.get(), by=charlie, name="t", scopes=list(Scope)
    )
    program = Client(headers={"authorization": f"Bearer {token}"})
    told = program.put(path, {"channel_id": str(channel.pk)}, content_type="application/json")
    assert told.status_code == 422
    assert channel.title not in told.content.decode()
    assert program.get(f"/api/v1/channels/{channel.pk}").status_code == 404
    posted = as_charlie.post(f"/streams/{own.pk}/youtube/", {"channel": str(channel.pk)})
    assert posted.status_code == 422
    assert channel.title not in posted.content.decode()
    assert not Show.objects.exists()


def test_roles_are_looked_at_again_on_return(stage, as_alice, alice, workspace):
    back = stage.consent(as_alice, "/channels/connect/")
    Membership.objects.filter(user=alice, workspace=workspace).update(role=Role.VIEWER)
    assert as_alice.get(back).status_code == 403
    assert not Channel.objects.exists()


def test_disconnecting_gives_the_access_back_and_forgets_it(stage, as_alice, channel):
    as_alice.post(f"/channels/{channel.pk}/disconnect/")
    channel.refresh_from_db()
    assert channel.state == ChannelState.DISCONNECTED
    assert channel.sealed_refresh_token == channel.sealed_access_token == ""
    assert all(grant.is_revoked for grant in stage.world.grants.values())
    page = as_alice.get(channel.get_absolute_url()).content.decode()
    assert re.search(r"badge-state[^>]*>Disconnected<", page)
    assert not re.search(r"badge-state[^>]*>(Connected|Ready)<", page)
    # Later it can be connected again, as the same row.
    assert stage.connect(as_alice) == channel


def test_access_is_renewed_early_and_by_one_process(stage, channel):
    first = tokens.access_token(channel)
    assert tokens.access_token(channel) == first
    stage.skip(3600 - 200)
    second = tokens.access_token(channel)
    assert second != first
    Channel.objects.update(refreshing_until=timezone.now() + timedelta(seconds=30))
    stage.skip(3600 - 200)
    # Somebody else renews it: the old one is good for three minutes more.
    Channel.objects.update(refreshing_until=timezone.now() + timedelta(seconds=30))
    assert tokens.access_token(channel) == second


def test_a_refused_token_is_renewed_once_and_the_call_repeated(stage, channel):
    for token in list(stage.world.access_tokens):
        del stage.world.access_tokens[token]
    checked = connecting.check_eligibility(channel=channel)
    assert checked.eligibility == "ready"


def test_withdrawn_access_becomes_one_message_and_heals(stage, as_alice, channel):
    for grant in stage.state()["grants"]:
        stage.act(f"grants/{grant['id']}/revoke")
    stage.skip(3600)
    for _ in range(3):
        with pytest.raises(YouTubeError):
            connecting.check_eligibility(channel=channel)
        channel.refresh_from_db()
    assert channel.state == ChannelState.RECONNECT
    assert Alert.objects.count() == 1
    assert "Reconnect the channel Harbour Radio" in texts(as_alice)
    stage.skip(60)
    tasks.send_mail_alerts()
    tasks.send_mail_alerts()
    assert [message.subject for message in mail.outbox] == ["Reconnect the channel Harbour Radio"]
    assert "/channels/?workspace=" in mail.outbox[0].body
    # A reminder a day later, and none once it is well.
    stage.skip(86_400)
    tasks.send_mail_alerts()
    assert len(mail.outbox) == 2
    stage.connect(as_alice)
    stage.skip(86_400)
    tasks.send_mail_alerts()
    assert len(mail.outbox) == 2


def test_what_a_channel_lacks_is_said_with_advice(stage, as_alice, channel):
    stage.act(f"channels/{seed.HARBOUR}", is_live_enabled=False)
    as_alice.post(f"/channels/{channel.pk}/check/")
    channel.refresh_from_db()
    assert channel.eligibility == "not_enabled"
    page = as_alice.get(channel.get_absolute_url()).content.decode()
    assert "youtube.com/features" in page
    stage.act(f"channels/{seed.HARBOUR}", is_live_enabled=True)
    stage.skip(3700)
    tasks.test_channels()
    channel.refresh_from_db()
    assert channel.eligibility == "ready"


def test_the_page_leads_to_the_terms_of_youtube_and_to_where_access_is_taken_back(as_alice):
    page = texts(as_alice)
    for address in (
        "https://www.youtube.com/t/terms",
        "https://policies.google.com/privacy",
        "https://myaccount.google.com/connections",
    ):
        assert f'href="{address}"' in page


def test_each_access_is_used_once_a_day(stage, channel):
    tasks.test_channels()
    calls = len(stage.world.calls)
    stage.skip(3600)
    tasks.test_channels()
    assert len(stage.world.calls) == calls
    stage.skip(86_400)
    tasks.test_channels()
    assert len(stage.world.calls) > calls


def test_a_workspace_brings_its_own_client_and_quota(stage, as_alice, workspace):
    as_alice.post(
        "/channels/client/",
        {
            "client_id": seed.OTHER_CLIENT_ID,
            "secret": seed.OTHER_CLIENT_SECRET,
            "units_per_day": "500",
        },
    )
    channel = stage.connect(as_alice)
    assert channel.client is not None
    assert set(stage.state()["units"]) == {
        key for key in stage.state()["units"] if key.startswith("workspace/")
    }
    page = as_alice.get("/channels/quota/").content.decode()
    assert "of 500 units" in page
    # It cannot be taken away under a channel that needs it.
    as_alice.post("/channels/client/remove/")
    channel.refresh_from_db()
    assert channel.client is not None


def test_no_secret_is_logged_or_shown(stage, as_alice, caplog):
    caplog.set_level(logging.DEBUG)
    channel = stage.connect(as_alice)
    stage.set(oauth="down")
    stage.skip(3600)
    with pytest.raises(YouTubeError) as raised:
        connecting.check_eligibility(channel=channel)
    secrets = [channel.refresh_token, channel.access_token, seed.CLIENT_SECRET]
    told = [caplog.text, repr(raised.value), texts(as_alice)]
    told.append(as_alice.get(channel.get_absolute_url()).content.decode())
    assert not [secret for secret in secrets for text in told if str(secret) in text]
