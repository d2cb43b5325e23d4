"""Every check is broken by a change of its own, and by that alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lamella.filetree.entry import FILE, HARDLINK, SYMLINK, Entry
from lamella.oci.config import Healthcheck, RunConfig
from lamella.oci.platform import Platform
from lamella.prove.compare import compare
from lamella.prove.discover import find_checks
from lamella.prove.model import Side

#: what is changed → (path, what, a, b) that must be found, and nothing else
ENTRY_CHANGES = {
    "a permission bit": ("etc/passwd", {"mode": 0o600}, "mode", "0644", "0600"),
    "the setuid bit": ("bin/su", {"mode": 0o755}, "mode", "4755", "0755"),
    "the sticky bit of a folder": ("dev", {"mode": 0o1755}, "mode", "0755", "1755"),
    "the mode of the root": ("", {"mode": 0o700}, "mode", "0755", "0700"),
    "the user": ("etc/passwd", {"uid": 7}, "owner", "1:2", "7:2"),
    "the group": ("etc/passwd", {"gid": 7}, "owner", "1:2", "1:7"),
    "the owner of a link": ("bin/bash", {"uid": 7}, "owner", "0:0", "7:0"),
    "where a link leads": ("bin/bash", {"link": "/bin/sh"}, "link", "sh", "/bin/sh"),
    "major number": ("dev/null", {"major": 2}, "device", "1:3", "2:3"),
    "minor number": ("dev/sda", {"minor": 1}, "device", "8:0", "8:1"),
    "character and block": ("dev/null", {"kind": "b"}, "type", "character device", "block device"),
    "fifo and file": ("dev/pipe", {"kind": FILE}, "type", "fifo", "file"),
    "a capability": ("bin/ping", {"xattrs": (("security.capability", b"\1"),)}, "xattrs", None, None),
    "no capability": ("bin/ping", {"xattrs": ()}, "xattrs", "security.capability=0102", "absent"),
    "one attribute more": ("bin/su", {"xattrs": (("user.note", b""),)}, "xattrs", "absent", "user.note="),
}


@pytest.mark.parametrize("name", ENTRY_CHANGES)
def test_one_change_of_an_entry(name: str, sample: list[Entry], make_side: Callable[..., Side]) -> None:
    path, fields, what, before, after = ENTRY_CHANGES[name]
    changed = [entry._replace(**fields) if entry.path == path else entry for entry in sample]  # type: ignore[arg-type]
    proof = compare(make_side(sample), make_side(changed))
    assert not proof.same
    assert [(found.path, found.what) for found in proof.differences] == [("/" + path, what)]
    if before is not None:
        assert (proof.differences[0].a, proof.differences[0].b) == (before, after)
    assert proof.config == () and proof.times == ()


def test_content(sample: list[Entry], make_side: Callable[..., Side], make_file: Callable[..., Entry]) -> None:
    for content in (b"root:x:0:1\n", b"root:x:0:0\n\n", b""):
        other = make_file("etc/passwd", content, uid=1, gid=2)
        changed = [other if entry.path == "etc/passwd" else entry for entry in sample]
        (found,) = compare(make_side(sample), make_side(changed)).differences
        assert (found.path, found.what) == ("/etc/passwd", "content")
        assert found.a.startswith("11 bytes") and found.b.startswith(f"{len(content)} bytes")
        assert found.a != found.b


def test_same_size_and_no_digest_is_not_called_different(make_side: Callable[..., Side]) -> None:
    one = [Entry("a", FILE, size=3)]
    assert compare(make_side(one), make_side(one)).same


def test_presence_both_ways(sample: list[Entry], make_side: Callable[..., Side]) -> None:
    for gone in ("dev/null", "bin/bash", "etc/passwd", "bin/su"):
        less = [entry for entry in sample if entry.path != gone]
        (lost,) = compare(make_side(sample), make_side(less)).differences
        (new,) = compare(make_side(less), make_side(sample)).differences
        assert (lost.path, lost.what, lost.b) == ("/" + gone, "presence", "absent")
        assert (new.path, new.what, new.a) == ("/" + gone, "presence", "absent")


def test_presence_says_what_it_was(sample: list[Entry], make_side: Callable[..., Side]) -> None:
    less = [entry for entry in sample if entry.path not in ("etc/passwd", "dev/pipe")]
    found = compare(make_side(sample), make_side(less)).differences
    assert [difference.a for difference in found] == ["fifo", "file, 11 bytes"]


class TestHardLinks:
    def pair(self, make_file: Callable[..., Entry], *, linked: bool) -> list[Entry]:
        second = Entry("b", HARDLINK, link="a") if linked else make_file("b", b"same")
        return [make_file("a", b"same"), second]

    def test_a_group_that_fell_apart(self, make_side: Callable[..., Side], make_file: Callable[..., Entry]) -> None:
        proof = compare(make_side(self.pair(make_file, linked=True)), make_side(self.pair(make_file, linked=False)))
        assert [tuple(found) for found in proof.differences] == [
            ("/a", "hardlinks", "linked with /b", "on its own"),
            ("/b", "hardlinks", "linked with /a", "on its own"),
        ]

    def test_the_name_that_holds_the_content_decides_nothing(
        self, make_side: Callable[..., Side], make_file: Callable[..., Entry]
    ) -> None:
        one = [make_file("a", b"same"), Entry("b", HARDLINK, link="a"), Entry("c", HARDLINK, link="a")]
        other = [Entry("a", HARDLINK, link="c"), Entry("b", HARDLINK, link="c"), make_file("c", b"same")]
        assert compare(make_side(one), make_side(other)).same

    def test_a_missing_name_is_told_once(self, make_side: Callable[..., Side], make_file: Callable[..., Entry]) -> None:
        one = [make_file("a"), Entry("b", HARDLINK, link="a"), Entry("c", HARDLINK, link="a")]
        found = compare(make_side(one), make_side(one[:2])).differences
        assert [(difference.path, difference.what) for difference in found] == [("/c", "presence")]

    def test_content_through_a_link(self, make_side: Callable[..., Side], make_file: Callable[..., Entry]) -> None:
        one = [make_file("a", b"1"), Entry("b", HARDLINK, link="a")]
        other = [make_file("a", b"2"), Entry("b", HARDLINK, link="a")]
        found = compare(make_side(one), make_side(other)).differences
        assert [(difference.path, difference.what) for difference in found] == [("/a", "content"), ("/b", "content")]

    def test_a_second_name_of_a_symbolic_link_is_one_too(self, make_side: Callable[..., Side]) -> None:
        links = [Entry(path, SYMLINK, 0o777, link="x") for path in ("a", "b")]
        linked = [links[0], Entry("b", HARDLINK, link="a")]
        assert compare(make_side(links), make_side(linked)).same
        other = compare(make_side([links[0], links[1]._replace(link="y")]), make_side(linked))
        assert [(one.path, one.what) for one in other.differences] == [("/b", "link")]

    def test_a_link_to_nothing_is_not_a_file(
        self, make_side: Callable[..., Side], make_file: Callable[..., Entry]
    ) -> None:
        found = compare(make_side([make_file("b")]), make_side([Entry("b", HARDLINK, link="gone")])).differences
        assert ("/b", "type") in [(difference.path, difference.what) for difference in found]


def test_mode_of_a_symbolic_link_means_nothing(make_side: Callable[..., Side]) -> None:
    one = Entry("l", SYMLINK, 0o777, link="x")
    assert compare(make_side([one]), make_side([one._replace(mode=0o644)])).same


def test_attributes_of_the_host_mean_nothing(make_side: Callable[..., Side], make_file: Callable[..., Entry]) -> None:
    marked = make_file("a", xattrs=(("security.selinux", b"x"), ("trusted.overlay.origin", b"y")))
    assert compare(make_side([make_file("a")]), make_side([marked])).same


def test_a_root_that_no_layer_speaks_of(make_side: Callable[..., Side]) -> None:
    assert compare(make_side([]), make_side([Entry("", "d", 0o755)])).same
    assert not compare(make_side([]), make_side([Entry("", "d", 0o700)])).same


FULL = RunConfig(
    user="app",
    env=("PATH=/bin", "A=1"),
    entrypoint=("/app",),
    cmd=("--serve",),
    working_dir="/srv",
    exposed_ports=("80/tcp",),
    volumes=("/data",),
    labels=(("who", "me"),),
    stop_signal="SIGINT",
    healthcheck=Healthcheck(("CMD", "true"), interval=5),
    shell=("/bin/sh", "-c"),
    on_build=("RUN a", "RUN b"),
)
CONFIG_CHANGES: dict[str, tuple[dict[str, object], list[tuple[str, str, str, str]]]] = {
    "Env value": ({"env": ("PATH=/bin", "A=2")}, [("Env.A", "Env", '"1"', '"2"')]),
    "Env gone": ({"env": ("PATH=/bin",)}, [("Env.A", "Env", '"1"', "absent")]),
    "Env emptied": ({"env": ("PATH=/bin", "A=")}, [("Env.A", "Env", '"1"', '""')]),
    "Cmd": ({"cmd": None}, [("Cmd", "Cmd", '["--serve"]', "absent")]),
    "Cmd order": ({"cmd": ("-v", "--serve")}, [("Cmd", "Cmd", '["--serve"]', '["-v", "--serve"]')]),
    "Entrypoint": ({"entrypoint": ("/app2",)}, [("Entrypoint", "Entrypoint", '["/app"]', '["/app2"]')]),
    "WorkingDir": ({"working_dir": ""}, [("WorkingDir", "WorkingDir", "/srv", "/")]),
    "User": ({"user": "root"}, [("User", "User", "app", "root")]),
    "ExposedPorts": (
        {"exposed_ports": ("81/tcp",)},
        [
            ("ExposedPorts.80/tcp", "ExposedPorts", "present", "absent"),
            ("ExposedPorts.81/tcp", "ExposedPorts", "absent", "present"),
        ],
    ),
    "Volumes": ({"volumes": ()}, [("Volumes./data", "Volumes", "present", "absent")]),
    "Labels": ({"labels": (("who", "you"),)}, [("Labels.who", "Labels", '"me"', '"you"')]),
    "StopSignal": ({"stop_signal": ""}, [("StopSignal", "StopSignal", "SIGINT", "absent")]),
    "Healthcheck words": (
        {"healthcheck": Healthcheck(("CMD true",), interval=5)},
        [("Healthcheck.test", "Healthcheck", '["CMD", "true"]', '["CMD true"]')],
    ),
    "Healthcheck time": (
        {"healthcheck": Healthcheck(("CMD", "true"), interval=6)},
        [("Healthcheck.interval", "Healthcheck", "5", "6")],
    ),
    "Shell": ({"shell": None}, [("Shell", "Shell", '["/bin/sh", "-c"]', "absent")]),
    "OnBuild": ({"on_build": ("RUN b", "RUN a")}, [("OnBuild", "OnBuild", '["RUN a", "RUN b"]', '["RUN b", "RUN a"]')]),
}


@pytest.mark.parametrize("name", CONFIG_CHANGES)
def test_one_change_of_the_config(name: str, make_side: Callable[..., Side]) -> None:
    fields, expected = CONFIG_CHANGES[name]
    changed = FULL._replace(**fields)  # type: ignore[arg-type]
    proof = compare(make_side([], FULL), make_side([], changed))
    assert not proof.same and proof.differences == ()
    assert [tuple(found) for found in proof.config] == expected


def test_platform(make_side: Callable[..., Side]) -> None:
    proof = compare(make_side([]), make_side([], platform=Platform("linux", "arm64")))
    assert [tuple(found) for found in proof.config] == [("Platform", "Platform", "linux/amd64", "linux/arm64")]


def test_two_ways_to_say_the_same_config(make_side: Callable[..., Side]) -> None:
    other = FULL._replace(
        env=("A=0", "A=1", "PATH=/bin"), exposed_ports=("80/tcp", "80/tcp"), labels=(("who", "me"),), args_escaped=True
    )
    proof = compare(make_side([], FULL), make_side([], other))
    assert proof.same and proof.config == ()
    assert proof.notes == ("the environment holds the same variables in another order",)
    assert compare(make_side([], RunConfig(cmd=())), make_side([], RunConfig(cmd=None, working_dir="/"))).same


def test_every_check_is_found() -> None:
    checks = find_checks()
    assert [name for name, _ in checks.entries] == ["content", "device", "type", "link", "mode", "owner", "xattrs"]
    assert len(checks.trees) == 2
    assert len(checks.configs) == 13
