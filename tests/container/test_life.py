"""A container from start to removal: what ps and logs say, who may kill what, and what is left then."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.containers
Containers = Any


def test_a_whole_life(containers: Containers) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.05; done"
    id_ = containers.start("life", "sh", "-c", script)
    containers.until(lambda: containers.ok("logs", "life") == "hello\n")
    line = containers.ok("ps").splitlines()[1]
    assert line.split()[:3] == [id_[:12], "alpine:3.20", '"sh']
    assert " Up " in line and line.endswith("life")
    assert containers.ok("ps", "-q") == f"{id_[:12]}\n"
    assert containers.ok("stop", "life") == "life\n"
    assert containers.ok("ps", "-q") == ""
    assert "Exited (3) " in containers.ok("ps", "-a")
    assert containers.ok("logs", id_[:6]) == "hello\nbye\n"
    assert containers.processes() == []
    assert containers.ok("rm", "life") == "life\n"
    assert containers.ok("ps", "-aq") == ""
    containers.clean()


def test_it_survives_who_started_it(containers: Containers) -> None:
    """The command has ended, its session is gone, its streams are closed: ``communicate`` ends only when all are."""
    shell = f"{sys.executable} -m lamella run -d --network none --name stays alpine:3.20 sleep 500; kill -HUP 0"
    process = subprocess.Popen(["sh", "-c", shell], env=containers.env, start_new_session=True, stdout=subprocess.PIPE)
    id_ = process.communicate(timeout=30)[0].decode().strip()
    state = containers.state(id_)
    fields = Path(f"/proc/{state['monitor']}/stat").read_text().rpartition(")")[2].split()
    assert (int(fields[3]), int(fields[4])) != (process.pid, 0)  # another session, and no terminal in it
    assert fields[4] == "0"
    assert {os.readlink(path) for path in Path(f"/proc/{state['monitor']}/fd").iterdir() if int(path.name) < 3} == {
        os.devnull
    }
    held = [os.readlink(path) for path in Path(f"/proc/{state['monitor']}/fd").iterdir()]
    assert [path for path in held if "sqlite" in path or "leases" in path or path.startswith("socket:")] == []
    os.kill(state["monitor"], signal.SIGHUP)
    os.kill(state["monitor"], signal.SIGINT)
    assert containers.ok("exec", "stays", "echo", "there") == "there\n"


def test_stop_becomes_a_kill(containers: Containers) -> None:
    containers.start("stubborn", "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    began = time.monotonic()
    containers.ok("stop", "--time", "1", "stubborn")
    assert 1 <= time.monotonic() - began < 8
    assert containers.one("stubborn")["exit_code"] == 137


def test_several_stop_at_once(containers: Containers) -> None:
    for name in ("deaf1", "deaf2", "deaf3"):
        containers.start(name, "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", flags=("--stop-timeout", "1"))
    done = containers.call("stop", "deaf1", "none", "deaf2", "deaf3")
    ended = [containers.state(one["id"])["finished"] for one in containers.ps()]
    assert max(ended) - min(ended) < 1.9e9  # one after the other it would be two seconds
    assert (done.stdout, done.returncode) == ("deaf1\ndeaf2\ndeaf3\n", 2)
    assert [one["exit_code"] for one in containers.ps()] == [137, 137, 137]


@pytest.mark.parametrize("word", ["USR1", "SIGRTMIN+3"])
def test_stop_signals(containers: Containers, word: str) -> None:
    number = {"USR1": 10, "SIGRTMIN+3": signal.SIGRTMIN + 3}[word]
    script = f"trap 'exit 44' {number}; echo ready; while :; do sleep 0.05; done"
    containers.start("asked", "sh", "-c", script, flags=("--stop-signal", word))
    containers.until(lambda: containers.ok("logs", "asked"))
    containers.ok("stop", "asked")
    assert containers.one("asked")["exit_code"] == 44


def test_kill_and_wait(containers: Containers) -> None:
    containers.start("awaited", "sh", "-c", "trap 'exit 12' USR1; echo ready; while :; do sleep 0.05; done")
    containers.until(lambda: containers.ok("logs", "awaited"))
    waiting = containers.popen("wait", "awaited")
    containers.start("passing", "sh", "-c", "sleep 0.5; exit 21", flags=("--rm",))
    assert containers.ok("wait", "passing") == "21\n"  # which removes itself
    containers.ok("kill", "-s", "usr1", "awaited")
    assert waiting.communicate(timeout=20)[0] == "12\n"
    done = containers.call("kill", "awaited")
    assert (done.returncode, "is not running" in done.stderr) == (2, True)


def test_a_running_one_is_not_removed_by_chance(containers: Containers) -> None:
    containers.start("busy", "sleep", "500")
    done = containers.call("rm", "busy", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is running" in done.stderr and "there is no container 'nobody'" in done.stderr
    assert containers.ok("rm", "-f", "busy") == "busy\n"


def test_names(containers: Containers) -> None:
    first = containers.start("taken", "true")
    done = containers.call("run", "-d", "--network", "none", "--name", "taken", "alpine:3.20", "true")
    assert (done.returncode, f"is taken by the container {first[:12]}" in done.stderr) == (2, True)
    made_up = containers.ok("run", "-d", "--network", "none", "alpine:3.20", "true").strip()
    assert "_" in next(one["name"] for one in containers.ps() if one["id"] == made_up)
    assert "did you mean taken?" in containers.call("stop", "takan").stderr


def test_one_name_and_many_at_once(containers: Containers) -> None:
    words = ("run", "-d", "--network", "none", "--name", "only", "alpine:3.20", "sleep", "500")
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: containers.call(*words), range(6)))
    assert sorted(one.returncode for one in done) == [0, 2, 2, 2, 2, 2]
    assert len(containers.ps()) == 1


def test_one_that_does_not_start(containers: Containers) -> None:
    done = containers.call("run", "-d", "--network", "none", "--name", "never", "alpine:3.20", "nosuch")
    assert (done.stdout, done.returncode) == ("", 127)
    assert containers.one("never")["status"] == "created"
    assert containers.processes() == []
    assert containers.call("exec", "never", "true").returncode == 2


def test_one_that_cannot_be_read(containers: Containers) -> None:
    id_ = containers.start("torn", "true")
    containers.ok("wait", "torn")
    (containers.store / "lamella/containers" / id_ / "state.json").write_text("{")
    done = containers.call("rm", "torn")
    assert (done.returncode, "rm --force" in done.stderr) == (3, True)
    containers.ok("rm", "-f", "torn")
    containers.start("torn", "true")


@pytest.mark.parametrize("flags", [(), ("-d",)], ids=["in front", "detached"])
def test_ctrl_c_before_it_starts(containers: Containers, flags: tuple[str, ...], tmp_path: Path) -> None:
    """While the image is unpacked: here a pipe in place of a layer's blob keeps it from going on."""
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY Dockerfile /{flags}\n")
    containers.ok("build", "-q", "-t", "held", str(tmp_path))
    (found,) = json.loads(containers.ok("image", "inspect", "held"))
    blob = containers.store / "blobs/sha256" / found["Manifest"]["Layers"][0]["digest"].partition(":")[2]
    content = blob.read_bytes()
    blob.unlink()
    os.mkfifo(blob)
    try:
        process = containers.popen("run", *flags, "--network", "none", "--name", "early", "held", "x")
        containers.until(lambda: any("monitor of container" in line for line in containers.processes()))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (out, process.returncode) == ("", 130), err
        assert "was not started" in err
        assert containers.processes() == []
        containers.ok("rm", "early")
    finally:
        blob.unlink()
        blob.write_bytes(content)
        containers.ok("rmi", "-f", "held")


def test_sigterm_to_the_monitor_stops_the_container(containers: Containers) -> None:
    id_ = containers.start("asked", "sh", "-c", "trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done")
    containers.until(lambda: containers.ok("logs", "asked"))
    os.kill(containers.state(id_)["monitor"], signal.SIGTERM)
    assert containers.ok("wait", "asked") == "8\n"


def test_the_store_is_let_go_while_it_runs(containers: Containers) -> None:
    """A lease would keep garbage from being collected for as long as the container runs."""
    process = containers.popen(
        "run", "--rm", "--network", "none", "alpine:3.20", "sh", "-c", "echo ready; exec sleep 500"
    )
    assert process.stdout.readline() == "ready\n"
    containers.until(lambda: os.listdir(containers.store / "lamella/leases") == [])
    process.kill()
    process.communicate(timeout=20)


def test_an_init(containers: Containers, require: Any) -> None:
    require("tini")
    done = containers.run("sh", "-c", "cat /proc/1/cmdline | tr '\\0' ' '; echo; exit 9", flags=("--init",))
    assert done.stdout.startswith("/sbin/docker-init -- sh -c")
    assert done.returncode == 9


def test_logs(containers: Containers) -> None:
    script = (
        "for i in 1 2 3 4 5; do echo line $i; done; sleep 0.2; echo wrong >&2; sleep 0.2; printf '\\377\\000 no end'"
    )
    containers.start("written", "sh", "-c", script)
    containers.ok("wait", "written")
    done = subprocess.run(
        [sys.executable, "-m", "lamella", "logs", "written"], env=containers.env, capture_output=True, check=True
    )
    assert done.stdout == b"".join(b"line %d\n" % n for n in range(1, 6)) + b"\xff\0 no end"
    assert done.stderr == b"wrong\n"
    assert containers.ok("logs", "--tail", "0", "written") == ""
    assert containers.ok("logs", "--tail", "9" * 5000, "written") == containers.ok("logs", "written")
    assert containers.call("logs", "w" * 300).returncode == 2
    stamped = containers.call("logs", "-t", "-n", "3", "written")
    assert stamped.stderr.endswith("Z wrong\n")
    assert stamped.stdout.splitlines()[0].endswith("Z line 5")
    assert containers.ok("logs", "--since", "1h", "--until", "0s", "written") != ""
    assert containers.ok("logs", "--until", "1h", "written") == ""


def test_following_ends_with_the_container(containers: Containers) -> None:
    containers.start("followed", "sh", "-c", "echo a; while [ ! -e /go ]; do sleep 0.02; done; echo b")
    follower = containers.popen("logs", "-f", "followed")
    assert follower.stdout.readline() == "a\n"
    containers.call("exec", "followed", "touch", "/go")  # the container may end, and take it along, before it has
    assert follower.communicate(timeout=20)[0] == "b\n"
    assert follower.returncode == 0


def test_exec(containers: Containers) -> None:
    containers.start(
        "entered", "sleep", "500", flags=("-e", "A=run", "-e", "B=run", "-w", "/srv", "--cap-drop", "CHOWN")
    )
    script = "echo $A $B $PWD $(id -un); cat; echo bad >&2; grep CapEff /proc/self/status; exit 41"
    done = containers.call("exec", "-i", "-e", "B=exec", "entered", "sh", "-c", script, input="typed\n")
    assert done.stdout.splitlines()[:2] == ["run exec /srv root", "typed"]
    assert int(done.stdout.split()[-1], 16) == 0xA80425FA
    assert (done.stderr, done.returncode) == ("bad\n", 41)
    assert containers.ok("exec", "-u", "guest", "-w", "/tmp", "entered", "sh", "-c", "id -un; pwd") == "guest\n/tmp\n"
    for words, status in ((("nosuch",), 127), (("/etc/passwd",), 126), (("-w", "/nosuch", "true"), 126)):
        flags = words[:-1] if len(words) > 1 else ()
        done = containers.call("exec", *flags, "entered", words[-1])
        assert (done.returncode, done.stderr.startswith("error: "), done.stdout) == (status, True, "")


def test_exec_detached(containers: Containers) -> None:
    containers.start("left", "sleep", "500")
    containers.ok("exec", "-d", "left", "sh", "-c", "sleep 0.1; echo done > /mark; sleep 500")
    containers.until(lambda: containers.call("exec", "left", "cat", "/mark").stdout == "done\n")


def test_exec_in_one_that_ends(containers: Containers) -> None:
    containers.start("ending", "sleep", "500")
    inside = containers.popen("exec", "ending", "sh", "-c", "echo in; sleep 500")
    assert inside.stdout.readline() == "in\n"
    containers.ok("rm", "-f", "ending")
    inside.communicate(timeout=20)
    assert inside.returncode == 137
    containers.clean()


def test_health(containers: Containers, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM alpine:3.20\nHEALTHCHECK --interval=100ms --retries=2 --timeout=5s CMD echo seen; test -e /well\n"
    )
    containers.ok("build", "-q", "-t", "checked", str(tmp_path))
    try:
        id_ = containers.start("ill", "sleep", "500", image="checked")
        assert containers.state(id_)["health"] == "starting"
        containers.until(lambda: containers.state(id_)["health"] == "unhealthy")
        assert "(unhealthy)" in containers.ok("ps")
        containers.ok("exec", "ill", "touch", "/well")
        containers.until(lambda: containers.state(id_)["health"] == "healthy")
        (found,) = json.loads(containers.ok("inspect", "ill"))
        results = found["State"]["Health"]["Log"]
        assert (results[-1]["ExitCode"], results[-1]["Output"]) == (0, "seen\n")
        assert 1 <= len(results) <= 5
        containers.start("unchecked", "sleep", "500", image="checked", flags=("--no-healthcheck",))
        assert containers.one("unchecked")["health"] is None
    finally:
        containers.ok("rm", "-f", *(one["id"] for one in containers.ps()))
        containers.ok("rmi", "checked")


def test_a_check_that_takes_too_long(containers: Containers) -> None:
    flags = ("--health-cmd", "sleep 321", "--health-interval", "50ms", "--health-timeout", "200ms")
    id_ = containers.start("slow", "sleep", "500", flags=(*flags, "--health-retries", "1"))
    containers.until(lambda: containers.state(id_)["health"] == "unhealthy")
    (found,) = json.loads(containers.ok("inspect", "slow"))
    assert found["State"]["Health"]["Log"][0]["Output"] == "Health check exceeded timeout (0.2s)"
    containers.until(lambda: "sleep 321" not in containers.ok("exec", "slow", "ps"), 20)


def test_volumes_are_listed_and_removed(containers: Containers) -> None:
    volumes = containers.store / "lamella" / "volumes"
    chown = ("sh", "-c", "mkdir /v/d && touch /v/d/f && chown -R guest /v/d && chmod 700 /v/d")
    for name in ("held", "free"):
        assert containers.run(*chown, flags=("-v", f"{name}:/v")).returncode == 0
    id_ = containers.start("holder", "true", flags=("-v", "held:/v"))
    containers.ok("wait", "holder")
    listed = json.loads(containers.ok("volume", "ls", "--format", "json"))["volumes"]
    assert listed == [{"name": "free", "containers": []}, {"name": "held", "containers": [id_]}]
    assert containers.ok("volume", "ls", "-q", "--dangling") == "free\n"
    done = containers.call("volume", "rm", "held", "../volumes", "free", "none")
    assert (done.returncode, done.stdout) == (2, "free\n")
    assert f"the volume 'held' belongs to the container {id_[:12]}" in done.stderr
    assert "there is no volume '../volumes'" in done.stderr and "there is no volume 'none'" in done.stderr
    assert [path.name for path in volumes.iterdir() if path.name != ".lock"] == ["held"]
    containers.ok("rm", "holder")
    assert containers.ok("volume", "rm", "held") == "held\n"
    assert containers.ok("volume", "ls").split("\n")[1:] == [""]


def test_volumes(containers: Containers, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM alpine:3.20\nRUN mkdir /data && echo image > /data/file && chown -R guest /data && chmod 750 /data\n"
        "VOLUME /data\n"
    )
    containers.ok("build", "-q", "-t", "holding", str(tmp_path))
    volumes = containers.store / "lamella" / "volumes"
    script = "cat /data/file; stat -c '%U %a' /data; echo $0 > /data/file"
    try:
        named = [
            containers.run("sh", "-c", script, str(n), image="holding", flags=("-v", "kept:/data")) for n in (1, 2)
        ]
        assert [one.stdout for one in named] == ["image\nguest 750\n", "1\nguest 750\n"]
        assert (volumes / "kept" / "file").read_text() == "2\n"
        containers.start("anon", "sh", "-c", script, "x", image="holding")
        containers.ok("wait", "anon")
        assert [path.name for path in volumes.iterdir() if len(path.name) == 64] != []
        containers.ok("rm", "anon")
        assert [path.name for path in volumes.iterdir() if len(path.name) == 64] == []
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "file").write_text("host\n")
        bound = containers.run(
            "sh", "-c", "cat /data/file; echo x > /data/file; echo y > /more/new", image="holding",
            flags=("-v", "./here:/data:ro", "--mount", f"type=bind,src={tmp_path},dst=/more"), cwd=tmp_path,
        )  # fmt: skip
        assert bound.stdout == "host\n"
        assert "Read-only file system" in bound.stderr
        assert (tmp_path / "new").read_text() == "y\n"
    finally:
        containers.ok("rmi", "-f", "holding")


def test_images_of_containers_stay(containers: Containers, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM alpine:3.20\nRUN echo mine > /mine\n")
    containers.ok("build", "-q", "-t", "used", str(tmp_path))
    containers.start("user", "sleep", "500", image="used")
    done = containers.call("rmi", "used")
    assert (done.returncode, "is used by the running container user" in done.stderr) == (2, True)
    containers.ok("tag", "used", "used:again")
    containers.ok("rmi", "used:again")
    containers.ok("rmi", "--force", "used")
    containers.ok("image", "prune", "--force", "--build-cache")
    assert containers.ok("exec", "user", "cat", "/mine") == "mine\n"


@pytest.mark.parametrize("whom", ["monitor", "runtime", "pid"])
def test_sigkill_of_a_part(containers: Containers, whom: str) -> None:
    """Whichever process is killed, the whole container goes, and the next command tidies up."""
    id_ = containers.start("struck", "sh", "-c", "sleep 400 & exec sleep 500")
    os.kill(containers.state(id_)[whom], signal.SIGKILL)
    containers.until(lambda: not containers.processes())
    one = containers.until(lambda: (found := containers.one("struck"))["status"] == "exited" and found)
    assert one["exit_code"] == 137
    containers.ok("rm", "struck")
    containers.clean()


@pytest.mark.slow
def test_sigkill_at_random_moments(containers: Containers) -> None:
    """Of the command, the monitor or anything else that is there by then, from the first moment of ``run``."""
    dice = random.Random(7)
    for number in range(12):
        flags = ("--rm",) if number % 2 else ("--name", f"random{number}")
        words = (
            "run",
            *flags,
            *(("-d",) if number % 3 == 0 else ()),
            "--network",
            "none",
            "alpine:3.20",
            "sleep",
            "300",
        )
        process = containers.popen(*words)
        time.sleep(dice.uniform(0.02, 0.5))
        there = [int(line.split()[0]) for line in containers.processes()]
        for pid in dice.sample(there, 1) if there else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)
        containers.remove_all()
        process.kill()
        process.communicate(timeout=20)
        containers.remove_all()
    containers.until(lambda: not containers.processes())
    containers.ok("ps")
    containers.clean()
