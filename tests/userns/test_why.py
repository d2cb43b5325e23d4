"""What is said where user namespaces cannot be had."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ordinary import OrdinaryUser

from lamella.userns import mapping, why

ROOT_ONLY = pytest.mark.root


@pytest.mark.parametrize(
    ("setting", "number", "said"),
    [
        ("_SWITCH=0", errno.EPERM, ("switched off for ordinary users", "=1")),
        ("_LIMIT=0", errno.ENOSPC, ("switched off", "=10000")),
        ("_LIMIT=5", errno.ENOSPC, ("too many", "raise")),
        ("_SWITCH=1", errno.EINVAL, ("has no user namespaces", "sudo")),
        ("_SWITCH=1", errno.EPERM, ("refused (Operation not permitted)", "seccomp")),
    ],
)
def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, number: int, said: tuple[str, str]
) -> None:
    for each in ("_SWITCH", "_LIMIT", "_APPARMOR"):
        monkeypatch.setattr(why, each, str(tmp_path / each))
    name, _, value = setting.partition("=")
    (tmp_path / name).write_text(f"{value}\n")
    reason, hint = why.refused(OSError(number, os.strerror(number)))
    assert said[0] in reason and said[1] in hint


def test_apparmor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why, "_APPARMOR", str(tmp_path / "switch"))
    assert "security module" in why.powerless()[0]
    (tmp_path / "switch").write_text("1\n")
    assert "AppArmor" in why.powerless()[0]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "SUBUID", str(tmp_path / "subuid"))
    monkeypatch.setattr(mapping, "SUBGID", str(tmp_path / "subgid"))
    assert "subuid" in mapping.wanted_maps(1234, 1234).reason
    (tmp_path / "subuid").write_text("1234:100000:10\n")
    wanted = mapping.wanted_maps(1234, 1234)
    assert "subgid" in wanted.reason and "usermod --add-subuids" in wanted.hint and not wanted.uids
    (tmp_path / "subgid").write_text("1234:100000:10\n")
    monkeypatch.setattr(mapping, "_FOLDERS", (str(tmp_path),))
    wanted = mapping.wanted_maps(1234, 1234)
    assert (wanted.reason, wanted.hint) == ("newuidmap is not installed", "as root: apt install uidmap")


@ROOT_ONLY
def test_system_info(user: OrdinaryUser, single: OrdinaryUser) -> None:
    many = user.lamella("system", "info")
    assert "a user namespace with " in many.stdout and " ids" in many.stdout and many.stderr == ""
    one = single.lamella("system", "info")
    assert f"one id (the user {single.name} has no subordinate ids in /etc/subuid)" in one.stdout
    assert f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {single.name}" in one.stderr
