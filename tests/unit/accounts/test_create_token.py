import pytest
from django.core.management import CommandError, call_command

from apps.accounts.access import find_token


def test_the_command_prints_a_token_that_works(alice, workspace, capsys):
    call_command("create_token", "ALICE@example.org", "--name", "deploy")
    token = find_token(capsys.readouterr().out.strip())
    assert token is not None
    assert (token.workspace, token.name) == (workspace, "deploy")


def test_it_refuses_an_unknown_person(db):
    with pytest.raises(CommandError, match="Nobody has an account"):
        call_command("create_token", "nobody@example.org")


def test_it_refuses_a_workspace_of_others(alice, charlie, workspace):
    with pytest.raises(CommandError, match="no member"):
        call_command("create_token", "charlie@example.org", "--workspace", workspace.slug)


def test_it_gives_the_scopes_that_were_asked_for(alice, capsys):
    call_command("create_token", "alice@example.org", "--scope", "read", "--scope", "admin")
    assert find_token(capsys.readouterr().out.strip()).scopes == ["read", "admin"]


def test_by_default_it_gives_what_the_role_allows_but_admin(alice, bob, workspace, capsys):
    call_command("create_token", alice.email)
    assert find_token(capsys.readouterr().out.strip()).scopes == ["read", "library", "streams"]
    call_command("create_token", bob.email, "--workspace", workspace.slug)
    assert find_token(capsys.readouterr().out.strip()).scopes == ["read"]


def test_it_refuses_a_scope_beyond_the_role(bob, workspace):
    with pytest.raises(CommandError, match="may not give the scope admin"):
        call_command("create_token", bob.email, "--workspace", workspace.slug, "--scope", "admin")
