"""The simple handshake: 1 + 1536 + 1536 bytes each way (RTMP 1.0, section 5.2).

Clocks and randomness come from the caller. The echo is not verified: its content proves nothing,
and common servers fill it differently.
"""

from __future__ import annotations

from playout.errors import ProtocolViolation

VERSION = 3
RANDOM_BYTES = 1528
BLOCK_BYTES = 1536


class Handshake:
    """One side of the handshake; both sides differ only in who speaks first."""

    def __init__(self, random: bytes, *, client: bool, time_ms: int = 0) -> None:
        if len(random) != RANDOM_BYTES:
            raise ValueError(f"The handshake needs {RANDOM_BYTES} random bytes, not {len(random)}.")
        # The second word is zero: a version there would announce the digest form.
        block = (time_ms & 0xFFFFFFFF).to_bytes(4, "big") + bytes(4) + random
        self._opening = bytes((VERSION,)) + block
        self._client = client
        self._received = bytearray()
        self._answered = False
        self._out = self._opening if client else b""
        self.is_done = False
        self.trailing = b""
        """Once done, the bytes received behind the handshake."""

    def bytes_to_send(self) -> bytes:
        """What has to be sent now; empty when we wait for the peer."""
        out, self._out = self._out, b""
        return out

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer, in any portions. Raises `ProtocolViolation`."""
        self._received += data
        if not self._answered:
            if self._received and self._received[0] != VERSION:
                raise ProtocolViolation(_wrong_version(bytes(self._received[:1])))
            if len(self._received) < 1 + BLOCK_BYTES:
                return
            echo = bytes(self._received[1 : 1 + BLOCK_BYTES])
            self._out += echo if self._client else self._opening + echo
            self._answered = True
        whole = 1 + 2 * BLOCK_BYTES
        if len(self._received) >= whole and not self.is_done:
            self.is_done = True
            self.trailing = bytes(self._received[whole:])
            # A connection lives for weeks: nothing of this is wanted any more.
            self._received = bytearray()
            self._opening = b""


def _wrong_version(first: bytes) -> str:
    if first == b"H":
        return "The far end answers like a web server, not like an RTMP server."
    if first == b"\x15":
        return "The far end answers with a TLS alert: it expects rtmps://, not rtmp://."
    if first == b"\x16":
        return "The far end opens with TLS where plain RTMP was expected."
    return f"The far end speaks version {first[0]} of the handshake; only 3 is supported."
