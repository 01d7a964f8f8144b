"""Publishing addresses and keys."""

import pytest

from playout.errors import AddressInvalid
from playout.publisher.address import parse_address

KEY = "abcd-efgh-0123-4567-89ij"


@pytest.mark.parametrize(
    ("url", "app", "tc_url", "port"),
    [
        (
            f"rtmp://a.rtmp.youtube.com/live2/{KEY}",
            "live2",
            "rtmp://a.rtmp.youtube.com/live2",
            1935,
        ),
        (
            f"rtmps://b.rtmps.youtube.com:443/live2?backup=1/{KEY}",
            "live2?backup=1",
            "rtmps://b.rtmps.youtube.com/live2?backup=1",
            443,
        ),
        (f"rtmp://127.0.0.1:19350/a/b/{KEY}", "a/b", "rtmp://127.0.0.1:19350/a/b", 19350),
        (f"RTMP://[::1]:1936/live/{KEY}", "live", "rtmp://[::1]:1936/live", 1936),
    ],
)
def test_it_takes_the_parts_of_an_address_apart(url, app, tc_url, port):
    address = parse_address(url)
    assert (address.app, address.tc_url, address.port, address.key) == (app, tc_url, port, KEY)


def test_the_key_is_opaque_when_it_comes_apart():
    address = parse_address("rtmps://host/live2/", " Key?with=a/slash ")
    assert address.key == " Key?with=a/slash "
    assert address.app == "live2"


@pytest.mark.parametrize(
    "url",
    [
        "", "http://host/live/key", "rtmp://", "rtmp://host", "rtmp://host/", "rtmp://host/key",
        "rtmp:///live/key", "rtmp://host:port/live/key", "rtmp://host:99999/live/key",
        "rtmp://user@host/live/key", "rtmp://host/live/", "rtmp://ho st/live/key",
        "rtmp://host/live\r\n/key", "file:///etc/passwd", "rtmp://host:0/live/key",
        "rtmp://host/live/k\udcff", "rtmp://host/li\udcffve/key",
    ],
)  # fmt: skip
def test_it_refuses_what_is_no_address(url):
    with pytest.raises(AddressInvalid):
        parse_address(url)


def test_the_key_shows_in_no_text_form():
    address = parse_address(f"rtmp://host/live/{KEY}")
    assert KEY not in f"{address} {address!r}"


def test_an_error_does_not_repeat_the_key():
    with pytest.raises(AddressInvalid) as caught:
        parse_address(f"rtmp://host:badport/live/{KEY}")
    assert KEY not in str(caught.value)
