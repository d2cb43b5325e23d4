"""Addresses of files and repositories, pure: which kind one is, its file name, and how it is shown."""

from __future__ import annotations

import re

from lamella.errors import InputError

_SCHEME = re.compile(r"([a-zA-Z0-9]+)://")
#: ``user@host:path``, as scp has it
SCP_STYLE = re.compile(r"([A-Za-z0-9_-]+)@([A-Za-z0-9.-]+):(?!//)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
#: what BuildKit calls a file whose address has no name
UNNAMED = "__unnamed__"


def is_git(address: str) -> bool:
    """Whether BuildKit takes it for a git repository: over HTTP the path must end in ``.git``."""
    scheme = _SCHEME.match(address)
    if scheme is None:
        return SCP_STYLE.fullmatch(address) is not None
    name = scheme[1].lower()
    if name in ("git", "ssh"):
        return True
    return name in ("http", "https") and re.split(r"[?#]", address, maxsplit=1)[0].endswith(".git")


def without_credentials(address: str) -> str:
    """For messages and cache keys: the user and password of a URL are nobody's business."""
    return re.sub(r"^([a-zA-Z0-9]+://)[^/?#]*@", r"\1", address)


def file_name(address: str) -> str:
    """The last part of a URL's path, decoded. Raises InputError for what is no URL, and for a name that no
    file can have."""
    from urllib.parse import unquote, urlsplit

    try:
        encoded = urlsplit(address).path
    except ValueError as error:
        raise InputError(f"this is no address ({error})", where=without_credentials(address)) from None
    path = unquote(encoded, errors="surrogateescape").rstrip("/")
    name = path.rpartition("/")[2] or UNNAMED
    if name in (".", "..") or "\0" in name:
        raise InputError(f"the address gives the file the name {name!r}", where=without_credentials(address))
    return name
