import io
import logging

import pytest
import structlog

from apps.core.redaction import redact, redact_event
from config.logs import configure, logging_config

KEY = "abcd-1234-efgh-5678-ijkl"


@pytest.mark.parametrize(
    "line",
    [
        f"publishing to rtmp://a.rtmp.youtube.com/live2/{KEY}",
        f"rtmps://a.rtmps.youtube.com:443/live2/{KEY}?backup=1 refused",
        f"RTMP://127.0.0.1:1935/live2/{KEY}",
        f"the key {KEY} was refused",
        f"stream_key={KEY}",
        f'{{"streamKey": "{KEY}"}}',
        f"password: {KEY}",
    ],
)
def test_no_stream_key_survives(line):
    assert KEY not in redact(line)


def test_an_odd_key_in_an_address_is_masked_too():
    assert "s3cr3t!" not in redact("rtmp://host/app/s3cr3t!key~x more")


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("connect postgresql://user:hunter22@db/name", "hunter22"),
        ("redis://:hunter22@cache:6379/0", "hunter22"),
        ("Authorization: Bearer ys_0123456789abcdefghij", "0123456789abcdefghij"),
        ("access_token=ya29.abcdef&x=1", "ya29.abcdef"),
    ],
)
def test_no_credential_survives(line, secret):
    assert secret not in redact(line)


@pytest.mark.parametrize(
    "line",
    [
        "GET /streams/9f8b1c2e-1111-4222-8333-444455556666/ 200",
        "https://example.org/library/video.mp4",
        "took 12 ms, token 7, generation 3",
    ],
)
def test_ordinary_lines_stay(line):
    assert redact(line) == line


def test_fields_named_like_secrets_are_masked_but_fencing_tokens_stay():
    event = redact_event(None, "info", {"stream_key": "plain", "token": 7, "item": {"key": "k"}})
    assert event == {"stream_key": "***", "token": 7, "item": {"key": "***"}}


@pytest.fixture
def logged():
    """Everything the configured handler writes, JSON or console."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    output = io.StringIO()

    def begin(as_json):
        configure(logging_config(level="DEBUG", as_json=as_json))
        for handler in root.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(output)
        return output

    yield begin
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("as_json", [True, False])
def test_neither_messages_nor_tracebacks_nor_fields_show_a_key(logged, as_json):
    output = logged(as_json)
    log = logging.getLogger("apps.tests")
    log.warning("lost %s", f"rtmp://h/live2/{KEY}", extra={"url": f"rtmp://h/live2/{KEY}"})
    try:
        raise ConnectionError(f"rtmp://h/live2/{KEY} is gone")
    except ConnectionError:
        log.exception("failed")
        structlog.get_logger("apps.tests").exception("failed", stream_key=KEY)
    written = output.getvalue()
    assert "ConnectionError" in written
    assert KEY not in written
