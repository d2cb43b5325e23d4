"""Addresses of git repositories with what is wanted of them, pure.

``https://host/repo.git#ref:subdir``, ``git@host:repo.git?tag=v1``. Source: BuildKit's git URLs, dockerfile 1.18 and
later for the form with a query.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from lamella.errors import InputError
from lamella.remote.address import SCP_STYLE, without_credentials

_HEX = re.compile(r"[0-9a-fA-F]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: what no name of a ref has (git-check-ref-format), and what git would take for an option or a pattern
_NO_REF = re.compile(r"[-+]|.*([\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//)|.*[/.]\Z|/", re.DOTALL)
_TRUE, _FALSE = ("", "1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


class Repository(NamedTuple):
    """``remote`` is what git is told; ``ref`` "" means the default branch. ``checksum`` is the beginning of the
    commit's name, "" where nobody pinned it; ``keep_git_dir`` is None where the address does not say."""

    remote: str
    ref: str = ""
    subdir: str = ""
    checksum: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True

    @property
    def commit(self) -> str:
        """The ref where it is a commit's whole name, else ""."""
        return self.ref if is_commit(self.ref) else ""


def is_commit(name: str) -> bool:
    """Whether it is the whole name of a commit."""
    return _COMMIT.fullmatch(name) is not None


def parse_repository(address: str) -> Repository:
    """Raises InputError for a query that is none, a ref that git could take for something else, a conflict."""
    scp = SCP_STYLE.fullmatch(address)
    if scp is not None:
        remote, query, fragment = f"{scp[1]}@{scp[2]}:{scp[3]}", scp[4] or "", scp[5] or ""
    else:
        rest, _, fragment = address.partition("#")
        remote, _, query = rest.partition("?")
        from urllib.parse import unquote

        fragment = unquote(fragment)
    ref, _, subdir = fragment.partition(":")
    if "\0" in remote:
        raise _bad(address, "it holds a NUL byte")
    found = Repository(remote, ref, subdir)
    for name, value in _pairs(query, address):
        found = _with(found, name, value, address)
    if found.checksum and not _HEX.fullmatch(found.checksum):
        raise _bad(address, f"the checksum {found.checksum!r} is no commit's name", "write the commit in hex digits")
    if found.ref and _NO_REF.match(found.ref):
        raise _bad(address, f"{found.ref!r} cannot be the name of a branch, a tag or a commit")
    if "\0" in found.subdir:
        raise _bad(address, f"{found.subdir!r} cannot be the name of a folder")
    subdir = posixpath.normpath(f"/{found.subdir}").lstrip("/")
    return found._replace(ref=found.ref or (found.checksum if is_commit(found.checksum) else ""), subdir=subdir)


def _pairs(query: str, address: str) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    pairs = parse_qsl(query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if names.count(name) > 1:
            raise _bad(address, f"{name!r} is given twice")
        if not value and name not in ("submodules", "keep-git-dir"):
            raise _bad(address, f"{name!r} has no value")
    return pairs


def _with(found: Repository, name: str, value: str, address: str) -> Repository:
    match name:
        case "ref" | "tag" | "branch":
            start = {"ref": "", "tag": "refs/tags/", "branch": "refs/heads/"}[name]
            ref = start + value.removeprefix(start)
            if found.ref and found.ref != ref:
                raise _bad(address, f"it names two refs, {found.ref!r} and {ref!r}")
            return found._replace(ref=ref)
        case "subdir":
            if found.subdir and found.subdir != value:
                raise _bad(address, f"it names two folders, {found.subdir!r} and {value!r}")
            return found._replace(subdir=value)
        case "checksum" | "commit":
            return found._replace(checksum=value)
        case "keep-git-dir":
            return found._replace(keep_git_dir=_boolean(name, value, address))
        case "submodules":
            return found._replace(submodules=_boolean(name, value, address))
    hint = "it takes ref, tag, branch, commit, checksum, subdir, keep-git-dir and submodules"
    raise _bad(address, f"nothing is known of {name!r}", hint)


def _boolean(name: str, value: str, address: str) -> bool:
    if value not in _TRUE + _FALSE:
        raise _bad(address, f"{name}={value} is neither true nor false")
    return value in _TRUE


def _bad(address: str, why: str, hint: str = "write https://host/repository.git#ref:folder") -> InputError:
    return InputError(f"the address of the repository is odd: {why}", where=without_credentials(address), hint=hint)
