"""Downloads over HTTP: streamed, bounded in size, patience and redirects, with the proxies of the environment.

TLS certificates are verified, by the machine's own list or that of SSL_CERT_FILE. ``gzip`` as a transport encoding is
undone, no other is asked for, as Go's client does it. Source: RFC 9110; BuildKit's HTTP source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.exceptions import TimeoutError as TimedOut

from lamella.errors import InputError, Interrupted, MachineError
from lamella.remote.address import without_credentials
from lamella.remote.pools import basic, open_pool
from lamella.remote.waiting import Pace, answered, never, stopped_by
from lamella.remote.why import why

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_CHUNK = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)
_TRY_AGAIN = (429, 502, 503, 504)
MAX_REDIRECTS = 10
#: bytes; nobody adds a larger file to an image on purpose
MAX_SIZE = 64 << 30
#: seconds without anything to read, or with next to nothing
PATIENCE = 60.0
#: as often may a server be asked before it has answered, each time as patiently
_TRIES = 5
USER_AGENT = "lamella"


class Known(NamedTuple):
    """What a server said of a file that was downloaded before, and the sha256 of its content (64 hex digits)."""

    etag: str
    modified: str
    digest: str


class Download(NamedTuple):
    """``size`` in bytes; ``etag`` and ``modified`` as the server wrote them, "" where it did not."""

    digest: str
    size: int
    etag: str
    modified: str

    @property
    def mtime(self) -> int:
        """``modified`` in nanoseconds since the epoch; 0 where it says nothing that can be read."""
        from email.utils import parsedate_to_datetime

        try:
            return int(parsedate_to_datetime(self.modified).timestamp()) * 10**9
        except (ValueError, TypeError, OverflowError):
            return 0


class Limits(NamedTuple):
    size: int = MAX_SIZE
    patience: float = PATIENCE


def download(
    url: str,
    sink: Callable[[bytes], object],
    *,
    known: Known | None = None,
    limits: Limits = Limits(),  # noqa: B008 -- a value
    cancelled: Callable[[], bool] = never,
) -> Download | None:
    """Gives the content to ``sink`` piece by piece; None where it is still what ``known`` says.

    Raises InputError for an address or an answer that is no use (404, too many redirects, too large), MachineError
    where the server cannot be reached, is not who it says it is, fails or breaks off, Interrupted."""
    try:
        response = _open(url, known, limits, cancelled)
    except HTTPError as error:
        raise _unreachable(url, error) from None
    try:
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        if known is not None and _is_unchanged(response.status, etag, known):
            return None
        if response.status != 200:
            raise _refused(url, response)
        with stopped_by(cancelled, response):
            digest, size = _read(url, response, sink, limits, cancelled)
        return Download(digest, size, etag, modified)
    finally:
        response.close()


def _is_unchanged(status: int, etag: str, known: Known) -> bool:
    """Some servers send what they said of it before, and the content too."""
    return status == 304 or (status == 200 and etag != "" and _plain(etag) == _plain(known.etag))


def _plain(etag: str) -> str:
    return etag.removeprefix("W/")


def _open(url: str, known: Known | None, limits: Limits, cancelled: Callable[[], bool]) -> BaseHTTPResponse:
    """The answer behind the redirects, its body not read yet. Each one finds its own way through the proxies."""
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip"}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    elif known is not None and known.modified:
        headers["If-Modified-Since"] = known.modified
    retries = urllib3.Retry(
        connect=2, read=1, redirect=False, status=2, other=0, status_forcelist=_TRY_AGAIN, backoff_factor=0.3,
        raise_on_status=False, respect_retry_after_header=False,
    )  # fmt: skip
    timeout = urllib3.Timeout(connect=min(30.0, limits.patience), read=limits.patience)
    here = url
    origin = None
    for _ in range(MAX_REDIRECTS + 1):
        parsed = _parse(here, url)
        if origin is None:
            origin = parsed
        if parsed.auth and parsed.netloc == origin.netloc:
            headers |= {"authorization": basic(parsed.auth)}
        elif (parsed.scheme, parsed.netloc) != (origin.scheme, origin.netloc):
            headers.pop("authorization", None)
        pool = open_pool(parsed.scheme or "", parsed.netloc or "")
        ask = partial(
            pool.request, "GET", here, headers=headers, retries=retries, timeout=timeout, redirect=False,
            preload_content=False,
        )  # fmt: skip
        response = answered(ask, cancelled, partial(_stalled, url, 0), _TRIES * limits.patience)
        target = response.headers.get("Location") if response.status in _REDIRECTS else None
        if target is None:
            return response
        response.close()
        here = _joined(here, target, url)
    raise InputError(f"the server redirects more than {MAX_REDIRECTS} times", where=without_credentials(url))


def _joined(here: str, target: str, url: str) -> str:
    from urllib.parse import urljoin

    try:
        return urljoin(here, target)
    except ValueError:
        raise _no_address(target, url) from None


def _no_address(here: str, url: str) -> InputError:
    what = "is no address" if here == url else f"redirects to {without_credentials(here)!r}, which is no address"
    return InputError(f"{what} that can be downloaded from", where=without_credentials(url))


def _parse(here: str, url: str) -> urllib3.util.Url:
    try:
        parsed = urllib3.util.parse_url(here)
    except LocationParseError:
        parsed = urllib3.util.Url()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise _no_address(here, url)
    return parsed


def _read(
    url: str,
    response: BaseHTTPResponse,
    sink: Callable[[bytes], object],
    limits: Limits,
    cancelled: Callable[[], bool],
) -> tuple[str, int]:
    state = hashlib.sha256()
    size, pace = 0, Pace(limits.patience)
    decode = response.headers.get("Content-Encoding", "").lower() == "gzip"
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > limits.size:
        raise _too_large(url, limits)
    try:
        # What is there, and no waiting for more: a server that drips is seen to.
        while data := response.read1(_CHUNK, decode_content=decode):
            if cancelled():
                raise Interrupted("the download was cancelled")
            size += len(data)
            if size > limits.size:
                raise _too_large(url, limits)
            state.update(data)
            sink(data)
            if not pace.is_kept(len(data)):
                raise _stalled(url, size)
    except TimedOut:
        raise _stalled(url, size) from None
    except (HTTPError, OSError) as error:
        if cancelled():
            raise Interrupted("the download was cancelled") from None
        if isinstance(error, OSError) and not isinstance(error, (ConnectionError, HTTPError)):
            raise  # of the sink
        raise MachineError(
            f"the download broke off after {size} bytes",
            where=without_credentials(url),
            hint="try again; if it stays so, the server or a proxy on the way cuts it",
            code="download-cut",
        ) from None
    if cancelled():  # what looks like the end may be that
        raise Interrupted("the download was cancelled")
    return state.hexdigest(), size


def _too_large(url: str, limits: Limits) -> InputError:
    return InputError(f"is larger than {limits.size} bytes", where=without_credentials(url), code="download-too-large")


def _stalled(url: str, size: int) -> MachineError:
    return MachineError(
        f"the server sends nothing any more (after {size} bytes)",
        where=without_credentials(url),
        hint="try again later",
        code="download-stalled",
    )


def _refused(url: str, response: BaseHTTPResponse) -> InputError | MachineError:
    status = f"{response.status} {response.reason or ''}".strip()
    where = without_credentials(url)
    if response.status >= 500 or response.status == 429:
        return MachineError(f"the server answers {status}", where=where, hint="try again later", code="download-failed")
    hint = {
        401: "the file is not for everybody: download it before the build, and COPY it",
        403: "the file is not for everybody: download it before the build, and COPY it",
        404: "check the address; it is case-sensitive",
    }.get(response.status)
    return InputError(f"the server answers {status}", where=where, hint=hint, code="download-refused")


def _unreachable(url: str, error: HTTPError) -> InputError | MachineError:
    where = without_credentials(url)
    reason = why(error)
    if reason.untrusted:
        return MachineError(
            "the server's certificate is not to be trusted",
            where=where,
            detail=reason.text,
            hint="name the certificates of your own authority in SSL_CERT_FILE",
            code="download-untrusted",
        )
    return MachineError(
        "the server cannot be reached",
        where=where,
        detail=reason.text,
        hint="check the address, the network, and http_proxy, https_proxy and no_proxy",
        code="download-unreachable",
    )
