"""Programs that call the API for Alice, Bob and Charlie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts import services
from apps.accounts.models import Role, Scope, User, Workspace

ALL = tuple(Scope.values)


class Program:
    """A client with a token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.client = Client()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send `body` as JSON to an address below /api/v1."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(self.client, method.lower())(
            f"/api/v1{path}",
            headers={"Authorization": f"Bearer {self.text}"} | named,
            **content,
        )

    def read(self, path: str) -> Any:
        """What a successful GET tells."""
        answer = self("GET", path)
        assert answer.status_code == 200, answer.content
        return answer.json()


@pytest.fixture(autouse=True)
def _fresh_counters() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def program(workspace: Workspace) -> Callable[..., Program]:
    """Makes a program with a token of Alice's workspace."""

    def make(by: User, *scopes: str) -> Program:
        _, text = services.create_token(
            workspace=workspace, by=by, name="test", scopes=scopes or ALL
        )
        return Program(text)

    return make


@pytest.fixture
def api(alice: User, program: Callable[..., Program]) -> Program:
    """Alice's, with every scope."""
    return program(alice)


@pytest.fixture
def foreign(charlie: User) -> Program:
    """Charlie's, with every scope in his own workspace."""
    _, text = services.create_token(
        workspace=charlie.workspaces.get(), by=charlie, name="test", scopes=ALL
    )
    return Program(text)


def code_of(answer: Any) -> str:
    """The problem's code; also checks that it is one."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return str(problem["code"])


__all__ = ["ALL", "Program", "Role", "code_of"]
