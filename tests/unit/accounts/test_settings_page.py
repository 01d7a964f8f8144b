import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from apps.accounts import services
from apps.accounts.models import Membership, Role, User, Workspace
from tests.conftest import PASSWORD


def membership(user, workspace):
    return Membership.objects.get(user=user, workspace=workspace)


def test_a_person_signs_up_by_e_mail_and_lands_in_a_workspace_of_their_own(db):
    client = Client()
    answer = client.post(
        "/accounts/signup/",
        {"email": "Dora@Example.org", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert answer.status_code == 302, answer.context["form"].errors
    dora = User.objects.get()
    assert dora.email == "dora@example.org"
    assert dora.workspaces.count() == 1
    assert client.get(reverse("settings")).status_code == 200


def test_signing_in_takes_the_e_mail_in_any_case(alice):
    answer = Client().post("/accounts/login/", {"login": "ALICE@example.org", "password": PASSWORD})
    assert answer.status_code == 302


def test_two_accounts_cannot_differ_by_case_alone(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="Alice@Example.org")


def test_settings_need_a_person(db):
    answer = Client().get(reverse("settings"))
    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/login/")


def test_an_owner_sees_the_members(as_alice, bob):
    assert b"bob@example.org" in as_alice.get(reverse("team")).content


def test_a_foreign_workspace_looks_missing(as_charlie, workspace):
    assert as_charlie.get(f"{reverse('settings')}?workspace={workspace.slug}").status_code == 404


def test_the_chosen_workspace_is_remembered(as_bob, bob, workspace):
    own = bob.workspaces.exclude(pk=workspace.pk).get()
    as_bob.get(f"{reverse('settings')}?workspace={own.slug}")
    assert as_bob.get(reverse("settings")).context["workspace"] == own


def test_a_workspace_that_was_left_is_forgotten(as_bob, bob, workspace):
    membership(bob, workspace).delete()
    assert as_bob.get(reverse("settings")).context["workspace"] != workspace


def test_an_owner_renames(as_alice, workspace):
    as_alice.post(reverse("settings"), {"name": "Night radio"})
    workspace.refresh_from_db()
    assert workspace.name == "Night radio"


@pytest.mark.parametrize("bob", [Role.VIEWER, Role.EDITOR], indirect=True)
def test_only_owners_change_anything(as_bob, bob, alice, workspace):
    hers = membership(alice, workspace).pk
    for address, data in [
        (reverse("settings"), {"name": "Mine"}),
        (reverse("team"), {"email": "charlie@example.org", "role": "owner"}),
        (reverse("member-owner", args=[membership(bob, workspace).pk]), {}),
        (reverse("member-role", args=[membership(bob, workspace).pk]), {"role": "owner"}),
        (reverse("member-remove", args=[hers]), {}),
    ]:
        assert as_bob.post(address, data).status_code == 403, address
    assert Workspace.objects.get(pk=workspace.pk).name == workspace.name
    assert Membership.objects.filter(workspace=workspace).count() == 2


def test_strangers_cannot_touch_memberships(as_charlie, alice, workspace):
    hers = membership(alice, workspace).pk
    assert as_charlie.post(reverse("member-remove", args=[hers])).status_code == 404
    assert (
        as_charlie.post(reverse("member-role", args=[hers]), {"role": "viewer"}).status_code == 404
    )


def test_a_role_changes_and_a_member_goes(as_alice, bob, workspace):
    his = membership(bob, workspace)
    as_alice.post(reverse("member-role", args=[his.pk]), {"role": "editor"})
    his.refresh_from_db()
    assert his.role == Role.EDITOR
    as_alice.post(reverse("member-remove", args=[his.pk]))
    assert not Membership.objects.filter(pk=his.pk).exists()


def test_the_last_owner_stays(alice, bob, workspace):
    hers = membership(alice, workspace)
    with pytest.raises(ValidationError):
        services.change_role(membership=hers, role=Role.EDITOR)
    with pytest.raises(ValidationError):
        services.remove_member(membership=hers)
    services.change_role(membership=membership(bob, workspace), role=Role.OWNER)
    services.remove_member(membership=hers)
    assert not Membership.objects.filter(user=alice, workspace=workspace).exists()


@pytest.mark.parametrize(
    "address", ["/settings/team/leave/", "/accounts/logout/", "/accounts/sessions/end/"]
)
def test_nothing_changes_by_get(as_alice, address):
    before = Membership.objects.count()
    as_alice.get(address)
    assert Membership.objects.count() == before


def test_pages_carry_the_strict_policy(as_alice):
    policy = as_alice.get(reverse("settings"))["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_forms_need_their_token(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(reverse("settings"), {"name": "Mine"}).status_code == 403
