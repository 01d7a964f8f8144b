"""API tokens on the settings page: made and revoked by owners, shown once."""

import re

import pytest
from django.urls import reverse

from apps.accounts import services
from apps.accounts.access import find_token
from apps.accounts.models import ApiToken, AuditEntry, Role

WISH = {"name": "Deploy", "scopes": ["read", "streams"]}


def test_a_token_is_shown_once_and_works(as_alice, workspace):
    page = as_alice.post(reverse("tokens"), WISH)
    text = re.search(r'value="(ys_[\w-]+)"', page.content.decode())[1]
    token = find_token(text)
    assert (token.workspace, token.name, token.scopes) == (workspace, "Deploy", WISH["scopes"])
    assert "no-store" in page["Cache-Control"]
    again = as_alice.get(reverse("tokens")).content.decode()
    assert "Deploy" in again
    assert text not in again
    assert AuditEntry.objects.get(code="token.made").workspace == workspace


@pytest.mark.parametrize(
    "wish",
    [{"name": "x"}, {"name": "x", "scopes": ["root"]}, {"name": "", "scopes": ["read"]}],
)
def test_a_token_without_a_name_or_with_an_unknown_scope_is_not_made(as_alice, wish):
    assert as_alice.post(reverse("tokens"), wish).status_code == 422
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_after_a_question(as_alice, alice, workspace):
    token, text = services.create_token(workspace=workspace, by=alice, name="Old")
    address = reverse("token-revoke", args=[token.pk])
    assert "Old" in as_alice.get(address).content.decode()
    assert find_token(text) == token
    assert as_alice.post(address).url == f"/settings/tokens/?workspace={workspace.slug}"
    assert find_token(text) is None


@pytest.mark.parametrize("bob", [Role.VIEWER, Role.EDITOR], indirect=True)
def test_only_owners_see_and_change_tokens(as_bob, as_charlie, alice, workspace):
    token, text = services.create_token(workspace=workspace, by=alice, name="Old")
    revoke = reverse("token-revoke", args=[token.pk])
    assert as_bob.get(reverse("tokens")).status_code == 403
    assert as_bob.post(reverse("tokens"), WISH).status_code == 403
    assert as_bob.post(revoke).status_code == 403
    assert as_charlie.post(revoke).status_code == 404
    assert as_charlie.get(f"{reverse('tokens')}?workspace={workspace.slug}").status_code == 404
    assert find_token(text) == token


def test_nobody_gives_more_than_they_may_do(bob, workspace):
    from django.core.exceptions import ValidationError

    for scopes in (["streams"], ["read", "admin"], ["root"], []):
        with pytest.raises(ValidationError):
            services.create_token(workspace=workspace, by=bob, name="n", scopes=scopes)
    assert not ApiToken.objects.exists()
