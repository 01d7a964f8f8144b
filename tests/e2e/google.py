"""A stand-in for Google's sign-in: real HTTP, strict about what we send it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from django.utils import timezone

CLIENT_ID = "streamer.apps.example"
CLIENT_SECRET = "only-google-and-we-know-this"
ISSUER = "https://accounts.google.com"


@dataclass
class Google:
    """Who would sign in next, and what was asked so far."""

    address: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    audience: str = CLIENT_ID
    gives_id_token: bool = True
    refuses: bool = False
    complaints: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Settings that make the product take this for Google."""
        return {
            "GOOGLE_CLIENT_ID": CLIENT_ID,
            "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
            "GOOGLE_AUTHORIZE_URL": f"{self.address}/authorize",
            "GOOGLE_TOKEN_URL": f"{self.address}/token",
            "GOOGLE_USERINFO_URL": f"{self.address}/userinfo",
            "GOOGLE_CERTS_URL": f"{self.address}/certs",
            "GOOGLE_ISSUER": ISSUER,
        }

    def sends(self, email: str, *, verified: bool = True, name: str = "Dora Example") -> None:
        """The next to sign in is the person with this address."""
        first, _, last = name.partition(" ")
        self.person = {
            "sub": hashlib.sha256(email.encode()).hexdigest()[:20],
            "email": email,
            "email_verified": verified,
            "given_name": first,
            "family_name": last,
        }
        self.audience, self.gives_id_token, self.refuses = CLIENT_ID, True, False

    def start(self) -> ThreadingHTTPServer:
        """Serve on a free port until it is shut down."""
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                asked = {name: values[0] for name, values in parse_qs(url.query).items()}
                if url.path == "/authorize":
                    self._redirect(google.authorize(asked))
                elif url.path == "/userinfo":
                    token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                    person = google.tokens.get(token)
                    self._answer(200 if person else 401, person or {"error": "invalid_token"})
                else:
                    self._answer(404, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                sent = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*google.exchange(sent))

            def _redirect(self, address: str) -> None:
                self.send_response(302)
                self.send_header("Location", address)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _answer(self, status: int, found: dict[str, Any]) -> None:
                content = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Another name for this machine: to the browser it is another site.
        self.address = f"http://localhost:{server.server_port}"
        return server

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes after the person agreed, or did not."""
        wanted = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "code_challenge_method": "S256",
        }
        self.complaints += [n for n, value in wanted.items() if asked.get(n) != value]
        self.complaints += [n for n in ("state", "code_challenge", "scope") if not asked.get(n)]
        if self.refuses:
            answer = {"error": "access_denied", "state": asked.get("state", "")}
        else:
            code = secrets.token_urlsafe(12)
            self.codes[code] = asked
            answer = {"code": code, "state": asked.get("state", "")}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, sent: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """A code becomes tokens once, for whoever began, with the verifier of the challenge."""
        asked = self.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or sent.get("client_secret") != CLIENT_SECRET
            or sent.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked.get("code_challenge")
        ):
            return 400, {"error": "invalid_grant"}
        token = secrets.token_urlsafe(12)
        self.tokens[token] = {
            "id": self.person["sub"],
            "verified_email": self.person["email_verified"],
            **self.person,
        }
        found: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        if self.gives_id_token:
            now = int(timezone.now().timestamp())
            claims = {"iss": ISSUER, "aud": self.audience, "iat": now, "exp": now + 600}
            found["id_token"] = jwt.encode(self.person | claims, "k" * 32, algorithm="HS256")
        return 200, found
