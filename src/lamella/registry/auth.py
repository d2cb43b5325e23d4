"""Who we are to a registry: Basic, or bearer tokens of its token server.

Tokens are kept for each set of scopes, fetched anew before they expire and when the registry does not take one any
more. Credentials are looked up once, when the registry first asks. They go to the registry itself and to the token
server that it names, over TLS unless the registry may be spoken to without; no redirect takes them along.

Source: Docker registry token specification (``auth/token``, ``auth/oauth``); RFC 6750; RFC 7617.
"""

from __future__ import annotations

import json
import re
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from lamella.errors import RegistryDenied, RegistryError
from lamella.registry.answers import read_body
from lamella.registry.challenge import Challenge, parse_challenges
from lamella.registry.credentialfiles import Credentials
from lamella.registry.failure import Failed, broke_off
from lamella.remote.address import without_credentials
from lamella.remote.pools import basic_bytes

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from lamella.registry.server import Server

_CLIENT = "lamella"
_LIFETIME = 60.0  # seconds, where the token server does not say
_LIMIT = 1 << 20  # bytes
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Authorization(NamedTuple):
    """A header's value; ``fresh`` where it was made for this request."""

    value: str
    fresh: bool

    def __repr__(self) -> str:
        return "Authorization(…)"


class _Token(NamedTuple):
    value: str
    until: float  # of time.monotonic


class Authenticator:
    """Of one server and one name. Usable by several threads: one of them fetches, the others wait for it."""

    def __init__(self, server: Server, name: str) -> None:
        """``name`` is ``domain[/repository]``, for which credentials are looked up."""
        self._server = server
        self._name = name
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._tokens: dict[frozenset[str], _Token] = {}
        self._credentials: Credentials | None = None
        self._looked_up = False

    def use(self, credentials: Credentials) -> None:
        """These, and no others."""
        self._credentials, self._looked_up = credentials, True

    @property
    def was_asked(self) -> bool:
        """Whether the registry has asked who we are."""
        return self._challenge is not None

    @property
    def hint(self) -> str:
        """For a refusal."""
        domain = self._server.address.domain
        login = f"lamella login {domain}"
        if not self._looked_up or self._credentials is None:
            return f"check the name; there are no credentials for {domain}: '{login}' stores them"
        user = self._credentials.user
        whose = f"user {user!r}" if user else "the stored token"
        return f"check the name, and whether {whose} may do it; '{login}' stores other credentials"

    def authorization(self, scopes: tuple[str, ...]) -> Authorization | None:
        """What is sent along, None where nothing was asked for or is known. Raises Failed, LamellaError."""
        with self._lock:
            if self._challenge is None:
                return None
            if self._challenge.scheme == "basic":
                credentials = self._find()
                return Authorization(_basic(credentials), True) if credentials and credentials.user else None
            wanted = frozenset(scopes)
            token = self._tokens.get(wanted)
            if token is not None and time.monotonic() < token.until:
                return Authorization(f"Bearer {token.value}", False)
            token = self._tokens[wanted] = self._fetch(self._challenge, scopes)
            return Authorization(f"Bearer {token.value}", True)

    def learn(self, headers: list[str], scopes: tuple[str, ...], sent: Authorization | None) -> bool:
        """From a 401: whether it is worth another try."""
        challenges = parse_challenges(headers)
        by_scheme = {challenge.scheme: challenge for challenge in reversed(challenges)}
        challenge = by_scheme.get("bearer") or by_scheme.get("basic")
        if challenge is None:
            if challenges:
                kinds = ", ".join(sorted(by_scheme))
                raise RegistryError(f"the registry asks for a login of a kind that is not supported ({kinds[:100]})",
                                    where=self._server.address.domain)  # fmt: skip
            return False
        with self._lock:
            self._challenge = challenge
            if sent is None:
                found = self._find()
                return challenge.scheme == "bearer" or bool(found and found.user)
            token = self._tokens.get(frozenset(scopes))
            if token is not None and sent.value == f"Bearer {token.value}":
                del self._tokens[frozenset(scopes)]
            return not sent.fresh

    def _find(self) -> Credentials | None:
        if not self._looked_up:
            from lamella.registry.credentials import find_credentials

            self._credentials = find_credentials(self._name, self._server.settings.authfile, self._server.emit)
            self._looked_up = True
        return self._credentials

    def _fetch(self, challenge: Challenge, scopes: tuple[str, ...]) -> _Token:
        from lamella.registry.server import Request

        credentials = self._find()
        if credentials is not None and credentials.registry_token:
            return _Token(credentials.registry_token, float("inf"))
        realm = challenge.params.get("realm", "")
        host = _host_of(realm)
        if host is None:
            shown = without_credentials(realm)[:200]
            raise RegistryError(f"the registry names {shown!r} as its token server, which is no address",
                                where=self._server.address.domain)  # fmt: skip
        fields = [("service", challenge.params["service"])] if challenge.params.get("service") else []
        request = Request("GET", realm, "give a token", host, secret=True)
        if credentials is not None and credentials.identity_token:
            form = [("grant_type", "refresh_token"), *fields, ("client_id", _CLIENT), ("scope", " ".join(scopes)),
                    ("refresh_token", credentials.identity_token)]  # fmt: skip
            body = urlencode(form).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            request = request._replace(method="POST", body=lambda: (body,), size=len(body), headers=headers)
        else:
            fields += [("scope", scope) for scope in scopes]
            if credentials is not None:
                fields.append(("account", credentials.user))
                request = request._replace(headers={"Authorization": _basic(credentials)})
            mark = "&" if "?" in realm else "?"
            request = request._replace(url=realm + (mark + urlencode(fields) if fields else ""))
        begun = time.monotonic()
        token, lifetime = self._read(self._ask(request, credentials), request.where)
        return _Token(token, begun + lifetime - min(10.0, 0.2 * lifetime))

    def _ask(self, request: Any, credentials: Credentials | None) -> BaseHTTPResponse:
        try:
            return self._server.ask(request)
        except Failed as failed:
            if failed.again or not failed.status:
                raise
            domain = self._server.address.domain
            if failed.status not in (400, 401, 403):
                text = f"the token server answers {failed.status}"
                raise RegistryError(text, where=request.where, detail=failed.error.detail) from None
            if credentials is None:
                message, hint = "the token server gives nothing to who has no credentials", self.hint
            else:
                message, hint = f"the credentials for {domain} are refused", f"'lamella login {domain}' stores others"
            error = RegistryDenied(message, where=request.where, detail=failed.error.detail, hint=hint)
            raise Failed(error, status=failed.status) from None

    def _read(self, response: BaseHTTPResponse, where: str) -> tuple[str, float]:
        from urllib3.exceptions import HTTPError

        try:
            body = read_body(response, _LIMIT, self._server.cancelled)
        except (HTTPError, OSError) as error:
            raise broke_off(where, error) from None
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        fields = data if isinstance(data, dict) else {}
        token = fields.get("token") or fields.get("access_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise RegistryError("the token server answers what is no token", where=where)
        lifetime = fields.get("expires_in")
        good = isinstance(lifetime, (int, float)) and not isinstance(lifetime, bool) and 0 < lifetime < 1e9
        return token, float(lifetime) if good and lifetime is not None else _LIFETIME


def _host_of(realm: str) -> str | None:
    """None where it is no address."""
    try:
        parts = urlsplit(realm)
    except ValueError:
        return None
    return parts.netloc.rpartition("@")[2] if parts.scheme in ("http", "https") else None


def _basic(credentials: Credentials) -> str:
    return basic_bytes(f"{credentials.user}:{credentials.password}".encode())
