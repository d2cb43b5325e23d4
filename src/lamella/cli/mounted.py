"""``-v``, ``--mount`` and ``--tmpfs``: what is to be mounted into a container, as Docker writes it."""

from __future__ import annotations

import csv
import os
import re

from lamella.container.values import Mounted
from lamella.errors import UsageError

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PROPAGATION = {f"{recursive}{kind}" for recursive in ("", "r") for kind in ("private", "shared", "slave")}
_HINT = "write -v /FOLDER:/TARGET[:ro], -v NAME:/TARGET[:ro] or -v /TARGET"


def parse_mounts(volumes: list[str], mounts: list[str], tmpfs: list[str]) -> tuple[Mounted, ...]:
    """Raises UsageError."""
    return (
        *map(_volume, volumes),
        *map(_mount, mounts),
        *(_tmpfs(spec) for spec in tmpfs),
    )


def _volume(spec: str) -> Mounted:
    parts = spec.split(":")
    if len(parts) == 1:
        return Mounted("volume", _target(parts[0], spec), anonymous=True)
    if len(parts) > 3 or not parts[0]:
        raise UsageError(f"-v {spec}: there are too many colons, or nothing before the first", hint=_HINT)
    one = _sourced(parts[0], _target(parts[1], spec), spec)
    for word in parts[2].split(",") if len(parts) == 3 else ():
        if word == "ro":
            one = one._replace(readonly=True)
        elif word == "nocopy":
            one = one._replace(fill=False)
        elif word in _PROPAGATION:
            one = one._replace(propagation=word)
        elif word not in ("rw", "z", "Z", ""):  # labels are SELinux's, which is not used
            raise UsageError(f"-v {spec}: unknown option {word!r}", hint="ro, rw, nocopy, or how mounts propagate")
    return one


def _sourced(source: str, target: str, spec: str) -> Mounted:
    if source.startswith(("/", "./", "../", "~")) or source in (".", ".."):
        return Mounted("bind", target, os.path.abspath(os.path.expanduser(source)))
    if not _NAME.fullmatch(source):
        raise UsageError(
            f"-v {spec}: {source!r} is neither a path nor the name of a volume",
            hint="a path begins with / or ./; names are letters, digits, '_', '.' and '-'",
        )
    return Mounted("volume", target, source)


def _target(path: str, spec: str) -> str:
    if not path.startswith("/"):
        raise UsageError(f"{spec}: the place in the container is not absolute", hint=_HINT)
    return path


def _tmpfs(spec: str) -> Mounted:
    target, _, options = spec.partition(":")
    return Mounted("tmpfs", _target(target, spec), options)


def _mount(spec: str) -> Mounted:
    fields: dict[str, str] = {}
    for field in next(csv.reader([spec]), []):  # as Docker: quotes keep a comma
        key, equals, value = field.partition("=")
        fields[key.lower()] = value if equals else "true"
    kind = fields.pop("type", "volume")
    target = _first(fields, "target", "dst", "destination")
    source = _first(fields, "source", "src")
    readonly = _first(fields, "readonly", "ro") in ("true", "1")
    if kind not in ("bind", "volume", "tmpfs") or not target:
        raise UsageError(
            f"--mount {spec}: type is bind, volume or tmpfs, and target says where", hint="type=bind,src=/a,dst=/b,ro"
        )
    target = _target(target, spec)
    propagation = fields.pop("bind-propagation", "")
    fill = fields.pop("volume-nocopy", "false") not in ("true", "1")
    options = [
        f"{short}={fields.pop(key)}" for key, short in (("tmpfs-size", "size"), ("tmpfs-mode", "mode")) if key in fields
    ]
    if fields:
        raise UsageError(f"--mount {spec}: unknown key {next(iter(fields))!r}", hint="type=bind,src=/a,dst=/b,ro")
    if kind == "tmpfs":
        return Mounted(kind, target, ",".join(options), readonly)
    if kind == "bind":
        if not source:
            raise UsageError(f"--mount {spec}: there is no source", hint="type=bind,src=/a,dst=/b,ro")
        return Mounted(kind, target, os.path.abspath(source), readonly, propagation=propagation)
    if source and not _NAME.fullmatch(source):
        raise UsageError(f"--mount {spec}: {source!r} cannot be the name of a volume")
    return Mounted(kind, target, source, readonly, anonymous=not source, fill=fill)


def _first(fields: dict[str, str], *keys: str) -> str:
    found = [fields.pop(key) for key in keys if key in fields]
    return found[0] if found else ""
