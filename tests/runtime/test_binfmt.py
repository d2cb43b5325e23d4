"""Which programs run here, by what binfmt_misc says; the files are as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella.errors import MachineError
from lamella.oci.platform import parse_platform
from lamella.runtime.binfmt import require_platform

#: as Debian's qemu-user-static registers it
AARCH64 = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
S390X = """enabled
interpreter /usr/bin/qemu-s390x-static
flags: F
offset 0
magic 7f454c4602020100000000000000000000020016
mask ffffffffffffff00fffffffffffffffffffeffff
"""
PYTHON = "enabled\ninterpreter /usr/bin/python3.11\nflags: F\noffset 0\nmagic a70d0d0a\n"
JAR = "enabled\ninterpreter /usr/bin/jexec\nflags: F\nextension .jar\n"


@pytest.fixture
def binfmt(tmp_path: Path) -> Path:
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").touch()
    (tmp_path / "python3.11").write_text(PYTHON)
    (tmp_path / "jar").write_text(JAR)
    (tmp_path / "broken").write_text("enabled\nmagic xyz\noffset q\n")
    return tmp_path


def refused(folder: Path, platform: str, machine: str = "x86_64") -> str:
    """Why it is not run, "" where it is."""
    try:
        require_platform(parse_platform(platform), "Dockerfile:1", folder=str(folder), machine=machine)
    except MachineError as error:
        assert error.exit_code == 3
        return str(error.detail)
    return ""


def test_what_the_machine_runs_itself(tmp_path: Path) -> None:
    for machine, platform in (
        ("x86_64", "amd64"),
        ("x86_64", "386"),
        ("x86_64", "linux/amd64/v3"),
        ("aarch64", "arm64"),
    ):
        assert refused(tmp_path / "missing", platform, machine) == ""
    assert refused(tmp_path / "missing", "linux/arm/v7", "aarch64") == ""


def test_an_interpreter_that_is_found_everywhere(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(AARCH64.format(flags="OCPF"))
    (binfmt / "any name").write_text(S390X)
    assert refused(binfmt, "arm64") == ""
    assert refused(binfmt, "linux/arm64/v8") == ""
    assert refused(binfmt, "s390x") == ""
    assert "no interpreter for arm " in refused(binfmt, "linux/arm/v7")
    assert "no interpreter for riscv64" in refused(binfmt, "riscv64")


def test_an_interpreter_that_an_image_would_not_find(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(AARCH64.format(flags="OC"))
    assert "without the flag F" in refused(binfmt, "arm64")
    (binfmt / "qemu-other").write_text(AARCH64.format(flags="F"))
    assert refused(binfmt, "arm64") == ""


def test_switched_off(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(AARCH64.format(flags="F").replace("enabled", "disabled"))
    assert "no interpreter" in refused(binfmt, "arm64")
    (binfmt / "qemu-aarch64").write_text(AARCH64.format(flags="F"))
    (binfmt / "status").write_text("disabled\n")
    assert "switched off" in refused(binfmt, "arm64")


def test_not_mounted_or_not_known(tmp_path: Path) -> None:
    assert "not mounted" in refused(tmp_path, "arm64")
    assert "no emulator" in refused(tmp_path, "linux/vax")
