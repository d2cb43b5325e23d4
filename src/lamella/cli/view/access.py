"""``--secret``, ``--ssh`` and ``--allow``: what the steps of a build may have, as Docker's command line writes it."""

from __future__ import annotations

import os

from lamella.build.allowed import ENTITLEMENTS
from lamella.build.request import AgentSource, SecretSource
from lamella.errors import InputError, UsageError

_SECRET_HINT = "write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE"
_DEFAULT_AGENT = "default"


def parse_secrets(specs: list[str]) -> tuple[SecretSource, ...]:
    """``id=NAME[,src=FILE|,env=VARIABLE][,type=file|env]``; an id alone is the variable of that name, or else the file.

    Raises UsageError, and InputError for a file that cannot be used: before anything is built."""
    return tuple(_secret(spec) for spec in specs)


def _secret(spec: str) -> SecretSource:
    fields = _fields(spec)
    name, env = fields.get("id", ""), fields.get("env", "")
    file = fields.get("src", "") or fields.get("source", "")
    if not name:
        raise UsageError(f"--secret {spec}: there is no id", hint=_SECRET_HINT)
    if fields.get("type") == "env" and not env:
        file, env = "", file
    if not env and not file:
        env, file = (name, "") if name in os.environ else ("", name)
    if env:
        return SecretSource(name, env=env)
    _check_file(name, file)
    return SecretSource(name, file=file)


def _fields(spec: str) -> dict[str, str]:
    import csv

    try:
        record = next(csv.reader([spec], strict=True), [])
    except csv.Error as error:
        raise UsageError(f"--secret {spec}: {error}", hint="quote a whole field: --secret 'id=a,\"src=b,c\"'") from None
    fields: dict[str, str] = {}
    for field in record:
        key, equals, value = field.partition("=")
        key = key.lower()
        if not equals:
            raise UsageError(f"--secret {spec}: {field!r} is not KEY=VALUE", hint=_SECRET_HINT)
        if key not in ("id", "src", "source", "env", "type"):
            raise UsageError(f"--secret {spec}: unexpected key {key!r}", hint=_SECRET_HINT)
        if key == "type" and value not in ("file", "env"):
            raise UsageError(f"--secret {spec}: unsupported type {value!r}", hint="type is file or env")
        fields[key] = value
    return fields


def _check_file(name: str, path: str) -> None:
    from lamella.build.mounts.secret import LIMIT

    try:
        about = os.stat(path)
    except OSError as error:
        raise InputError(
            f"--secret id={name}: the file cannot be found ({error.strerror})", where=path, hint=_SECRET_HINT
        ) from None
    if os.path.isdir(path):
        raise InputError(f"--secret id={name}: this is a folder", where=path, hint="name a file")
    if about.st_size > LIMIT:
        raise InputError(
            f"--secret id={name}: larger than 500 KiB, which is the most",
            where=path,
            hint="give a file that is this large as a named context: --build-context NAME=FOLDER",
        )


def parse_agents(specs: list[str]) -> tuple[AgentSource, ...]:
    """``default``, ``ID`` or ``ID=SOCKET`` or ``ID=KEYFILE[,KEYFILE]``. Raises UsageError, InputError."""
    from lamella.build.mounts.ssh import agent_paths

    agents: dict[str, AgentSource] = {}
    for spec in specs:
        name, _, paths = spec.partition("=")
        source = AgentSource(name or _DEFAULT_AGENT, tuple(paths.split(",")) if paths else ())
        if source.id in agents:
            raise UsageError(
                f"--ssh {spec}: there is an agent {source.id!r} already", hint="give each an id of its own"
            )
        agent_paths(source)
        agents[source.id] = source
    return tuple(agents.values())


def parse_allowed(words: list[str]) -> tuple[str, ...]:
    """Raises UsageError for an entitlement that does not exist."""
    for word in words:
        if word not in ENTITLEMENTS:
            raise UsageError(f"--allow {word}: unknown", hint=f"it is one of {', '.join(ENTITLEMENTS)}")
    return tuple(words)
