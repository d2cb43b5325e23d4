"""The places where an image is really asked for: mirrors of registries.conf, and the registry itself last."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamella.errors import RegistryError
from lamella.events import Emit
from lamella.oci.reference import Reference
from lamella.registry.address import Address, address_of
from lamella.registry.registriesconf import Place
from lamella.registry.server import Server
from lamella.registry.settings import RegistrySettings


class Source(NamedTuple):
    """A place where the repository is: ``path`` is its name there."""

    server: Server
    path: str

    @property
    def name(self) -> str:
        return f"{self.server.address.domain}/{self.path}"


def open_sources(
    reference: Reference, settings: RegistrySettings, *, push: bool, emit: Emit, cancelled: Callable[[], bool]
) -> tuple[Source, ...]:
    """In the order in which they are asked; what is pushed goes where the name says, as the container tools do it.
    Raises RegistryError where registries.conf blocks the name."""
    name = str(reference)
    table = settings.registries.find(name)
    if table is not None and table.blocked:
        raise RegistryError("is blocked by a configuration file", where=name, code="registry-blocked",
                            hint=f"'blocked = true' stands in {table.where}")  # fmt: skip
    if push:
        places: tuple[Place, ...] = (Place(name, table is not None and table.insecure),)
    else:
        places = settings.registries.places(name, by_digest=reference.digest is not None)
    sources = []
    for place in places:
        domain, _, rest = place.name.partition("/")
        path = rest.partition("@")[0].partition(":")[0]
        address = address_of(domain, tls_verify=settings.tls_verify, insecure=place.insecure)
        sources.append(Source(Server(address, settings, path=path, emit=emit, cancelled=cancelled), path))
    return tuple(sources)


def address_alone(domain: str, settings: RegistrySettings) -> Address:
    """Of a registry without a repository, as ``lamella login`` speaks to it."""
    table = settings.registries.find(domain)
    insecure = table is not None and table.insecure
    return address_of(domain, tls_verify=settings.tls_verify, insecure=insecure)
