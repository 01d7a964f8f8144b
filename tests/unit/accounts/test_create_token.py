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
