"""Connection pools that find their way through the proxies of the environment.

``https_proxy``, ``http_proxy``, ``all_proxy`` and ``no_proxy`` are read as urllib reads them, in either case.
"""

from __future__ import annotations

from typing import Any

import urllib3

from lamella.errors import MachineError
from lamella.remote.address import without_credentials


def basic(user: str) -> str:
    """``name:password`` of a URL, percent-encoded or not, as RFC 7617 sends it, in UTF-8."""
    from urllib.parse import unquote_to_bytes

    return basic_bytes(unquote_to_bytes(user))


def basic_bytes(user: bytes) -> str:
    """``name:password`` as it is."""
    from base64 import b64encode

    return f"Basic {b64encode(user).decode()}"


def open_pool(scheme: str, host: str, *, direct: bool = False, **options: Any) -> urllib3.PoolManager:
    """For requests to ``host`` (``name[:port]``), through the proxy that the environment names for it unless
    ``direct``. ``options`` are PoolManager's. Raises MachineError for a kind of proxy that is not supported."""
    from urllib.request import getproxies, proxy_bypass

    proxies = {} if direct else getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host):
        return urllib3.PoolManager(**options)
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    parsed = urllib3.util.parse_url(proxy)
    if parsed.scheme not in ("http", "https"):
        raise MachineError(
            "a proxy of this kind is not supported",
            where=without_credentials(proxy),
            hint="name an http proxy in http_proxy and https_proxy, or hosts to be asked directly in no_proxy",
        )
    headers = {"proxy-authorization": basic(parsed.auth)} if parsed.auth else None
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
