"""Sign-in as Google does it: the consent page, tokens, and taking it all back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from html import escape
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from simulator.pages import page
from simulator.web import Answer, Request, json_answer, redirect
from simulator.world import MAX_REFRESH_TOKENS, Client, Code, Grant, World

CODE_S = 600.0
TESTING_S = 7 * 86_400.0
"""How long a refresh token of an unpublished client lives."""
UNUSED_S = 182 * 86_400.0
_IDENTITY = {
    "openid": "Know who you are",
    "email": "See your e-mail address",
    "profile": "See your name",
    "https://www.googleapis.com/auth/userinfo.email": "See your e-mail address",
    "https://www.googleapis.com/auth/userinfo.profile": "See your name",
}
_YOUTUBE = "https://www.googleapis.com/auth/youtube"
_SCOPES = {
    _YOUTUBE: "Manage your YouTube account",
    f"{_YOUTUBE}.force-ssl": "See, edit and delete your videos and live broadcasts",
    f"{_YOUTUBE}.readonly": "View your YouTube account",
    f"{_YOUTUBE}.upload": "Upload videos and pictures",
}
_CARRIED = ("client_id", "redirect_uri", "response_type", "scope", "state", "access_type",
            "prompt", "code_challenge", "code_challenge_method", "nonce")  # fmt: skip


class _Refused(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status

    def answer(self) -> Answer:
        return json_answer(
            {"error": self.error, "error_description": self.description}, self.status
        )


class OAuth:
    """The authorisation server."""

    def __init__(self, world: World) -> None:
        self.world = world

    # -- consent --------------------------------------------------------------------------------

    def consent(self, request: Request) -> Answer:
        """The page on which a person chooses, and what follows from the choice."""
        if request.method == "POST":
            if request.is_foreign():
                return _problem("This form belongs to another page.", 403)
            fields = {name: values[-1] for name, values in request.form().items()}
            scopes = request.form().get("granted", [])
        else:
            fields = dict(request.query)
            scopes = []
        client = self.world.clients.get(fields.get("client_id", ""))
        if client is None:
            return _problem("invalid_client: this OAuth client is not known.", 401)
        uri = fields.get("redirect_uri", "")
        if not _may_redirect(client, uri):
            return _problem("redirect_uri_mismatch: the address is not one of this client's.", 400)
        if fields.get("response_type") != "code":
            return self._back(fields, {"error": "unsupported_response_type"})
        asked = fields.get("scope", "").split()
        if not asked or any(scope not in _SCOPES and scope not in _IDENTITY for scope in asked):
            return self._back(fields, {"error": "invalid_scope"})
        if fields.get("code_challenge_method", "S256") not in ("S256", "plain"):
            return self._back(fields, {"error": "invalid_request"})
        if request.method != "POST":
            return self._page(request, client, fields, asked)
        if fields.get("decision") != "allow":
            return self._back(fields, {"error": "access_denied"})
        email, _, channel_id = fields.get("who", "").partition(" ")
        account = self.world.accounts.get(email)
        if account is None or (channel_id and channel_id not in account.channels):
            return _problem("Choose an account.", 400)
        granted = [s for s in dict.fromkeys(asked) if s in _IDENTITY or s in scopes]
        if not granted:
            return self._back(fields, {"error": "access_denied"})
        return self._allow(client, email, channel_id, granted, fields)

    def _page(
        self, request: Request, client: Client, fields: dict[str, str], asked: list[str]
    ) -> Answer:
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(fields[name])}">'
            for name in _CARRIED
            if name in fields
        )
        people = ""
        for account in self.world.accounts.values():
            for channel_id in account.channels or [""]:
                channel = self.world.channels.get(channel_id)
                title = channel.title if channel else "no channel"
                checked = "" if people else " checked"
                people += (
                    f'<label class="choice"><input type="radio" name="who" required{checked}'
                    f' value="{escape(f"{account.email} {channel_id}".strip())}">'
                    f"<span><b>{escape(title)}</b><br>{escape(account.email)}</span></label>"
                )
        boxes = "".join(
            f'<label class="choice"><input type="checkbox" name="granted" value="{escape(scope)}">'
            f"<span>{escape(_SCOPES[scope])}</span></label>"
            for scope in dict.fromkeys(asked)
            if scope in _SCOPES
        )
        warning = (
            '<p class="note">This application is being tested: it was not verified.</p>'
            if self.world.behaviour.is_in_testing
            else ""
        )
        target = urlsplit(fields["redirect_uri"])
        content = f"""<form class="card narrow" method="post" action="/o/oauth2/v2/auth">
<h1>Sign in to {escape(client.project)}</h1>{warning}{hidden}
<fieldset><legend>Account and channel</legend>{people}</fieldset>
<fieldset><legend>It asks to</legend>{boxes or "<p>know who you are</p>"}</fieldset>
<p class="note">What is not ticked is not granted.</p>
<p class="buttons"><button name="decision" value="allow">Continue</button>
<button class="quiet" name="decision" value="deny" formnovalidate>Cancel</button></p></form>"""
        return page("Sign in", content, form_target=f"{target.scheme}://{target.netloc}")

    def _allow(
        self, client: Client, email: str, channel_id: str, scopes: list[str],
        fields: dict[str, str],
    ) -> Answer:  # fmt: skip
        world = self.world
        now = world.seconds()
        before = [
            grant
            for grant in world.grants.values()
            if (grant.client_id, grant.email) == (client.id, email) and not grant.is_revoked
        ]
        grant = Grant(
            id=secrets.token_hex(8),
            client_id=client.id,
            email=email,
            channel_id=channel_id,
            scopes=scopes,
            issued_at=now,
        )
        # Who was asked before is given a refresh token only when consent is asked for again.
        is_asked = "consent" in fields.get("prompt", "").split()
        if fields.get("access_type") == "offline" and (is_asked or not before):
            grant.refresh_token = "1//" + secrets.token_urlsafe(40)
            if world.behaviour.is_in_testing:
                grant.dies_at = now + world.scaled(TESTING_S)
        world.grants[grant.id] = grant
        holding = [e for e in [*before, grant] if e.refresh_token]
        for oldest in holding[:-MAX_REFRESH_TOKENS]:
            oldest.is_revoked = True
        code = Code(
            code="4/0" + secrets.token_urlsafe(32),
            grant_id=grant.id,
            redirect_uri=fields["redirect_uri"],
            challenge=fields.get("code_challenge", ""),
            challenge_method=fields.get("code_challenge_method", "plain"),
            nonce=fields.get("nonce", ""),
            expires_at=now + max(1.0, world.scaled(CODE_S)),
        )
        world.codes[code.code] = code
        world.has_changed = True
        world.say("A client was allowed in.", account=email, scopes=len(scopes))
        return self._back(fields, {"code": code.code, "scope": " ".join(scopes)})

    def _back(self, fields: dict[str, str], values: dict[str, str]) -> Answer:
        if "state" in fields:
            values = {"state": fields["state"], **values}
        parts = urlsplit(fields["redirect_uri"])
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *values.items()])
        return redirect(urlunsplit(parts._replace(query=query)), 302)

    # -- tokens ---------------------------------------------------------------------------------

    def token(self, request: Request) -> Answer:
        """Codes and refresh tokens into access tokens."""
        if unfit := self._unfit():
            return unfit
        fields = {name: values[-1] for name, values in request.form().items()}
        try:
            client = self._client(request, fields)
            kind = fields.get("grant_type", "")
            if kind == "authorization_code":
                return self._exchange(client, fields)
            if kind == "refresh_token":
                return self._refresh(client, fields)
            raise _Refused("unsupported_grant_type", "Give a code or a refresh token.")
        except _Refused as refused:
            return refused.answer()

    def _unfit(self) -> Answer | None:
        if self.world.behaviour.oauth == "down":
            return json_answer({"error": "internal_failure"}, 503)
        if self.world.behaviour.oauth == "busy":
            return json_answer({"error": "rate_limit_exceeded"}, 429)
        return None

    def _client(self, request: Request, fields: dict[str, str]) -> Client:
        client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
        kind, _, basic = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                pair = base64.b64decode(basic, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                pair = ("", "", "")
            client_id, secret = unquote(pair[0]), unquote(pair[2])
        client = self.world.clients.get(client_id)
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            raise _Refused("invalid_client", "The client is not known, or its secret wrong.", 401)
        return client

    def _exchange(self, client: Client, fields: dict[str, str]) -> Answer:
        world = self.world
        code = world.codes.get(fields.get("code", ""))
        grant = world.grants.get(code.grant_id) if code else None
        if code is None or grant is None or grant.client_id != client.id:
            raise _Refused("invalid_grant", "Malformed auth code.")
        if code.is_used:
            # A code that comes twice was stolen: nothing that it gave is good any more.
            grant.is_revoked = True
            world.has_changed = True
            raise _Refused("invalid_grant", "The code was used before.")
        if world.seconds() >= code.expires_at:
            raise _Refused("invalid_grant", "The code is too old.")
        if fields.get("redirect_uri") != code.redirect_uri:
            raise _Refused("redirect_uri_mismatch", "It is not the address of the first step.")
        if not _proves(fields.get("code_verifier", ""), code):
            raise _Refused("invalid_grant", "The code verifier is missing or wrong.")
        code.is_used = True
        return self._issue(grant, refresh_token=grant.refresh_token, nonce=code.nonce)

    def _refresh(self, client: Client, fields: dict[str, str]) -> Answer:
        world = self.world
        token = fields.get("refresh_token", "")
        grant = next((e for e in world.grants.values() if token and e.refresh_token == token), None)
        now = world.seconds()
        if (
            grant is None
            or grant.is_revoked
            or grant.client_id != client.id
            or (grant.dies_at is not None and now >= grant.dies_at)
            or now >= grant.issued_at + world.scaled(UNUSED_S)
        ):
            raise _Refused("invalid_grant", "The token was revoked or has expired.")
        new = ""
        if world.behaviour.rotates_refresh_tokens:
            new = grant.refresh_token = "1//" + secrets.token_urlsafe(40)
        return self._issue(grant, refresh_token=new)

    def _issue(self, grant: Grant, *, refresh_token: str = "", nonce: str = "") -> Answer:
        world = self.world
        now = world.seconds()
        lasts = max(1.0, world.scaled(world.behaviour.access_token_s))
        token = "ya29." + secrets.token_urlsafe(60)
        world.access_tokens = {
            known: what for known, what in world.access_tokens.items() if what[1] > now
        }
        world.access_tokens[token] = (grant.id, now + lasts)
        world.has_changed = True
        answer: dict[str, Any] = {
            "access_token": token,
            "expires_in": int(lasts),
            "scope": " ".join(grant.scopes),
            "token_type": "Bearer",
        }
        if refresh_token:
            answer["refresh_token"] = refresh_token
            if grant.dies_at is not None:
                answer["refresh_token_expires_in"] = max(0, int(grant.dies_at - now))
        return json_answer(answer)

    def revoke(self, request: Request) -> Answer:
        """Takes the whole grant back, by either of its tokens."""
        if unfit := self._unfit():
            return unfit
        token = request.form().get("token", [request.value("token")])[-1]
        grant_id = self.world.access_tokens.get(token, ("", 0.0))[0]
        for grant in self.world.grants.values():
            is_named = grant.id == grant_id or (token and grant.refresh_token == token)
            if is_named and not grant.is_revoked:
                self.revoke_grant(grant)
                return json_answer({})
        return json_answer({"error": "invalid_token"}, 400)

    def revoke_grant(self, grant: Grant) -> None:
        """As the client asks for it, or the user in the account's settings."""
        for each in self.world.grants.values():
            if (each.client_id, each.email, each.channel_id) == (
                grant.client_id, grant.email, grant.channel_id,
            ):  # fmt: skip
                each.is_revoked = True
        self.world.has_changed = True
        self.world.say("The access of a client was revoked.", account=grant.email)

    def userinfo(self, request: Request) -> Answer:
        """Who has signed in."""
        token = request.headers.get("authorization", "").partition(" ")[2].strip()
        grant = self.world.grant_of_token(token)
        if grant is None:
            return json_answer({"error": "invalid_request"}, 401)
        account = self.world.accounts[grant.email]
        shown: dict[str, Any] = {
            "sub": str(int(hashlib.sha256(account.email.encode()).hexdigest()[:16], 16))
        }
        if {"email", "https://www.googleapis.com/auth/userinfo.email"} & set(grant.scopes):
            shown |= {"email": account.email, "email_verified": True}
        if {"profile", "https://www.googleapis.com/auth/userinfo.profile"} & set(grant.scopes):
            shown["name"] = account.name
        return json_answer(shown)


def _proves(verifier: str, code: Code) -> bool:
    if not code.challenge:
        return True
    if code.challenge_method == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return hmac.compare_digest(verifier.encode(), code.challenge.encode())


def _may_redirect(client: Client, uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    is_plain = quote(uri, safe=":/?#[]@!$&'()*+,;=%-._~") == uri
    if parts.scheme not in ("http", "https") or not host or parts.fragment or not is_plain:
        return False
    if client.redirect_uris:
        return uri in client.redirect_uris
    return host in ("localhost", "127.0.0.1", "::1", "testserver")


def _problem(text: str, status: int) -> Answer:
    content = f'<div class="card narrow"><h1>Access is blocked</h1><p>{escape(text)}</p></div>'
    return page("Access is blocked", content, status=status)
