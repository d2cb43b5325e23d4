from __future__ import annotations

import pytest

from lamella.shell.dialect import Dialect, UnknownShell, read_shell


@pytest.mark.parametrize(
    ("argv", "dialect"),
    [
        (("/bin/sh", "-c"), Dialect("sh")),
        (("sh", "-ec"), Dialect("sh", errexit=True)),
        (("/bin/ash", "-eo", "pipefail", "-c"), Dialect("sh", errexit=True)),
        (("/bin/busybox", "ash", "-c"), Dialect("sh")),
        (("/usr/bin/bash", "-c"), Dialect("bash")),
        (("/bin/bash", "-o", "pipefail", "-c"), Dialect("bash")),
        (("/bin/bash", "-euxo", "pipefail", "-c"), Dialect("bash", errexit=True, nounset=True)),
        (("/bin/bash", "-o", "errexit", "-o", "nounset", "-c"), Dialect("bash", errexit=True, nounset=True)),
        (("/bin/bash", "-c", "-e", "+e"), Dialect("bash")),
        (("bash", "--norc", "-c"), Dialect("bash")),
        (("bash", "--posix", "-c"), Dialect("sh")),
    ],
)
def test_known(argv: tuple[str, ...], dialect: Dialect) -> None:
    assert read_shell(argv) == dialect


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("",),
        ("powershell", "-Command"),
        ("cmd", "/S", "/C"),
        ("/bin/zsh", "-c"),
        ("/bin/bash",),
        ("/bin/bash", "-e"),
        ("/bin/bash", "-lc"),
        ("/bin/bash", "--login", "-c"),
        ("/bin/bash", "-i", "-c"),
        ("/bin/bash", "script", "-c"),
        ("/bin/bash", "-c", ""),
        ("/usr/bin/env", "bash", "-c"),
    ],
)
def test_unknown(argv: tuple[str, ...]) -> None:
    found = read_shell(argv)
    assert isinstance(found, UnknownShell)
    assert found.reason
