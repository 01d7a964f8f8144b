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

# The processes of one test run share a Valkey: each gets a database of its own there. What they
# start inherits the address, and must not do it again.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
for _name, _database in ("REDIS_URL", "db"), ("CELERY_BROKER_URL", "virtual_host"):
    _address = os.environ.get(_name, "")
    if _worker and _address.startswith(("unix://", "redis+socket://")) and "?" not in _address:
        os.environ[_name] = f"{_address}?{_database}={_worker}"

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
