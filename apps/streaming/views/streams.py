"""Pages of streams: the dashboard, one stream, its settings, Start and Stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.access import current_workspace, require
from apps.accounts.models import Role, User
from apps.core.charts import chart
from apps.library.preparation import default_profile_id
from apps.streaming import schedule, selectors, stream_manager
from apps.streaming.access import get_stream_for
from apps.streaming.forms import WISHES, StreamForm
from apps.streaming.stream_manager import StartRefused, StreamIsOnAir
from apps.streaming.views.frame import (
    cursors,
    fragment,
    frame,
    live_context,
    pager,
    place,
)

BOARD_ROWS = 20


@login_required
@require_GET
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """What is on air now."""
    workspace, may_edit = place(request)
    page = selectors.stream_page(workspace, size=BOARD_ROWS)
    page = replace(page, rows=selectors.with_airing(page.rows))
    context = frame(workspace) | {
        "page": page,
        "figures": selectors.figures(workspace),
        "may_edit": may_edit,
    }
    if request.headers.get("HX-Request"):
        return fragment(request, "streaming/_board.html", context)
    if may_edit and not any(row.stream.started_at for row in page.rows):
        context["steps"] = selectors.first_steps(workspace, cast(User, request.user))
    return render(request, "streaming/dashboard.html", context)


# -- streams ------------------------------------------------------------------------------------


@login_required
@require_GET
def streams(request: HttpRequest) -> HttpResponseBase:
    """All streams of a workspace."""
    workspace, may_edit = place(request)
    before, after = cursors(request)
    page = selectors.stream_page(workspace, before=before, after=after)
    context = (
        frame(workspace)
        | {"page": page, "may_edit": may_edit}
        | pager(request, workspace, "streaming:streams", page)
    )
    if request.headers.get("HX-Request"):
        return fragment(request, "streaming/_stream_table.html", context)
    return render(request, "streaming/streams.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def stream_new(request: HttpRequest) -> HttpResponse:
    """A form for a new stream."""
    workspace = current_workspace(request)
    require(request.user, workspace, Role.EDITOR)
    form = StreamForm(
        request.POST or None,
        workspace=workspace,
        initial={"profile": default_profile_id(), "playlist": request.GET.get("playlist")},
    )
    if request.method == "POST" and form.is_valid():
        stream = stream_manager.create_stream(
            workspace=workspace,
            by=cast(User, request.user),
            channel=form.cleaned_data["channel"],
            **_wish(form),
        )
        messages.success(request, _("The stream was created. Start it when you are ready."))
        return redirect(stream)
    return render(
        request,
        "streaming/stream_form.html",
        frame(workspace) | {"form": form, "stream": None},
        status=422 if form.errors else 200,
    )


@login_required
@require_http_methods(["GET", "POST"])
def stream_edit(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """The same form, for a stream that exists."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    form = StreamForm(request.POST or None, workspace=stream.workspace, stream=stream)
    if request.method == "POST" and form.is_valid():
        try:
            stream_manager.update_stream(stream=stream, by=cast(User, request.user), **_wish(form))
        except StreamIsOnAir as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The changes are saved."))
            return redirect(stream)
    return render(
        request,
        "streaming/stream_form.html",
        {**frame(stream.workspace), "form": form, "stream": stream},
        status=422 if form.errors else 200,
    )


def _wish(form: StreamForm) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in WISHES}


@login_required
@require_GET
def stream(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """One stream: how it is, what is on, what happened."""
    found = get_stream_for(request.user, stream_id)
    return render(
        request,
        "streaming/stream.html",
        live_context(request, found)
        | {
            **frame(found.workspace),
            "profile_label": schedule.profile_label(found.profile),
            "titles": selectors.titles_told(found),
        },
    )


@login_required
@require_GET
def stream_live(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """The moving part of the stream's page; 304 while nothing moved."""
    found = get_stream_for(request.user, stream_id)
    context = live_context(request, found)
    context["is_part"] = True
    context["wish_changed"] = request.GET.get("wish") not in (None, found.desired)
    return fragment(request, "streaming/_live.html", context)


@login_required
@require_GET
def stream_details(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """What was aired where, every deviation with its cause, and the figures of each connection."""
    found = get_stream_for(request.user, stream_id)
    live = selectors.live(found)
    rows = selectors.with_audience(found, selectors.aired(live.receivers))
    context = {
        **frame(found.workspace),
        "stream": found,
        "live": live,
        "aired": rows,
        "has_audience": any(each.audience is not None for each in rows),
    }
    if request.headers.get("HX-Request"):
        return fragment(request, "streaming/_details.html", context)
    return render(request, "streaming/details.html", context)


@login_required
@require_GET
def stream_arrived(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """What the destinations acknowledged in the last hours; a page, or a fragment for one."""
    found = get_stream_for(request.user, stream_id)
    arrived = selectors.arrived(found)
    times = [int(at.timestamp()) for at in arrived.minutes]
    context = {
        **frame(found.workspace),
        "stream": found,
        "rates": chart(times, [(line.label, line.values) for line in arrived.acked_kbps]),
        "waiting": chart(
            times,
            [
                (line.label, [n if n is None else round(n / 1000) for n in line.values])
                for line in arrived.unsent_bytes
            ],
        ),
    }
    if request.headers.get("HX-Request"):
        return fragment(request, "streaming/_arrived.html", context)
    return render(request, "streaming/arrived.html", context)


@login_required
@require_GET
def stream_ready(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """Whether a stream can be started, and what is missing; a page, or a fragment for one."""
    found = get_stream_for(request.user, stream_id)
    checks = stream_manager.checks(found)
    context = {
        **frame(found.workspace),
        "stream": found,
        "checks": checks,
        "is_ready": all(check.is_well for check in checks),
        "may_edit": found.role >= Role.EDITOR,
    }
    if request.headers.get("HX-Request"):
        # Once it is started, the question leaves the stream's page.
        context["is_answered"] = found.is_wanted
        return fragment(request, "streaming/_ready.html", context)
    return render(request, "streaming/ready.html", context)


@login_required
@require_POST
def stream_start(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Wish it on air."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    try:
        stream_manager.start_stream(stream=found, by=cast(User, request.user))
    except StartRefused as refused:
        for problem in refused.problems:
            messages.error(request, problem)
    return redirect(found)


@login_required
@require_http_methods(["GET", "POST"])
def stream_stop(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Ask, then wish it off."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    if request.method == "POST":
        stream_manager.stop_stream(stream=found, by=cast(User, request.user))
        return redirect(found)
    return render(
        request, "streaming/stream_stop.html", {**frame(found.workspace), "stream": found}
    )


@login_required
@require_http_methods(["GET", "POST"])
def stream_delete(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Ask, then remove."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    if request.method == "POST":
        try:
            stream_manager.delete_stream(stream=found, by=cast(User, request.user))
        except StreamIsOnAir as refused:
            messages.error(request, str(refused))
            return redirect(found)
        messages.success(request, _("The stream “%(title)s” was deleted.") % {"title": found.title})
        return redirect("streaming:streams")
    return render(
        request, "streaming/stream_delete.html", {**frame(found.workspace), "stream": found}
    )
