"""What the configuration files and the flags say of registries, together."""

from __future__ import annotations

import os
from typing import NamedTuple

from lamella.registry.conffiles import read_registries
from lamella.registry.registriesconf import RegistriesConf
from lamella.registry.retry import Patience


class RegistrySettings(NamedTuple):
    """``tls_verify`` is None where no flag says it; ``cert_dir`` and ``authfile`` are paths."""

    tls_verify: bool | None = None
    cert_dir: str | None = None
    authfile: str | None = None
    registries: RegistriesConf = RegistriesConf()
    patience: Patience = Patience()


def read_settings(
    *, tls_verify: bool | None = None, cert_dir: str | None = None, authfile: str | None = None
) -> RegistrySettings:
    """Raises InputError where a configuration file is broken."""
    return RegistrySettings(tls_verify, cert_dir, authfile, read_registries(os.environ))
