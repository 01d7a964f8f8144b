"""Seeded mutations of bytes: what a broken disk, a broken peer or a hostile one may send."""

from __future__ import annotations

import random
from collections.abc import Sequence

_NUMBERS = (
    *(n.to_bytes(1, "big") for n in (0, 1, 0x7F, 0x80, 0xFF)),
    *(n.to_bytes(size, order)
      for size in (2, 3, 4, 8) for order in ("big", "little")
      for n in (0, 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)),
)  # fmt: skip
_MOST_BYTES = 1 << 16


def mutated(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """`data` after one to six changes; `others` lend pieces."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(changed) + 1)
        act = chance.randrange(7)
        if act == 0 and changed:
            changed[at % len(changed)] ^= 1 << chance.randrange(8)
        elif act == 1:
            number = chance.choice(_NUMBERS)
            changed[at : at + len(number)] = number
        elif act == 2:
            del changed[at : at + chance.choice((1, 2, 4, 16, 300))]
        elif act == 3:
            changed[at:at] = chance.randbytes(chance.choice((1, 2, 4, 16)))
        elif act == 4:
            piece = bytes(changed[at : at + chance.choice((1, 4, 16, 200))])
            changed[at:at] = piece * chance.choice((1, 2, 50))
        elif act == 5:
            other = chance.choice(others)
            begin = chance.randrange(len(other) + 1)
            changed[at:] = other[begin:]
        else:
            del changed[at:]
    return bytes(changed[:_MOST_BYTES])
