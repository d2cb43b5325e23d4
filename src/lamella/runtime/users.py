"""USER and --chown: names and numbers by the image's own passwd and group, pure.

Source of the rules: Docker's documentation of USER, and what its engine does where that is silent: a number is never
taken for a name, the first matching line wins, a number needs no line, supplementary groups come only where no group
was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lamella.errors import InputError

_PASSWD = "/etc/passwd"
_GROUP = "/etc/group"
_MAX_ID = (1 << 31) - 1
_DIGITS = 40


class User(NamedTuple):
    """``groups`` are the supplementary ones; ``home`` is ``/`` where passwd does not say."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


Read = Callable[[str], bytes | None]
"""The content of an absolute path of the image, None where there is none."""


def resolve_user(spec: str, read: Read) -> User:
    """``spec`` is ``""`` (root), ``user``, ``uid``, and either with ``:group`` or ``:gid``.

    Raises InputError for a name that is not there and a number out of range."""
    name, _, group = spec.partition(":")
    uid = _number(name)
    line = _find_user(read, name, uid)
    if line is None and name and uid is None:
        raise InputError(f"the user {name!r} is not in the image's {_PASSWD}", hint="make it in a RUN, or use a number")
    user = User(_in_range(uid or 0)) if line is None else _user_of(line)
    if group:
        return user._replace(gid=_group_id(read, group))
    if line is None:
        return user
    members = (fields for fields in _lines(read, _GROUP) if line[0] in _field(fields, 3).split(","))
    return user._replace(groups=tuple(dict.fromkeys(_in_range(_number(_field(fields, 2)) or 0) for fields in members)))


def _find_user(read: Read, name: str, uid: int | None) -> list[str] | None:
    wanted = 0 if not name else uid
    for fields in _lines(read, _PASSWD):
        if (fields[0] == name) if wanted is None else (_number(_field(fields, 2)) == wanted):
            return fields
    return None


def _user_of(fields: list[str]) -> User:
    uid, gid = _number(_field(fields, 2)) or 0, _number(_field(fields, 3)) or 0
    return User(_in_range(uid), _in_range(gid), (), _field(fields, 5) or "/")


def _group_id(read: Read, group: str) -> int:
    number = _number(group)
    if number is not None:
        return _in_range(number)
    for fields in _lines(read, _GROUP):
        if fields[0] == group:
            return _in_range(_number(_field(fields, 2)) or 0)
    raise InputError(f"the group {group!r} is not in the image's {_GROUP}", hint="make it in a RUN, or use a number")


def _lines(read: Read, path: str) -> Iterator[list[str]]:
    content = read(path) or b""
    for line in content.decode("utf-8", "surrogateescape").split("\n"):
        text = line.strip()
        if text and not text.startswith("#"):
            yield text.split(":")


def _field(fields: list[str], index: int) -> str:
    return fields[index] if index < len(fields) else ""


def _number(text: str) -> int | None:
    """Digits only: Python would take ``1_000`` and Arabic digits for numbers too, and raise for thousands of them."""
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) <= _DIGITS else _MAX_ID + 1


def _in_range(number: int) -> int:
    if number > _MAX_ID:
        raise InputError(f"the user or group number {number} is out of range", hint=f"at most {_MAX_ID}")
    return number
