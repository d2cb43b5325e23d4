"""What is asked of a runtime: one process in a root file system, isolated."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class BindMount(NamedTuple):
    """A file, folder or socket of this machine."""

    target: str
    source: str
    readonly: bool = False
    options: tuple[str, ...] = ()


class TmpfsMount(NamedTuple):
    """An empty folder in memory. ``size`` is its limit in bytes, 0 for the kernel's own. Its mode is that of the folder
    in whose place it comes, or 1777. ``options`` are mount(8)'s own (``mode=700``, ``noexec``)."""

    target: str
    size: int = 0
    readonly: bool = False
    options: tuple[str, ...] = ()


class FileMount(NamedTuple):
    """A read-only file that exists only in memory and only as long as the process: its content reaches no disk, and
    nothing is left of it whatever way we die. ``alone``: its folder holds nothing else and is read-only, too."""

    target: str
    content: bytes
    mode: int = 0o400
    uid: int = 0
    gid: int = 0
    alone: bool = False


Mount = BindMount | TmpfsMount | FileMount


class Process(NamedTuple):
    """``user`` is resolved: numbers only. ``args[0]`` is looked up in PATH of ``env`` inside the root file system."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


class Limits(NamedTuple):
    """What control groups allow; 0 is no limit. ``memory`` in bytes, ``cpus`` in processors (1.5 is one and a half)."""

    memory: int = 0
    cpus: float = 0.0
    pids: int = 0


class Sandbox(NamedTuple):
    """``mounts`` are made in the order of their targets, so that one may lie inside of another. ``process.env`` reaches
    no disk. ``network`` is ``host`` or ``none``; ``network_namespace``, where it is set, is the path of the network
    namespace to join, as this process sees it (``/proc/self/fd/N`` is one). ``security`` is ``sandbox`` (Docker's
    default capabilities, seccomp, masked paths) or ``insecure``; ``capabilities`` None are the default ones.
    ``terminal``: the process gets a terminal of its own, whose other side is the runtime's standard input and output,
    which must be a terminal too. ``show_cgroups``: /sys/fs/cgroup is there, whatever its version."""

    rootfs: str
    process: Process
    mounts: tuple[Mount, ...] = ()
    network: str = "host"
    security: str = "sandbox"
    hostname: str = "lamella"
    network_namespace: str = ""
    readonly: bool = False
    terminal: bool = False
    capabilities: tuple[str, ...] | None = None
    limits: Limits = Limits()
    show_cgroups: bool = False


Output = Callable[[int, bytes], None]
"""Called with the stream (1 or 2) and the bytes as they come, from one thread at a time."""


class Runner(Protocol):
    @property
    def name(self) -> str: ...

    def run(self, sandbox: Sandbox, output: Output) -> int:
        """Runs to the end and returns the exit status (128 + n for signal n).

        Raises MachineError when the runtime itself fails, StepFailed-like statuses 126/127 are returned when the
        program cannot be executed or is not found. Leaves no process, mount or state behind, nor mount points that it
        made in ``rootfs`` (their parents' times are restored). A KeyboardInterrupt kills the process first."""
        ...

    def stop(self) -> None:
        """Kills what runs, in whichever thread: ``run`` raises Interrupted, now and from now on."""
        ...

    def close(self) -> None:
        """Gives back what this process holds. Nothing may run any more."""
        ...

    def recover(self) -> None:
        """Removes containers that dead builds left behind."""
        ...
