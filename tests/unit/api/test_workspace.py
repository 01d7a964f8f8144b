"""Workspace, members and tokens through the API."""

import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.access import find_token
from apps.accounts.models import ApiToken, AuditEntry, Invitation, Membership, Role
from tests.unit.api.conftest import code_of


def test_an_owner_s_token_renames_the_workspace(api, workspace):
    slug = workspace.slug
    assert api("PATCH", "/workspace", {"name": "Station"}).json()["name"] == "Station"
    assert api.read("/workspace")["slug"] == slug
    assert code_of(api("PATCH", "/workspace", {"slug": "mine"})) == "request.invalid"


@pytest.mark.parametrize("bob", [Role.EDITOR], indirect=True)
def test_members_are_listed_changed_and_shut_out(api, alice, bob, workspace):
    rows = {row["email"]: row for row in api.read("/members")["items"]}
    assert set(rows) == {alice.email, bob.email}
    path = f"/members/{rows[bob.email]['id']}"
    assert api("PATCH", path, {"role": "viewer"}).json()["role"] == "viewer"
    assert api("DELETE", path).status_code == 204
    assert not Membership.objects.filter(user=bob, workspace=workspace).exists()
    removed = AuditEntry.objects.get(code="member.removed")
    assert (removed.by, removed.user) == (alice, bob)


def test_somebody_is_invited_by_mail_and_the_link_is_told_to_nobody_else(api, mailoutbox):
    made = api("POST", "/invitations", {"email": "Dora@example.org", "role": "editor"})
    assert made.status_code == 201, made.content
    (mail,) = mailoutbox
    assert mail.to == ["dora@example.org"]
    secret = re.search(r"/accounts/invitation/([\w-]+)/", mail.body)[1]
    listed = api("GET", "/invitations")
    assert [row["email"] for row in listed.json()["items"]] == ["dora@example.org"]
    assert secret not in made.content.decode() + listed.content.decode()

    path = f"/invitations/{made.json()['id']}"
    assert code_of(api("POST", f"{path}/resend")) == "invitation.not_open"
    Invitation.objects.update(sent_at=timezone.now() - timedelta(minutes=2))
    assert api("POST", f"{path}/resend").status_code == 202
    assert len(mailoutbox) == 2
    assert api("DELETE", path).status_code == 204
    assert api.read("/invitations")["items"] == []


def test_a_member_and_what_is_no_address_are_not_invited(api, alice, mailoutbox):
    for email in (alice.email, "no address", "a@b\r\nBcc: c@d"):
        answer = api("POST", "/invitations", {"email": email})
        assert answer.json()["errors"][0]["pointer"] == "/email"
    assert mailoutbox == []


def test_a_workspace_keeps_an_owner(api, alice, workspace):
    member = Membership.objects.get(user=alice, workspace=workspace)
    assert code_of(api("DELETE", f"/members/{member.pk}")) == "workspace.needs_owner"
    answer = api("PATCH", f"/members/{member.pk}", {"role": "editor"})
    assert code_of(answer) == "workspace.needs_owner"


def test_tokens_are_listed_without_their_text_and_revoked(api, program, alice):
    other = program(alice, "read")
    answer = api("GET", "/tokens")
    assert other.text not in answer.content.decode()
    told = next(row for row in answer.json()["items"] if row["scopes"] == ["read"])
    assert api("DELETE", f"/tokens/{told['id']}").status_code == 204
    assert find_token(other.text) is None


def test_a_token_makes_no_tokens(api):
    assert code_of(api("POST", "/tokens", {"name": "x"})) == "request.method_not_allowed"


@pytest.mark.parametrize("bob", [Role.EDITOR], indirect=True)
def test_managing_needs_an_owner_however_the_token_came_to_be(program, alice, bob, workspace):
    admin = program(alice)
    ApiToken.objects.update(created_by=bob)
    member = Membership.objects.get(user=alice, workspace=workspace)
    for method, path, body in (
        ("PATCH", "/workspace", {"name": "x"}),
        ("POST", "/invitations", {"email": "charlie@example.org"}),
        ("GET", "/invitations", None),
        ("PATCH", f"/members/{member.pk}", {"role": "viewer"}),
        ("DELETE", f"/members/{member.pk}", None),
        ("GET", "/tokens", None),
        ("DELETE", f"/tokens/{ApiToken.objects.get().pk}", None),
    ):
        assert code_of(admin(method, path, body)) == "auth.forbidden", path


def test_managing_needs_its_scope(program, alice):
    editor = program(alice, "read", "library", "streams")
    for method, path in (("GET", "/tokens"), ("DELETE", f"/members/{uuid.uuid4()}")):
        assert code_of(editor(method, path)) == "auth.scope_missing"


def test_foreign_and_missing_members_and_tokens_look_the_same(foreign, api, alice, workspace):
    member = Membership.objects.get(user=alice, workspace=workspace)
    token = ApiToken.objects.get(workspace=workspace)
    for kind, mine in (("members", member.pk), ("tokens", token.pk)):
        answers = [foreign("DELETE", f"/{kind}/{one}") for one in (mine, uuid.uuid4())]
        assert answers[0].content == answers[1].content
        assert code_of(answers[0]) == "resource.not_found"
    assert Membership.objects.filter(pk=member.pk).exists()
