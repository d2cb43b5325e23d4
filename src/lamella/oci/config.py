"""The image config: how a container runs, the diff IDs, the history.

Source: OCI image-spec config.md; ``Healthcheck``, ``OnBuild`` and ``Shell`` are Docker's additions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lamella.errors import ImageInvalid
from lamella.oci.digest import DiffID, Digest
from lamella.oci.manifest import canonical_json, parse_json_object
from lamella.oci.platform import Platform, normalize_platform


class HistoryEntry(NamedTuple):
    """``created`` is RFC 3339 text, "" where unsaid."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name in ("created", "created_by", "author", "comment"):
            value = getattr(self, name)
            if value:
                data[name] = value
        if self.empty_layer:
            data["empty_layer"] = True
        return data


class Healthcheck(NamedTuple):
    """Times are in nanoseconds, 0 means inherited or default, as in Docker's API."""

    test: tuple[str, ...]
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


_HEALTHCHECK_KEYS = (
    ("Interval", "interval"),
    ("Timeout", "timeout"),
    ("StartPeriod", "start_period"),
    ("StartInterval", "start_interval"),
    ("Retries", "retries"),
)


class RunConfig(NamedTuple):
    """The ``config`` object: what a container of the image starts with. None means not set."""

    user: str = ""
    env: tuple[str, ...] = ()  # "NAME=value"
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()  # "8080/tcp"
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False
    other: tuple[tuple[str, Any], ...] = ()  # keys this version does not know, kept as they came

    def env_map(self) -> dict[str, str]:
        """Later settings win; an entry without ``=`` counts as empty."""
        return {name: value for name, _, value in (entry.partition("=") for entry in self.env)}

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if self.user:
            data["User"] = self.user
        if self.exposed_ports:
            data["ExposedPorts"] = {port: {} for port in self.exposed_ports}
        if self.env:
            data["Env"] = list(self.env)
        if self.entrypoint is not None:
            data["Entrypoint"] = list(self.entrypoint)
        if self.cmd is not None:
            data["Cmd"] = list(self.cmd)
        if self.healthcheck is not None:
            data["Healthcheck"] = _healthcheck_to_json(self.healthcheck)
        if self.args_escaped:
            data["ArgsEscaped"] = True
        if self.volumes:
            data["Volumes"] = {path: {} for path in self.volumes}
        if self.working_dir:
            data["WorkingDir"] = self.working_dir
        if self.labels:
            data["Labels"] = dict(self.labels)
        if self.stop_signal:
            data["StopSignal"] = self.stop_signal
        if self.on_build:
            data["OnBuild"] = list(self.on_build)
        if self.shell is not None:
            data["Shell"] = list(self.shell)
        data.update(self.other)
        return data


class ImageConfig(NamedTuple):
    """``raw`` is b"" for a config that was made here and not yet encoded; ``created`` is RFC 3339 text."""

    raw: bytes
    platform: Platform
    config: RunConfig
    diff_ids: tuple[DiffID, ...]
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    author: str = ""
    other: tuple[tuple[str, Any], ...] = ()

    @property
    def image_id(self) -> Digest:
        """Digest of the config, which is what Docker calls the image ID."""
        return Digest.of(self.raw)

    def encode(self) -> ImageConfig:
        """The same config with ``raw`` made anew from its fields."""
        data: dict[str, Any] = {}
        if self.created:
            data["created"] = self.created
        if self.author:
            data["author"] = self.author
        data["architecture"] = self.platform.architecture
        if self.platform.variant:
            data["variant"] = self.platform.variant
        data["os"] = self.platform.os
        data["config"] = self.config.to_json()
        data["rootfs"] = {"type": "layers", "diff_ids": [str(diff_id) for diff_id in self.diff_ids]}
        data["history"] = [entry.to_json() for entry in self.history]
        data.update(self.other)
        return self._replace(raw=canonical_json(data))


_RUN_KEYS = {
    "User", "Env", "Entrypoint", "Cmd", "WorkingDir", "ExposedPorts", "Volumes", "Labels", "StopSignal",
    "Healthcheck", "Shell", "OnBuild", "ArgsEscaped",
}  # fmt: skip
_IMAGE_KEYS = {"created", "author", "architecture", "variant", "os", "config", "rootfs", "history"}
#: left over from a build by Docker's old builder; they describe that builder's container, not the image
_DROPPED = {"container", "container_config", "docker_version", "id", "parent"}


def parse_config(raw: bytes, where: str) -> ImageConfig:
    """Raises ImageInvalid, naming ``where``. Docker's and OCI's configs are both read."""
    data = parse_json_object(raw, where)
    rootfs = data.get("rootfs")
    if not isinstance(rootfs, dict) or not isinstance(rootfs.get("diff_ids") or [], list):
        raise ImageInvalid("the image config has no rootfs with diff_ids", where=where)
    history = data.get("history") or []
    if not isinstance(history, list) or not all(isinstance(entry, dict) for entry in history):
        raise ImageInvalid("the history of the image config is not a list of objects", where=where)
    try:
        run = _run_config(data.get("config") or {})
    except (TypeError, ValueError, AttributeError) as error:
        raise ImageInvalid(f"the image config has a field of the wrong type ({error})", where=where) from None
    return ImageConfig(
        raw,
        normalize_platform(
            str(data.get("os") or "linux"),
            str(data.get("architecture") or "amd64"),
            str(data.get("variant") or ""),
        ),
        run,
        tuple(DiffID.parse(diff_id) for diff_id in rootfs.get("diff_ids") or []),
        tuple(_history_entry(entry) for entry in history),
        str(data.get("created") or ""),
        str(data.get("author") or ""),
        tuple((key, value) for key, value in data.items() if key not in _IMAGE_KEYS | _DROPPED),
    )


def _history_entry(data: dict[str, Any]) -> HistoryEntry:
    return HistoryEntry(
        created=str(data.get("created") or ""),
        created_by=str(data.get("created_by") or ""),
        author=str(data.get("author") or ""),
        comment=str(data.get("comment") or ""),
        empty_layer=data.get("empty_layer") is True,
    )


def _words(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError("expected a list of strings")
    return tuple(value)


def _run_config(data: dict[str, Any]) -> RunConfig:
    health = data.get("Healthcheck")
    return RunConfig(
        user=str(data.get("User") or ""),
        env=_words(data.get("Env")) or (),
        entrypoint=_words(data.get("Entrypoint")),
        cmd=_words(data.get("Cmd")),
        working_dir=str(data.get("WorkingDir") or ""),
        exposed_ports=tuple(data.get("ExposedPorts") or ()),
        volumes=tuple(data.get("Volumes") or ()),
        labels=tuple((str(key), str(value)) for key, value in (data.get("Labels") or {}).items()),
        stop_signal=str(data.get("StopSignal") or ""),
        healthcheck=_healthcheck(health) if health else None,
        shell=_words(data.get("Shell")),
        on_build=_words(data.get("OnBuild")) or (),
        args_escaped=bool(data.get("ArgsEscaped")),
        other=tuple((key, value) for key, value in data.items() if key not in _RUN_KEYS),
    )


def _healthcheck(data: dict[str, Any]) -> Healthcheck:
    times = {field: int(data.get(key) or 0) for key, field in _HEALTHCHECK_KEYS}
    return Healthcheck(_words(data.get("Test")) or (), **times)


def _healthcheck_to_json(health: Healthcheck) -> dict[str, Any]:
    data: dict[str, Any] = {"Test": list(health.test)} if health.test else {}
    for key, field in _HEALTHCHECK_KEYS:
        if value := getattr(health, field):
            data[key] = value
    return data
