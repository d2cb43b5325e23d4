"""Images made of a few entries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from lamella.filetree.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry
from lamella.oci.config import ImageConfig, RunConfig
from lamella.oci.platform import Platform
from lamella.prove.model import Side

NO_CONFIG = RunConfig()
AMD64 = Platform("linux", "amd64")


@pytest.fixture(scope="session")
def make_file() -> Callable[..., Entry]:
    def make(path: str, content: bytes = b"x", **fields: object) -> Entry:
        digest = hashlib.sha256(content).hexdigest()
        return Entry(path, FILE, size=len(content), digest=digest)._replace(**fields)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def make_side() -> Callable[..., Side]:
    """``make_side(entries, config=RunConfig(…), platform=…, name=…)``."""

    def make(
        entries: list[Entry],
        config: RunConfig = NO_CONFIG,
        platform: Platform = AMD64,
        name: str = "image",
    ) -> Side:
        tree = {entry.path: entry for entry in entries}
        return Side(name, tree, ImageConfig(b"", platform, config, ()))

    return make


@pytest.fixture(scope="session")
def sample(make_file: Callable[..., Entry]) -> list[Entry]:
    """One path of each kind, a hard-link pair, a setuid file, an attribute."""
    return [
        Entry("", DIRECTORY, 0o755),
        Entry("bin", DIRECTORY, 0o755),
        make_file("bin/su", b"program", mode=0o4755),
        make_file("bin/busybox", b"many", mode=0o755),
        Entry("bin/sh", HARDLINK, 0o755, link="bin/busybox"),
        Entry("bin/bash", SYMLINK, 0o777, link="sh"),
        make_file("bin/ping", b"p", xattrs=(("security.capability", b"\1\2"),)),
        Entry("dev", DIRECTORY, 0o755),
        Entry("dev/null", "c", 0o666, major=1, minor=3),
        Entry("dev/sda", "b", 0o660, major=8),
        Entry("dev/pipe", "p", 0o644),
        make_file("etc/passwd", b"root:x:0:0\n", uid=1, gid=2),
    ]
