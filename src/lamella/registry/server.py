"""One registry server: its connections, who we are there, and the way through redirects.

A request is tried once here; ``ask_until`` repeats it with patience. Connections are kept and shared by threads.

Authorization goes to the registry's own scheme, host and port alone. A redirect to another is followed without it,
and from TLS to plain HTTP not at all unless the registry may be spoken to so.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from lamella.errors import Interrupted, RegistryError, RegistryUnreachable
from lamella.events import Emit, ignore
from lamella.registry.address import Address, is_loopback
from lamella.registry.answers import read_words
from lamella.registry.failure import Failed, broke_off, refused, stalled
from lamella.registry.retry import Backoff
from lamella.registry.settings import RegistrySettings
from lamella.remote.address import without_credentials
from lamella.remote.waiting import answered, never

if TYPE_CHECKING:
    import ssl

    import urllib3
    from urllib3 import BaseHTTPResponse

USER_AGENT = "lamella"
MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_CONNECTIONS = 8
_CONNECT = 30.0  # seconds
_TRIES = 5
_SMALL = 4 << 20  # bytes; what is larger may take as long as it takes
_HOST = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]*|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")

Body = Callable[[], Iterable[bytes]]


class Request(NamedTuple):
    """``url`` is absolute or a path; ``body`` makes what is sent anew for each try; ``size`` is its length in bytes.
    ``what`` completes "the registry refuses to", ``where`` is for messages. ``secret``: it brings credentials of its
    own, so that nobody is asked but whom it names."""

    method: str
    url: str
    what: str
    where: str
    headers: Mapping[str, str] = {}
    expected: tuple[int, ...] = (200,)
    scopes: tuple[str, ...] = ()
    body: Body | None = None
    size: int = 0
    secret: bool = False


class Server:
    """Opened by nobody's request but the first one: making it costs nothing."""

    def __init__(
        self,
        address: Address,
        settings: RegistrySettings,
        *,
        path: str = "",
        emit: Emit = ignore,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        """``path`` is the repository, as far as credentials are kept for it apart."""
        from lamella.registry.auth import Authenticator

        self.address = address
        self.auth = Authenticator(self, f"{address.domain}/{path}" if path else address.domain)
        self.settings = settings
        self.emit = emit
        self.cancelled = cancelled
        self._lock, self._finding = threading.Lock(), threading.Lock()
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._base: str | None = None
        self._met = False

    def backoff(self) -> Backoff:
        return Backoff(self.settings.patience, self.emit, self.cancelled)

    def ask_until(self, request: Request) -> BaseHTTPResponse:
        """The answer, one of ``request.expected``. Raises the error after the last try; its body is still to be
        read."""
        backoff = self.backoff()
        while True:
            try:
                return self.ask(request)
            except Failed as failed:
                backoff.wait(failed)

    def ask(self, request: Request) -> BaseHTTPResponse:
        """One try. Raises Failed; LamellaError where it is no use to try at all."""
        response = self._through_redirects(request)
        if response.status not in request.expected:
            raise refused(request.where, response, request.what, self.auth.hint, self.cancelled)
        return response

    def drain(self, response: BaseHTTPResponse) -> None:
        """Reads the rest of an answer of which the head is enough, to a bound, so that its connection serves again."""
        read_words(response, self.cancelled)

    def absolute(self, url: str, *, base: str | None = None) -> str:
        """``url`` as this server means it. Raises RegistryError for what is no address."""
        try:
            base = base or self._find_base()
            parts = urlsplit(urljoin(base, url))
            # Who is asked has to be the same to everybody who looks at it, here and in the libraries below.
            parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
            if (parts.scheme, "https", parts.netloc) == ("http", *urlsplit(base)[:2]):
                parts = parts._replace(scheme="https")  # it does not know of the TLS before it
            if parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "") and parts.port != 0:
                return parts.geturl()
        except ValueError:
            pass
        shown = without_credentials(url)[:200]
        raise RegistryError(f"the registry names {shown!r}, which is no address", where=self.address.domain)

    def _through_redirects(self, request: Request) -> BaseHTTPResponse:
        url = self.absolute(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            self._check_plain(url, request)
            response = self._authorized(request, url)
            target = response.headers.get("Location") if response.status in _REDIRECTS else None
            if target is None or response.status in request.expected:
                return response
            self.drain(response)
            before, url = url, self.absolute(target, base=url)
            if request.body is not None and response.status not in (307, 308):
                break
            if request.secret and _origin(before) != _origin(url):
                break
        raise RegistryError(
            f"the registry redirects more than {MAX_REDIRECTS} times, or to where it cannot be followed",
            where=request.where,
            code="registry-redirects",
        )

    def _check_plain(self, url: str, request: Request) -> None:
        parts = urlsplit(url)
        if parts.scheme == "https" or self.address.plain_allowed(parts.netloc):
            return
        raise RegistryError(
            f"the registry leads to plain HTTP, at {parts.netloc}",
            where=request.where,
            hint="--tls-verify=false allows it",
            code="registry-plain",
        )

    def _authorized(self, request: Request, url: str) -> BaseHTTPResponse:
        """To the registry itself with who we are, as soon as it asks; to others without."""
        if request.secret or _origin(url) != _origin(self._find_base()):
            return self._send(request, url, None)
        for last in (False, False, False, True):
            sent = self.auth.authorization(request.scopes)
            response = self._send(request, url, sent.value if sent else None)
            if response.status != 401 or last:
                break
            challenges = response.headers.getlist("WWW-Authenticate")
            if not self.auth.learn(challenges, request.scopes, sent):
                break
            self.drain(response)
        return response

    def _send(self, request: Request, url: str, authorization: str | None) -> BaseHTTPResponse:
        import urllib3
        from urllib3.exceptions import HTTPError

        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **request.headers}
        if authorization is not None:
            headers["Authorization"] = authorization
        if request.body is not None:
            headers["Content-Length"] = str(request.size)
        if self.cancelled():
            raise Interrupted("the transfer was cancelled")
        patience = self.settings.patience
        parts = urlsplit(url)

        def go() -> BaseHTTPResponse:
            return self._pool(parts.scheme, parts.netloc).request(
                request.method, url, headers=headers, body=request.body() if request.body else None, retries=False,
                redirect=False, preload_content=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT, patience.silence), read=patience.silence),
            )  # fmt: skip

        limit = None if request.size > _SMALL else _TRIES * patience.silence
        try:
            response = answered(go, self.cancelled, partial(stalled, request.where), limit)
        except (HTTPError, OSError) as error:
            raise self._known(broke_off(request.where, error, parts.netloc)) from None
        self._met = True
        return response

    def _known(self, failed: Failed) -> Failed:
        """Who has answered before will do so again; who never has may not be there."""
        if isinstance(failed.error, RegistryUnreachable) and failed.error.code != "registry-untrusted":
            failed.again = failed.again or self._met
        return failed

    def _pool(self, scheme: str, host: str) -> urllib3.PoolManager:
        from lamella.remote.pools import open_pool

        with self._lock:
            pool = self._pools.get((scheme, host))
            if pool is None:
                options = {"ssl_context": self._tls(host)} if scheme == "https" else {}
                pool = open_pool(scheme, host, direct=is_loopback(host), maxsize=_CONNECTIONS, **options)
                self._pools[scheme, host] = pool
            return pool

    def _tls(self, host: str) -> ssl.SSLContext:
        from lamella.registry.tls import client_context

        return client_context(host, self.settings.cert_dir, verify=self.address.verifies(host))

    def _find_base(self) -> str:
        """``https://host/``, or ``http://host/`` where that is allowed and TLS is not spoken."""
        with self._finding:
            if self._base is None:
                scheme = "http" if self.address.may_be_plain and not self._speaks_tls() else "https"
                self._base = f"{scheme}://{self.address.host}/"
            return self._base

    def _speaks_tls(self) -> bool:
        """Asked without trusting and without telling: whom the certificate belongs to counts later."""
        import urllib3
        from urllib3.exceptions import HTTPError

        from lamella.registry.tls import blind_context
        from lamella.remote.pools import open_pool

        host = self.address.host
        timeout = urllib3.Timeout(connect=10.0, read=10.0)
        with open_pool("https", host, direct=is_loopback(host), ssl_context=blind_context(), timeout=timeout) as pool:
            ask = partial(pool.request, "GET", f"https://{host}/v2/", retries=False, redirect=False,
                          preload_content=False)  # fmt: skip
            try:
                answered(ask, self.cancelled, partial(stalled, host), _CONNECT).close()
            except HTTPError:
                return False
            return True


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
