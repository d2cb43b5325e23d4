"""``RUN --mount=type=secret``: a file in memory, a variable, or both."""

from __future__ import annotations

import os

from lamella.build.mounts.surroundings import Ready, Surroundings, Wanted
from lamella.build.request import SecretSource
from lamella.errors import DockerfileError, InputError
from lamella.events import Note
from lamella.runtime.protocol import FileMount

LIMIT = 500 << 10  # bytes, as BuildKit
_MODE = 0o400


def open_secret(wanted: Wanted, around: Surroundings) -> Ready:
    """Raises DockerfileError where a required one was not given. One that is not required and was not given is no
    file, and an empty variable, as in BuildKit."""
    step = wanted.step
    source = next((each for each in reversed(around.work.secrets) if each.id == step.id), None)
    if source is None:
        if step.required:
            raise DockerfileError(
                f"the secret {step.id!r} is required and was not given",
                where=around.where,
                hint=f"build with --secret id={step.id},src=FILE or --secret id={step.id},env=VARIABLE",
                code="missing-secret",
            )
        return Ready(env=(f"{step.env}=",) if step.env else ())
    if source.file is None and source.env not in os.environ:
        message = f"the secret {step.id!r} is empty: the variable {source.env} is not set"
        around.work.machine.emit(Note("warning", message, around.where))
    value = read_secret(source)
    env: tuple[str, ...] = ()
    if step.env:
        if b"\0" in value:
            raise DockerfileError(
                f"the secret {step.id!r} holds a NUL byte, which no variable can",
                where=around.where,
                hint="mount it as a file: use target=/path in place of env=",
            )
        env = (f"{step.env}={value.decode('utf-8', 'surrogateescape')}",)
    if not step.target:
        return Ready(env=env)
    mode = _MODE if step.mode is None else step.mode & 0o777
    return Ready(FileMount(step.target, value, mode, step.uid, step.gid), env)


def read_secret(source: SecretSource) -> bytes:
    """Raises InputError, which never shows the value."""
    if source.file is None:
        value = os.environb.get(os.fsencode(source.env or ""), b"")
    else:
        try:
            with open(source.file, "rb") as file:
                value = file.read(LIMIT + 1)
        except OSError as error:
            raise InputError(
                f"the secret {source.id!r} cannot be read: {error.strerror}",
                where=source.file,
                hint="name a readable file with --secret id=NAME,src=FILE",
            ) from None
    if len(value) > LIMIT:
        raise InputError(
            f"the secret {source.id!r} is larger than 500 KiB, which is the most",
            where=source.file,
            hint="give a file that is this large as a named context: --build-context NAME=FOLDER",
        )
    return value
