"""Why a server cannot be reached, in words, of what urllib3 raises."""

from __future__ import annotations

from typing import NamedTuple

from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ProtocolError, ProxyError, SSLError
from urllib3.exceptions import TimeoutError as TimedOut

#: what OpenSSL calls an answer that is no TLS
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "wrong version number", "RECORD_LAYER")


class Why(NamedTuple):
    """``plain``: it does not speak TLS. ``untrusted``: the certificate is not one of an authority that is trusted, or
    not for this host. ``ours``: it wants a certificate of ours, or another one. ``nobody``: there was no connection at
    all."""

    text: str
    untrusted: bool = False
    nobody: bool = False
    plain: bool = False
    ours: bool = False


def why(error: HTTPError) -> Why:
    reason: object = error
    if isinstance(error, MaxRetryError) and error.reason is not None:
        reason = error.reason
    if isinstance(reason, ProxyError):
        inner = reason.original_error
        return Why(f"the proxy does not let it through: {str(inner).rpartition(': ')[2]}")
    if isinstance(reason, SSLError):
        text = str(reason.args[0] if reason.args else reason)
        if any(sign in text for sign in _NOT_TLS):
            return Why(f"it does not speak TLS ({text})", plain=True)
        if "alert" in text.lower():  # what the server says of us
            ours = any(sign in text.lower() for sign in ("certificate", "unknown ca", "unknown_ca"))
            return Why(text, ours=ours)
        return Why(text, untrusted="certificate" in text.lower())
    if isinstance(reason, NewConnectionError):
        return Why(str(reason).rpartition(": ")[2], nobody=True)
    if isinstance(reason, TimedOut):
        return Why("it does not answer in time")
    if isinstance(reason, ProtocolError):
        return Why("it breaks off, or speaks no HTTP")
    return Why(str(reason))
