"""The one question that nodes ask each other: can you reach the database?

A node that cannot reach it may go on only when nobody else can take its outputs over. Question and
answer are one line each, over TCP, authenticated by a secret that all nodes derive from the
installation's own; they hold no secret, and an answer holds for the question it was asked in.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
_MAX_LINE = 1024


def _tag(secret: bytes, *words: str) -> str:
    return hmac.new(secret, json.dumps(words).encode(), hashlib.sha256).hexdigest()


def _decoded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except RecursionError as error:
        # A line has room for a thousand brackets, which are too many for the parser.
        raise ValueError("It is nested too deeply.") from error


class PeerService:
    """Answers the peers of `node` at `listen`, and asks them; `Peers` for the supervisor.

    `is_cut` says whether the database is out of reach just now. `addresses` reads the registered
    peers and their addresses from the database, and raises when it cannot.
    """

    def __init__(
        self,
        node: str,
        *,
        secret: bytes,
        addresses: Callable[[], Mapping[str, str]],
        listen: str = "",
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.is_cut: Callable[[], bool] = lambda: False
        self._node = node
        self._secret = secret
        self._addresses = addresses
        self._listen = listen
        self._seconds = answer_seconds
        self._server: asyncio.Server | None = None

    def addresses(self) -> Mapping[str, str]:
        """See `Peers`."""
        return self._addresses()

    async def all_cut(self, peers: Mapping[str, str]) -> bool | None:
        """See `Peers`."""
        answers = await asyncio.gather(*(self._ask(*peer) for peer in peers.items()))
        if any(answer is False for answer in answers):
            return False
        return None if None in answers else True

    # -- asking -----------------------------------------------------------------------------

    async def _ask(self, peer: str, address: str) -> bool | None:
        """Whether the peer is cut off too; None when it does not answer."""
        host, _, port = address.rpartition(":")
        nonce = secrets.token_hex(16)
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._seconds):
                reader, writer = await asyncio.open_connection(
                    host.strip("[]"), int(port), limit=_MAX_LINE
                )
                tag = _tag(self._secret, "question", self._node, peer, nonce)
                question = {"from": self._node, "nonce": nonce, "tag": tag}
                writer.write(json.dumps(question).encode() + b"\n")
                answer = _decoded(await reader.readline())
                state = str(answer["state"])
                expected = _tag(self._secret, "answer", peer, self._node, nonce, state)
                if not hmac.compare_digest(str(answer["tag"]), expected):
                    log.warning("The answer of node %s is not signed by our secret.", peer)
                    return None
                return state == "cut"
        except (OSError, TimeoutError, ValueError, KeyError, TypeError):
            return None
        finally:
            if writer is not None:
                writer.close()

    # -- answering --------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, where that is configured. Raises OSError when the address is taken."""
        if self._listen:
            host, _, port = self._listen.rpartition(":")
            self._server = await asyncio.start_server(
                self._answer, host.strip("[]") or None, int(port), limit=_MAX_LINE
            )

    async def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError, KeyError, TypeError):
            async with asyncio.timeout(self._seconds):
                question: dict[str, Any] = _decoded(await reader.readline())
                asker, nonce = str(question["from"]), str(question["nonce"])
                expected = _tag(self._secret, "question", asker, self._node, nonce)
                if hmac.compare_digest(str(question["tag"]), expected):
                    state = "cut" if self.is_cut() else "reachable"
                    tag = _tag(self._secret, "answer", self._node, asker, nonce, state)
                    writer.write(json.dumps({"state": state, "tag": tag}).encode() + b"\n")
                    await writer.drain()
        writer.close()
