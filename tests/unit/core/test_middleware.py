import asyncio
import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from apps.core.middleware import CompressionMiddleware, ContentPolicyMiddleware

REQUEST = RequestFactory().get("/", headers={"Accept-Encoding": "gzip"})


def answered(response, middleware=CompressionMiddleware, request=REQUEST):
    return middleware(lambda _: response)(request)


def test_text_is_compressed():
    answer = answered(HttpResponse("word " * 1000))
    assert answer["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.content) == b"word " * 1000


EVENTS = [b"data: %d %s\n\n" % (n, b"word " * 200) for n in range(3)]


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream"]
)
def test_event_streams_are_not_held_back_by_compression(kind):
    answer = answered(StreamingHttpResponse(EVENTS, content_type=kind))
    assert "Content-Encoding" not in answer
    # Each event leaves by itself, as it came.
    assert list(answer.streaming_content) == EVENTS


def test_event_streams_of_coroutines_are_not_held_back_either():
    async def told():
        for event in EVENTS:
            yield event

    async def heard():
        answer = answered(StreamingHttpResponse(told(), content_type="text/event-stream"))
        assert "Content-Encoding" not in answer
        return [piece async for piece in answer.streaming_content]

    assert asyncio.run(heard()) == EVENTS


def test_other_text_that_comes_in_pieces_is_compressed():
    answer = answered(StreamingHttpResponse(EVENTS, content_type="text/csv"))
    assert answer["Content-Encoding"] == "gzip"
    assert gzip.decompress(b"".join(answer.streaming_content)) == b"".join(EVENTS)


def test_the_length_of_a_compressed_answer_does_not_tell_what_is_in_it():
    """A stranger who can make a guess appear beside a secret sees no shorter answer (BREACH)."""
    secret = "word " * 1000 + "key=7q2x-4411"
    lengths = {
        guess: {len(answered(HttpResponse(f"{secret}{guess}")).content) for _ in range(60)}
        for guess in ("key=7q2x-4411", "key=8r3z-5527")
    }
    right, wrong = lengths.values()
    assert min(len(right), len(wrong)) > 10
    assert min(wrong) < max(right)
    assert min(right) < max(wrong)


def test_media_keeps_its_length():
    answer = answered(HttpResponse(b"\0" * 5000, content_type="video/mp4"))
    assert "Content-Encoding" not in answer


def test_only_the_admin_may_evaluate_scripts():
    for path, loose in (("/", False), ("/admin/", True), ("/administrator/", False)):
        request = RequestFactory().get(path)
        answer = answered(HttpResponse("x"), ContentPolicyMiddleware, request)
        assert ("unsafe-eval" in answer["Content-Security-Policy"]) is loose
