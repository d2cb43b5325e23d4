"""The config.json of a bundle. Source: OCI runtime-spec config.md and config-linux.md."""

from __future__ import annotations

from typing import Any

from lamella.runtime import capabilities as caps
from lamella.runtime.protocol import BindMount, Sandbox
from lamella.runtime.seccomp import profile

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


def _mount(target: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _default_mounts(insecure: bool) -> list[dict[str, Any]]:
    access = "rw" if insecure else "ro"
    return [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", access),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", access),
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
    ]


def _user_mount(mount: BindMount) -> dict[str, Any]:
    access = "ro" if mount.readonly else "rw"
    if mount.type == "tmpfs":
        return _mount(mount.target, "tmpfs", "tmpfs", "nosuid", "nodev", access, *mount.options)
    return _mount(mount.target, "bind", mount.source, "rbind", "rprivate", access, *mount.options)


def bundle_config(sandbox: Sandbox, mounts: tuple[BindMount, ...], nofile: tuple[int, int]) -> dict[str, Any]:
    """``mounts`` are those of the sandbox and more, with targets that need no resolving; ``nofile`` the soft and hard
    limit of open files."""
    process = sandbox.process
    insecure = sandbox.security == "insecure"
    chosen = [name for name in caps.NAMES if name in caps.held()] if insecure else list(caps.DEFAULT)
    namespaces = ["pid", "mount", "ipc", "uts"] + (["network"] if sandbox.network == "none" else [])
    user: dict[str, Any] = {"uid": process.uid, "gid": process.gid, "umask": 0o022}
    if process.groups:
        user["additionalGids"] = list(process.groups)
    linux: dict[str, Any] = {"namespaces": [{"type": name} for name in namespaces]}
    if insecure:
        linux["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
    else:
        linux["maskedPaths"] = list(MASKED)
        linux["readonlyPaths"] = list(READONLY)
        linux["seccomp"] = profile(frozenset(chosen))
    return {
        "ociVersion": _SPEC_VERSION,
        "process": {
            "terminal": False,
            "user": user,
            "args": list(process.args),
            "env": list(process.env),
            "cwd": process.cwd,
            "capabilities": {"bounding": chosen, "effective": chosen, "permitted": chosen},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": nofile[0], "hard": nofile[1]}],
            "noNewPrivileges": False,
        },
        "root": {"path": sandbox.rootfs, "readonly": False},
        "hostname": sandbox.hostname,
        "mounts": _default_mounts(insecure) + [_user_mount(mount) for mount in mounts],
        "linux": linux,
    }
