"""Addresses for machines that watch us, and for who builds the pages."""

from __future__ import annotations

import hmac
import ipaddress

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from apps.core.charts import chart
from apps.ops import health, metrics


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Every part, and how many outputs are on air; 503 when a part fails."""
    report = health.readiness()
    return JsonResponse(report, status=200 if report["status"] == "ok" else 503)


@require_safe
@never_cache
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Prometheus' text, for this machine or for whoever has the token; 404 for others."""
    if not _may_read_metrics(request):
        raise Http404
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in every state. For staff; in development for anybody signed in.

    Others get 404, since it is no page of the product.
    """
    developing = not settings.IN_PRODUCTION and request.user.is_authenticated
    if not (developing or getattr(request.user, "is_staff", False)):
        raise Http404
    return render(request, "ops/styleguide.html", {"form": _example_form(), **_EXAMPLES})


def _example_form() -> forms.Form:
    """One field of each kind, two of them refused."""
    form_class = type("ExampleForm", (forms.Form,), {
        "title": forms.CharField(label=_("Title"), help_text=_("People see it in the list.")),
        "key": forms.CharField(label=_("Stream key")),
        "place": forms.ChoiceField(label=_("Send to"), choices=[("a", "YouTube"), ("b", "RTMP")]),
        "loop": forms.BooleanField(label=_("Begin again after the last item"), required=False),
        "note": forms.CharField(label=_("Note"), widget=forms.Textarea, required=False),
    })  # fmt: skip
    form: forms.Form = form_class({"title": "Harbour", "key": "", "place": "a", "loop": "on"})
    form.full_clean()
    return form


_EXAMPLES = {
    "tones": ["neutral", "info", "busy", "success", "warning", "error", "live"],
    "colours": [
        "base-100", "base-200", "base-300", "base-content", "primary", "secondary", "accent",
        "success", "warning", "error", "info",
    ],
    "chart": chart(
        [1_773_520_000 + 60 * n for n in range(60)],
        [("YouTube", [
            None if 12 <= n <= 14 else 4480 + 37 * (n * n % 11) - (2600 if 31 <= n <= 34 else 0)
            for n in range(60)
        ])],
    ),
    "chart_of_two": chart(
        [1_773_520_000 + 60 * n for n in range(60)],
        [
            (name, [base + 29 * (n * n % 7) for n in range(60)])
            for name, base in (("YouTube", 4480), ("Twitch", 2410))
        ],
    ),
    "rows": [
        ("Harbour at night", "live", "4.6 Mbit/s"),
        ("Sleep radio", "warning", "2.2 Mbit/s"),
        ("Weekend special", "neutral", "–"),
    ],
}  # fmt: skip


def _may_read_metrics(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if settings.METRICS_TOKEN and hmac.compare_digest(
        given.encode(), settings.METRICS_TOKEN.encode()
    ):
        return True
    # Behind a proxy every request seems to come from this machine.
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    try:
        caller = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return caller.is_loopback and not forwarded and not settings.TRUSTED_PROXY
