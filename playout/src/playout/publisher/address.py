"""Publishing addresses: where to connect and what to say there."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playout.errors import AddressInvalid

_PORTS = {"rtmp": 1935, "rtmps": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A publishing address taken apart; the key never appears in its text form."""

    scheme: str
    host: str
    port: int
    app: str
    """Application name, its query included, such as `live2?backup=1`."""
    key: str = field(repr=False)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted before RTMP begins."""
        return self.scheme == "rtmps"

    @property
    def tc_url(self) -> str:
        """What the connect command calls the address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/{self.app}"

    def __str__(self) -> str:
        return self.tc_url


def parse_address(address: str, key: str | None = None) -> Address:
    """Take `address` apart; without `key`, its last path segment is the key.

    A query in front of the key belongs to the application (`rtmp://host/live2?backup=1/KEY`), one
    within the key to the key. The key is not trimmed or changed. Raises `AddressInvalid`, which
    never repeats the key.
    """
    scheme, separator, rest = address.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise AddressInvalid("The address must begin with rtmp:// or rtmps://.")
    authority, _, path = rest.partition("/")
    if key is None:
        path, slash, key = path.rpartition("/")
        if not slash:
            raise AddressInvalid("The address has no stream key behind the application name.")
    path = path.strip("/")
    if not path:
        raise AddressInvalid("The address has no application name, such as /live2.")
    if not key:
        raise AddressInvalid("The stream key is empty.")
    if any(ord(character) < 0x20 or character == "\x7f" for character in path + key + authority):
        raise AddressInvalid("The address or the key holds a control character.")
    if any("\ud800" <= character <= "\udfff" for character in address + key):
        raise AddressInvalid("The address or the key is not UTF-8.")
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressInvalid("The host or the port of the address cannot be read.") from error
    if port == 0:
        raise AddressInvalid("The port of the address is 0, where nothing can listen.")
    if not host or parts.username is not None or " " in host:
        raise AddressInvalid("The host of the address cannot be read.")
    return Address(scheme, host, port or _PORTS[scheme], path, key)
