"""``RUN --mount``: options with their defaults, paths made absolute.

Source: the Dockerfile reference, "RUN --mount", and BuildKit for defaults that it does not state.
"""

from __future__ import annotations

import posixpath

from lamella.errors import DockerfileError
from lamella.plan.lowering.paths import absolute_path
from lamella.plan.lowering.state import Lowering
from lamella.plan.step import MountStep, Source, SourceContext
from lamella.syntax.instructions import KeyValue, Mount
from lamella.syntax.mounts import parse_size, resolve_mount

_SECRETS = "/run/secrets"
#: the build argument that keeps the caches of several projects apart
_CACHE_SPACE = "BUILDKIT_CACHE_MOUNT_NS"
_SSH_SOCKET = "/run/buildkit/ssh_agent"


def lower_mounts(lowering: Lowering, mounts: tuple[Mount, ...]) -> tuple[MountStep, ...]:
    """Raises DockerfileError for options that do not go together, and for a mount on ``/``."""
    steps: list[MountStep] = []
    for mount in mounts:
        typed = mount._replace(options=(KeyValue("type", mount.type), *mount.options))
        resolved = resolve_mount(typed, lowering.expand, lowering.place.where)
        sockets = sum(step.type == "ssh" for step in steps)
        steps.append(_lower_mount(lowering, resolved, sockets))
    return tuple(steps)


def _lower_mount(lowering: Lowering, mount: Mount, sockets: int) -> MountStep:
    target = _target(lowering, mount, sockets)
    if target == "/":
        raise lowering.refuse(
            DockerfileError, f"a {mount.type} mount cannot take the place of /", "give it a target=/path"
        )
    mode = mount.option("mode")
    step = MountStep(
        type=mount.type,
        target=target,
        readonly=mount.option("readonly") == "true",
        id=_id(lowering, mount),
        mode=int(mode, 8) if mode else None,
        uid=int(mount.option("uid") or 0),
        gid=int(mount.option("gid") or 0),
        size=parse_size(mount.option("size") or "0") or 0,
        required=mount.option("required") == "true",
        env=mount.option("env") or "",
        sharing=mount.option("sharing") or "shared",
    )
    if mount.type not in ("bind", "cache"):
        return step
    source_path = posixpath.normpath("/" + (mount.option("source") or "")).lstrip("/")
    return step._replace(source=_source(lowering, mount), source_path=source_path)


def _target(lowering: Lowering, mount: Mount, sockets: int) -> str:
    """Absolute; a secret that is only a variable has none ("")."""
    target = mount.option("target") or ""
    if mount.type == "secret" and not target:
        if mount.option("env"):
            return ""
        target = f"{_SECRETS}/{posixpath.basename(_secret_id(mount))}"
    if mount.type == "ssh" and not target:
        target = f"{_SSH_SOCKET}.{sockets}"
    return absolute_path(target, lowering.working_dir)


def _id(lowering: Lowering, mount: Mount) -> str:
    if mount.type == "cache":
        name = mount.option("id") or posixpath.normpath(mount.option("target") or "")
        space = lowering.given.get(_CACHE_SPACE)
        return f"{space}/{name}" if space else name
    if mount.type == "ssh":
        return mount.option("id") or "default"
    return _secret_id(mount) if mount.type == "secret" else ""


def _secret_id(mount: Mount) -> str:
    return mount.option("id") or mount.option("source") or posixpath.basename(mount.option("target") or "")


def _source(lowering: Lowering, mount: Mount) -> Source | None:
    """None for a cache that starts empty."""
    name = mount.option("from")
    if name:
        return lowering.source(name)
    return lowering.uses(SourceContext()) if mount.type == "bind" else None
