"""Which configuration files there are, and in which order they are read.

Source: containers-registries.conf(5) and .conf.d(5): the user's ``registries.conf`` instead of the machine's, then the
drop-in folders, the later file winning; CONTAINERS_REGISTRIES_CONF names another main file. containers-certs.d(5), and
Docker's ``certs.d``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamella.errors import InputError

if TYPE_CHECKING:
    from lamella.registry.registriesconf import RegistriesConf

_SYSTEM = "/etc/containers"
_DOCKER_CERTS = "/etc/docker/certs.d"


def user_folder(environment: Mapping[str, str]) -> str:
    """The user's folder of the container tools: ``$XDG_CONFIG_HOME/containers``."""
    return os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(home(environment), ".config"), "containers")


def home(environment: Mapping[str, str]) -> str:
    return environment.get("HOME") or os.path.expanduser("~")


def registries_files(environment: Mapping[str, str], system: str = _SYSTEM) -> list[str]:
    """Those that exist, in the order in which they are read."""
    user = user_folder(environment)
    main = environment.get("CONTAINERS_REGISTRIES_CONF")
    if main:
        if not os.path.isfile(main):
            raise InputError("there is no such file", where=main, hint="CONTAINERS_REGISTRIES_CONF names it")
        return [main, *_drop_ins(f"{system}/registries.conf.d"), *_drop_ins(f"{user}/registries.conf.d")]
    if os.path.isfile(f"{user}/registries.conf"):
        return [f"{user}/registries.conf", *_drop_ins(f"{user}/registries.conf.d")]
    files = [f"{system}/registries.conf"] if os.path.isfile(f"{system}/registries.conf") else []
    return [*files, *_drop_ins(f"{system}/registries.conf.d"), *_drop_ins(f"{user}/registries.conf.d")]


def _drop_ins(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [f"{folder}/{name}" for name in names if name.endswith(".conf") and os.path.isfile(f"{folder}/{name}")]


def read_registries(environment: Mapping[str, str], system: str = _SYSTEM) -> RegistriesConf:
    """Raises InputError for a file that cannot be read or understood."""
    from lamella.registry.registriesconf import RegistriesConf, merge_tables

    files = registries_files(environment, system)
    return merge_tables([(path, _read_toml(path)) for path in files]) if files else RegistriesConf()


def _read_toml(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"is no TOML: {error}", where=path, hint="containers-registries.conf(5) shows its form"
        ) from None


def certs_folders(host: str, environment: Mapping[str, str]) -> list[str]:
    """Folders with certificates for ``host`` (``name[:port]``), the first that exists counting alone."""
    return [
        f"{folder}/{host}" for folder in (f"{user_folder(environment)}/certs.d", f"{_SYSTEM}/certs.d", _DOCKER_CERTS)
    ]
