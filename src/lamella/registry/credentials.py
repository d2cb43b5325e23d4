"""Whose credentials are used where: the files and helpers in the order in which they are asked.

``--authfile`` or REGISTRY_AUTH_FILE name the one file that counts. Else Docker's ``config.json`` (of DOCKER_CONFIG,
or ``~/.docker``) is asked first, then the container tools' ``auth.json``: of XDG_RUNTIME_DIR, of XDG_CONFIG_HOME. In
each file the helper for the registry comes before the helper for all, and that before what stands in the file.

Source: Docker's "docker login" page; containers-auth.json(5).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from lamella.errors import InputError
from lamella.events import Emit, Note
from lamella.registry.conffiles import home, user_folder
from lamella.registry.credentialfiles import (
    UNREADABLE,
    CredentialFile,
    Credentials,
    entry_of,
    key_of,
    locked_credential_file,
    read_credential_file,
    write_credential_file,
)
from lamella.registry.credentialhelper import NoHelper, erase_credentials, get_credentials, store_credentials


def credential_files(authfile: str | None, environment: Mapping[str, str]) -> list[str]:
    """In the order in which they are asked; ``lamella login`` writes the first one."""
    chosen = authfile or environment.get("REGISTRY_AUTH_FILE")
    if chosen:
        return [chosen]
    docker = environment.get("DOCKER_CONFIG") or os.path.join(home(environment), ".docker")
    runtime = environment.get("XDG_RUNTIME_DIR")
    running = f"{runtime}/containers" if runtime else f"/run/containers/{os.getuid()}"
    return [f"{docker}/config.json", f"{running}/auth.json", f"{user_folder(environment)}/auth.json"]


def find_credentials(
    name: str, authfile: str | None, emit: Emit, environment: Mapping[str, str] | None = None
) -> Credentials | None:
    """Of ``name``, ``domain[/repository]``. Raises InputError for a broken file, MachineError for a helper that
    fails; one that is not there is passed by with a warning."""
    domain = name.partition("/")[0]
    files = credential_files(authfile, os.environ if environment is None else environment)
    if authfile and not os.path.exists(authfile):
        raise InputError("there is no such file", where=authfile, hint="--authfile names the file with the credentials")
    for path in files:
        try:
            file = read_credential_file(path)
        except InputError as error:
            if error.code != UNREADABLE or len(files) == 1:
                raise
            emit(Note("warning", f"{error.message}: going on without it", path))  # as one that root's docker has made
            continue
        helper = file.helper(domain)
        found = _of_helper(helper, domain, path, emit) if helper else None
        found = found or file.credentials(name)
        if found is not None:
            return found
    return None


def _of_helper(helper: str, domain: str, path: str, emit: Emit) -> Credentials | None:
    try:
        return get_credentials(helper, key_of(domain))
    except NoHelper as error:
        emit(Note("warning", f"there is no {error.where}, which {path} names: going on without it"))
        return None


class Kept(NamedTuple):
    """Where credentials were stored: the file, and the helper's name where it is one that keeps them."""

    path: str
    helper: str | None


def keep_credentials(
    domain: str, credentials: Credentials, authfile: str | None, environment: Mapping[str, str] | None = None
) -> Kept:
    """By the helper that the first file names, or else in that file."""
    path = credential_files(authfile, os.environ if environment is None else environment)[0]
    with suppress(OSError):  # writing says it better
        os.makedirs(os.path.dirname(os.path.realpath(path)), mode=0o700, exist_ok=True)
    with locked_credential_file(path):
        file = read_credential_file(path)
        helper = file.helper(domain)
        if helper is not None:
            store_credentials(helper, key_of(domain), credentials)
        entry = entry_of(credentials) if helper is None else {}
        write_credential_file(file.with_entry(key_of(domain), entry))
    return Kept(path, helper)


def forget_credentials(
    domain: str, authfile: str | None, environment: Mapping[str, str] | None = None
) -> tuple[bool, list[str]]:
    """Whether there was something to forget, and the other files that still know the registry."""
    first, *others = credential_files(authfile, os.environ if environment is None else environment)
    with locked_credential_file(first):
        file = read_credential_file(first)
        helper = file.helper(domain)
        gone = erase_credentials(helper, key_of(domain)) if helper is not None else False
        if _has_entry(file, domain):
            write_credential_file(file.with_entry(key_of(domain), None))
            gone = True
    return gone, [path for path in others if _knows(path, domain)]


def _knows(path: str, domain: str) -> bool:
    """A file that is not for this user, or broken, is nothing that a logout stumbles over."""
    try:
        return read_credential_file(path).credentials(domain) is not None
    except InputError:
        return False


def known_domains(authfile: str | None, environment: Mapping[str, str] | None = None) -> list[str]:
    """Whom the file that ``lamella login`` writes has credentials for."""
    path = credential_files(authfile, os.environ if environment is None else environment)[0]
    return read_credential_file(path).domains()


def _has_entry(file: CredentialFile, domain: str) -> bool:
    return bool(file.with_entry(key_of(domain), None).data["auths"] != (file.data.get("auths") or {}))
