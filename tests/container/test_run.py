"""``run`` in front: what the process sees, what comes back, and that nothing is left."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lamella.userns import current
from lamella.userns.standing import ROOT

pytestmark = pytest.mark.containers
Containers = Any


def test_streams_and_status(containers: Containers) -> None:
    done = containers.run("sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 42)


def test_a_process_that_a_signal_ends(containers: Containers) -> None:
    assert containers.run("sh", "-c", "sh -c 'kill -9 $$'; exit $?").returncode == 137


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("nosuch",), 127, "'nosuch' was not found in the image"),
        (("/etc/passwd",), 126, "'/etc/passwd' cannot be executed"),
        (("/etc",), 126, "'/etc' cannot be executed"),
    ],
)
def test_a_program_that_cannot_be_started(
    containers: Containers, words: tuple[str, ...], status: int, message: str
) -> None:
    done = containers.run(*words)
    assert (done.stdout, done.returncode) == ("", status)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_it_sees(containers: Containers, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# a comment\nFILE=1\nBOTH=file\n\nHANDED\nGONE\n")
    flags = ("-e", "BOTH=flag", "-e", "SPACE=a b", "--env-file", str(tmp_path / "env"), "-w", "/new/place")
    flags += ("-u", "guest", "--hostname", "tower", "--add-host", "db:10.1.2.3", "--dns", "10.9.9.9")
    script = "env; echo PWD=$(pwd); echo ID=$(id -u):$(id -g); echo NAME=$(hostname); cat /etc/hosts /etc/resolv.conf"
    done = containers.run("sh", "-c", script, flags=flags, env={**containers.env, "HANDED": "yes"})
    lines = done.stdout.splitlines()
    for line in (
        "FILE=1", "BOTH=flag", "SPACE=a b", "HANDED=yes", "PWD=/new/place", "ID=405:100", "NAME=tower",
        "HOSTNAME=tower", "HOME=/dev/null", "10.1.2.3\tdb", "nameserver 10.9.9.9",
    ):  # fmt: skip
        assert line in lines
    assert not any(line.startswith("GONE") for line in lines)


def test_standard_input(containers: Containers) -> None:
    assert containers.run("cat", flags=("-i",), input="one\ntwo").stdout == "one\ntwo"
    assert containers.run("cat", input="one\n").stdout == ""


def test_what_an_image_says(containers: Containers, tmp_path: Path) -> None:
    """Entrypoint, Cmd, Env, WorkingDir, User, and what takes their place."""
    (tmp_path / "Dockerfile").write_text(
        "FROM alpine:3.20\nENV A=image B=image\nWORKDIR /srv\nUSER guest\nLABEL from=image\n"
        'ENTRYPOINT ["sh", "-c", "echo $A $B $PWD $(id -un) $0 $*"]\nCMD ["cmd", "x"]\n'
    )
    containers.ok("build", "-q", "-t", "told", str(tmp_path))
    try:
        assert containers.run(image="told").stdout == "image image /srv guest cmd x\n"
        assert containers.run("given", flags=("-e", "B=run"), image="told").stdout == "image run /srv guest given\n"
        assert containers.run(flags=("--entrypoint", "id"), image="told").stdout.startswith("uid=405(guest)")
        done = containers.run(flags=("--entrypoint", ""), image="told")
        assert (done.returncode, "nothing says which program" in done.stderr) == (2, True)
    finally:
        containers.ok("rmi", "told")


def test_read_only(containers: Containers) -> None:
    done = containers.run(
        "sh", "-c", "touch /a; echo x > /tmp/b && cat /tmp/b", flags=("--read-only", "--tmpfs", "/tmp")
    )
    assert done.stdout == "x\n"
    assert "Read-only file system" in done.stderr


def test_networks(containers: Containers) -> None:
    done = containers.run("sh", "-c", "ls /sys/class/net; hostname")
    assert done.stdout.splitlines()[0] == "lo"
    assert len(done.stdout.splitlines()[1]) == 12
    host = containers.call(
        "run", "--rm", "--network", "host", "alpine:3.20", "sh", "-c", "readlink /proc/self/ns/net; hostname"
    )
    assert host.stdout.splitlines() == [os.readlink("/proc/self/ns/net"), os.uname().nodename]


def test_limits(containers: Containers) -> None:
    files = ("memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "pids/pids.max")
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        files = ("memory.max", "cpu.max", "pids.max")
    script = f"cd /sys/fs/cgroup; cat {' '.join(files)}"
    done = containers.run("sh", "-c", script, flags=("--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"))
    if current().kind != ROOT:
        assert (done.returncode, done.stdout) == (3, "") and "not delegated to this user" in done.stderr
        return
    assert done.stdout.split()[0] == str(64 << 20)
    assert "50000" in done.stdout
    assert done.stdout.split()[-1] == "20"
    killed = containers.run("sh", "-c", "tail /dev/zero", flags=("--memory", "16m"))
    assert killed.returncode == 137


def test_capabilities(containers: Containers) -> None:
    def effective(*flags: str) -> int:
        done = containers.run("grep", "CapEff", "/proc/self/status", flags=flags)
        return int(done.stdout.split()[1], 16)

    assert effective() == 0xA80425FB
    assert effective("--cap-drop", "ALL", "--cap-add", "chown") == 1
    assert effective("--cap-add", "NET_ADMIN") == 0xA80425FB | 1 << 12


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("-v", "/no/such/place:/x"), "no such file or folder"),
        (("-u", "nobody-at-all"), "is not in the image's /etc/passwd"),
        (("-v", "/etc/passwd:/tmp"), "a file cannot be mounted on /tmp"),
        (("-it",), "standard input is no terminal"),
        (("-v", "/etc:/proc"), "nothing can be mounted on /proc"),
        (("--hostname", "h" * 65), "is no host name"),
        (("--hostname", "a\nb"), "is no host name"),
        (("--add-host", "gate:host-gateway"), "not NAME:ADDRESS"),
        (("--add-host", "a b:10.0.0.5"), "not NAME:ADDRESS"),
        (("--dns", "9.9.9.9\noptions ndots:9"), "is no IP address"),
        (("--name", "n" * 256), "cannot be a container's name"),
    ],
)
def test_what_cannot_be(containers: Containers, flags: tuple[str, ...], message: str) -> None:
    done = containers.run("true", flags=flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_an_image_that_is_not_there(containers: Containers) -> None:
    done = containers.run("true", image="alpina:3.20", flags=("--pull", "never"))
    assert (done.returncode, "did you mean alpine:3.20?" in done.stderr) == (2, True)


def test_images_from_elsewhere(containers: Containers, tmp_path: Path) -> None:
    containers.ok("save", "-o", str(tmp_path / "a.tar"), "alpine:3.20")
    assert containers.run("echo", "read", image=f"docker-archive:{tmp_path}/a.tar").stdout == "read\n"


def test_the_log_of_one_in_front(containers: Containers) -> None:
    done = containers.call(
        "run", "--network", "none", "--name", "front", "alpine:3.20", "sh", "-c", "echo a; echo b >&2"
    )
    assert done.returncode == 0
    logged = containers.call("logs", "front")
    assert (logged.stdout, logged.stderr) == ("a\n", "b\n")


def test_ctrl_c_reaches_the_process(containers: Containers) -> None:
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    process = containers.popen("run", "--rm", "--network", "none", "alpine:3.20", "sh", "-c", script)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "caught\n"
    assert process.returncode == 9


def test_a_second_ctrl_c_ends_it(containers: Containers) -> None:
    process = containers.popen(
        "run", "--rm", "--network", "none", "alpine:3.20", "sh", "-c", "echo ready; exec sleep 500"
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)  # which a first process without a handler never sees
    for _ in range(20):
        time.sleep(0.1)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode in (137, 130, -signal.SIGINT)  # the last one may come when all is over


def test_a_killed_command_takes_its_container_along(containers: Containers) -> None:
    process = containers.popen(
        "run", "--network", "none", "--name", "lost", "alpine:3.20", "sh", "-c", "echo ready; exec sleep 500"
    )
    assert process.stdout.readline() == "ready\n"
    containers.state(containers.one("lost")["id"])
    process.kill()
    process.communicate(timeout=20)
    containers.until(lambda: containers.one("lost")["status"] == "exited")
    assert containers.one("lost")["exit_code"] == 137
    containers.until(lambda: not containers.processes())


def test_a_reader_that_goes(containers: Containers) -> None:
    """``run … | head -1`` ends."""
    process = containers.popen("run", "--rm", "--network", "none", "alpine:3.20", "yes")
    assert process.stdout.readline() == "y\n"
    process.stdout.close()
    assert process.wait(timeout=20) == 137
    process.stderr.close()


def test_cidfile(containers: Containers, tmp_path: Path) -> None:
    containers.run("true", flags=("--cidfile", str(tmp_path / "cid")))
    assert len((tmp_path / "cid").read_text()) == 64
    again = containers.run("true", flags=("--cidfile", str(tmp_path / "cid")))
    assert again.returncode == 2
    containers.run("true", flags=("--name", "!", "--cidfile", str(tmp_path / "other")))
    containers.start("taken", "true")
    taken = containers.run("true", flags=("--name", "taken", "--cidfile", str(tmp_path / "other")))
    assert (taken.returncode, (tmp_path / "other").exists()) == (2, False)


def test_others_of_this_machine_stay_outside(containers: Containers, tmp_path: Path) -> None:
    """A volume may hold a setuid program of the container's root, and container.json a password."""
    containers.run("sh", "-c", "cp /bin/busybox /v/su; chmod 4755 /v/su", flags=("-v", "mine:/v"))
    for name in ("volumes", "containers"):
        assert (containers.store / "lamella" / name).stat().st_mode & 0o077 == 0


def test_what_another_user_has_noted_is_not_believed(containers: Containers) -> None:
    """Root would kill or enter any process that state.json of a user's store names."""
    containers.start("theirs", "sleep", "500")
    folder = containers.store / "lamella/containers"
    os.chown(folder, 65534, -1)
    try:
        for command in (("ps",), ("stop", "theirs"), ("exec", "theirs", "true"), ("rm", "-f", "theirs")):
            done = containers.call(*command)
            assert (done.returncode, "belong to another user" in done.stderr) == (3, True)
    finally:
        os.chown(folder, 0, -1)
    assert containers.one("theirs")["status"] == "running"


def test_a_store_whose_path_has_a_comma(containers: Containers, tmp_path: Path) -> None:
    store = tmp_path / "a b:c,d"
    containers.ok("save", "-o", str(tmp_path / "a.tar"), "alpine:3.20")
    image = f"docker-archive:{tmp_path}/a.tar"
    done = containers.call("--root", str(store), "run", "--rm", "--network", "none", image, "echo", "runs")
    assert (done.returncode, done.stdout) == (0, "runs\n")
    done = containers.call("--root", str(store), "run", "--rm", image, "true")
    assert (done.returncode, "a path with a comma" in done.stderr) == (2, True)


def test_variables_stand_in_no_process_list(containers: Containers) -> None:
    containers.start("quiet", "sleep", "500", flags=("-e", "TOKEN=very-secret"))
    assert any("monitor of container" in line for line in containers.processes())
    assert not any("very-secret" in line for line in containers.processes())


def test_json_of_ps(containers: Containers) -> None:
    id_ = containers.start("told", "sleep", "500", flags=("-l", "a=b"))
    found = json.loads(containers.ok("ps", "--format", "json"))
    assert found["schema"] == 1
    (one,) = found["containers"]
    assert (one["id"], one["name"], one["image"], one["command"]) == (id_, "told", "alpine:3.20", ["sleep", "500"])
    assert (one["status"], one["exit_code"], one["labels"], one["network"]) == ("running", None, {"a": "b"}, "none")
    assert Path(f"/proc/{one['pid']}/cmdline").read_bytes() == b"sleep\x00500\x00"
