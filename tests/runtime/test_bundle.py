"""The bundle, the system calls and the runtime's messages, without a container."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamella.errors import MachineError, NoPrivilege, NoRuntime
from lamella.runtime import capabilities, find
from lamella.runtime.failure import explain_failure
from lamella.runtime.find import find_runner
from lamella.runtime.protocol import BindMount, Process, Sandbox
from lamella.runtime.seccomp import profile
from lamella.runtime.spec import HostFacts, bundle_config

REFERENCE = Path("/usr/share/containers/seccomp.json")
HOST = HostFacts((1024, 4096), frozenset(capabilities.NAMES), True)
#: what that list, made for rootless containers, allows without a capability, and Docker's does not
ONLY_THEIRS = {
    "clone3", "fsconfig", "fsmount", "fsopen", "fspick", "keyctl", "mbind", "mount", "mount_setattr", "move_mount",
    "open_tree", "pidfd_getfd", "pivot_root", "readdir", "reboot", "set_mempolicy", "setns", "sigaction", "signal",
    "sigpending", "sigsuspend", "syscall", "syslog", "timerfd", "umount", "umount2", "unshare", "get_mempolicy",
}  # fmt: skip


def _allowed(rules: list[dict[str, object]]) -> set[str]:
    return {str(name) for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}  # type: ignore[attr-defined]


def test_system_calls_against_another_list() -> None:
    if not REFERENCE.exists():
        pytest.skip(f"{REFERENCE} is not installed")
    default = set(capabilities.DEFAULT)
    theirs: set[str] = set()
    for rule in json.loads(REFERENCE.read_text())["syscalls"]:
        includes, excludes = rule.get("includes", {}), rule.get("excludes", {})
        applies = (
            (not includes.get("caps") or default & set(includes["caps"]))
            and "amd64" in includes.get("arches", ["amd64"])
            and not default & set(excludes.get("caps", []))
            and "amd64" not in excludes.get("arches", [])
        )
        if applies and rule["action"] == "SCMP_ACT_ALLOW":
            theirs.update(rule["names"])
    ours = _allowed(profile(frozenset(default), "x86_64")["syscalls"])
    assert theirs - ours == ONLY_THEIRS


def test_dangerous_system_calls_need_their_capability() -> None:
    guarded = {
        "mount": "CAP_SYS_ADMIN",
        "unshare": "CAP_SYS_ADMIN",
        "bpf": "CAP_SYS_ADMIN",
        "init_module": "CAP_SYS_MODULE",
        "reboot": "CAP_SYS_BOOT",
        "open_by_handle_at": "CAP_DAC_READ_SEARCH",
        "settimeofday": "CAP_SYS_TIME",
        "kcmp": "CAP_SYS_PTRACE",
    }
    without = _allowed(profile(frozenset(capabilities.DEFAULT), "x86_64")["syscalls"])
    for call, capability in guarded.items():
        assert call not in without
        assert call in _allowed(profile(frozenset({capability}), "x86_64")["syscalls"])
    for call in (
        "keyctl",
        "add_key",
        "userfaultfd",
        "io_uring_setup",
        "kexec_load",
        "swapon",
        "pivot_root",
        "nfsservctl",
    ):
        assert call not in _allowed(profile(frozenset(capabilities.NAMES), "x86_64")["syscalls"])


@pytest.mark.parametrize(
    ("machine", "first"),
    [("x86_64", "SCMP_ARCH_X86_64"), ("aarch64", "SCMP_ARCH_AARCH64"), ("s390x", "SCMP_ARCH_S390X")],
)
def test_architectures(machine: str, first: str) -> None:
    made = profile(frozenset(), machine)
    assert made["architectures"][0] == first
    clone = next(rule for rule in made["syscalls"] if rule["names"] == ["clone"])
    assert clone["args"][0]["index"] == (1 if machine == "s390x" else 0)


def test_unknown_machine_gets_the_list_without_architectures() -> None:
    assert "architectures" not in profile(frozenset(), "loongarch64")


def test_config() -> None:
    process = Process(("true",), ("A=1",), "/w", 5, 6, (7, 6))
    config = bundle_config(Sandbox("/r", process, network="none"), (BindMount("/t", "/s", readonly=True),), HOST)
    assert config["process"]["user"] == {"uid": 5, "gid": 6, "additionalGids": [6, 7], "umask": 0o022}
    assert config["process"]["capabilities"]["bounding"] == list(capabilities.DEFAULT)
    kinds = {namespace["type"] for namespace in config["linux"]["namespaces"]}
    assert kinds == {"pid", "mount", "ipc", "uts", "cgroup", "network"}
    assert config["mounts"][-1] == {
        "destination": "/t",
        "type": "bind",
        "source": "/s",
        "options": ["rbind", "rprivate", "ro"],
    }
    assert json.loads(json.dumps(config)) == config


def test_capabilities_that_we_lack_are_not_promised() -> None:
    host = HOST._replace(capabilities=frozenset({"CAP_CHOWN", "CAP_SYS_ADMIN"}))
    config = bundle_config(Sandbox("/r", Process(("true",), ())), (), host)
    assert config["process"]["capabilities"]["effective"] == ["CAP_CHOWN"]
    config = bundle_config(Sandbox("/r", Process(("true",), ()), security="insecure"), (), host)
    assert config["process"]["capabilities"]["effective"] == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert "seccomp" not in config["linux"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('runc run failed: unable to start container process: exec: "x": executable file not found in $PATH', 127),
        ('unable to start container process: exec: "/x": stat /x: no such file or directory', 127),
        ('unable to start container process: exec: "/etc": permission denied', 126),
        ('unable to start container process: exec: "/etc": is a directory', 126),
        ("executable file `x` not found in $PATH: No such file or directory", 127),
        ("open executable: Permission denied", 126),
    ],
)
def test_messages_of_runtimes(tmp_path: Path, message: str, expected: int) -> None:
    log = tmp_path / "log"
    log.write_text("no json\n" + json.dumps({"level": "warning", "msg": "odd"}) + "\n")
    assert explain_failure("runc", 5, str(log), b"") == 5
    with log.open("a") as file:
        file.write(json.dumps({"level": "error", "msg": message}) + "\n")
    assert explain_failure("runc", 1, str(log), b"") == expected


def test_other_messages_are_the_machines_fault(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(json.dumps({"level": "error", "msg": "error mounting: stat /x: no such file or directory"}) + "\n")
    with pytest.raises(MachineError) as caught:
        explain_failure("runc", 1, str(log), b"")
    assert "stat /x" in str(caught.value.detail)


def test_no_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "find_program", lambda name: None)
    with pytest.raises(NoRuntime) as caught:
        find_runner(str(tmp_path))
    assert "apt install runc" in str(caught.value.hint)
    with pytest.raises(NoRuntime):
        find_runner(str(tmp_path), "/no/such/runtime")
    with pytest.raises(NoRuntime):
        find_runner(str(tmp_path), "nonesuch")


def test_no_privilege(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "find_program", lambda name: "/bin/true")
    monkeypatch.setattr(find, "held", lambda: frozenset({"CAP_CHOWN"}))
    with pytest.raises(NoPrivilege) as caught:
        find_runner(str(tmp_path))
    assert "root" in str(caught.value.hint)


@pytest.mark.containers
def test_program_that_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("\x7fELF")
    (tmp_path / "odd").chmod(0o755)
    (tmp_path / "root").mkdir()
    runner = find_runner(str(tmp_path / "run"), str(tmp_path / "odd"))
    with pytest.raises(MachineError) as caught:
        runner.run(Sandbox(str(tmp_path / "root"), Process(("true",), ())), lambda stream, data: None)
    assert "odd cannot be started" in str(caught.value)
    assert list((tmp_path / "root").iterdir()) == []
    runner.close()


def test_crun_is_not_taken_where_it_cannot_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "find_program", lambda name: "/bin/true" if name == "crun" else None)
    monkeypatch.setattr(find, "_hybrid_cgroups", lambda: True)
    with pytest.raises(NoRuntime) as caught:
        find_runner(str(tmp_path))
    assert caught.value.where == "/bin/true"
