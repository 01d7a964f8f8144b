"""What `manage.py up` settles before Django reads its settings: a data directory with secrets."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

_TEMPLATE = """\
# Written by the first `make up`: secrets of this installation. Keep it private and backed up.
ENVIRONMENT=development
DEBUG=false
SECRET_KEY={secret_key}
FIELD_ENCRYPTION_KEYS={field_key}
ALLOWED_HOSTS=127.0.0.1,localhost
"""


def settle(environment: MutableMapping[str, str]) -> Path:
    """Make the data directory and its `.env`, point the settings there, and return the directory.

    An existing `.env` is left as it is. What the environment already says wins over the file.
    """
    data_dir = Path(environment.get("DATA_DIR") or BASE_DIR / "var").expanduser().absolute()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    env_file = data_dir / ".env"
    if not env_file.exists():
        content = _TEMPLATE.format(
            secret_key=secrets.token_urlsafe(48),
            field_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        )
        # Complete or absent: a half-written file would lose the keys of everything encrypted later.
        draft = data_dir / f".env.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(env_file)
    environment["DATA_DIR"] = str(data_dir)
    environment["ENV_FILE"] = str(env_file)
    return data_dir
