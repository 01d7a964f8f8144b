"""The examples in deploy/ work: nginx in front of gunicorn, with production settings."""

import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests import servers

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def site():
    """The address of an installation behind nginx with a certificate of its own, and its token."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    token = secrets.token_hex(16)
    with (
        servers._directory("web") as home,
        servers.postgresql() as database,
        servers.valkey() as redis,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "ENV_FILE": "",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "FIELD_ENCRYPTION_KEYS": "Zk9Zr2vWq8LpX4mTb7NcY1hJd6GfS3aQe5UoRiPwVxE=",
            "ALLOWED_HOSTS": "127.0.0.1",
            "TRUSTED_PROXY": "true",
            "DATA_DIR": str(home / "data"),
            "DATABASE_URL": database,
            "REDIS_URL": redis,
            "CELERY_BROKER_URL": redis.replace("unix://", "redis+socket://"),
            "METRICS_TOKEN": token,
            "PROMETHEUS_MULTIPROC_DIR": str(home / "metrics"),
        }
        (home / "metrics").mkdir()
        for words in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
            subprocess.run([sys.executable, "manage.py", *words], env=environment, check=True)
        web = [
            str(Path(sys.executable).parent / "gunicorn"), "-c", "deploy/gunicorn.conf.py",
            "--bind", f"unix:{home}/web.sock", "--workers", "2", "--chdir", str(ROOT),
            "config.asgi:application",
        ]  # fmt: skip
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", home / "key.pem",
             "-out", home / "cert.pem"], check=True, capture_output=True,
        )  # fmt: skip
        port, plain = servers.free_port(), servers.free_port()
        ours = (ROOT / "deploy/nginx.conf").read_text()
        for known, here in (
            ("/run/streamer/web.sock", f"{home}/web.sock"),
            ("/etc/ssl/streamer/fullchain.pem", f"{home}/cert.pem"),
            ("/etc/ssl/streamer/privkey.pem", f"{home}/key.pem"),
            ("listen 443", f"listen 127.0.0.1:{port}"),
            ("listen 80", f"listen 127.0.0.1:{plain}"),
        ):
            assert known in ours
            ours = ours.replace(known, here)
        ours = re.sub(r"listen \[::\][^;]*;", "", ours)
        user = "user root; " if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(
            f"{user}daemon off; pid {home}/pid; error_log {home}/error.log; events {{}}\n"
        )
        with (home / "nginx.conf").open("a") as config:
            config.write("http { access_log off; ")
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
                config.write(f"{name}_temp_path {home}/{name}; ")
            config.write(ours + "}\n")
        popen = subprocess.Popen
        with (home / "web.log").open("wb") as log:
            gunicorn = popen(web, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            servers._wait(
                lambda: servers._answers_unix(home / "web.sock"),
                "gunicorn",
                process=gunicorn,
                log=home / "web.log",
            )
            command = [nginx, "-p", home, "-c", home / "nginx.conf"]
            with servers._running(command, home / "nginx.log", lambda: servers._answers_tcp(port)):
                trusted = ssl.create_default_context(cafile=str(home / "cert.pem"))
                yield f"https://127.0.0.1:{port}", trusted, token, plain
        finally:
            gunicorn.terminate()
            gunicorn.wait(20)


def get(site, path, **headers):
    address, trusted, *_ = site
    request = urllib.request.Request(address + path, headers=headers)
    try:
        with urllib.request.urlopen(request, context=trusted, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_it_is_ready_on_postgresql_and_valkey(site):
    status, _, body = get(site, "/health/ready")
    assert status == 200, body
    assert json.loads(body)["database"]["status"] == "ok"


def test_sign_in_pages_are_served_with_secure_cookies_and_strict_headers(site):
    status, headers, _ = get(site, "/accounts/login/")
    assert status == 200
    assert "Secure" in headers["Set-Cookie"]
    assert "max-age" in headers["Strict-Transport-Security"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_a_person_signs_up_through_the_proxy(site):
    address, trusted, *_ = site
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(), urllib.request.HTTPSHandler(context=trusted)
    )
    page = browser.open(f"{address}/accounts/signup/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
    form = {
        "csrfmiddlewaretoken": token,
        "email": "dora@example.org",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }
    request = urllib.request.Request(
        f"{address}/accounts/signup/",
        urllib.parse.urlencode(form).encode(),
        headers={"Referer": f"{address}/accounts/signup/"},
    )
    browser.open(request)
    settings = browser.open(f"{address}/settings/")
    assert settings.url == f"{address}/settings/"
    assert "dora" in settings.read().decode()


def test_plain_http_is_sent_to_https(site):
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(Stay).open(f"http://127.0.0.1:{site[3]}/accounts/login/")
    assert caught.value.code == 301
    assert caught.value.headers["Location"].startswith("https://")
    caught.value.close()


def test_metrics_of_all_workers_need_the_token(site):
    assert get(site, "/metrics")[0] == 404
    status, _, body = get(site, "/metrics", Authorization=f"Bearer {site[2]}")
    assert status == 200
    assert b"outputs_desired 0.0" in body
