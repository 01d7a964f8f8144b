"""The document is OpenAPI 3.1, complete, and says what docs/reference/api.md says."""

import json
import re
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from apps.accounts.models import Scope
from apps.core import problems
from config.api import openapi

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/reference/api.md").read_text()


@pytest.fixture(scope="module")
def document(django_db_blocker):
    return json.loads(json.dumps(openapi()))


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_it_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_is_served_to_everybody_with_a_tag(client):
    first = client.get("/api/v1/openapi.json")
    assert first.json() == json.loads(json.dumps(openapi()))
    again = client.get("/api/v1/openapi.json", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304


def test_every_operation_has_a_name_a_summary_a_scope_and_refusals(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) >= 40
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["tags"], where
        (requirement,) = operation["security"]
        assert set(requirement["token"]) <= set(Scope.values), where
        assert {"401", "403", "429", "500"} <= set(operation["responses"]), where
        if "{" in path:
            assert "404" in operation["responses"], where
        if method == "get":
            owners_only = path.endswith(("/tokens", "/invitations"))
            assert requirement == {"token": ["admin" if owners_only else "read"]}, where
            assert "304" in operation["responses"], where
        else:
            assert requirement != {"token": ["read"]}, where


def test_lists_are_paged(document):
    for method, path, operation in operations(document):
        answer = operation["responses"].get("200", {}).get("content", {})
        name = json.dumps(answer).rpartition("/")[2]
        if method == "get" and "Page" in name:
            asked = {one["name"]: one["schema"] for one in operation["parameters"] if "name" in one}
            assert asked["limit"]["maximum"] == 100, path
            assert "cursor" in asked, path


def test_bodies_refuse_what_they_do_not_describe(document):
    for name, schema in document["components"]["schemas"].items():
        if schema.get("type") == "object" and name != "Problem":
            assert schema["additionalProperties"] is False, name


def test_no_answer_can_carry_a_key(document):
    asked = {"DestinationWish", "StreamNew", "StreamChange", "ReceiverNew", "ReceiverChange"}
    for name, schema in document["components"]["schemas"].items():
        if name not in asked:
            assert not {"key", "token", "digest", "password"} & set(schema.get("properties", {}))


def test_the_page_lists_every_code_once_as_it_is():
    rows = re.findall(
        r"^\| `([a-z_]+\.[a-z_]+)` \| (\d+) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE
    )
    told = [(code, int(status), title, advice) for code, status, title, advice in rows]
    assert told == [(kind.code, kind.status, kind.title, kind.advice) for kind in problems.kinds()]


def test_the_page_lists_every_operation(document):
    rows = re.findall(r"^\| `([A-Z]+)` \| `(/[^`]*)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(
        (method.upper(), path.removeprefix("/api/v1"), operation["x-scope"])
        for method, path, operation in operations(document)
    )


def test_every_code_has_an_address(client):
    for kind in problems.kinds():
        answer = client.get(f"/api/v1/problems/{kind.code}")
        assert answer.json()["title"] == kind.title
    assert client.get("/api/v1/problems/no.such").status_code == 404


def test_the_page_to_try_things_out_asks_no_foreign_host(client):
    answer = client.get("/api/v1/docs")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "<style" not in page
    assert 'type="application/json"' in page
    assert '"validatorUrl": null' in page
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
