"""``RUN --mount=…``: options as BuildKit reads them, and what each type of mount allows.

Values may hold variables, which only the plan can expand; so an option is checked here when its value is literal, and
again by :func:`resolve_mount` when it is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lamella.errors import DockerfileError
from lamella.syntax.instructions import KeyValue, Mount
from lamella.syntax.keywords import nearest
from lamella.syntax.nodes import Flag
from lamella.syntax.request import Request, short

MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")

_OPTIONS = (
    "type", "from", "source", "target", "readonly", "readwrite", "id", "sharing", "required", "mode", "uid", "gid",
    "size", "env",
)  # fmt: skip
_SYNONYMS = (("src", "source"), ("dst", "target"), ("destination", "target"), ("ro", "readonly"), ("rw", "readwrite"))
_BARE = ("readonly", "readwrite", "required")

#: options that only some types have
_ONLY = (
    ("required", ("secret", "ssh")),
    ("size", ("tmpfs",)),
    ("env", ("secret",)),
    ("sharing", ("cache",)),
    ("mode", ("cache", "secret", "ssh")),
    ("uid", ("cache", "secret", "ssh")),
    ("gid", ("cache", "secret", "ssh")),
)

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(?:b|([kmgtp])(?:i?b)?)?", re.IGNORECASE | re.ASCII)
_OCTAL = re.compile(r"[0-7]{1,12}")
_QUOTED_FIELD = re.compile(r'"((?:[^"]|"")*+)"(?=,|\Z)')
_PLAIN_FIELD = re.compile(r'([^",]*)(?=,|\Z)')
_DECIMAL = re.compile(r"[0-9]{1,10}")


class _Wrong(ValueError):
    """Message and hint, before the place is known."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def parse_mount(request: Request, flag: Flag) -> Mount:
    """A ``--mount`` flag. Raises DockerfileError at the flag's line."""
    try:
        options = _normal(_fields(flag.value or ""))
        for name, value in options:
            _check_variable(name, value)
        return _checked(options, flag.line)
    except _Wrong as wrong:
        raise request.refuse(wrong.message, wrong.hint, at=flag) from None


def resolve_mount(mount: Mount, expand: Callable[[str], str], where: str) -> Mount:
    """The mount with every value expanded by ``expand`` and checked. ``where`` is the step's ``file:line``.

    ``readonly`` is then always there, ``"true"`` or ``"false"``, with the type's default. Raises DockerfileError.
    """
    try:
        options = {"type": expand(mount.type)} | {pair.key: expand(pair.value or "") for pair in mount.options}
        resolved = _checked(_normal(tuple(options.items())), mount.line, literal=True)
    except _Wrong as wrong:
        raise DockerfileError(wrong.message, where=where, hint=wrong.hint) from None
    if resolved.option("readonly") is not None:
        return resolved
    readonly = "false" if resolved.type in ("cache", "tmpfs") else "true"
    return resolved._replace(options=(*resolved.options, KeyValue("readonly", readonly)))


def parse_size(text: str) -> int | None:
    """Bytes of ``64m``, ``1.5GiB``, ``512k`` (units of 1024), None for what is no size."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    power = " kmgtp".index((match[2] or " ").lower())
    size = float(match[1]) * 1024**power
    return int(size) if size < 2**63 else None


def parse_boolean(text: str) -> bool | None:
    """Go's ``strconv.ParseBool``; None for what is no boolean."""
    return True if text in _TRUE else False if text in _FALSE else None


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    """Options as written, one record of comma-separated values; a bare switch has the value ``true``."""
    options = []
    for field in _comma_separated(text):
        key, equals, value = field.partition("=")
        name = dict(_SYNONYMS).get(key.lower(), key.lower())
        if name not in _OPTIONS:
            known = (*_OPTIONS, *(synonym for synonym, _ in _SYNONYMS))
            raise _Wrong(f"unexpected key {short(key)!r} in --mount", f"did you mean {nearest(key, known)}?")
        if not equals and name not in _BARE:
            raise _Wrong(f"the option {name} of --mount has no value", f"write {name}=VALUE")
        options.append((name, value if equals else "true"))
    return tuple(options)


def _comma_separated(text: str) -> list[str]:
    """RFC 4180 fields, as strict about quotes as Go's reader."""
    if not text:
        raise _Wrong("--mount has no options", "write --mount=type=cache,target=/path")
    if '"' not in text:
        return text.split(",")
    fields, at = [], 0
    while at <= len(text):
        if text.startswith('"', at):
            match = _QUOTED_FIELD.match(text, at)
            field = match[1].replace('""', '"') if match else None
        else:
            match = _PLAIN_FIELD.match(text, at)
            field = match[1] if match else None
        if match is None or field is None:
            raise _Wrong("a quote in --mount is not where it may be", 'quote a whole option: "source=a,b",target=/path')
        fields.append(field)
        at = match.end() + 1
    return fields


def _normal(options: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """``readwrite`` as ``readonly`` of the opposite value where that is known; of several equal names the last."""
    last: dict[str, str] = {}
    for name, value in options:
        opposite = parse_boolean(value)
        key, text = (name, value)
        if name == "readwrite" and opposite is not None:
            key, text = "readonly", "false" if opposite else "true"
        last[key] = text
    return tuple(last.items())


def _check_variable(name: str, value: str) -> None:
    if name == "from" and re.search(r"\$.", value):
        raise _Wrong(
            "from of --mount does not support variables", "name a stage, FROM $IMAGE AS name, and use from=name"
        )


def _checked(options: tuple[tuple[str, str], ...], line: int, *, literal: bool = False) -> Mount:
    """A mount of checked options; values with a ``$`` are passed over unless ``literal``."""
    values = {name: value for name, value in options if literal or "$" not in value}
    names = {name for name, _ in options}
    kind = dict(options).get("type", "bind")
    if literal or "$" not in kind:
        kind = kind.lower()
        if kind not in MOUNT_TYPES:
            raise _Wrong(f"unsupported mount type {short(kind)!r}", f"did you mean {nearest(kind, MOUNT_TYPES)}?")
        _check_allowed(kind, names)
        if kind == "secret":
            _check_secret(names, values)
    for name, value in values.items():
        _check_value(name, value)
    pairs = tuple(KeyValue(name, _folded(name, value, values)) for name, value in options if name != "type")
    return Mount(kind, pairs, line)


def _folded(name: str, value: str, values: dict[str, str]) -> str:
    """Booleans as ``true`` and ``false``, names of sharing modes in lower case."""
    if name not in values:
        return value
    if name in _BARE:
        return "true" if parse_boolean(value) else "false"
    return value.lower() if name == "sharing" else value


def _check_allowed(kind: str, names: set[str]) -> None:
    for name, kinds in _ONLY:
        if name in names and kind not in kinds:
            raise _Wrong(f"{name} is not allowed for a mount of type {kind}", f"{name} goes with {', '.join(kinds)}")


def _check_secret(names: set[str], values: dict[str, str]) -> None:
    if "from" in names:
        raise _Wrong("a secret mount cannot have from", "secrets come from the command line: --secret id=NAME,src=FILE")
    if not names & {"id", "source", "target"} or not any(
        values.get(key, "$") for key in ("id", "source", "target") if key in names
    ):
        raise _Wrong("a secret mount needs an id or a target", "write --mount=type=secret,id=NAME")
    if values.get("source", "") and values.get("id", ""):
        raise _Wrong("a secret mount cannot have both id and source", "keep id")


def _check_value(name: str, value: str) -> None:
    if name in _BARE and parse_boolean(value) is None:
        raise _Wrong(f"{short(value)!r} is no value for {name} of --mount", "write true or false")
    if name == "sharing" and value.lower() not in SHARING:
        raise _Wrong(f"unsupported sharing value {short(value)!r}", f"did you mean {nearest(value, SHARING)}?")
    if name == "mode" and not (_OCTAL.fullmatch(value) and int(value, 8) < 2**32):
        raise _Wrong(f"{short(value)!r} is no value for mode of --mount", "write an octal number such as 0755")
    if name in ("uid", "gid") and not (_DECIMAL.fullmatch(value) and int(value) < 2**32):
        raise _Wrong(f"{short(value)!r} is no value for {name} of --mount", "write a number such as 1000")
    if name == "size" and parse_size(value) is None:
        raise _Wrong(f"{short(value)!r} is no value for size of --mount", "write a size such as 64m or 1g")
