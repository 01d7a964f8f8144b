"""The project's settings with values for tests; nothing of the developer's own `.env` is read."""

import atexit
import os
import shutil
import tempfile

_data_dir = tempfile.mkdtemp(prefix="streamer-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)

for _name, _value in {
    "ENV_FILE": "",
    "ENVIRONMENT": "test",
    "DEBUG": "false",
    "SECRET_KEY": "only-for-tests",
    "FIELD_ENCRYPTION_KEYS": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDA=",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "DATA_DIR": _data_dir,
}.items():
    os.environ.setdefault(_name, _value)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
