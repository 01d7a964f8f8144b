"""AMF0, the value format of RTMP commands and metadata (Action Message Format 0, section 2).

| AMF0                 | Python                                   |
| -------------------- | ---------------------------------------- |
| number               | `float` (an `int` is written as one)     |
| boolean              | `bool`                                   |
| string, long string  | `str` (long above 65535 bytes of UTF-8)  |
| object               | `dict`                                   |
| ECMA array           | `EcmaArray`, a `dict`                    |
| strict array         | `list`                                   |
| date                 | `Date`                                   |
| null                 | `None`                                   |
| undefined            | `UNDEFINED`                              |

References, typed objects, XML and the switch to AMF3 are refused: no publisher or ingest needs
them.
"""

from __future__ import annotations

import contextlib
import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from playout.errors import ProtocolViolation


class Undefined(enum.Enum):
    """The type of `UNDEFINED`, the value that is not even null."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class EcmaArray(dict[str, "Value"]):
    """An object that announces its size, as `onMetaData` is; equal to a `dict` of equal content."""


@dataclass(frozen=True, slots=True)
class Date:
    """An instant."""

    milliseconds: float
    """Since 1970-01-01T00:00:00Z."""
    zone_minutes: int = 0
    """Reserved by the format; 0 unless a peer fills it."""


Value: TypeAlias = (
    "float | int | bool | str | Undefined | Date | Mapping[str, Value] | list[Value] | None"
)

MAX_DEPTH = 16
"""Objects and arrays inside one another; commands need 3."""
MAX_VALUES = 10_000
"""Values in one message; commands need about 20."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED = 0, 1, 2, 3, 5, 6
_ECMA_ARRAY, _OBJECT_END, _STRICT_ARRAY, _DATE, _LONG_STRING = 8, 9, 10, 11, 12

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_F64 = struct.Struct(">d")
_DATE_BODY = struct.Struct(">dh")
_END = b"\x00\x00\x09"


def encode(*values: Value) -> bytes:
    """The values, one after the other.

    Raises `TypeError` for a value AMF0 has no type for, and `ValueError` for one that does not fit
    (a key above 65535 bytes, nesting deeper than `MAX_DEPTH`).
    """
    out = bytearray()
    for value in values:
        _encode(out, value, 0)
    return bytes(out)


def _encode(out: bytearray, value: Value, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"The value nests deeper than {MAX_DEPTH} levels.")
    if value is None:
        out.append(_NULL)
    elif value is UNDEFINED:
        out.append(_UNDEFINED)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, int | float):
        out.append(_NUMBER)
        out += _F64.pack(value)
    elif isinstance(value, str):
        text = value.encode()
        if len(text) > 0xFFFF:
            out.append(_LONG_STRING)
            out += _U32.pack(len(text))
        else:
            out.append(_STRING)
            out += _U16.pack(len(text))
        out += text
    elif isinstance(value, Date):
        out.append(_DATE)
        out += _DATE_BODY.pack(value.milliseconds, value.zone_minutes)
    elif isinstance(value, Mapping):
        if isinstance(value, EcmaArray):
            out.append(_ECMA_ARRAY)
            out += _U32.pack(len(value))
        else:
            out.append(_OBJECT)
        for key, member in value.items():
            name = key.encode()
            if len(name) > 0xFFFF:
                raise ValueError("A key is longer than 65535 bytes.")
            if not name:
                raise ValueError("A key is empty, which would read as the end of the object.")
            out += _U16.pack(len(name))
            out += name
            _encode(out, member, depth + 1)
        out += _END
    elif isinstance(value, list):
        out.append(_STRICT_ARRAY)
        out += _U32.pack(len(value))
        for member in value:
            _encode(out, member, depth + 1)
    else:
        raise TypeError(f"AMF0 has no type for {type(value).__name__}.")


def decode(data: bytes, *, max_depth: int = MAX_DEPTH, max_values: int = MAX_VALUES) -> list[Value]:
    """All values in `data`, in order.

    Text that is not UTF-8 is read with replacement characters. Raises `ProtocolViolation` when the
    bytes are cut off, use a type that is not in the table above, or exceed a limit.
    """
    reader = _Reader(data, max_depth, max_values)
    values: list[Value] = []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def decode_readable(data: bytes) -> list[Value]:
    """The values in `data` up to the first that `decode` would refuse."""
    reader = _Reader(data, MAX_DEPTH, MAX_VALUES)
    values: list[Value] = []
    with contextlib.suppress(ProtocolViolation):
        while reader.position < len(data):
            values.append(reader.value(0))
    return values


class _Reader:
    def __init__(self, data: bytes, max_depth: int, max_values: int) -> None:
        self.data = data
        self.position = 0
        self.max_depth = max_depth
        self.values_left = max_values

    def take(self, size: int) -> bytes:
        start = self.position
        end = start + size
        if end > len(self.data):
            raise ProtocolViolation(
                f"An AMF0 value is cut off: {size} bytes expected, {len(self.data) - start} there."
            )
        self.position = end
        return self.data[start:end]

    def text(self, size: int) -> str:
        return self.take(size).decode("utf-8", "replace")

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def number(self) -> float:
        (number,) = _F64.unpack(self.take(8))
        return float(number)

    def value(self, depth: int) -> Value:
        self.values_left -= 1
        if self.values_left < 0:
            raise ProtocolViolation("An AMF0 message holds more values than any command needs.")
        if depth > self.max_depth:
            raise ProtocolViolation(f"An AMF0 value nests deeper than {self.max_depth} levels.")
        marker = self.take(1)[0]
        if marker == _NUMBER:
            return self.number()
        if marker == _BOOLEAN:
            return self.take(1) != b"\x00"
        if marker == _STRING:
            return self.text(self.u16())
        if marker == _OBJECT:
            return self.members({}, depth)
        if marker == _NULL:
            return None
        if marker == _UNDEFINED:
            return UNDEFINED
        if marker == _ECMA_ARRAY:
            self.take(4)  # the announced count is often wrong; the end marker decides
            return self.members(EcmaArray(), depth)
        if marker == _STRICT_ARRAY:
            # The count is only a claim: nothing is reserved for it.
            return [self.value(depth + 1) for _ in range(self.u32())]
        if marker == _DATE:
            milliseconds, zone = _DATE_BODY.unpack(self.take(10))
            return Date(float(milliseconds), int(zone))
        if marker == _LONG_STRING:
            return self.text(self.u32())
        raise ProtocolViolation(f"An AMF0 value has type {marker:#04x}, which is not used in RTMP.")

    def members(self, found: dict[str, Value], depth: int) -> dict[str, Value]:
        while True:
            size = self.u16()
            if size == 0:
                if self.take(1)[0] != _OBJECT_END:
                    raise ProtocolViolation("An AMF0 object has an empty key.")
                return found
            key = self.text(size)
            found[key] = self.value(depth + 1)
