import pytest

from apps.streaming import destinations
from apps.streaming.destinations import DestinationRefused


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rtmp://a.rtmp.youtube.com/live2", ("rtmp", "a.rtmp.youtube.com", 1935)),
        ("rtmps://A.RTMPS.YouTube.com:443/live2", ("rtmps", "a.rtmps.youtube.com", 443)),
        ("rtmps://b.rtmps.youtube.com/live2?backup=1", ("rtmps", "b.rtmps.youtube.com", 443)),
        ("rtmp://[::1]:19350/live", ("rtmp", "::1", 19350)),
    ],
)
def test_it_reads_publishing_addresses(address, expected):
    parts = destinations.parse(address)
    assert (parts.scheme, parts.host, parts.port) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a.rtmp.youtube.com/live2",
        "http://a.rtmp.youtube.com/live2",
        "rtmp:///live2",
        "rtmp://host",
        "rtmp://host/",
        "rtmp://user:word@host/live",
        "rtmp://host:99999/live",
        "rtmp://ho st/live",
        "rtmp://host/live\nrtmp://other/live",
        "rtmp://host/live#key",
        "file:///etc/passwd",
    ],
)
def test_it_refuses_what_is_no_publishing_address(address):
    with pytest.raises(DestinationRefused):
        destinations.parse(address)


YOUTUBE = "rtmps://a.rtmps.youtube.com:443/live2"
TWITCH = "rtmp://live.twitch.tv/app"
OTHER = "rtmp://ingest.example.com/live"
LOOPBACK = "rtmp://127.0.0.1:19350/live"
INSIDE = ["rtmp://10.0.0.1/live", "rtmp://localhost/live", "rtmp://db.internal/live",
          "rtmp://[::1]/live", "rtmp://169.254.169.254/live", "rtmp://intranet/live"]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "allowed", "refused"),
    [
        ("youtube", [YOUTUBE], [TWITCH, OTHER, LOOPBACK, *INSIDE]),
        ("known", [YOUTUBE, TWITCH], [OTHER, LOOPBACK, *INSIDE]),
        ("public", [YOUTUBE, TWITCH, OTHER], [LOOPBACK, *INSIDE]),
        ("private", [YOUTUBE, TWITCH, OTHER, LOOPBACK, *INSIDE], []),
    ],
)
def test_the_policy_decides(settings, policy, allowed, refused):
    settings.DESTINATION_POLICY, settings.DESTINATION_ALLOWLIST = policy, []
    for address in allowed:
        destinations.check(address)
    for address in refused:
        with pytest.raises(DestinationRefused):
            destinations.check(address)


def test_the_operator_can_allow_one_private_address(settings):
    settings.DESTINATION_POLICY = "youtube"
    settings.DESTINATION_ALLOWLIST = ["127.0.0.1:19350"]
    destinations.check(LOOPBACK)
    with pytest.raises(DestinationRefused):
        destinations.check("rtmp://127.0.0.1:19351/live")


def test_youtube_over_the_wrong_port_is_refused(settings):
    settings.DESTINATION_POLICY, settings.DESTINATION_ALLOWLIST = "youtube", []
    with pytest.raises(DestinationRefused):
        destinations.check("rtmps://a.rtmps.youtube.com:1935/live2")


def test_a_name_that_only_looks_known_is_refused(settings):
    settings.DESTINATION_POLICY, settings.DESTINATION_ALLOWLIST = "known", []
    for host in ("live.twitch.tv.example.com", "notlive.twitch.tv", "contribute.live-video.net.x"):
        with pytest.raises(DestinationRefused):
            destinations.check(f"rtmp://{host}/app")


def test_the_fingerprint_is_equal_for_equal_publishing_points_only():
    base = destinations.fingerprint(YOUTUBE, "abcd")
    assert destinations.fingerprint("rtmps://a.rtmps.youtube.com/live2/", "abcd") == base
    assert destinations.fingerprint(YOUTUBE, "abce") != base
    assert destinations.fingerprint(TWITCH, "abcd") != base
    assert "abcd" not in base


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rtmp://live.twitch.tv/app", "rtmps://live.twitch.tv/app"),
        ("rtmp://live.twitch.tv/app", "rtmps://fra05.contribute.live-video.net/app"),
        ("rtmp://live-api-s.facebook.com/rtmp", "rtmps://live-api-s.facebook.com:443/rtmp"),
        ("rtmp://[::1]:1999/live", "rtmp://[0:0:0:0:0:0:0:1]:1999/live"),
        ("rtmp://127.0.0.1:1999/live", "rtmp://[::ffff:127.0.0.1]:1999/live"),
        ("rtmp://127.0.0.1/live", "rtmp://localhost/live"),
        ("rtmp://b\u00fccher.example/live", "rtmp://xn--bcher-kva.example/live"),
    ],
)
def test_one_receiver_is_one_publishing_point_however_it_is_written(one, other):
    assert destinations.fingerprint(one, "abcd") == destinations.fingerprint(other, "abcd")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rtmp://ingest.example/live", "rtmp://ingest.example:1936/live"),
        ("rtmp://ingest.example/live", "rtmp://ingest.example/live2"),
        ("rtmp://ingest.example/live", "rtmp://other.example/live"),
        ("rtmps://a.global-contribute.live-video.net/app",
         "rtmps://b.global-contribute.live-video.net/app"),
        ("rtmp://live.twitch.tv/app", "rtmp://twitch/app"),
    ],
)  # fmt: skip
def test_other_receivers_are_other_publishing_points(one, other):
    assert destinations.fingerprint(one, "abcd") != destinations.fingerprint(other, "abcd")


def test_what_a_key_carries_behind_a_question_mark_makes_no_other_publishing_point():
    base = destinations.fingerprint(TWITCH, "live_1")
    assert destinations.fingerprint(TWITCH, "live_1?bandwidthtest=true") == base
    assert destinations.fingerprint(TWITCH, "live_2?bandwidthtest=true") != base


def test_only_long_keys_show_their_last_four_characters():
    assert destinations.key_hint("abcd-efgh-ijkl-mnop") == "mnop"
    assert destinations.key_hint("secret") == ""


def test_one_key_at_youtube_is_one_publishing_point_whatever_the_protocol():
    secure = destinations.fingerprint(YOUTUBE, "abcd")
    assert destinations.fingerprint("rtmp://a.rtmp.youtube.com/live2", "abcd") == secure
    backup = destinations.fingerprint("rtmps://b.rtmps.youtube.com/live2?backup=1", "abcd")
    assert backup != secure


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rtmps://a.rtmps.youtube.com:443/live2", "YouTube"),
        ("rtmps://b.rtmps.youtube.com/live2", "YouTube"),
        ("rtmp://a.rtmps.youtube.com:443/live2", "a.rtmps.youtube.com"),
        ("rtmps://live.twitch.tv/app", "Twitch"),
        ("rtmp://ingest.example.org/live", "ingest.example.org"),
    ],
)
def test_a_place_is_called_by_its_service_where_that_is_known(address, name):
    assert destinations.name_of(destinations.parse(address)) == name
