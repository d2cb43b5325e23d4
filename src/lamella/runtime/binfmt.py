"""Whether programs of another architecture run here: natively, or by an interpreter that binfmt_misc knows.

Source: Linux, Documentation/admin-guide/binfmt-misc.rst; ELF(5), e_machine.
"""

from __future__ import annotations

import os

from lamella.errors import MachineError
from lamella.oci.platform import Platform, normalize_platform, serving
from lamella.userns.standing import ROOT, current

BINFMT = "/proc/sys/fs/binfmt_misc"
#: e_machine, class (1: 32 bits, 2: 64 bits), byte order (1: little, 2: big)
_MACHINES = {
    "386": (3, 1, 1),
    "amd64": (62, 2, 1),
    "arm": (40, 1, 1),
    "arm64": (183, 2, 1),
    "loong64": (258, 2, 1),
    "mips": (8, 1, 2),
    "mips64": (8, 2, 2),
    "mips64le": (8, 2, 1),
    "mipsle": (8, 1, 1),
    "ppc64": (21, 2, 2),
    "ppc64le": (21, 2, 1),
    "riscv64": (243, 2, 1),
    "s390x": (22, 2, 2),
}
_HINT = (
    "install an emulator (Debian: apt-get install qemu-user-static binfmt-support), or compile in a stage of this "
    "machine's own: FROM --platform=$BUILDPLATFORM"
)


def require_platform(platform: Platform, where: str, *, folder: str | None = None, machine: str | None = None) -> None:
    """Raises MachineError where this machine cannot execute programs for ``platform``. ``folder`` is where binfmt_misc
    is mounted (None: where it always is), ``machine`` what the kernel calls this machine."""
    host = normalize_platform("linux", machine or os.uname().machine)
    if platform.architecture in {each.architecture for each in serving(host)}:
        return
    reason = _why_not(platform.architecture, folder) if folder else _look(platform.architecture)
    if reason is not None:
        raise MachineError(
            f"this machine ({host}) cannot execute programs for {platform}",
            where=where,
            detail=reason,
            hint=_HINT,
            code="no-emulation",
        )


def _look(architecture: str) -> str | None:
    """By what binfmt_misc says. Containers and chroots often do not have it mounted, while the kernel does use it: it
    is then mounted for the eyes of one thread, with which it goes."""
    if os.path.exists(f"{BINFMT}/status") or current().kind != ROOT:  # a namespace's own knows no interpreter
        return _why_not(architecture, BINFMT)
    import threading

    from lamella.runtime import kernel

    found: list[str | None] = []

    def look() -> None:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
            kernel.mount("binfmt_misc", BINFMT, "binfmt_misc", 0)
        except OSError:
            pass  # then it is not mounted, which is the answer
        found.append(_why_not(architecture, BINFMT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def _why_not(architecture: str, folder: str) -> str | None:
    """None where an interpreter is registered and can be reached from inside of an image."""
    if architecture not in _MACHINES:
        return "no emulator is known for it"
    if not os.path.exists(f"{folder}/status"):
        return f"binfmt_misc is not mounted at {folder}"
    if _read(f"{folder}/status").strip() == "disabled":
        return "binfmt_misc is switched off"
    reason = f"no interpreter for {architecture} is registered with binfmt_misc"
    header = _elf_header(*_MACHINES[architecture])
    for name in sorted(os.listdir(folder)):
        if name in ("status", "register"):
            continue
        enabled, fields = _entry(_read(f"{folder}/{name}"))
        if not enabled or not _matches(header, fields):
            continue
        if "F" in fields.get("flags:", ""):
            return None
        reason = f"{fields.get('interpreter', name)} is registered without the flag F, so it is not found in an image"
    return reason


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _entry(text: str) -> tuple[bool, dict[str, str]]:
    """``enabled`` and lines such as ``interpreter /usr/bin/qemu``, ``flags: OCF``, ``magic 7f45…``."""
    lines = text.splitlines()
    return lines[:1] == ["enabled"], dict(line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2)


def _matches(header: bytes, fields: dict[str, str]) -> bool:
    try:
        magic = bytes.fromhex(fields.get("magic", ""))
        mask = bytes.fromhex(fields["mask"]) if "mask" in fields else b"\xff" * len(magic)
        offset = int(fields.get("offset", "0"))
    except ValueError:
        return False
    part = header[offset : offset + len(magic)]
    return bool(magic) and all(
        byte & bits == wanted & bits for byte, bits, wanted in zip(part, mask, magic, strict=False)
    )


def _elf_header(number: int, bits: int, order: int) -> bytes:
    """The first bytes of an executable, as far as rules look at it."""
    byteorder = "little" if order == 1 else "big"
    ident = b"\x7fELF" + bytes((bits, order, 1)) + bytes(9)
    return ident + (2).to_bytes(2, byteorder) + number.to_bytes(2, byteorder)  # type: ignore[arg-type]
