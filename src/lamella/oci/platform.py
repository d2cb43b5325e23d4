"""Platforms: ``os/architecture[/variant]``. Source: OCI image-spec image-index.md and containerd's normalisation."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from lamella.errors import InputError

_ARCHITECTURE = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}


_KNOWN = (
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
)  # fmt: skip


class Platform(NamedTuple):
    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)

    def matches(self, wanted: Platform) -> bool:
        """Whether an image of this platform serves one who wants ``wanted`` (an unsaid variant fits any)."""
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return False
        return not (self.variant and wanted.variant) or self.variant == wanted.variant


def normalize_platform(os: str, architecture: str, variant: str = "") -> Platform:
    """The names that images use: ``x86_64`` becomes ``amd64``, arm64's ``v8`` and amd64's ``v1`` are left unsaid."""
    os, architecture = os.lower(), architecture.lower()
    architecture, implied = _ARCHITECTURE.get(architecture, (architecture, ""))
    variant = variant.lower() or implied
    if architecture == "arm" and variant.isdigit():
        variant = "v" + variant
    if (architecture, variant) in {("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")}:
        variant = ""
    if architecture == "arm" and not variant:
        variant = "v7"
    return Platform({"macos": "darwin"}.get(os, os), architecture, variant)


def parse_platform(text: str, default_os: str = "linux") -> Platform:
    """``linux/arm64/v8``, ``linux/amd64`` or a bare ``amd64``. Raises InputError."""
    parts = text.strip().split("/")
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise InputError(f"{text!r} is not a platform", hint="write os/architecture, for example linux/amd64")
    if len(parts) == 1:
        if parts[0].lower() in {"linux", "windows", "darwin", "freebsd"}:
            raise InputError(f"platform {text!r} names no architecture", hint=f"write {parts[0]}/amd64")
        platform = normalize_platform(default_os, parts[0])
        if platform.architecture not in _KNOWN:
            raise InputError(
                f"{text!r} is no architecture that is known",
                hint=f"write one of {', '.join(_KNOWN)}, or os/architecture",
            )
        return platform
    return normalize_platform(*parts)


def serving(wanted: Platform) -> tuple[Platform, ...]:
    """The platforms whose images run on ``wanted``, the best first: itself, older variants, and the 32-bit kin. Source:
    containerd's platform vector."""
    os, architecture, variant = wanted
    level = int(variant[1:]) if variant[1:].isdecimal() else 0
    if architecture == "amd64":
        older = [normalize_platform(os, "amd64", f"v{one}") for one in range(level - 1, 0, -1)]
        return (wanted, *older, Platform(os, "386"))
    if architecture == "arm64":
        return (wanted, *serving(Platform(os, "arm", variant or "v8")))
    if architecture == "arm":
        return (wanted, *(Platform(os, "arm", f"v{one}") for one in range(level - 1, 4, -1)))
    return (wanted,)


def best_match(offered: Collection[Platform], wanted: Platform) -> Platform | None:
    """The one of ``offered`` to take for ``wanted``; an unsaid variant fits any."""
    exact = (platform for platform in serving(wanted) if platform in offered)
    return next(exact, None) or next((platform for platform in offered if platform.matches(wanted)), None)
