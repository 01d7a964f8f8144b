import gzip

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


def test_event_streams_are_not_held_back_by_compression():
    answer = answered(StreamingHttpResponse([b"data: x\n\n"], content_type="text/event-stream"))
    assert "Content-Encoding" not in answer


def test_media_keeps_its_length():
    answer = answered(HttpResponse(b"\0" * 5000, content_type="video/mp4"))
    assert "Content-Encoding" not in answer


def test_only_the_admin_may_evaluate_scripts():
    for path, loose in (("/", False), ("/admin/", True), ("/administrator/", False)):
        request = RequestFactory().get(path)
        answer = answered(HttpResponse("x"), ContentPolicyMiddleware, request)
        assert ("unsafe-eval" in answer["Content-Security-Policy"]) is loose
