"""What went wrong with a request, as an error for a person, and whether it is worth asking again.

Source: OCI distribution-spec, "Error Codes"; RFC 6749 section 5.2 for what token servers say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamella.errors import LamellaError, NotFound, RegistryDenied, RegistryError, RegistryUnreachable
from lamella.registry.answers import read_words
from lamella.registry.retry import retry_after
from lamella.remote.waiting import never
from lamella.remote.why import why

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse
    from urllib3.exceptions import HTTPError

#: the hint where bytes are not what they have to be
BROKEN = "try again; if it stays so, the image in the registry is broken, or something on the way changes it"
_NOT_REACHED = "the registry cannot be reached"
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class Failed(Exception):
    """``again``: it may go better the next time; ``wait`` are the seconds that the server asks for, None where it says
    nothing. ``status`` is 0 where there was no answer."""

    def __init__(self, error: LamellaError, *, again: bool = False, wait: float | None = None, status: int = 0) -> None:
        super().__init__(error.message)
        self.error = error
        self.again = again
        self.wait = wait
        self.status = status


def broke_off(where: str, error: HTTPError | OSError, host: str = "HOST[:PORT]") -> Failed:
    """No answer of ``host``, or half of one."""
    from urllib3.exceptions import HTTPError

    hint = "check the name, the network, and http_proxy, https_proxy and no_proxy"
    if not isinstance(error, HTTPError):
        text = error.strerror or str(error) or type(error).__name__
        return Failed(RegistryUnreachable(_NOT_REACHED, where=where, detail=printable(text), hint=hint), again=True)
    reason = why(error)
    if reason.untrusted:
        folder = f"/etc/containers/certs.d/{host}"
        hint = f"put the certificate of its authority into {folder}/ca.crt, or name it in SSL_CERT_FILE"
        message = "the registry's certificate is not to be trusted"
        return Failed(RegistryUnreachable(message, where=where, detail=printable(reason.text), hint=hint,
                                          code="registry-untrusted"))  # fmt: skip
    if reason.ours:
        hint = f"put the pair that is meant for it, client.cert and client.key, into /etc/containers/certs.d/{host}/"
        message = "the registry asks for a certificate, and takes none that it is shown"
        return Failed(RegistryDenied(message, where=where, detail=printable(reason.text), hint=hint))
    if reason.plain:
        hint = "if it is meant to be without TLS: insecure = true in registries.conf, or --tls-verify=false"
    error_ = RegistryUnreachable(_NOT_REACHED, where=where, detail=printable(reason.text), hint=hint)
    return Failed(error_, again=not (reason.nobody or reason.plain))


def stalled(where: str, after: int = 0) -> Failed:
    text = "the registry sends nothing any more" + (f" (after {after} bytes)" if after else "")
    error = RegistryUnreachable(text, where=where, hint="try again later", code="registry-stalled")
    return Failed(error, again=True)


def refused(
    where: str, response: BaseHTTPResponse, what: str, login: str, cancelled: Callable[[], bool] = never
) -> Failed:
    """Of an answer that is not the one hoped for; reads the rest of it, to a bound. ``what`` completes "the registry
    refuses to", ``login`` is the hint where it is a matter of who we are."""
    status = response.status
    said = read_words(response, cancelled)
    shown = printable(f"{status} {response.reason or ''}", 100)
    message = f"the registry answers {shown}, asked to {what}"
    detail = printable(said) or None
    if status in (401, 403):
        error: LamellaError = RegistryDenied(f"the registry refuses to {what}", where=where,
                                             detail=detail or shown, hint=login)  # fmt: skip
        return Failed(error, status=status)
    if status == 404:
        hint = "check the name and the tag; some registries say this, too, of what is not for everybody"
        error = NotFound(f"the registry does not have it ({shown})", where=where, detail=detail, hint=hint)
        return Failed(error, status=status)
    again = status in _TRY_AGAIN
    later = "try again later" if again else None
    wait = retry_after(response.headers) if again else None
    return Failed(RegistryError(message, where=where, detail=detail, hint=later), again=again, wait=wait, status=status)


def printable(text: str, limit: int = 600) -> str:
    """What a server said, fit for a terminal: no control characters, not too long."""
    clean = "".join(char if char.isprintable() or char == "\n" else " " for char in text).strip()
    return clean if len(clean) <= limit else clean[:limit] + "…"
