import fcntl
import os
import socket
import stat

import pytest

from config import first_run
from config.env import parse_env_file


def values(data_dir):
    return parse_env_file((data_dir / ".env").read_text(), data_dir)


def test_the_first_run_writes_secrets_that_only_we_may_read(tmp_path):
    environment = {"DATA_DIR": str(tmp_path / "new")}
    data_dir = first_run.settle(environment)
    assert stat.S_IMODE((data_dir / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    found = values(data_dir)
    assert found["ENVIRONMENT"] == "development"
    assert len(found["SECRET_KEY"]) >= 40
    assert environment["ENV_FILE"] == str(data_dir / ".env")


def test_a_second_run_keeps_secrets_and_ports(tmp_path):
    for _ in range(2):
        first_run.settle({"DATA_DIR": str(tmp_path)})
    before = values(tmp_path)
    first_run.settle({"DATA_DIR": str(tmp_path)})
    assert values(tmp_path) == before


def test_two_installations_share_no_secret(tmp_path):
    for name in "ab":
        first_run.settle({"DATA_DIR": str(tmp_path / name)})
    a, b = values(tmp_path / "a"), values(tmp_path / "b")
    assert a["SECRET_KEY"] != b["SECRET_KEY"]
    assert a["FIELD_ENCRYPTION_KEYS"] != b["FIELD_ENCRYPTION_KEYS"]


def test_what_the_operator_added_stays(tmp_path):
    first_run.settle({"DATA_DIR": str(tmp_path)})
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL=DEBUG\n" + file.read_text())
    first_run.settle({"DATA_DIR": str(tmp_path)})
    assert values(tmp_path)["LOG_LEVEL"] == "DEBUG"


def test_what_the_operator_added_at_the_end_stays(tmp_path):
    first_run.settle({"DATA_DIR": str(tmp_path)})
    before = values(tmp_path)
    with (tmp_path / ".env").open("a") as file:
        file.write("# ours\nEMAIL_URL=smtp://mail.example.org\n")
    for _ in range(2):
        first_run.settle({"DATA_DIR": str(tmp_path)})
        assert values(tmp_path) == before | {"EMAIL_URL": "smtp://mail.example.org"}
    text = (tmp_path / ".env").read_text()
    assert (text.count("EMAIL_URL"), text.count("# ours"), text.count("# Below")) == (1, 1, 1)
    with (tmp_path / ".env").open("a") as file:
        file.write("GOOGLE_CLIENT_ID=mine\n")
    first_run.settle({"DATA_DIR": str(tmp_path)})
    found = values(tmp_path)
    assert found["GOOGLE_CLIENT_ID"] == "mine"
    assert "YOUTUBE_API_BASE" not in found


def test_youtube_is_simulated_until_somebody_brings_a_client(tmp_path):
    first_run.settle({"DATA_DIR": str(tmp_path)})
    found = values(tmp_path)
    assert found["YOUTUBE_API_BASE"] == found["INGEST_SIMULATOR_HTTP"]
    assert found["GOOGLE_TOKEN_URL"].startswith(found["INGEST_SIMULATOR_HTTP"])
    first_run.settle({"DATA_DIR": str(tmp_path), "GOOGLE_CLIENT_ID": "mine"})
    assert not [name for name in values(tmp_path) if name.startswith(("GOOGLE", "YOUTUBE"))]
    file = tmp_path / ".env"
    file.write_text("GOOGLE_CLIENT_ID=mine\n" + file.read_text())
    first_run.settle({"DATA_DIR": str(tmp_path)})
    assert "YOUTUBE_API_BASE" not in values(tmp_path)


def test_a_port_that_somebody_else_took_is_replaced(tmp_path):
    first_run.settle({"DATA_DIR": str(tmp_path)})
    address = values(tmp_path)["INGEST_SIMULATOR_URL"]
    port = int(address.split(":")[2].partition("/")[0])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        first_run.settle({"DATA_DIR": str(tmp_path)})
    found = values(tmp_path)
    assert found["INGEST_SIMULATOR_URL"] != address
    assert found["DESTINATION_ALLOWLIST"] in found["INGEST_SIMULATOR_URL"]


def test_a_running_installation_keeps_its_addresses(tmp_path):
    first_run.settle({"DATA_DIR": str(tmp_path)})
    before = values(tmp_path)
    port = int(before["INGEST_SIMULATOR_URL"].split(":")[2].partition("/")[0])
    with first_run.lock_path(tmp_path).open("a") as lock, socket.socket() as receiver:
        fcntl.flock(lock, fcntl.LOCK_EX)
        receiver.bind(("127.0.0.1", port))
        receiver.listen()
        first_run.settle({"DATA_DIR": str(tmp_path)})
    assert values(tmp_path) == before


def test_a_socket_path_that_is_too_long_gets_a_private_short_one(tmp_path):
    deep = tmp_path / ("d" * 120)
    path = first_run.socket_path(deep)
    assert len(os.fsencode(path)) <= 107
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path == first_run.socket_path(deep)
    path.parent.chmod(0o777)
    with pytest.raises(PermissionError):
        first_run.socket_path(deep)
    path.parent.rmdir()
