import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from apps.accounts import services
from apps.accounts.access import (
    accessible_workspaces,
    find_token,
    get_workspace_for,
    require,
)
from apps.accounts.models import Membership, Role


@pytest.mark.parametrize(("lower", "higher"), [("viewer", "editor"), ("editor", "owner")])
def test_roles_are_ordered_by_rights_not_by_spelling(lower, higher):
    assert Role(lower) < Role(higher)
    assert Role(higher) >= Role(lower)
    assert not Role(lower) >= Role(higher)


def test_whoever_signs_up_owns_a_workspace(alice):
    assert [m.role for m in Membership.objects.filter(user=alice)] == [Role.OWNER]


def test_a_stranger_is_told_that_the_workspace_does_not_exist(charlie, workspace):
    with pytest.raises(Http404):
        get_workspace_for(charlie, workspace.slug)
    with pytest.raises(Http404):
        require(charlie, workspace)
    assert workspace not in accessible_workspaces(charlie)


def test_nobody_signed_in_is_a_stranger(workspace):
    with pytest.raises(Http404):
        require(AnonymousUser(), workspace)
    assert not accessible_workspaces(AnonymousUser()).exists()


@pytest.mark.parametrize("bob", [Role.VIEWER, Role.EDITOR], indirect=True)
def test_a_member_with_too_low_a_role_is_refused_openly(bob, workspace):
    require(bob, workspace)
    with pytest.raises(PermissionDenied):
        require(bob, workspace, Role.OWNER)


@pytest.mark.parametrize("bob", [Role.EDITOR, Role.OWNER], indirect=True)
def test_a_sufficient_role_passes(bob, workspace):
    assert require(bob, workspace, Role.EDITOR) >= Role.EDITOR


def test_a_token_is_found_by_its_text_and_kept_only_as_a_digest(alice, workspace):
    token, text = services.create_token(workspace=workspace, by=alice, name="n")
    assert find_token(text) == token
    assert find_token(text + "x") is None
    assert text not in (token.digest, token.hint)


def test_a_token_dies_with_the_membership_of_its_maker(alice, bob, workspace):
    _, text = services.create_token(workspace=workspace, by=bob, name="n", scopes=["read"])
    services.remove_member(membership=Membership.objects.get(user=bob, workspace=workspace))
    assert find_token(text) is None


def test_a_token_of_a_deactivated_person_is_not_found(alice, workspace):
    _, text = services.create_token(workspace=workspace, by=alice, name="n")
    alice.is_active = False
    alice.save()
    assert find_token(text) is None
