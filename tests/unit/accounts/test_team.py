"""Invitations, roles, leaving and handing over."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.messages import get_messages
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts import invitations, services
from apps.accounts.models import AuditEntry, Invitation, Membership, Role, User
from tests.conftest import PASSWORD

DORA = "dora@example.org"


def invite(workspace, by, email=DORA, role=Role.EDITOR):
    return invitations.invite(workspace=workspace, email=email, role=role, by=by)


def said(answer):
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def role_of(user, workspace):
    return Membership.objects.filter(user=user, workspace=workspace).values_list("role", flat=True)


def codes(workspace):
    return list(AuditEntry.objects.filter(workspace=workspace).values_list("code", flat=True))


def test_somebody_new_signs_up_from_the_mail_and_is_in(as_alice, workspace, confirming, link_in):
    as_alice.post(reverse("team"), {"email": "Dora@Example.org", "role": "editor"})
    dora = Client()
    link = link_in(DORA)
    page = dora.get(link).content.decode()
    assert "Alice invites dora@example.org" in page
    signed = dora.post(
        "/accounts/signup/",
        {"email": DORA, "password1": PASSWORD, "password2": PASSWORD, "next": link},
    )
    assert signed.url == link, "the link came by mail: no second mail is needed"
    assert len(mail.outbox) == 1
    assert "Accept" in dora.get(link).content.decode()
    assert dora.post(link).url == f"/dashboard/?workspace={workspace.slug}"
    user = User.objects.get(email=DORA)
    assert list(role_of(user, workspace)) == ["editor"]
    assert EmailAddress.objects.get(user=user).verified
    assert codes(workspace) == ["invitation.accepted", "invitation.sent"]


def test_holding_a_link_confirms_no_other_address(client, alice, workspace, confirming):
    _, secret = invite(workspace, alice)
    client.get(reverse("invitation", args=[secret]))
    answer = client.post(
        "/accounts/signup/",
        {"email": "eve@example.org", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert answer.url == "/accounts/confirm-email/"
    assert not EmailAddress.objects.exclude(user=alice).get().verified


def test_somebody_with_an_account_accepts(as_charlie, alice, charlie, workspace):
    _, secret = invite(workspace, alice, email="CHARLIE@example.org")
    address = reverse("invitation", args=[secret])
    assert "Accept" in as_charlie.get(address).content.decode()
    as_charlie.post(address)
    assert list(role_of(charlie, workspace)) == ["editor"]


def test_looking_at_it_accepts_nothing(as_charlie, alice, charlie, workspace):
    _, secret = invite(workspace, alice, email=charlie.email)
    as_charlie.get(reverse("invitation", args=[secret]))
    assert not role_of(charlie, workspace)


def test_it_is_for_one_address_only(as_charlie, alice, charlie, workspace):
    _, secret = invite(workspace, alice)
    address = reverse("invitation", args=[secret])
    assert "You are signed in as charlie@example.org" in as_charlie.get(address).content.decode()
    assert as_charlie.post(address).status_code == 403
    assert not role_of(charlie, workspace)


def test_it_works_once(as_charlie, alice, charlie, workspace):
    invitation, secret = invite(workspace, alice, email=charlie.email)
    invitations.accept(invitation=invitation, user=charlie)
    services.remove_member(membership=Membership.objects.get(user=charlie, workspace=workspace))
    assert as_charlie.post(reverse("invitation", args=[secret])).status_code == 404
    with pytest.raises(ValidationError):
        invitations.accept(invitation=invitation, user=charlie)
    assert not role_of(charlie, workspace)


def test_it_expires(as_charlie, alice, charlie, workspace):
    invitation, secret = invite(workspace, alice, email=charlie.email)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Http404):
        invitations.find(secret)
    with pytest.raises(ValidationError):
        invitations.accept(invitation=invitation, user=charlie)
    assert as_charlie.get(reverse("invitation", args=[secret])).status_code == 404


def test_only_a_digest_is_kept(alice, workspace):
    invitation, secret = invite(workspace, alice)
    row = Invitation.objects.filter(pk=invitation.pk).values().get()
    assert secret not in map(str, row.values())


def test_it_gives_no_higher_role_to_a_member(alice, bob, workspace):
    with pytest.raises(ValidationError, match="member already"):
        invite(workspace, alice, email="BOB@example.org", role=Role.OWNER)


def test_an_address_is_invited_once(as_alice, alice, workspace):
    invite(workspace, alice)
    answer = as_alice.post(reverse("team"), {"email": DORA, "role": "owner"})
    assert answer.status_code == 422
    assert "invited already" in answer.content.decode()
    assert Invitation.objects.count() == 1


def test_sending_again_replaces_the_link(as_alice, alice, workspace, mailoutbox, link_in):
    invitation, secret = invite(workspace, alice)
    address = reverse("invitation-resend", args=[invitation.pk])
    assert "Wait a minute" in said(as_alice.post(address))
    assert mailoutbox == []
    Invitation.objects.update(sent_at=timezone.now() - timedelta(minutes=2))
    as_alice.post(address)
    with pytest.raises(Http404):
        invitations.find(secret)
    assert invitations.find(link_in(DORA).rstrip("/").rpartition("/")[2]) == invitation


def test_a_revoked_link_is_worth_nothing(as_alice, as_charlie, alice, charlie, workspace):
    invitation, secret = invite(workspace, alice, email=charlie.email)
    as_alice.post(reverse("invitation-revoke", args=[invitation.pk]))
    assert as_charlie.post(reverse("invitation", args=[secret])).status_code == 404
    assert invite(workspace, alice, email=charlie.email), "and the address can be invited again"


def test_a_workspace_is_no_sender_of_spam(alice, workspace, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_A_DAY", 2)
    for number in range(2):
        invitation, _ = invite(workspace, alice, email=f"{number}@example.org")
        invitations.revoke(invitation=invitation, by=alice)
    with pytest.raises(ValidationError, match="tomorrow"):
        invite(workspace, alice)


@pytest.mark.parametrize("bob", [Role.VIEWER, Role.EDITOR], indirect=True)
def test_only_owners_see_and_change_invitations(as_bob, as_charlie, alice, bob, workspace):
    invitation, _ = invite(workspace, alice)
    assert DORA not in as_bob.get(reverse("team")).content.decode()
    for name in ("invitation-resend", "invitation-revoke"):
        address = reverse(name, args=[invitation.pk])
        assert as_bob.post(address).status_code == 403
        assert as_charlie.post(address).status_code == 404
    invitation.refresh_from_db()
    assert invitation.revoked_at is None


def test_a_made_up_link_looks_like_any_missing_page(client, db):
    assert client.get(reverse("invitation", args=["x" * 43])).status_code == 404


def test_a_form_cannot_choose_another_workspace(as_alice, charlie, workspace):
    other = charlie.workspaces.get()
    address = f"{reverse('team')}?workspace={other.slug}"
    assert as_alice.post(address, {"email": DORA, "role": "owner"}).status_code == 404
    as_alice.post(reverse("team"), {"email": DORA, "role": "owner", "workspace": str(other.pk)})
    assert Invitation.objects.get().workspace == workspace


def test_an_unknown_role_is_refused(as_alice, workspace):
    assert as_alice.post(reverse("team"), {"email": DORA, "role": "root"}).status_code == 422
    assert not Invitation.objects.exists()


# -- members ---------------------------------------------------------------------------------------


def test_a_member_leaves(as_bob, bob, workspace):
    assert "Leave" in as_bob.get(reverse("team-leave")).content.decode()
    assert role_of(bob, workspace)
    as_bob.post(reverse("team-leave"))
    assert not role_of(bob, workspace)
    assert codes(workspace) == ["member.left"]


def test_who_leaves_their_only_workspace_gets_one_of_their_own(as_bob, bob, workspace):
    bob.memberships.exclude(workspace=workspace).delete()
    as_bob.post(reverse("team-leave"))
    assert as_bob.get("/dashboard/").status_code == 200


def test_the_last_owner_cannot_leave(as_alice, alice, workspace):
    assert "needs an owner" in said(as_alice.post(reverse("team-leave")))
    assert list(role_of(alice, workspace)) == ["owner"]


def test_a_workspace_is_handed_over(as_alice, alice, bob, workspace):
    his = Membership.objects.get(user=bob, workspace=workspace)
    address = reverse("member-owner", args=[his.pk])
    assert "Hand over" in as_alice.get(address).content.decode()
    as_alice.post(address)
    assert list(role_of(bob, workspace)) == ["owner"]
    assert list(role_of(alice, workspace)) == ["editor"]
    assert as_alice.post(address).status_code == 403, "she is no owner any more"
    assert codes(workspace) == ["workspace.transferred"]


def test_it_is_handed_to_nobody_outside(alice, charlie, workspace):
    theirs = charlie.memberships.get()
    with pytest.raises(ValidationError):
        services.transfer_ownership(workspace=workspace, to=theirs, by=alice)


def test_every_change_is_written_down(as_alice, alice, bob, workspace):
    his = Membership.objects.get(user=bob, workspace=workspace)
    as_alice.post(reverse("member-role", args=[his.pk]), {"role": "editor"})
    as_alice.post(reverse("member-remove", args=[his.pk]))
    entries = AuditEntry.objects.filter(workspace=workspace)
    assert [(entry.code, entry.by) for entry in entries] == [
        ("member.removed", alice),
        ("member.role", alice),
    ]
    assert "bob@example.org was removed" in as_alice.get(reverse("team")).content.decode()


def test_somebody_else_cannot_accept_for_another(charlie, alice, workspace):
    invitation, _ = invite(workspace, alice)
    with pytest.raises(PermissionDenied):
        invitations.accept(invitation=invitation, user=charlie)


@pytest.mark.parametrize("page", ["team", "profile", "security", "usersessions_list"])
@pytest.mark.parametrize("size", [1, 40])
def test_pages_about_people_cost_few_queries(
    as_alice, alice, workspace, django_assert_max_num_queries, page, size
):
    for number in range(size):
        user = User.objects.create_user(f"{number}@example.org")
        Membership.objects.create(user=user, workspace=workspace, role=Role.VIEWER)
        invite(workspace, alice, email=f"i{number}@example.org")
    as_alice.get(reverse(page))
    with django_assert_max_num_queries(11):
        as_alice.get(reverse(page))
