"""TLS as a client of registries: whom we trust, and who we are."""

from __future__ import annotations

import ssl


def client_context(host: str, cert_dir: str | None, *, verify: bool) -> ssl.SSLContext:
    """Trusts the authorities of this machine (or SSL_CERT_FILE). ``verify`` off trusts everybody."""
    if not verify:
        return blind_context()
    return ssl.create_default_context()


def blind_context() -> ssl.SSLContext:
    """Trusts everybody, and has urllib3 not complain of it: somebody asked for it."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
