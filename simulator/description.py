"""The API's own published description: what a request and an answer may look like.

It is the static document that Google's Python client carries. The simulator runs without it; where
it is found, every request and every answer is held against it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DOCUMENT = "youtube.v3.json"
_INTEGERS = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "uint32": (0, (1 << 32) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint64": (0, (1 << 64) - 1),
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Fault:
    """Where something is not as the description says."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def find() -> Path | None:
    """Where the document is: named by YOUTUBE_DESCRIPTION, in this environment, or nowhere."""
    named = os.environ.get("YOUTUBE_DESCRIPTION")
    places = [Path(named)] if named else []
    places.append(Path(sys.prefix) / "share" / "youtube" / DOCUMENT)
    client = importlib.util.find_spec("googleapiclient")
    folders = client.submodule_search_locations or [] if client else []
    places += [Path(folder) / "discovery_cache" / "documents" / DOCUMENT for folder in folders]
    return next((place for place in places if place.is_file()), None)


def load() -> Description | None:
    """The description, where it is to be had."""
    place = find()
    return Description(json.loads(place.read_bytes())) if place else None


class Description:
    """A discovery document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._schemas: dict[str, Any] = document["schemas"]

    @property
    def revision(self) -> str:
        """The date of the document, as it calls itself."""
        return str(self._document["revision"])

    @cached_property
    def methods(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Methods by HTTP method and path; uploads under their own paths."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        waiting = list(self._document["resources"].values())
        while waiting:
            resource = waiting.pop()
            waiting += resource.get("resources", {}).values()
            for method in resource.get("methods", {}).values():
                found[method["httpMethod"], "/" + method["path"]] = method
                upload = method.get("mediaUpload", {}).get("protocols", {}).get("simple")
                if upload:
                    found[method["httpMethod"], upload["path"]] = method
        return found

    def method(self, http_method: str, path: str) -> dict[str, Any] | None:
        """The method at an address."""
        return self.methods.get((http_method, path))

    def scopes(self, method: dict[str, Any]) -> frozenset[str]:
        """Any one of which suffices."""
        return frozenset(method["scopes"])

    def parameter_faults(
        self, method: dict[str, Any], query: tuple[tuple[str, str], ...]
    ) -> list[Fault]:
        """What is wrong with a query."""
        known = {**self._document["parameters"], **method.get("parameters", {})}
        faults: list[Fault] = []
        given: dict[str, list[str]] = {}
        for name, value in query:
            given.setdefault(name, []).append(value)
        for name, values in given.items():
            if name not in known:
                faults.append(Fault(name, "there is no such parameter"))
                continue
            schema = known[name]
            if len(values) > 1 and not schema.get("repeated"):
                faults.append(Fault(name, "it is given more than once"))
            for value in values:
                faults += _parameter_value_faults(name, value, schema)
        faults += [
            Fault(name, "it is missing")
            for name, schema in method.get("parameters", {}).items()
            if schema.get("required") and name not in given
        ]
        return faults

    def request_faults(self, method: dict[str, Any], body: Any) -> list[Fault]:
        """What is wrong with a body that is sent."""
        return self._faults(method["request"]["$ref"], body) if "request" in method else []

    def answer_faults(self, method: dict[str, Any], body: Any) -> list[Fault]:
        """What is wrong with a body that is answered; None is no body."""
        if "response" not in method:
            return [] if body is None else [Fault("body", "there must be none")]
        return self._faults(method["response"]["$ref"], body)

    def _faults(self, schema: str, body: Any) -> list[Fault]:
        return self._judge({"$ref": schema}, body, "body")

    def _judge(self, schema: dict[str, Any], value: Any, where: str) -> list[Fault]:
        if "$ref" in schema:
            return self._judge(self._schemas[schema["$ref"]], value, where)
        kind = schema.get("type")
        if kind == "object":
            return self._judge_object(schema, value, where)
        if kind == "array":
            if not isinstance(value, list):
                return [Fault(where, "it is not a list")]
            return [
                fault
                for number, item in enumerate(value)
                for fault in self._judge(schema["items"], item, f"{where}[{number}]")
            ]
        what = _value_fault(schema, value)
        return [Fault(where, what)] if what else []

    def _judge_object(self, schema: dict[str, Any], value: Any, where: str) -> list[Fault]:
        if not isinstance(value, dict):
            return [Fault(where, "it is not an object")]
        faults: list[Fault] = []
        known = schema.get("properties", {})
        others = schema.get("additionalProperties")
        for name, inner in value.items():
            there = f"{where}.{name}"
            if name in known:
                faults += self._judge(known[name], inner, there)
            elif others is not None:
                faults += self._judge(others, inner, there)
            else:
                faults.append(Fault(there, "there is no such field"))
        if "default" in known.get("kind", {}) and value.get("kind") not in (
            None,
            known["kind"]["default"],
        ):
            faults.append(Fault(f"{where}.kind", f"it is not {known['kind']['default']}"))
        return faults


def _parameter_value_faults(name: str, value: str, schema: dict[str, Any]) -> list[Fault]:
    if "enum" in schema and value not in schema["enum"]:
        return [Fault(name, f"{value!r} is none of its values")]
    if schema["type"] == "boolean" and value not in ("true", "false"):
        return [Fault(name, f"{value!r} is neither true nor false")]
    if schema["type"] == "integer":
        if not re.fullmatch(r"-?\d{1,10}", value):
            return [Fault(name, f"{value!r} is no whole number")]
        low = int(schema.get("minimum", -(1 << 31)))
        high = int(schema.get("maximum", (1 << 32) - 1))
        if not low <= int(value) <= high:
            return [Fault(name, f"{value} is not within {low} and {high}")]
    return []


def _value_fault(schema: dict[str, Any], value: Any) -> str:
    """What is wrong with a plain value; empty when nothing is."""
    kind = schema.get("type")
    bounds = _INTEGERS.get(schema.get("format", ""))
    if kind == "boolean":
        return "" if isinstance(value, bool) else "it is neither true nor false"
    if kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            return "it is no whole number"
        return "" if bounds is None or bounds[0] <= value <= bounds[1] else "it is out of range"
    if kind == "number":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if is_number else "it is no number"
    if kind != "string":
        return ""
    if not isinstance(value, str):
        return "it is no text"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is none of its values"
    if bounds is not None:
        is_in = re.fullmatch(r"-?\d{1,20}", value) and bounds[0] <= int(value) <= bounds[1]
        return "" if is_in else "it is no whole number in a text"
    if schema.get("format") == "date-time" and not _DATE_TIME.fullmatch(value):
        return f"{value!r} is no date and time"
    return ""
