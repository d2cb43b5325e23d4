"""Cache keys: a step's definition in canonical bytes, and the key made of it, what is below and what is read.

In a definition stands everything of the step that can change what it writes: nothing of where it stands in the
Dockerfile, of the config that it hands on, of proxies, and no secret's value (the plan never sees one). What is read
from a context, a stage or an image is not in it either: for that the engine adds a digest of the contents.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lamella.plan.step import ConfigStep, CopyStep, MountStep, RunStep, SourceContext, Step, WorkdirStep

#: first word of every definition; another number makes all earlier keys void
VERSION = "lamella-step-1"


def step_definition(step: Step) -> bytes:
    """The same bytes for two steps exactly when they do the same to the same files."""
    data: dict[str, Any]
    match step:
        case RunStep():
            data = _run(step)
        case CopyStep():
            data = _copy(step)
        case WorkdirStep():
            data = {"kind": "workdir", "path": step.path, "user": step.user}
        case ConfigStep():
            data = {"kind": "config"}
    text = json.dumps([VERSION, data], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def cache_key(parent: str, definition: bytes, contents: str = "") -> str:
    """64 hex digits. ``parent`` stands for the file system below, ``contents`` for all that the step reads.

    Lengths go before each part, so that no two different triples are the same bytes.
    """
    state = hashlib.sha256()
    for part in (parent.encode(), definition, contents.encode()):
        state.update(b"%d:" % len(part))
        state.update(part)
    return state.hexdigest()


def _run(step: RunStep) -> dict[str, Any]:
    return {
        "kind": "run",
        "argv": step.argv,
        "env": step.env,
        "cwd": step.cwd,
        "user": step.user,
        "mounts": [_mount(mount) for mount in step.mounts],
        "network": step.network,
        "security": step.security,
        "hostname": step.hostname,
        "script": None if step.script is None else _sha256(step.script),
        "script_name": step.script_name,
    }


def _mount(mount: MountStep) -> dict[str, Any]:
    """A secret's or an agent's identity and place. Of a source only that there is one: where in it the files lie says
    nothing of them. Which cache it is does not matter, as in BuildKit: a step must not depend on what is in it. There a
    cache with default settings differs from all others, so here too."""
    data = mount._asdict()
    data["source"] = None if mount.source is None else "files"
    data["source_path"] = ""
    if mount.type == "cache" and (mount.id, mount.sharing) != (mount.target, "shared"):
        data["id"] = data["sharing"] = ""
    return data


def _copy(step: CopyStep) -> dict[str, Any]:
    return {
        "kind": "copy",
        # owners of a context's files are not kept, those of a stage's or an image's files are
        "from_context": isinstance(step.source, SourceContext),
        "sources": step.sources,
        "destination": step.destination,
        "inline": [(file.name, _sha256(file.content)) for file in step.inline],
        "remotes": [_without_credentials(address) for address in step.remotes],
        "chown": step.chown,
        "chmod": step.chmod,
        "link": step.link,
        "parents": step.parents,
        "excludes": step.excludes,
        "add": step.add,
        "unpack": step.unpack,
        "checksum": step.checksum,
        "keep_git_dir": step.keep_git_dir,
    }


def _without_credentials(address: str) -> str:
    """Neither a user nor a password says anything of the content."""
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else address


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
