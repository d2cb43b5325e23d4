"""``registries.conf``: where images of a name are really got from, and how carefully.

Source: containers-registries.conf(5), version 2 of the format, and containers-registries.conf.d(5). A
``[[registry]]`` counts for the names that begin with its ``prefix``; of several the longest one counts alone. Names
without a registry are Docker Hub's, as in Docker: ``unqualified-search-registries`` and aliases are not read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lamella.errors import InputError

_SEPARATORS = ":/@"
_PULLS = ("all", "digest-only", "tag-only")


class Mirror(NamedTuple):
    """``pulls`` says for which references it is asked: ``all``, ``digest-only`` or ``tag-only``."""

    location: str
    insecure: bool
    pulls: str


class Table(NamedTuple):
    """One ``[[registry]]``; ``where`` is the file it stands in. ``location`` is "" where names stay as they are."""

    prefix: str
    location: str
    insecure: bool
    blocked: bool
    mirrors: tuple[Mirror, ...]
    where: str


class Place(NamedTuple):
    """A reference as text, as it is asked for in one place."""

    name: str
    insecure: bool


class RegistriesConf(NamedTuple):
    tables: tuple[Table, ...] = ()

    def find(self, name: str) -> Table | None:
        """Of the table that counts for ``name``: a reference with domain, or a domain alone."""
        found = [table for table in self.tables if _matched(name, table.prefix) is not None]
        return max(found, key=lambda table: len(table.prefix), default=None)

    def places(self, name: str, *, by_digest: bool) -> tuple[Place, ...]:
        """Where the image ``name`` can be read, in the order in which to ask."""
        table = self.find(name)
        if table is None:
            return (Place(name, False),)
        rest = name[_matched(name, table.prefix) or 0 :]
        unwanted = "tag-only" if by_digest else "digest-only"
        mirrors = (mirror for mirror in table.mirrors if mirror.pulls != unwanted)
        places = [Place(mirror.location + rest, mirror.insecure) for mirror in mirrors]
        return (*places, Place(table.location + rest if table.location else name, table.insecure))


def _matched(name: str, prefix: str) -> int | None:
    """How much of ``name`` the prefix stands for, None where it does not count."""
    if prefix.startswith("*."):
        start = name.find(prefix[1:])
        if start <= 0 or "/" in name[:start]:
            return None
        end = start + len(prefix) - 1
    elif name.startswith(prefix):
        end = len(prefix)
    else:
        return None
    return end if end == len(name) or name[end] in _SEPARATORS else None


def merge_tables(files: list[tuple[str, dict[str, Any]]]) -> RegistriesConf:
    """Of (path, content) in the order in which they are read: a later table of the same prefix replaces an earlier one.
    Raises InputError."""
    tables: dict[str, Table] = {}
    for where, data in files:
        for index, item in enumerate(_list(data, "registry", where)):
            table = _table(item, f"{where}: registry {index + 1}", where)
            tables[table.prefix] = table
        if _is_version_1(data):
            for table in _version_1(data, where):
                tables.setdefault(table.prefix, table)
    return RegistriesConf(tuple(tables.values()))


def _is_version_1(data: dict[str, Any]) -> bool:
    return isinstance(data.get("registries"), dict)


def _version_1(data: dict[str, Any], where: str) -> list[Table]:
    """``[registries.insecure]`` and ``[registries.block]``, which some machines still have."""
    insecure = _names(data["registries"].get("insecure"), where)
    blocked = _names(data["registries"].get("block"), where)
    return [
        Table(name, name, name in insecure, name in blocked, (), where) for name in dict.fromkeys((*insecure, *blocked))
    ]


def _names(data: object, where: str) -> list[str]:
    names = data.get("registries") if isinstance(data, dict) else None
    if names is None:
        return []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("'registries' is not a list of names", where=where)
    return [_location(name, where) for name in names]


def _table(data: object, where: str, file: str) -> Table:
    if not isinstance(data, dict):
        raise InputError("a registry is not a table", where=where)
    location = _location(_text(data, "location", where), where)
    prefix = _location(_text(data, "prefix", where) or location, where)
    if not prefix:
        raise InputError("a registry has neither prefix nor location", where=where)
    if "*" in prefix.removeprefix("*.") or (prefix.startswith("*.") and any(char in prefix for char in _SEPARATORS)):
        raise InputError(f"the prefix {prefix!r} cannot be used: '*.' stands before a host alone", where=where)
    wildcard = prefix.startswith("*.")
    if "*" in location:
        raise InputError(f"the location {location!r} has a '*'", where=where)
    if not location and not wildcard:
        location = prefix
    by_digest = _flag(data, "mirror-by-digest-only", where)
    mirrors = tuple(_mirror(item, where, by_digest) for item in _list(data, "mirror", where))
    return Table(prefix, location, _flag(data, "insecure", where), _flag(data, "blocked", where), mirrors, file)


def _mirror(data: object, where: str, by_digest: bool) -> Mirror:
    if not isinstance(data, dict):
        raise InputError("a mirror is not a table", where=where)
    location = _location(_text(data, "location", where), where)
    if not location or "*" in location:
        raise InputError("a mirror has no location", where=where)
    pulls = _text(data, "pull-from-mirror", where)
    if pulls and by_digest:
        hint = "one of the two says it"
        raise InputError("'pull-from-mirror' stands beside 'mirror-by-digest-only'", where=where, hint=hint)
    if pulls and pulls not in _PULLS:
        raise InputError(f"'pull-from-mirror' is {pulls!r}", where=where, hint=f"it is one of {', '.join(_PULLS)}")
    return Mirror(location, _flag(data, "insecure", where), pulls or ("digest-only" if by_digest else "all"))


def _location(text: str, where: str) -> str:
    text = text.rstrip("/")
    if "://" in text:
        raise InputError(
            f"{text!r} is an address", where=where, hint="write the host alone, without http:// or https://"
        )
    return text


def _text(data: dict[str, Any], key: str, where: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise InputError(f"{key!r} is no text", where=where)
    return value


def _flag(data: dict[str, Any], key: str, where: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{key!r} is neither true nor false", where=where)
    return value


def _list(data: dict[str, Any], key: str, where: str) -> list[Any]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"[[{key}]] is not a list of tables", where=where)
    return value
