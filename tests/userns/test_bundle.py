"""A container's bundle in a user namespace: what the kernel would refuse is not asked for."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from lamella.runtime import capabilities
from lamella.runtime.protocol import BindMount, Process, Sandbox
from lamella.runtime.spec import HostFacts, bundle_config
from lamella.userns.standing import MAPPED, SINGLE, Range, Standing

OWN = Range(0, 1001, 1)
MANY = Standing(MAPPED, (OWN, Range(1, 100000, 100)), (OWN, Range(1, 100000, 100)))
ONE = Standing(SINGLE, (OWN,), (OWN,))


def _mounts(standing: Standing, network: str = "host", *own: BindMount) -> dict[str, dict[str, Any]]:
    host = HostFacts((1024, 4096), frozenset(capabilities.NAMES), False, standing)
    sandbox = Sandbox("/", Process(("true",), (), groups=(0, 5, 3000)), network=network)
    config = bundle_config(sandbox, own, host)
    assert config["process"]["user"]["additionalGids"] == [group for group in (0, 5, 3000) if standing.has(0, group)]
    return {mount["destination"]: mount for mount in config["mounts"]}


@pytest.mark.parametrize(("standing", "tty"), [(Standing("root"), True), (MANY, True), (ONE, False)])
def test_the_group_of_terminals(standing: Standing, tty: bool) -> None:
    assert ("gid=5" in _mounts(standing)["/dev/pts"]["options"]) is tty


def test_sys() -> None:
    assert _mounts(Standing("root"))["/sys"]["type"] == "sysfs"
    assert _mounts(MANY, "none")["/sys"]["type"] == "sysfs", "who owns the network may mount one"
    shown = _mounts(MANY)["/sys"]
    assert shown["source"] == "/sys" and {"rbind", "ro", "nosuid", "nodev", "noexec"} <= set(shown["options"])


def test_a_mount_of_the_machine_stays_as_narrow_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def home(path: str) -> SimpleNamespace:
        if path != "/home":
            raise FileNotFoundError
        return SimpleNamespace(f_flag=os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)

    monkeypatch.setattr(os, "statvfs", home)
    mount = BindMount("/x", "/home", readonly=True)
    assert {"nosuid", "nodev", "noexec"} <= set(_mounts(MANY, "host", mount)["/x"]["options"])
    assert "nosuid" not in _mounts(Standing("root"), "host", mount)["/x"]["options"]
    assert "ro" in _mounts(MANY, "host", BindMount("/x", "/is/made/later", readonly=True))["/x"]["options"]
