"""Typed readers of environment variables: a bad value stops the process and names the variable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Environment:
    """Variables of the process, and below them those of one `.env` file.

    `names` collects every name that was asked for, so that a test can compare them with the
    documentation.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.names: list[str] = []

    @classmethod
    def of_process(cls, base_dir: Path) -> Environment:
        """The process's environment over the first file that exists of: the one named by
        `ENV_FILE` (empty: none), `.env` beside `manage.py`, `.env` in `DATA_DIR`.
        """
        process = dict(os.environ)
        if "ENV_FILE" in process:
            candidates = [Path(process["ENV_FILE"])] if process["ENV_FILE"] else []
        else:
            data_dir = Path(process.get("DATA_DIR") or base_dir / "var")
            candidates = [base_dir / ".env", data_dir / ".env"]
        for path in candidates:
            if path.is_file():
                return cls({**parse_env_file(path.read_text(encoding="utf-8"), path), **process})
        return cls(process)

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding blanks."""
        return self._read(name, default, str)

    def flag(self, name: str, default: bool) -> bool:
        """`1`, `true`, `yes`, `on`, or their opposites."""
        return self._read(name, default, _parse_flag)

    def whole(self, name: str, default: int, *, least: int = 0) -> int:
        """A whole number that is not below `least`."""

        def parse(raw: str) -> int:
            if not raw.isascii() or not raw.isdigit():
                raise ValueError("must be a whole number")
            value = int(raw)
            if value < least:
                raise ValueError(f"must be at least {least}")
            return value

        return self._read(name, default, parse)

    def size(self, name: str, default: int) -> int:
        """A number of bytes, such as `262144`, `256K`, `15M` or `20G` (powers of 1024)."""
        return self._read(name, default, parse_size)

    def listed(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Values separated by commas; empty ones are left out."""
        return self._read(
            name,
            list(default),
            lambda raw: [part.strip() for part in raw.split(",") if part.strip()],
        )

    def places(self, name: str) -> list[str]:
        """`host:port` pairs separated by commas, in lower case and without the brackets of IPv6."""
        return self._read(name, [], parse_places)

    def one_of(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of `choices`."""

        def parse(raw: str) -> str:
            if raw not in choices:
                raise ValueError(f"must be one of {', '.join(choices)}")
            return raw

        return self._read(name, default, parse)

    def path(self, name: str, default: Path) -> Path:
        """An absolute path; `~` is expanded and a relative one starts at the current directory."""
        return self._read(name, default, lambda raw: Path(raw).expanduser()).absolute()

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Django's `ENGINE`, `NAME` and so on from `sqlite:///file` or `postgresql://…`."""
        return self._read(name, parse_database_url(default), parse_database_url)

    def email(self, name: str) -> dict[str, Any]:
        """Django's `EMAIL_*` settings from `smtp://`, `smtps://` or `file:///directory`."""
        return self._read(name, parse_email_url(""), parse_email_url)

    def _read(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        self.names.append(name)
        raw = self._variables.get(name, "").strip()
        if not raw:
            return default
        try:
            return parse(raw)
        except ValueError as error:
            # The value itself may be a secret: it is not repeated.
            raise ImproperlyConfigured(f"{name}: {error}. Correct it and start again.") from None


def parse_env_file(content: str, path: Path) -> dict[str, str]:
    """Lines of `NAME=value`; `#` begins a comment line, quotes around a value are taken off.

    Raises:
        ImproperlyConfigured: a line is neither, named by its number.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.removeprefix("export ").partition("=")
        if not equals or not name.strip().isidentifier():
            raise ImproperlyConfigured(f"{path}: line {number} is not NAME=value. Correct it.")
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def parse_size(raw: str) -> int:
    """Bytes from `262144`, `256K`, `15M`, `20G`, `2T`.

    Raises:
        ValueError: anything else.
    """
    digits, factor = raw, 1
    if raw[-1:].upper() in _SIZES:
        digits, factor = raw[:-1], _SIZES[raw[-1:].upper()]
    if not digits.isascii() or not digits.isdigit():
        raise ValueError("must be a number of bytes such as 262144, 256K or 15M")
    return int(digits) * factor


def parse_places(raw: str) -> list[str]:
    """`host:port` of each entry, an IPv6 address in brackets.

    Raises:
        ValueError: an entry is something else, such as a network, named by its number.
    """
    entries = [part.strip().lower() for part in raw.split(",") if part.strip()]
    for number, entry in enumerate(entries, start=1):
        host, _, port = entry.rpartition(":")
        is_port = port.isascii() and port.isdigit() and 0 < int(port) <= 65535
        if not is_port or not _is_host(host):
            raise ValueError(
                f"entry {number} is not host:port, such as 192.0.2.7:1935 or [2001:db8::7]:1935; "
                "networks are not understood"
            )
    return [entry.replace("[", "").replace("]", "") for entry in entries]


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return bool(host) and not any(mark in ":/@[]?# " for mark in host)
    try:
        return host.endswith("]") and bool(IPv6Address(host[1:-1]))
    except ValueError:
        return False


def parse_database_url(raw: str) -> dict[str, Any]:
    """Connection parameters for Django from an address; query values become options.

    Raises:
        ValueError: the scheme is unknown, or a database name is missing.
    """
    url = urlsplit(raw)
    if url.scheme == "sqlite":
        if not url.path.removeprefix("/"):
            raise ValueError("must name a file, such as sqlite:////var/lib/streamer/db.sqlite3")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.path.removeprefix("/")}
    if url.scheme not in ("postgres", "postgresql"):
        raise ValueError("must begin with postgresql:// or sqlite:///")
    options = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
    name = unquote(url.path.removeprefix("/"))
    if not name:
        raise ValueError("must name a database after the last slash")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        # A socket directory cannot stand in the host part of an address.
        "HOST": options.pop("host", None) or unquote(url.hostname or ""),
        "PORT": str(url.port or ""),
        "OPTIONS": options,
    }


def parse_email_url(raw: str) -> dict[str, Any]:
    """Django's e-mail settings; an empty address writes mail to the log's stream.

    Raises:
        ValueError: the scheme is unknown, or the host is missing.
    """
    if not raw:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    url = urlsplit(raw)
    if url.scheme == "file":
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": url.path,
        }
    if url.scheme not in ("smtp", "smtps"):
        raise ValueError("must begin with smtp://, smtps:// or file://")
    if not url.hostname:
        raise ValueError("must name a mail server")
    implicit = url.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": url.hostname,
        "EMAIL_PORT": url.port or (465 if implicit else 587),
        "EMAIL_HOST_USER": unquote(url.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
        "EMAIL_USE_SSL": implicit,
        "EMAIL_USE_TLS": not implicit and url.hostname not in ("127.0.0.1", "localhost"),
        "EMAIL_TIMEOUT": 15,
    }


def _parse_flag(raw: str) -> bool:
    if raw.lower() in _TRUE:
        return True
    if raw.lower() in _FALSE:
        return False
    raise ValueError("must be true or false")
