"""OAuth as Google does it, and what must not work."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlencode

from simulator import seed
from simulator.faults import Behaviour
from tests.simulator.service import CALLBACK, SCOPE, Service, authorisation


async def test_the_page_offers_channels_and_leaves_scopes_unticked(service: Service) -> None:
    reply = await service.send("GET", "/o/oauth2/v2/auth?" + urlencode(authorisation()))
    text = reply.body.decode()
    assert "Harbour Radio" in text
    assert "Night Train" in text
    assert 'type="checkbox" name="granted"' in text
    ticked = [tag for tag in text.split("<") if " checked" in tag]
    assert not any("checkbox" in tag for tag in ticked)
    policy = reply.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:8000" in policy
    assert "unsafe" not in policy


async def test_a_code_is_good_for_tokens_once(service: Service) -> None:
    back = await service.consent()
    assert back["state"] == "from-the-session"
    first = await service.exchange(back["code"])
    assert first.status == 200
    assert first.json["refresh_token"]
    assert first.json["expires_in"] == 3600
    again = await service.exchange(back["code"])
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    # What the code gave before is taken back: one of the two was not its owner.
    refreshed = await service.token(
        grant_type="refresh_token", refresh_token=first.json["refresh_token"]
    )
    assert refreshed.json["error"] == "invalid_grant"


async def test_a_code_without_its_verifier_is_worth_nothing(service: Service) -> None:
    verifier = "v" * 50
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    asked = {"code_challenge": challenge.decode().rstrip("="), "code_challenge_method": "S256"}
    stolen = await service.consent(**asked)
    assert (await service.exchange(stolen["code"])).json["error"] == "invalid_grant"
    wrong = await service.exchange(stolen["code"], code_verifier="w" * 50)
    assert wrong.json["error"] == "invalid_grant"
    assert (await service.exchange(stolen["code"], code_verifier=verifier)).status == 200


async def test_a_code_belongs_to_its_client_and_its_address(service: Service) -> None:
    code = (await service.consent())["code"]
    elsewhere = await service.exchange(code, redirect_uri=CALLBACK + "else")
    assert elsewhere.json["error"] == "redirect_uri_mismatch"
    other = await service.exchange(
        code, client_id=seed.OTHER_CLIENT_ID, client_secret=seed.OTHER_CLIENT_SECRET
    )
    assert other.json["error"] == "invalid_grant"
    secretless = await service.exchange(code, client_secret="guess")
    assert (secretless.status, secretless.json["error"]) == (401, "invalid_client")


async def test_an_old_code_is_refused(service: Service) -> None:
    code = (await service.consent())["code"]
    service.wait(601)
    assert (await service.exchange(code)).json["error"] == "invalid_grant"


async def test_it_sends_nobody_to_a_foreign_address(service: Service) -> None:
    for address in ("https://evil.example/", "http://127.0.0.1:8000/x#y", "javascript:alert(1)"):
        fields = {**authorisation(), "redirect_uri": address, "decision": "deny"}
        reply = await service.form("/o/oauth2/v2/auth", fields)
        assert reply.status == 400
        assert "location" not in reply.headers


async def test_registered_addresses_are_compared_exactly(service: Service) -> None:
    service.world.clients[seed.CLIENT_ID].redirect_uris = [CALLBACK]
    assert "code" in await service.consent()
    fields = {**authorisation(), "redirect_uri": CALLBACK + "?x=1", "decision": "deny"}
    assert (await service.form("/o/oauth2/v2/auth", fields)).status == 400


async def test_who_says_no_is_sent_back_with_it(service: Service) -> None:
    assert await service.consent(decision="deny") == {
        "error": "access_denied", "state": "from-the-session",
    }  # fmt: skip


async def test_what_is_not_ticked_is_not_granted(service: Service) -> None:
    both = f"openid {SCOPE} {SCOPE}.upload"
    back = await service.consent(granted=(), scope=both)
    reply = await service.exchange(back["code"])
    assert reply.json["scope"] == "openid"
    token = reply.json["access_token"]
    refused = await service.send(
        "GET", "/youtube/v3/channels?part=id&mine=true",
        headers={"authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert (refused.status, refused.reason) == (403, "insufficientPermissions")
    assert await service.consent(granted=()) == {
        "error": "access_denied", "state": "from-the-session",
    }  # fmt: skip


async def test_a_second_consent_brings_no_refresh_token_unless_asked(service: Service) -> None:
    await service.sign_in()
    for prompt, expected in (("", False), ("consent", True)):
        back = await service.consent(prompt=prompt)
        reply = await service.exchange(back["code"])
        assert ("refresh_token" in reply.json) is expected


async def test_a_refresh_keeps_the_old_token_or_rotates_it(
    service: Service, behaviour: Behaviour
) -> None:
    client = await service.sign_in()
    old = {"grant_type": "refresh_token", "refresh_token": client.refresh_token}
    assert "refresh_token" not in (await service.token(**old)).json
    behaviour.rotates_refresh_tokens = True
    new = (await service.token(**old)).json["refresh_token"]
    assert new != client.refresh_token
    assert (await service.token(**old)).json["error"] == "invalid_grant"
    assert (await service.token(**{**old, "refresh_token": new})).status == 200


async def test_access_tokens_end_and_are_refreshed(service: Service) -> None:
    client = await service.sign_in()
    service.wait(3601)
    refused = await client.call("GET", "channels", part="id", mine="true")
    assert (refused.status, refused.reason) == (401, "authError")
    reply = await service.token(grant_type="refresh_token", refresh_token=client.refresh_token)
    client.token = reply.json["access_token"]
    assert (await client.call("GET", "channels", part="id", mine="true")).status == 200


async def test_a_client_in_testing_loses_its_tokens_after_a_week(
    service: Service, behaviour: Behaviour
) -> None:
    behaviour.is_in_testing = True
    client = await service.sign_in()
    behaviour.is_in_testing = False  # what was issued before keeps dying
    refresh = {"grant_type": "refresh_token", "refresh_token": client.refresh_token}
    service.wait(7 * 86_400 - 1)
    assert (await service.token(**refresh)).status == 200
    service.wait(2)
    assert (await service.token(**refresh)).json["error"] == "invalid_grant"


async def test_revoking_either_token_ends_the_whole_grant(service: Service) -> None:
    for name in ("token", "refresh_token"):
        client = await service.sign_in()
        assert (await service.form("/revoke", {"token": getattr(client, name)})).status == 200
        reply = await client.call("GET", "channels", part="id", mine="true")
        assert reply.status == 401
        refresh = {"grant_type": "refresh_token", "refresh_token": client.refresh_token}
        assert (await service.token(**refresh)).json["error"] == "invalid_grant"
    assert (await service.form("/revoke", {"token": "unknown"})).status == 400


async def test_the_hundred_and_first_refresh_token_kills_the_first(service: Service) -> None:
    clients = [await service.sign_in() for _ in range(101)]
    first, second = [
        await service.token(grant_type="refresh_token", refresh_token=each.refresh_token)
        for each in clients[:2]
    ]
    assert first.json["error"] == "invalid_grant"
    assert second.status == 200


async def test_one_grant_is_one_channel(service: Service) -> None:
    client = await service.sign_in(who=f"harbour@example.org {seed.NIGHT}")
    reply = await client.call("GET", "channels", part="id,snippet", mine="true")
    assert [item["id"] for item in reply.json["items"]] == [seed.NIGHT]
    fields = {**authorisation(), "who": f"garden@example.org {seed.NIGHT}", "decision": "allow"}
    assert (await service.form("/o/oauth2/v2/auth", fields)).status == 400


async def test_an_account_without_a_channel_is_told_to_make_one(service: Service) -> None:
    client = await service.sign_in(who="nobody@example.org")
    reply = await client.call("GET", "channels", part="id", mine="true")
    assert reply.json["items"] == []
    assert (await client.insert()).reason == "youtubeSignupRequired"


async def test_a_foreign_page_cannot_consent(service: Service) -> None:
    reply = await service.send(
        "POST", "/o/oauth2/v2/auth", headers={"origin": "https://evil.example"}
    )
    assert reply.status == 403
