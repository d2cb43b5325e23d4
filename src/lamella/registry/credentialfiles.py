"""Files that hold credentials: Docker's ``config.json`` and the container tools' ``auth.json``, which have one form.

``{"auths": {KEY: {"auth": base64 of user:password, "identitytoken": …}}, "credsStore": NAME, "credHelpers": {HOST:
NAME}}``

KEY is a host, a host with a path (containers-auth.json(5): the longest that fits counts), or what Docker wrote in its
early days: an address, like ``https://index.docker.io/v1/`` for Docker Hub.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from lamella.errors import InputError, MachineError
from lamella.registry.address import HUB

#: Docker Hub's key
HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = ("index.docker.io", "registry-1.docker.io", "docker.io")
#: the code of the error about a file that is not for this user
UNREADABLE = "credentials-unreadable"
_LIMIT = 4 << 20  # bytes


class Credentials(NamedTuple):
    """A user with a password, or a token that stands for them. It shows itself to nobody."""

    user: str
    password: str = ""
    #: is given for access tokens (OAuth 2's refresh token)
    identity_token: str = ""
    #: is shown to the registry as it is
    registry_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, …)"


def key_of(domain: str) -> str:
    """Under which Docker's files and helpers keep the credentials of a registry."""
    return HUB_KEY if domain in _HUB_NAMES else domain


def normal_key(key: str) -> str:
    """``host[:port][/path]`` of any key that tools write."""
    rest = key.partition("://")[2] or key
    host, slash, path = rest.rstrip("/").partition("/")
    if path in ("v1", "v2"):
        slash = path = ""
    return (HUB if host in _HUB_NAMES else host) + slash + path


class CredentialFile(NamedTuple):
    """``data`` is the whole content, {} where there is no file."""

    path: str
    data: dict[str, Any]

    def credentials(self, name: str) -> Credentials | None:
        """Of ``name``, ``domain[/path]``: those of the longest key that it begins with."""
        auths = self._section("auths")
        keys: dict[str, str] = {}
        for key in auths:
            keys.setdefault(normal_key(key), key)
        if HUB_KEY in auths:
            keys[HUB] = HUB_KEY
        while True:
            found = keys.get(name)
            credentials = self._decoded(found, auths[found]) if found is not None else None
            if credentials is not None or "/" not in name:
                return credentials
            name = name.rpartition("/")[0]

    def helper(self, domain: str) -> str | None:
        """The helper for one registry, else the one for all, else None."""
        helpers = self._section("credHelpers")
        for key in (key_of(domain), domain, *(key for key in helpers if normal_key(key) == domain)):
            if isinstance(helpers.get(key), str):
                return str(helpers[key])
        store = self.data.get("credsStore")
        return store if isinstance(store, str) and store else None

    def domains(self) -> list[str]:
        """Whom it knows."""
        keys = (*self._section("auths"), *self._section("credHelpers"))
        return list(dict.fromkeys(normal_key(key) for key in keys))

    def with_entry(self, key: str, entry: dict[str, str] | None) -> CredentialFile:
        """The same with another entry under ``auths``, or without; all that means the same registry goes."""
        auths = {name: value for name, value in self._section("auths").items() if normal_key(name) != normal_key(key)}
        if entry is not None:
            auths[key] = entry
        return CredentialFile(self.path, self.data | {"auths": auths})

    def _section(self, name: str) -> dict[str, Any]:
        section = self.data.get(name)
        return section if isinstance(section, dict) else {}

    def _decoded(self, key: str, entry: object) -> Credentials | None:
        if not isinstance(entry, dict):
            return None
        user, password = _text(entry, "username"), _text(entry, "password")
        if encoded := _text(entry, "auth"):
            try:
                decoded = base64.b64decode(encoded, validate=True).decode()
            except ValueError:
                raise InputError(f"the credentials of {key!r} are not base64", where=self.path) from None
            user, colon, password = decoded.partition(":")
            if not colon:
                raise InputError(f"the credentials of {key!r} are not of the form user:password", where=self.path)
            password = password.strip("\0")
        found = Credentials(user, password, _text(entry, "identitytoken"), _text(entry, "registrytoken"))
        return found if any(found) else None


def entry_of(credentials: Credentials) -> dict[str, str]:
    """As it stands in ``auths``."""
    pair = f"{credentials.user}:{credentials.password}".encode()
    entry = {"auth": base64.b64encode(pair).decode()}
    if credentials.identity_token:
        entry["identitytoken"] = credentials.identity_token
    return entry


def read_credential_file(path: str) -> CredentialFile:
    """Raises InputError for one that cannot be read or understood."""
    try:
        with open(path, "rb") as stream:
            content = stream.read(_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return CredentialFile(path, {})
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path, code=UNREADABLE) from None
    try:
        data = json.loads(content) if content.strip() else {}
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError(
            "is no JSON", where=f"{path}:{line}", hint="it holds credentials; repair it or remove it"
        ) from None
    if not isinstance(data, dict):
        raise InputError("is no JSON object", where=path)
    return CredentialFile(path, data)


@contextmanager
def locked_credential_file(path: str) -> Iterator[None]:
    """Between reading and writing: two logins at once keep what each of them brings. It is the folder that is locked,
    where there is one and it can be; the file itself is replaced."""
    folder = os.path.dirname(os.path.realpath(path))
    with ExitStack() as opened:
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def write_credential_file(file: CredentialFile) -> None:
    """Whole or not at all, for its owner alone; where it is a link, what it leads to. Raises MachineError."""
    path = os.path.realpath(file.path)
    temporary = f"{path}.{os.urandom(6).hex()}.new"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with open(descriptor, "w", encoding="utf-8") as stream:
                json.dump(file.data, stream, indent="\t", ensure_ascii=False)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise MachineError(f"cannot be written: {error.strerror}", where=file.path) from None


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
