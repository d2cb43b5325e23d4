"""Where the bench's base comes from: a real Alpine when one lies ready, else Debian's BusyBox."""

from __future__ import annotations

import os
import shutil

from peers import find_program, quiet

ALPINE = "alpine-minirootfs-3.20.3-x86_64.tar.gz"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def debian_rootfs(folder: str) -> str:
    """Path of a tar of Debian's packages as ``scripts/bases`` keeps it. Raises Unavailable where they cannot be had."""
    store = os.path.join(folder, "bases")
    quiet([os.path.join(REPOSITORY, "scripts", "bases"), "debian:bookworm"], {"LAMELLA_ROOT": store})
    shutil.rmtree(store)
    return os.path.join(REPOSITORY, ".demo", "bases", "debian-bookworm.tar")


def base_rootfs(folder: str) -> tuple[str, str]:
    """Path of a tar of a root file system, and words on its origin."""
    bases = os.environ.get("LAMELLA_BASES") or os.path.join(os.path.dirname(REPOSITORY), "shared", "bases")
    alpine = os.path.join(bases, ALPINE)
    if os.path.isfile(alpine):
        return alpine, "Alpine's own root file system"
    made = os.path.join(folder, "busybox.tar")
    quiet([os.path.join(REPOSITORY, "scripts", "busybox-rootfs"), made])
    return made, f"{find_program('busybox')} (no Alpine root file system in {bases})"
