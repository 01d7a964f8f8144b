"""Workspace, members and tokens through the API."""

import uuid

import pytest

from apps.accounts.access import find_token
from apps.accounts.models import ApiToken, Membership, Role
from tests.unit.api.conftest import code_of


def test_an_owner_s_token_renames_the_workspace(api, workspace):
    slug = workspace.slug
    assert api("PATCH", "/workspace", {"name": "Station"}).json()["name"] == "Station"
    assert api.read("/workspace")["slug"] == slug
    assert code_of(api("PATCH", "/workspace", {"slug": "mine"})) == "request.invalid"


def test_members_are_let_in_changed_and_shut_out(api, charlie, workspace):
    made = api("POST", "/members", {"email": "CHARLIE@example.org", "role": "editor"})
    assert made.status_code == 201, made.content
    path = f"/members/{made.json()['id']}"
    assert {row["email"] for row in api.read("/members")["items"]} == {
        "alice@example.org",
        "charlie@example.org",
    }
    assert api("PATCH", path, {"role": "viewer"}).json()["role"] == "viewer"
    assert api("DELETE", path).status_code == 204
    assert not Membership.objects.filter(user=charlie, workspace=workspace).exists()


def test_somebody_unknown_and_a_member_are_not_let_in(api, alice):
    for email in ("nobody@example.org", alice.email):
        answer = api("POST", "/members", {"email": email})
        assert answer.json()["errors"][0]["pointer"] == "/email"


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
        ("POST", "/members", {"email": "charlie@example.org"}),
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
