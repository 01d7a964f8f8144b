"""What node control and pump say to each other: one JSON object a line, version 2.

    control → pump   hello, quarantine, set, drop, stop
    pump → control   hello, report

Either side refuses another version at the greeting, so a pump that outlives a deploy is never
misunderstood. Within a version, messages and values may only be added: what is not known is left
aside. A line holds at most 16 MiB. The socket lies in a directory that only the node's
user can enter, since `set` carries stream keys.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from playout.errors import NodeProtocolError, ProgrammeError
from playout.supervisor.ports import Aired, DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.states import OutputState
from playout.timeline.programme import Programme

VERSION = 2
MAX_LINE_BYTES = 16 << 20

Message = dict[str, Any]

_REPORT_FIELDS = tuple(field.name for field in fields(OutputReport))


class OtherVersion(NodeProtocolError):
    """The far end speaks another version of this protocol."""


def encode(kind: str, **values: Any) -> bytes:
    """One message as a line."""
    return (
        json.dumps({"v": VERSION, "type": kind, **values}, separators=(",", ":")).encode() + b"\n"
    )


def decode(line: bytes) -> Message:
    """The message of a line; raises `NodeProtocolError` for anything else."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise NodeProtocolError("Node control and pump lost each other's thread.") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise NodeProtocolError("Node control and pump lost each other's thread.")
    if message.get("v") != VERSION:
        raise OtherVersion(f"Node control speaks version {VERSION}, the pump {message.get('v')}.")
    return message


def desired_to_json(desired: DesiredOutput) -> Message:
    """An output as `set` carries it, key included."""
    return {
        "output_id": desired.output_id,
        "token": desired.token,
        "generation": desired.generation,
        "address": desired.address,
        "key": desired.key,
        "label": desired.label,
        "stream_id": desired.stream_id,
        "fallbacks": list(desired.fallbacks),
        "programme": desired.programme.to_json() if desired.programme is not None else None,
    }


def desired_from_json(values: Message) -> DesiredOutput:
    """The output that `desired_to_json` described; raises `NodeProtocolError`."""
    try:
        programme = values["programme"]
        return DesiredOutput(
            output_id=str(values["output_id"]),
            token=int(values["token"]),
            on=True,
            generation=int(values["generation"]),
            address=str(values["address"]),
            key=str(values["key"]),
            label=str(values["label"]),
            stream_id=str(values.get("stream_id", "")),
            fallbacks=tuple(str(address) for address in values.get("fallbacks", ())),
            programme=Programme.from_json(programme) if programme is not None else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError, ProgrammeError) as error:
        raise NodeProtocolError("The pump was told of an output that makes no sense.") from error


def report_to_json(report: OutputReport) -> Message:
    """A report as plain values."""
    # Written out, since a pump makes one a second for each stream and `asdict` copies deeply.
    values = {name: getattr(report, name) for name in _REPORT_FIELDS}
    events = [asdict(event) for event in report.events]
    as_run = [asdict(row) for row in report.as_run]
    return {**values, "state": report.state.value, "events": events, "as_run": as_run}


def report_from_json(values: Message) -> OutputReport:
    """The report that `report_to_json` described; raises `NodeProtocolError`."""
    try:
        events = tuple(OutputEvent(**event) for event in values["events"])
        as_run = tuple(Aired(**row) for row in values.get("as_run", ()))
        known = {name: values[name] for name in _REPORT_FIELDS if name in values}
        state = OutputState(values["state"])
        return OutputReport(**{**known, "state": state, "events": events, "as_run": as_run})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NodeProtocolError("The pump's report makes no sense.") from error
