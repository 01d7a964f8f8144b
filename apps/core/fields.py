"""A text column that is encrypted at rest."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models


class SecretText(str):
    """Text that does not show itself in tracebacks, debuggers and containers' reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


if TYPE_CHECKING:
    _Text = models.TextField[str, str]
else:
    _Text = models.TextField


class EncryptedTextField(_Text):
    """Text encrypted with the newest of `FIELD_ENCRYPTION_KEYS`; older keys still decrypt.

    What is stored is `key id : token`. The table and the column are sealed inside, so a value
    copied to another column does not decrypt. The database cannot compare such columns: every
    lookup but `isnull` raises `FieldError`.
    """

    description = "Text, encrypted at rest"

    def get_prep_value(self, value: Any) -> Any:
        """The stored form; empty text and NULL stay as they are, they hold no secret."""
        if value is None or value == "":
            return value
        return seal(str(value), self._column_name, tuple(settings.FIELD_ENCRYPTION_KEYS))

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> str | None:
        """The text again.

        Raises:
            ImproperlyConfigured: no configured key opens it, or it belongs to another column.
        """
        if value is None or value == "":
            return value
        return open_sealed(value, self._column_name, tuple(settings.FIELD_ENCRYPTION_KEYS))

    def get_lookup(self, lookup_name: str) -> Any:
        """Only `isnull`: equal texts have different stored forms."""
        if lookup_name != "isnull":
            raise FieldError(f"{self._column_name} is encrypted and cannot be looked up.")
        return super().get_lookup(lookup_name)

    @property
    def _column_name(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"  # noqa: SLF001 - public by convention


def row_secret(column: str) -> Any:
    """A property that keeps its text sealed in `column`, for this row of this tenant alone.

    The row needs `id` and `workspace_id` before the text is set. What is copied to another row,
    another tenant or another column does not open. Empty text is kept as it is.
    """

    def purpose(row: Any) -> str:
        table = row._meta.db_table  # noqa: SLF001 - public by convention
        return f"{table}.{column}:{row.workspace_id}:{row.pk}"

    def opened(row: Any) -> str:
        sealed = getattr(row, column)
        keys = tuple(settings.FIELD_ENCRYPTION_KEYS)
        return open_sealed(sealed, purpose(row), keys) if sealed else ""

    def close(row: Any, text: str) -> None:
        keys = tuple(settings.FIELD_ENCRYPTION_KEYS)
        setattr(row, column, seal(text, purpose(row), keys) if text else "")

    return property(opened, close)


def is_newest(sealed: str) -> bool:
    """Whether `sealed` was made with the newest of `FIELD_ENCRYPTION_KEYS`."""
    return sealed.partition(":")[0] == _ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS))[0][0]


def seal(text: str, purpose: str, keys: tuple[str, ...]) -> str:
    """`key id : token`, made with the newest of `keys`; opens for the same `purpose` only."""
    key_id, cipher = _ciphers(keys)[0]
    token = cipher.encrypt(f"{purpose}\0{text}".encode()).decode()
    return f"{key_id}:{token}"


def open_sealed(sealed: str, purpose: str, keys: tuple[str, ...]) -> SecretText:
    """The text inside.

    Raises:
        ImproperlyConfigured: none of `keys` made it, or it was made for another purpose.
    """
    key_id, _, token = sealed.partition(":")
    cipher = dict(_ciphers(keys)).get(key_id)
    if cipher is None:
        raise ImproperlyConfigured(
            f"A value of {purpose} was encrypted with a key that is not in FIELD_ENCRYPTION_KEYS. "
            "Put the old key back at the end of the list."
        )
    try:
        made_for, _, text = cipher.decrypt(token.encode()).decode().partition("\0")
    except InvalidToken:
        made_for = ""
    if made_for != purpose:
        raise ImproperlyConfigured(
            f"A value of {purpose} was damaged or moved there from another column. "
            "Enter the secret again."
        )
    return SecretText(text)


@functools.lru_cache(maxsize=4)
def _ciphers(keys: tuple[str, ...]) -> tuple[tuple[str, Fernet], ...]:
    """Key ids with ciphers, newest first.

    Raises:
        ImproperlyConfigured: there is no key, or one is not 32 bytes in URL-safe base64.
    """
    if not keys:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEYS is empty. Set at least one key.")
    try:
        return tuple(
            (hashlib.sha256(key.encode()).hexdigest()[:8], Fernet(key.encode())) for key in keys
        )
    except ValueError:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEYS: each key must be 32 bytes in URL-safe base64."
        ) from None
