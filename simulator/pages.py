"""What a person sees: the overview with its switches, and one page to watch each broadcast on."""

from __future__ import annotations

from html import escape
from typing import Any

from simulator.faults import Behaviour, choices
from simulator.lifecycle import ENDED
from simulator.web import Answer
from simulator.world import Record, World

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'"
    " blob:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_SHOWN_BROADCASTS = 60


def page(title: str, content: str, *, status: int = 200, form_target: str = "") -> Answer:
    """A whole page; its forms may lead to `form_target` besides us."""
    text = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · YouTube simulator</title>
<link rel="icon" href="/simulator/static/icon.svg"><link rel="stylesheet"
 href="/simulator/static/simulator.css"><script src="/simulator/static/simulator.js" defer></script>
</head><body><header><a href="/">YouTube simulator</a>
<span>not YouTube: a stand-in on this machine</span></header><main>{content}</main></body></html>"""
    return Answer(
        status,
        text.encode(),
        {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": f"{_CSP} {form_target}".rstrip(),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        },
    )


def overview(world: World) -> Answer:
    """Channels, broadcasts, ingest points, calls and switches."""
    projects = sorted({client.project for client in world.clients.values()})
    spent = "".join(
        f"<li><b>{escape(project)}</b> {world.units_today(project)} of"
        f" {world.behaviour.units_per_day} units</li>"
        for project in projects
    )
    content = f"""<h1>Overview</h1>
<p class="note">Its clock says {escape(world.text_time())}; time runs {world.scale:g} times as
fast for what YouTube does by itself.</p>
<section id="live-part">{_broadcasts(world)}{_streams(world)}</section>
<section class="card"><h2>Channels</h2>{_channels(world)}</section>
<section class="card"><h2>Access</h2>{_grants(world)}<h3>Quota of today</h3><ul>{spent}</ul>
</section>
<section class="card"><h2>Faults</h2>{_switches(world.behaviour, world.begun_with)}</section>
<section class="card"><h2>What happened</h2><ol class="events">{_events(world)}</ol></section>"""
    return page("Overview", content)


def watch(world: World, record: Record) -> Answer:
    """Plays what the ingest receives for a broadcast."""
    snippet = record.truth["snippet"]
    content = f"""<div class="watch"><video id="watch" data-src="/watch/{escape(record.id)}.flv"
 muted playsinline controls></video>
<p id="watch-said" role="status" data-text-playing="Playing what the ingest receives"
 data-text-waiting="The ingest receives nothing just now. Trying again."
 data-text-off="This broadcast is not on air."
 data-text-unable="This browser cannot play live streams.">Asking the ingest</p>
<h1>{escape(snippet["title"])}</h1>
<p id="live-part">{_badge(record)} <span class="viewers">{world.viewers(record)} watching</span>
 <span class="note">{escape(record.truth["status"]["privacyStatus"])}</span></p>
<p class="description">{escape(snippet["description"])}</p></div>
<script src="/simulator/static/mpegts.js" defer></script>
<script src="/simulator/static/watch.js" defer></script>"""
    return page(snippet["title"], content)


def missing() -> Answer:
    """There is no such page."""
    return page("Not found", "<h1>Not found</h1><p>There is nothing here.</p>", status=404)


def _badge(record: Record) -> str:
    return f'<span class="badge {escape(record.state)}">{escape(record.state)}</span>'


def _broadcasts(world: World) -> str:
    rows = ""
    kept = [e for e in world.broadcasts.values() if not e.is_deleted][::-1]
    kept.sort(key=lambda e: e.state in ENDED)
    for record in kept[:_SHOWN_BROADCASTS]:
        channel = world.channels[record.channel_id]
        snippet = record.truth["snippet"]
        buttons = "".join(
            _button(f"/simulator/broadcasts/{record.id}/{act}", text)
            for act, text in (
                ("complete", "End"), ("revoke", "Take down"), ("delete", "Delete"),
            )
            if act == "delete" or record.state not in ENDED
        )  # fmt: skip
        rows += (
            f'<li class="row"><div><a href="/watch?v={record.id}">{escape(snippet["title"])}</a>'
            f'<br><span class="note">{escape(channel.title)} · {record.id}</span></div>'
            f"<div>{_badge(record)} {world.viewers(record)} watching</div>"
            f'<div class="buttons">{buttons}</div></li>'
        )
    rows = rows or "<li>No broadcast was created yet.</li>"
    return f'<div class="card"><h2>Broadcasts</h2><ul class="rows">{rows}</ul></div>'


def _streams(world: World) -> str:
    rows = ""
    for record in world.streams.values():
        if record.is_deleted:
            continue
        status = record.truth["status"]
        issues = status["healthStatus"].get("configurationIssues", [])
        feeds = world.feeds.get(record.id, [])
        sides = ", ".join(feed.side for feed in feeds) or "no publisher"
        told = "; ".join(f"{issue['type']}: {issue['description']}" for issue in issues)
        rows += (
            f'<li class="row"><div><b>{escape(record.truth["snippet"]["title"])}</b><br>'
            f'<span class="note">{escape(world.channels[record.channel_id].title)} ·'
            f" {escape(sides)}</span></div>"
            f'<div><span class="badge {escape(status["streamStatus"])}">'
            f"{escape(status['streamStatus'])}</span> {escape(status['healthStatus']['status'])}"
            f'<br><span class="note">{escape(told)}</span></div><div class="buttons">'
            + _button(f"/simulator/streams/{record.id}/kick", "Cut")
            + _button(f"/simulator/streams/{record.id}/new-key", "Reset key")
            + "</div></li>"
        )
    rows = rows or "<li>No stream key was created yet.</li>"
    return f'<div class="card"><h2>Stream keys</h2><ul class="rows">{rows}</ul></div>'


def _channels(world: World) -> str:
    rows = ""
    for channel in world.channels.values():
        boxes = "".join(
            f'<label><input type="checkbox" name="{name}" value="true"'
            f"{' checked' if getattr(channel, name) else ''}> {text}</label>"
            for name, text in (
                ("is_live_enabled", "live enabled"),
                ("is_blocked", "barred from live (strike)"),
                ("is_suspended", "suspended"),
                ("is_verified", "verified by phone"),
            )
        )
        rows += (
            f'<li><form class="row" method="post" action="/simulator/channels/{channel.id}">'
            f"<div><b>{escape(channel.title)}</b><br><span class='note'>{channel.id}</span></div>"
            f'<div class="boxes">{boxes}<label>audience <input name="audience" type="number"'
            f' min="0" value="{channel.audience}"></label></div>'
            '<div class="buttons"><button>Set</button></div></form></li>'
        )
    return f'<ul class="rows">{rows}</ul>'


def _grants(world: World) -> str:
    rows = ""
    for grant in world.grants.values():
        channel = world.channels.get(grant.channel_id)
        state = "revoked" if grant.is_revoked else "granted"
        button = (
            "" if grant.is_revoked else _button(f"/simulator/grants/{grant.id}/revoke", "Revoke")
        )
        rows += (
            f'<li class="row"><div><b>{escape(channel.title if channel else "no channel")}</b>'
            f'<br><span class="note">{escape(grant.email)}</span></div>'
            f'<div><span class="badge {state}">{state}</span></div>'
            f'<div class="buttons">{button}</div></li>'
        )
    return f'<ul class="rows">{rows or "<li>Nobody was allowed in yet.</li>"}</ul>'


def _switches(behaviour: Behaviour, begun_with: dict[str, Any]) -> str:
    fields = ""
    for name, value in behaviour.as_dict().items():
        label = escape(name.replace("_", " "))
        words = choices(name)
        if words:
            options = "".join(
                f"<option{' selected' if word == value else ''}>{word}</option>" for word in words
            )
            field = f'<select id="{name}" name="{name}">{options}</select>'
        elif isinstance(value, bool):
            options = "".join(
                f"<option{' selected' if (word == 'true') == value else ''}>{word}</option>"
                for word in ("true", "false")
            )
            field = f'<select id="{name}" name="{name}">{options}</select>'
        elif isinstance(value, str):
            field = f'<input id="{name}" name="{name}" value="{escape(value)}">'
        else:
            field = (
                f'<input id="{name}" name="{name}" type="number" min="0" step="any"'
                f' value="{value}">'
            )
        is_changed = " changed" if value != begun_with[name] else ""
        fields += (
            f'<div class="switch{is_changed}"><label for="{name}">{label}</label>{field}</div>'
        )
    return (
        f'<form method="post" action="/simulator/faults"><div class="switches">{fields}</div>'
        '<p class="buttons"><button>Set</button></p></form>'
        + _button("/simulator/faults/reset", "Back to how it was started")
    )


def _events(world: World) -> str:
    def told(event: dict[str, Any]) -> str:
        about = " ".join(f"{v}" for k, v in event.items() if k not in ("at", "what"))
        return (
            f"<li><time>{escape(event['at'])}</time> {escape(event['what'])} {escape(about)}</li>"
        )

    return "".join(told(event) for event in list(world.events)[:-40:-1])


def _button(action: str, text: str) -> str:
    button = f'<button class="quiet">{text}</button>'
    return f'<form method="post" action="{escape(action)}">{button}</form>'
