"""Are these the credentials of somebody whom the registry knows? Asked for real, at ``/v2/``.

Source: OCI distribution-spec, "Determining support"; Docker registry token specification.
"""

from __future__ import annotations

from collections.abc import Callable

from lamella.errors import InputError, RegistryDenied, RegistryError
from lamella.events import Emit, ignore
from lamella.oci.reference import parse_reference
from lamella.registry.address import HUB
from lamella.registry.credentialfiles import Credentials, normal_key
from lamella.registry.server import Request, Server
from lamella.registry.settings import RegistrySettings
from lamella.registry.sources import address_alone
from lamella.remote.waiting import never


def domain_of(server: str) -> str:
    """Of what people call a registry: ``host[:port]``, also with ``https://`` before it. Raises InputError."""
    domain = normal_key(server)
    if domain == HUB:
        return domain
    hint = "name its host alone, like registry.example:5000"
    if "/" in domain:
        raise InputError(f"{server!r} is more than a registry", hint=hint)
    # A host without dot or port is no registry in a reference, but it is one here.
    for name in (domain, f"{domain}:443"):
        try:
            if parse_reference(f"{name}/name").domain == name:
                return domain
        except InputError:
            break
    raise InputError(f"{server!r} is no registry", hint=hint)


def check_login(
    domain: str,
    credentials: Credentials,
    settings: RegistrySettings,
    *,
    emit: Emit = ignore,
    cancelled: Callable[[], bool] = never,
) -> bool:
    """False where the registry does not ask who we are, so that nothing is known of the credentials. Raises
    RegistryDenied where they are refused, RegistryUnreachable, RegistryError."""
    server = Server(address_alone(domain, settings), settings, emit=emit, cancelled=cancelled)
    server.auth.use(credentials)
    request = Request("GET", "/v2/", "log in", domain, expected=(200, 404))
    try:
        response = server.ask_until(request)
    except RegistryDenied as error:
        error.hint = "check the user name and the password; many registries want an access token in its place"
        raise
    server.drain(response)
    if response.status == 404:
        raise RegistryError("there is no registry at this address (404 at /v2/)", where=domain)
    return server.auth.was_asked
