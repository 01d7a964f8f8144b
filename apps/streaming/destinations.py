"""Publishing addresses: what one looks like, and which ones this installation may send to.

The policy keeps the service from being used as a free relay, or as a way into the private network
it runs in. Its name comes from `DESTINATION_POLICY`.
"""

from __future__ import annotations

import contextlib
import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

_DEFAULT_PORTS = {"rtmp": 1935, "rtmps": 443}

_YOUTUBE = frozenset(
    {
        ("rtmp", "a.rtmp.youtube.com", 1935),
        ("rtmp", "b.rtmp.youtube.com", 1935),
        ("rtmps", "a.rtmps.youtube.com", 443),
        ("rtmps", "b.rtmps.youtube.com", 443),
        ("rtmps", "a.rtmp.youtube.com", 443),
        ("rtmps", "b.rtmp.youtube.com", 443),
    }
)
_TWITCH = ("live.twitch.tv", ".contribute.live-video.net")
_KNOWN_HOSTS = (
    *_TWITCH,
    "live-api-s.facebook.com",
    "rtmp-global.cloud.vimeo.com",
    "live.restream.io",
    ".global-contribute.live-video.net",
)
_NAMES = {
    "live.twitch.tv": "Twitch",
    "live-api-s.facebook.com": "Facebook",
    "rtmp-global.cloud.vimeo.com": "Vimeo",
    "live.restream.io": "Restream",
}
_LOCAL_SUFFIXES = (".local", ".internal", ".localhost", ".lan", ".home.arpa")


class DestinationRefused(Exception):
    """The address cannot be understood, or the policy of this installation does not allow it.

    The text says which, and what to do next.
    """


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a publishing address that decide where a connection goes."""

    scheme: str
    host: str
    port: int


def parse(address: str) -> Address:
    """The parts of `address`; raises `DestinationRefused` when it is not a publishing address."""
    example = _("Write it like rtmps://a.rtmps.youtube.com:443/live2, without the stream key.")
    if any(character.isspace() or not character.isprintable() for character in address):
        raise DestinationRefused(
            _("An address has no blanks or line breaks in it.") + f" {example}"
        )
    try:
        url: SplitResult = urlsplit(address)
        port = url.port
    except ValueError:
        raise DestinationRefused(_("The address cannot be read.") + f" {example}") from None
    scheme, host = url.scheme.lower(), (url.hostname or "").rstrip(".").lower()
    if scheme not in _DEFAULT_PORTS:
        raise DestinationRefused(
            _("The address must begin with rtmp:// or rtmps://.") + f" {example}"
        )
    if not host:
        raise DestinationRefused(_("The address names no server.") + f" {example}")
    if url.username is not None or url.password is not None:
        raise DestinationRefused(
            _("Leave user name and password out; only the stream key is used.")
        )
    if url.fragment:
        raise DestinationRefused(_("The address has a # in it.") + f" {example}")
    if not url.path.strip("/"):
        raise DestinationRefused(_("The part after the server's name is missing.") + f" {example}")
    return Address(scheme, host, port or _DEFAULT_PORTS[scheme])


def name_of(parts: Address) -> str:
    """How people call the place: the service where it is known, else the server."""
    if (parts.scheme, parts.host, parts.port) in _YOUTUBE:
        return "YouTube"
    return _NAMES.get(parts.host, parts.host)


def check(address: str) -> Address:
    """The parts of `address` when the policy allows it.

    Raises `DestinationRefused`. Names are judged as they are written: under `public` whoever
    connects has to look at the resolved address as well.
    """
    parts = parse(address)
    if _allowed_by_operator(parts):
        return parts
    policy = settings.DESTINATION_POLICY
    if policy == "private":
        return parts
    if (parts.scheme, parts.host, parts.port) in _YOUTUBE:
        return parts
    if policy == "youtube":
        raise DestinationRefused(
            _("Only YouTube's own addresses are allowed on this installation.")
        )
    if policy == "known":
        if any(_matches(parts.host, known) for known in _KNOWN_HOSTS):
            return parts
        raise DestinationRefused(
            _(
                "Only YouTube and other well-known services are allowed on this installation. "
                "Ask its operator when you need another one."
            )
        )
    if _looks_private(parts.host):
        raise DestinationRefused(
            _("Addresses inside a private network are not allowed on this installation.")
        )
    return parts


def publishing_url(address: str, key: str) -> str:
    """The address with the key as its last segment; secret.

    A query in the address belongs to the application name in front of the key, as the ingests
    expect it (`…/live2?backup=1/KEY`): nothing is parsed or reordered.
    """
    return f"{address.rstrip('/')}/{key}"


def fingerprint(address: str, key: str) -> str:
    """Equal for equal publishing points; tells neither address nor key to who reads the table."""
    host, port = _receiver(parse(address))
    app = urlsplit(address).path.strip("/")
    # Ingests take what follows a question mark as parameters of the same stream.
    name = key.partition("?")[0]
    return salted_hmac(
        "streaming.destination", f"{host}\0{port}\0{app}\0{name}", algorithm="sha256"
    ).hexdigest()


def _receiver(parts: Address) -> tuple[str, int]:
    """Who gets what is published there, however the way in is written; port 0 for the usual one."""
    host, port = parts.host, parts.port
    if (parts.scheme, host, port) in _YOUTUBE:
        # Primary and backup (a, b) may be on air together.
        return f"{host[0]}.youtube", 0
    if any(_matches(host, known) for known in _TWITCH):
        # One service with an entry in each region.
        return _TWITCH[0], 0
    # One entry, whether by RTMP or RTMPS.
    usual = port == _DEFAULT_PORTS[parts.scheme]
    return _canonical(host), 0 if usual else port


def _canonical(host: str) -> str:
    """The one way to write a host's name or address."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        with contextlib.suppress(UnicodeError):
            return host.encode("idna").decode()
        return host
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def backup_of(address: str) -> str | None:
    """The backup entry that belongs to a YouTube address; None for anything else."""
    parts = parse(address)
    if (parts.scheme, parts.host, parts.port) not in _YOUTUBE or not parts.host.startswith("a."):
        return None
    return urlunsplit(
        (parts.scheme, f"b{parts.host[1:]}:{parts.port}", urlsplit(address).path, "backup=1", "")
    )


def fallback_of(address: str, *, backup: str = "") -> str | None:
    """Where to publish with the same key while `address` cannot be reached; None for nowhere.

    `backup` is what YouTube itself named as the backup entry of the key, where it is known. One
    that the policy of this installation forbids is none.
    """
    fallback = backup or backup_of(address)
    if fallback is None or parse(fallback) == parse(address):
        return None
    try:
        check(fallback)
    except DestinationRefused:
        return None
    return fallback


def key_hint(key: str) -> str:
    """The last four characters, when that leaves at least twelve unknown."""
    return key[-4:] if len(key) >= 16 else ""


def _allowed_by_operator(parts: Address) -> bool:
    return f"{parts.host}:{parts.port}" in settings.DESTINATION_ALLOWLIST


def _matches(host: str, known: str) -> bool:
    return host.endswith(known) if known.startswith(".") else host == known


def _looks_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)
