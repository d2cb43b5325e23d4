"""A container as ``docker inspect`` shows one. Source: the Docker Engine API, ContainerInspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamella.container.values import RUNNING, Container, State
from lamella.store.instant import format_instant

if TYPE_CHECKING:
    from lamella.container.folder import Folder

_NEVER = "0001-01-01T00:00:00Z"


def container_json(folder: Folder) -> dict[str, Any]:
    """Raises FileNotFoundError where it was removed meanwhile."""
    container, state = folder.container(), folder.state()
    return {
        "Id": container.id,
        "Created": format_instant(container.created),
        "Path": container.args[0],
        "Args": list(container.args[1:]),
        "State": _state(state, folder),
        "Image": container.image_id,
        "Name": f"/{container.name}",
        "Platform": container.platform,
        "LogPath": folder.file("log"),
        "HostnamePath": folder.file("hostname"),
        "HostsPath": folder.file("hosts"),
        "ResolvConfPath": folder.file("resolv.conf"),
        "HostConfig": _host_config(container),
        "Mounts": [
            {
                "Type": one.kind,
                **({"Name": one.source} if one.kind == "volume" else {}),
                "Source": one.source if one.kind == "bind" else "",
                "Destination": one.target,
                "RW": not one.readonly,
            }
            for one in container.mounts
        ],
        "Config": _config(container),
        "NetworkSettings": {
            "IPAddress": state.addresses[0] if state.addresses else "",
            "Ports": _ports(container, state),
        },
    }


def _state(state: State, folder: Folder) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": state.status,
        "Running": state.status == RUNNING,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": format_instant(state.started) if state.started else _NEVER,
        "FinishedAt": format_instant(state.finished) if state.finished else _NEVER,
    }
    if state.health:
        shown["Health"] = {"Status": state.health, "Log": folder.health()}
    return shown


def _host_config(container: Container) -> dict[str, Any]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in container.ports:
        host = {"HostIp": port.address, "HostPort": str(port.host) if port.host else ""}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(host)
    return {
        "NetworkMode": container.network,
        "PortBindings": bindings,
        "AutoRemove": container.remove,
        "Privileged": container.privileged,
        "ReadonlyRootfs": container.readonly,
        "Memory": container.limits.memory,
        "NanoCpus": round(container.limits.cpus * 1_000_000_000),
        "PidsLimit": container.limits.pids or None,
        "Init": container.init,
        "ExtraHosts": list(container.hosts),
        "Dns": list(container.dns),
    }


def _config(container: Container) -> dict[str, Any]:
    return {
        "Hostname": container.hostname,
        "User": container.user,
        "Tty": container.terminal,
        "OpenStdin": container.stdin,
        "Env": list(container.env),
        "Cmd": list(container.args),
        "Image": container.image,
        "WorkingDir": container.cwd,
        "ExposedPorts": {port: {} for port in container.exposed},
        "Labels": dict(container.labels),
        "StopSignal": str(container.stop_signal),
        "StopTimeout": container.stop_timeout,
    }


def _ports(container: Container, state: State) -> dict[str, list[dict[str, str]] | None]:
    shown: dict[str, list[dict[str, str]] | None] = dict.fromkeys(container.exposed)
    for port in state.ports if state.status == RUNNING else ():
        name = f"{port.container}/{port.protocol}"
        shown[name] = [*(shown.get(name) or []), {"HostIp": port.address, "HostPort": str(port.host)}]
    return shown
