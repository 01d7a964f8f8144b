"""What an update sends along: all that was there, and nothing that cannot be written."""

from hypothesis import given
from hypothesis import strategies as st

from apps.youtube import merging

SWITCHES = ("enableEmbed", "enableDvr", "recordFromStart", "startWithSlate",
            "enableContentEncryption", "enableAutoStart", "enableAutoStop")  # fmt: skip

contents = st.fixed_dictionaries(
    {},
    optional={name: st.booleans() for name in SWITCHES}
    | {
        "latencyPreference": st.sampled_from(["normal", "low", "ultraLow"]),
        "enableLowLatency": st.booleans(),
        "closedCaptionsType": st.just("closedCaptionsHttpPost"),
        "enableClosedCaptions": st.booleans(),
        "boundStreamId": st.text(max_size=5),
        "monitorStream": st.fixed_dictionaries(
            {"enableMonitorStream": st.booleans()},
            optional={"broadcastStreamDelayMs": st.integers(0, 9), "embedHtml": st.text()},
        ),
    },
)


@given(contents, st.booleans())
def test_afterwards_nothing_but_us_starts_and_ends_it(content, has_begun):
    body = merging.left_alone(content, has_begun=has_begun)
    assert merging.is_left_alone(body, has_begun=has_begun)


@given(contents, st.booleans())
def test_all_else_is_sent_as_it_was_read(content, has_begun):
    body = merging.left_alone(content, has_begun=has_begun)
    for name in ("enableEmbed", "enableDvr", "recordFromStart", "latencyPreference",
                 "closedCaptionsType"):  # fmt: skip
        if name in content:
            assert body[name] == content[name]
    if has_begun:
        # It could not be changed any more, and would be refused.
        read = content.get("monitorStream", {}).get("enableMonitorStream", True)
        assert body["monitorStream"]["enableMonitorStream"] is read
        assert body.get("enableAutoStart") == content.get("enableAutoStart")


@given(contents)
def test_what_cannot_be_written_or_would_contradict_is_left_out(content):
    body = merging.left_alone(content, has_begun=False)
    assert not {"boundStreamId", "enableLowLatency", "enableClosedCaptions"} & set(body)
    assert set(body["monitorStream"]) == {"enableMonitorStream", "broadcastStreamDelayMs"}


videos = st.fixed_dictionaries(
    {
        "snippet": st.fixed_dictionaries(
            {"title": st.text(min_size=1), "categoryId": st.sampled_from(["10", "24"])},
            optional={
                "description": st.text(), "tags": st.lists(st.text(), min_size=1),
                "defaultLanguage": st.just("en"), "channelTitle": st.text(),
            },
        ),
        "status": st.fixed_dictionaries(
            {"privacyStatus": st.sampled_from(["public", "unlisted", "private"])},
            optional={
                "embeddable": st.booleans(), "license": st.just("creativeCommon"),
                "publicStatsViewable": st.booleans(), "selfDeclaredMadeForKids": st.booleans(),
                "uploadStatus": st.just("uploaded"), "madeForKids": st.booleans(),
                "publishAt": st.just("2026-12-01T00:00:00Z"),
            },
        ),
    }
)  # fmt: skip
wishes = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(min_size=1), "description": st.text(), "tags": st.lists(st.text()),
        "categoryId": st.sampled_from(["10", "24"]),
        "privacyStatus": st.sampled_from(["public", "unlisted", "private"]),
    },
)  # fmt: skip


def written(video, body):
    """The video once YouTube has replaced the parts that were sent, each whole."""
    return {part: body.get(part, video[part]) for part in ("snippet", "status")}


@given(videos, wishes)
def test_a_video_is_as_wished_and_else_as_it_was(video, wish):
    after = written(video, merging.with_wish(video, wish, told={}))
    for name in ("title", "description", "categoryId", "tags", "defaultLanguage"):
        expected = wish[name] if name in wish else video["snippet"].get(name)
        assert (after["snippet"].get(name) or None) == (expected or None)
    for name in ("embeddable", "license", "publicStatsViewable", "selfDeclaredMadeForKids"):
        assert after["status"].get(name) == video["status"].get(name)
    privacy = wish.get("privacyStatus", video["status"]["privacyStatus"])
    assert after["status"]["privacyStatus"] == privacy


@given(videos, wishes)
def test_what_is_as_wished_is_not_sent_again(video, wish):
    after = written(video, merging.with_wish(video, wish, told={}))
    assert merging.with_wish(after, wish, told={}) == {}


@given(videos, wishes, wishes)
def test_what_we_wrote_a_moment_ago_goes_before_an_old_read(video, first, second):
    body = merging.with_wish(video, second, told=first)
    for name, value in first.items():
        if name not in second and name != "privacyStatus" and "snippet" in body:
            assert body["snippet"][name] == value


@given(videos)
def test_what_only_youtube_writes_is_never_sent(video):
    body = merging.with_wish(video, {"title": "x", "privacyStatus": "public"}, told={})
    sent = {name for part in body.values() for name in part}
    assert not sent & {"channelTitle", "uploadStatus", "madeForKids"}
    if "status" in body:
        assert "publishAt" not in body["status"]
