"""The config.json of a bundle. Source: OCI runtime-spec config.md and config-linux.md."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from lamella.runtime import capabilities as caps
from lamella.runtime.devices import insecure_devices
from lamella.runtime.limits import limiting
from lamella.runtime.protocol import BindMount, Sandbox, TmpfsMount
from lamella.runtime.seccomp import profile
from lamella.userns import Standing

_SPEC_VERSION = "1.0.2"

#: what a process in a container has no business to read
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

#: the mounts whose mount points lie in the root file system itself; the others lie inside of these
BASE_TARGETS = ("/proc", "/dev", "/sys")


#: the sets of capabilities that a process gets; where nothing is withheld, they survive a change of user too
_SETS = ("bounding", "effective", "permitted")
_ALL_SETS = (*_SETS, "inheritable", "ambient")


def _mount(target: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


class HostFacts(NamedTuple):
    """What a bundle depends on: the soft and hard limit of open files, the capabilities that may be handed on, and
    whether control groups are of version 2 alone."""

    nofile: tuple[int, int]
    capabilities: frozenset[str]
    cgroup2: bool
    standing: Standing = Standing("root")


def _default_mounts(sandbox: Sandbox, host: HostFacts) -> list[dict[str, Any]]:
    access = "rw" if sandbox.security == "insecure" else "ro"
    # The group "tty" of most images, where there is such a number.
    tty = ["gid=5"] if host.standing.has(0, 5) else []
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *tty),
        _sys_mount(host, sandbox.network, access),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ]
    if _shows_cgroups(sandbox, host):
        mounts.append(_mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", access))
    return mounts


def _shows_cgroups(sandbox: Sandbox, host: HostFacts) -> bool:
    """Of version 1 each controller is a mount of its own, which every RUN would pay for."""
    return host.cgroup2 or (sandbox.show_cgroups and not host.standing.in_namespace)


def _sys_mount(host: HostFacts, network: str, access: str) -> dict[str, Any]:
    """A sysfs of one's own can be mounted by who owns the network namespace."""
    if host.standing.in_namespace and network == "host":
        return _mount("/sys", "none", "/sys", "rbind", "rslave", "nosuid", "noexec", "nodev", "ro")
    return _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access)


def _user_mount(mount: BindMount | TmpfsMount, host: HostFacts) -> dict[str, Any]:
    access = "ro" if mount.readonly else "rw"
    if isinstance(mount, TmpfsMount):
        options = [f"size={mount.size}"] * bool(mount.size)
        return _mount(mount.target, "tmpfs", "tmpfs", "nosuid", access, *options, *mount.options)
    locked = _locked(mount.source) if host.standing.in_namespace else ()
    return _mount(mount.target, "bind", mount.source, "rbind", "rprivate", access, *mount.options, *locked)


def _locked(source: str) -> tuple[str, ...]:
    """What a user namespace may not take from a mount of the machine's, such as a /home without setuid programs: the
    runtime has to ask for it. Source: mount_namespaces(7), "locked flags"."""
    try:
        flags = os.statvfs(source).f_flag
    except OSError:  # of the bundle, which is there later, and our own
        return ()
    names = ((os.ST_RDONLY, "ro"), (os.ST_NOSUID, "nosuid"), (os.ST_NODEV, "nodev"), (os.ST_NOEXEC, "noexec"))
    return tuple(name for flag, name in names if flags & flag)


def _namespaces(sandbox: Sandbox, cgroups: bool) -> list[dict[str, str]]:
    names = ["pid", "mount", "ipc", "uts", *(["cgroup"] if cgroups else [])]
    namespaces = [{"type": name} for name in names]
    if sandbox.network_namespace:
        namespaces.append({"type": "network", "path": sandbox.network_namespace})
    elif sandbox.network == "none":
        namespaces.append({"type": "network"})
    return namespaces


def bundle_config(sandbox: Sandbox, mounts: tuple[BindMount | TmpfsMount, ...], host: HostFacts) -> dict[str, Any]:
    """``mounts`` are those of the sandbox and more, with targets that need no resolving. The network namespace
    of the sandbox is where the runtime finds it."""
    process = sandbox.process
    insecure = sandbox.security == "insecure"
    wanted = sandbox.capabilities if sandbox.capabilities is not None else caps.NAMES if insecure else caps.DEFAULT
    chosen = [name for name in wanted if name in host.capabilities]
    # The primary group stands among the others too, as in Docker (CVE-2022-36109).
    groups = [group for group in dict.fromkeys((process.gid, *process.groups)) if host.standing.has(0, group)]
    linux: dict[str, Any] = {"namespaces": _namespaces(sandbox, _shows_cgroups(sandbox, host))}
    resources = limiting(sandbox.limits)
    if insecure:
        resources["devices"] = [{"allow": True, "access": "rwm"}]
        linux["devices"] = insecure_devices()
    else:
        linux["maskedPaths"] = list(MASKED)
        linux["readonlyPaths"] = list(READONLY)
        linux["seccomp"] = profile(frozenset(chosen))
    if resources:
        linux["resources"] = resources
    return {
        "ociVersion": _SPEC_VERSION,
        "process": {
            "terminal": sandbox.terminal,
            "user": {"uid": process.uid, "gid": process.gid, "additionalGids": groups, "umask": 0o022},
            "args": list(process.args),
            "env": list(process.env),
            "cwd": process.cwd,
            "capabilities": dict.fromkeys(_ALL_SETS if insecure else _SETS, chosen),
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": host.nofile[0], "hard": host.nofile[1]}],
            "noNewPrivileges": False,
        },
        "root": {"path": sandbox.rootfs, "readonly": sandbox.readonly},
        "hostname": sandbox.hostname,
        "mounts": _default_mounts(sandbox, host) + [_user_mount(mount, host) for mount in mounts],
        "linux": linux,
    }
