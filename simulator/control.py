"""The simulator's own switches, for people (forms) and tests (JSON)."""

from __future__ import annotations

import dataclasses
from typing import Any

from simulator.ingest import Ingest
from simulator.lifecycle import LifeCycle
from simulator.oauth import OAuth
from simulator.web import Answer, Request, json_answer, redirect
from simulator.world import Client, Record, Refusal, World

_REJECTIONS = ("copyright", "termsOfUse", "inappropriate", "legal", "claim", "trademark")


class _Wrong(Exception):
    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.detail, self.status = detail, status


class Control:
    """Everything below /simulator/."""

    def __init__(self, world: World, ingest: Ingest | None, oauth: OAuth) -> None:
        self.world = world
        self.ingest = ingest
        self._oauth = oauth

    def answer(self, request: Request) -> Answer:
        """Do what is asked; a form is sent back to the overview."""
        is_form = not request.headers.get("content-type", "").startswith("application/json")
        try:
            if request.method == "GET":
                return self._read(request)
            if request.method != "POST":
                raise _Wrong("Only GET and POST are answered here.", 405)
            if request.is_foreign():
                raise _Wrong("This form belongs to another page.", 403)
            result = self._act(request, self._fields(request, is_form=is_form))
        except _Wrong as wrong:
            return json_answer({"detail": wrong.detail}, wrong.status)
        except ValueError as error:
            return json_answer({"detail": str(error)}, 400)
        self.world.has_changed = True
        return redirect("/") if is_form else json_answer(result)

    @staticmethod
    def _fields(request: Request, *, is_form: bool) -> dict[str, Any]:
        if is_form:
            return {name: values[-1] for name, values in request.form().items()}
        found = request.json() if request.body else {}
        if not isinstance(found, dict):
            raise _Wrong("The body is not an object.")
        return found

    def _read(self, request: Request) -> Answer:
        if request.path == "/simulator/state.json":
            return json_answer(self.state())
        if request.path == "/simulator/faults":
            return json_answer(self.world.behaviour.as_dict())
        if request.path == "/simulator/calls.json":
            return json_answer({"calls": list(self.world.calls)})
        raise _Wrong("There is nothing here.", 404)

    def state(self) -> dict[str, Any]:
        """The truth, without the read lag; no key and no token in it."""
        world = self.world
        world.advance()
        return {
            "now": world.text_time(),
            "scale": world.scale,
            "units": world.units,
            "accepted": self.ingest.accepted if self.ingest else 0,
            "refused": self.ingest.refused if self.ingest else 0,
            "broadcasts": [
                {
                    "id": each.id,
                    "channel": each.channel_id,
                    "title": each.truth["snippet"]["title"],
                    "state": each.state.value,
                    "privacy": each.truth["status"]["privacyStatus"],
                    "stream": each.truth["contentDetails"].get("boundStreamId", ""),
                    "viewers": world.viewers(each),
                    "live_at": each.note.get("live_at"),
                    "ended_at": each.note.get("ended_at"),
                    "has_archive": each.note.get("has_archive"),
                    "deleted": each.is_deleted,
                }
                for each in world.broadcasts.values()
            ],
            "streams": [
                {
                    "id": each.id,
                    "channel": each.channel_id,
                    "title": each.truth["snippet"]["title"],
                    "status": each.truth["status"]["streamStatus"],
                    "health": each.truth["status"]["healthStatus"],
                    "publishers": [feed.side for feed in world.feeds.get(each.id, [])],
                    "deleted": each.is_deleted,
                }
                for each in world.streams.values()
            ],
            "grants": [
                {
                    "id": each.id,
                    "account": each.email,
                    "channel": each.channel_id,
                    "scopes": each.scopes,
                    "revoked": each.is_revoked,
                }
                for each in world.grants.values()
            ],
        }

    def _act(self, request: Request, fields: dict[str, Any]) -> dict[str, Any]:
        world = self.world
        steps = request.path.removeprefix("/simulator/").split("/")
        match steps:
            case ["faults"]:
                world.behaviour.change(fields)
                return world.behaviour.as_dict()
            case ["faults", "reset"]:
                world.behaviour.change(world.begun_with)
                return world.behaviour.as_dict()
            case ["clock"]:
                # Only forward: nothing here is made for a past that comes back.
                seconds = float(fields.get("advance_s", 0))
                if not 0 <= seconds < 1e9:
                    raise _Wrong("advance_s is a number of 0 or more.")
                world.offset_s += seconds
                world.advance()
                return {"now": world.text_time()}
            case ["refusals"]:
                return self._refuse(fields)
            case ["clients"]:
                return self._register(fields)
            case ["channels", channel_id]:
                return self._change_channel(request, channel_id, fields)
            case ["grants", grant_id, "revoke"]:
                grant = world.grants.get(grant_id)
                if grant is None:
                    raise _Wrong("There is no such grant.", 404)
                self._oauth.revoke_grant(grant)
                return {}
            case ["broadcasts", broadcast_id, action]:
                return self._broadcast(broadcast_id, action, fields)
            case ["streams", stream_id, action]:
                return self._stream(stream_id, action)
        raise _Wrong("There is nothing here.", 404)

    def _refuse(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Have the API refuse the next calls of a method, for any reason that there is."""
        try:
            refusal = Refusal(
                method=str(fields["method"]),
                reason=str(fields["reason"]),
                status=int(fields.get("status", 403)),
                times=int(fields.get("times", 1)),
            )
        except KeyError as error:
            raise _Wrong(f"{error.args[0]} is missing.") from error
        if not 400 <= refusal.status < 600:
            raise _Wrong("A status of a refusal is 400 to 599.")
        self.world.refusals = [e for e in self.world.refusals if e.times > 0] + [refusal]
        return {"refusals": [dataclasses.asdict(e) for e in self.world.refusals]}

    def _broadcast(self, broadcast_id: str, action: str, fields: dict[str, Any]) -> dict[str, Any]:
        """What YouTube, or a person in Studio, may do to a broadcast; RTMP is left alone."""
        record = _existing(self.world.broadcasts, broadcast_id)
        if action == "complete":
            self.world.enter(record, LifeCycle.COMPLETE)
        elif action == "revoke":
            reason = fields.get("reason", "termsOfUse")
            if reason not in _REJECTIONS:
                raise _Wrong(f"The reason is one of {', '.join(_REJECTIONS)}.")
            record.note["rejection"] = reason
            self.world.enter(record, LifeCycle.REVOKED)
        elif action == "delete":
            self.world.delete(record)
            self.world.say("The broadcast was deleted in Studio.", broadcast=record.id)
        else:
            raise _Wrong("There is nothing here.", 404)
        return {"state": record.state.value, "deleted": record.is_deleted}

    def _stream(self, stream_id: str, action: str) -> dict[str, Any]:
        record = _existing(self.world.streams, stream_id)
        if action == "kick":
            return {"cut": self.ingest.cut(stream_id) if self.ingest else 0}
        if action == "new-key":
            record.truth["cdn"]["ingestionInfo"]["streamName"] = self.world.new_key()
            self.world.changed(record)
            self.world.say("The key was reset in Studio.", stream=stream_id)
            return {"cut": self.ingest.cut(stream_id) if self.ingest else 0}
        if action == "delete":
            self.world.delete(record)
            return {"cut": self.ingest.cut(stream_id) if self.ingest else 0}
        raise _Wrong("There is nothing here.", 404)

    def _change_channel(
        self, request: Request, channel_id: str, fields: dict[str, Any]
    ) -> dict[str, Any]:
        channel = self.world.channels.get(channel_id)
        if channel is None:
            raise _Wrong("There is no such channel.", 404)
        switches = ("is_live_enabled", "is_blocked", "is_suspended", "is_verified")
        is_form = not request.headers.get("content-type", "").startswith("application/json")
        unknown = set(fields) - {*switches, "audience", "strike"}
        if unknown:
            raise _Wrong(f"There is no {', '.join(sorted(unknown))}.")
        for name in switches:
            if name in fields or is_form:  # a form leaves out what is not ticked
                setattr(channel, name, fields.get(name) in (True, "true"))
        if "audience" in fields:
            channel.audience = max(0, int(fields["audience"]))
        if fields.get("strike"):
            # A strike bars the channel, and stops what is live on it at once.
            channel.is_blocked = True
            for record in self.world.on_air(channel.id):
                self.world.enter(record, LifeCycle.COMPLETE)
        return {"id": channel.id, **{name: getattr(channel, name) for name in switches}}

    def _register(self, fields: dict[str, Any]) -> dict[str, Any]:
        client = Client(
            id=str(fields["id"]) if fields.get("id") else "",
            secret=str(fields.get("secret", "")),
            project=str(fields.get("project") or fields.get("id")),
            redirect_uris=[str(uri) for uri in fields.get("redirect_uris", [])],
        )
        if not client.id or not client.secret:
            raise _Wrong("A client has an id and a secret.")
        self.world.clients[client.id] = client
        return {"id": client.id, "project": client.project}


def _existing(table: dict[str, Record], record_id: str) -> Record:
    record = table.get(record_id)
    if record is None or record.is_deleted:
        raise _Wrong("There is no such thing.", 404)
    return record
