"""The suite as an ordinary user: the parts that say most, in a pytest of the user's own.

``inside`` are tests that call the rooms: they run in a user namespace, which ``tests/conftest.py`` enters. ``outside``
are those that call the program as a user does, which enters one by itself, or needs none. The rest passes as well:
CONTRIBUTING.md says how to run it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.slow]

PARTS = {
    "inside": (
        "tests/layer/test_unpack.py",
        "tests/snapshot/test_conformance.py",
        "tests/registry/test_transfer.py",
        "tests/runtime",
        "tests/build/test_run.py",
        "tests/build/test_run_isolation.py",
        "tests/build/test_mounts_bind.py",
        "tests/build/test_mounts_cache.py",
        "tests/build/test_mounts_secret.py",
    ),
    "outside": (
        "tests/container/test_life.py",
        "tests/container/test_ports.py",
        "tests/e2e/test_registries.py",
        "tests/e2e/test_secrets.py",
        "tests/registry/test_client.py",
        "tests/store/test_archive.py",
    ),
}
#: of what is skipped there, what may be: it needs root of the machine, or another program that is not installed
_MAY_BE_SKIPPED = re.compile(r"needs root of the machine|is not installed|a user's overlay|/dev/net/tun|dockerd")
_LEAST = 100


@pytest.mark.parametrize("part", PARTS)
def test_the_suite(part: str, user: OrdinaryUser, bases: Path) -> None:
    done = _run_suite(user, part, _readable(bases, user), *PARTS[part], "-m", "not slow")
    print(done.stdout[-20_000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= _LEAST
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert [line for line in skipped if not _MAY_BE_SKIPPED.search(line)] == []


def _readable(bases: Path, user: OrdinaryUser) -> Path:
    """A copy, where the user cannot look into the folder."""
    if user.run("test", "-r", str(bases / "alpine-minirootfs-3.20.3-x86_64.tar.gz")).returncode == 0:
        return bases
    copy = user.home / "bases"
    if not copy.exists():
        shutil.copytree(bases, copy)
        for path in (copy, *copy.iterdir()):
            path.chmod(0o755)
    return copy


def _run_suite(user: OrdinaryUser, part: str, bases: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "LAMELLA_TEST_NAMESPACE": "yes" if part == "inside" else "no",
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{user.home}/hypothesis",
        "TMPDIR": str(user.home),
        "LAMELLA_TEST_BASES": str(bases),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    flags = ("-q", "-p", "no:cacheprovider")
    return user.run(user.python, "-m", "pytest", *flags, *words, cwd=user.repository, timeout=590, **environment)
