"""The OpenAPI 3.1 document: what the framework derives, and all that operations have in common.

An operation says its scope (`x-scope`) and its own refusals (`x-refusals`); everything that follows
from how the API works is added here, so that nobody can forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from http.client import responses as phrases
from typing import Any

from ninja import NinjaAPI

from apps.core import problems
from apps.core.problems import Kind

_METHODS = ("get", "head", "post", "put", "patch", "delete")

_PROBLEM = {
    "title": "Problem",
    "type": "object",
    "description": "Why a request was refused (RFC 9457). `code` is stable, the words are not.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit-Limit": {
        "description": "Requests in a minute.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Remaining": {
        "description": "Requests left in this minute.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Reset": {
        "description": "Seconds until it ends.",
        "schema": {"type": "integer"},
    },
    "ETag": {"description": "Tag of this representation.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "Location": {"description": "Address of what was made.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` when this is the stored answer of an earlier request.",
        "schema": {"type": "string"},
    },
}

_PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "in": "header",
        "name": "Idempotency-Key",
        "required": False,
        "description": "A new value for each request that differs. For 24 hours a repetition gets "
        "the first answer, and nothing is done twice.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "If-None-Match": {
        "in": "header",
        "name": "If-None-Match",
        "required": False,
        "description": "`ETag` of what you have: 304 when it is still the same.",
        "schema": {"type": "string", "pattern": "^[ -~]*$"},
    },
    "If-Match": {
        "in": "header",
        "name": "If-Match",
        "required": False,
        "description": "`ETag` of what you read: 412 when it was changed since.",
        "schema": {"type": "string", "pattern": "^[ -~]*$"},
    },
}


def document(
    api: NinjaAPI,
    *,
    prefix: str,
    scopes: dict[str, str],
    doors: Iterable[Kind],
    tags: dict[str, str],
) -> dict[str, Any]:
    """The whole document; `doors` are the refusals of the caller that any operation may give."""
    found: dict[str, Any] = dict(api.get_openapi_schema(path_prefix=prefix))
    kinds = {kind.code: kind for kind in problems.kinds()}
    for path, item in found["paths"].items():
        # The framework lets one dictionary stand for several methods; none of ours share.
        for method in _METHODS:
            if method in item:
                _complete(item[method], method, path, kinds, list(doors))
    listed = "\n".join(f"- `{name}`: {text}" for name, text in scopes.items())
    components = found.setdefault("components", {})
    components["schemas"] = dict(sorted(components.get("schemas", {}).items()))
    components["schemas"]["Problem"] = _PROBLEM
    components["headers"] = _HEADERS
    components["examples"] = {
        code: {"summary": kind.title, "value": problems.body_of(kind)}
        for code, kind in kinds.items()
    }
    components["parameters"] = _PARAMETERS
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": f"A token of one workspace, with one or more scopes:\n\n{listed}",
        }
    }
    found["tags"] = [{"name": name, "description": text} for name, text in tags.items()]
    found["servers"] = [{"url": "/"}]
    return found


def _complete(
    operation: dict[str, Any], method: str, path: str, kinds: dict[str, Kind], doors: list[Kind]
) -> None:
    scope = operation["x-scope"]
    own = [kinds[code] for code in operation.pop("x-refusals")]
    operation["security"] = [{"token": [scope]}]
    operation["description"] = f"{operation['description']}\n\nScope: `{scope}`."
    parameters = operation.setdefault("parameters", [])
    answers: dict[str, Any] = {}
    for status, answer in operation["responses"].items():
        answers[str(status)] = answer
        headers = answer.setdefault("headers", {})
        _name(headers, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
        if answer.get("content"):
            _name(headers, "ETag")
        if method == "post":
            _name(headers, "Idempotency-Replayed")
            if status == 201 and "{" not in path and "Location" not in headers:
                _name(headers, "Location")
    refusals = [*doors, *own, problems.RATE_EXCEEDED, problems.SERVER_FAILED]
    refusals.append(problems.UNAVAILABLE)
    if "{" in path:
        refusals.append(problems.NOT_FOUND)
    takes_json = "application/json" in operation.get("requestBody", {}).get("content", {})
    if any(one.get("in") == "query" for one in parameters) or "requestBody" in operation:
        refusals.append(problems.INVALID)
    if takes_json:
        refusals += [problems.JSON_INVALID, problems.MEDIA_TYPE_WRONG]
    if method != "get":
        refusals += [problems.TOO_LARGE, problems.LENGTH_REQUIRED]
    if method == "post":
        parameters.append({"$ref": "#/components/parameters/Idempotency-Key"})
        refusals += [problems.KEY_INVALID, problems.KEY_REUSED, problems.IN_PROGRESS]
    if method == "get":
        parameters.append({"$ref": "#/components/parameters/If-None-Match"})
        answers["304"] = {
            "description": "It is as you have it.",
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        }
    if problems.CHANGED in own:
        parameters.append({"$ref": "#/components/parameters/If-Match"})
    by_status: dict[int, list[Kind]] = {}
    for kind in dict.fromkeys(refusals):
        by_status.setdefault(kind.status, []).append(kind)
    for status in sorted(by_status):
        answers[str(status)] = _refusal(status, by_status[status], has_body=method != "head")
    operation["responses"] = dict(sorted(answers.items()))


def _refusal(status: int, kinds: list[Kind], *, has_body: bool) -> dict[str, Any]:
    codes = ", ".join(f"`{kind.code}`" for kind in kinds)
    answer: dict[str, Any] = {"description": f"{phrases.get(status, 'Refused')}: {codes}"}
    headers: dict[str, Any] = {}
    if status == 401:
        _name(headers, "WWW-Authenticate")
    if status == 429:
        _name(headers, "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    if headers:
        answer["headers"] = headers
    if has_body:
        answer["content"] = {
            problems.MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds
                },
            }
        }
    return answer


def _name(headers: dict[str, Any], *names: str) -> None:
    for name in names:
        headers.setdefault(name, {"$ref": f"#/components/headers/{name}"})
