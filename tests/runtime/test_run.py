"""Processes in real containers."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from polling import until

from lamella.errors import Interrupted, MachineError
from lamella.runtime.protocol import BindMount, Process, Sandbox, TmpfsMount
from lamella.userns import current
from lamella.userns.standing import ROOT

#: a user has no control groups
IS_ROOT = current().kind == ROOT
pytestmark = pytest.mark.containers

Run = Callable[..., tuple[int, bytes, bytes]]


def _status_fields(output: bytes) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in output.decode().splitlines())}


def _processes_with(word: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _cgroups_named(word: str) -> list[str]:
    result = subprocess.run(
        ["find", "/sys/fs/cgroup", "-maxdepth", "4", "-name", f"*{word}*"], capture_output=True, text=True, check=False
    )
    return result.stdout.split()


def test_output_status_and_environment(run: Run, alpine: Path) -> None:
    status, out, err = run(
        alpine, "sh", "-c", "echo out; echo err >&2; echo $A-$HOME-$PWD; exit 3", env=("PATH=/bin", "A=1"), cwd="/tmp"
    )
    assert (status, out, err) == (3, b"out\n1-/root-/tmp\n", b"err\n")


def test_stdin_is_empty(run: Run, alpine: Path) -> None:
    assert run(alpine, "cat") == (0, b"", b"")


def test_root(run: Run, alpine: Path) -> None:
    _, out, _ = run(alpine, "sh", "-c", "id; umask; hostname; cat /proc/self/status")
    assert out.startswith(b"uid=0(root) gid=0(root) groups=0(root)\n0022\nlamella\n")
    fields = _status_fields(out)
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == "00000000a80425fb", "Docker's default"
    assert fields["CapInh"] == fields["CapAmb"] == "0000000000000000"
    assert fields["Seccomp"] == "2"
    assert fields["NoNewPrivs"] == "0"


def test_user_and_groups(run: Run, alpine: Path) -> None:
    _, out, _ = run(alpine, "sh", "-c", "id -u; id -g; id -G; cat /proc/self/status", user=(1000, 1001, (5, 6)))
    assert out.startswith(b"1000\n1001\n1001 5 6\n")
    fields = _status_fields(out)
    assert fields["CapEff"] == "0000000000000000"
    assert fields["CapBnd"] == "00000000a80425fb"


@pytest.mark.parametrize(
    "command",
    [
        "unshare -m true",
        "mount -t tmpfs none /mnt",
        "mknod /dev/sda b 8 0 && head -c1 /dev/sda",
        "echo 1 > /proc/sys/kernel/panic",
        "echo 1 > /sys/kernel/mm/ksm/run",
        "echo b > /proc/sysrq-trigger",
        "hostname other",
        'test -n "$(head -c1 /proc/kcore)"',
        'test -n "$(cat /proc/keys)"',
        "ls /sys/firmware/*",
        "echo x >> /etc/hosts",
    ],
)
def test_what_a_sandbox_forbids(run: Run, alpine: Path, command: str) -> None:
    status, _, _ = run(alpine, "sh", "-c", command)
    assert status not in (0, 127)


@pytest.mark.parametrize(
    "command",
    [
        "touch /tmp/f && chown 1:1 /tmp/f && rm /tmp/f",
        "chroot / true",
        "test -c /dev/null && echo x > /dev/null && head -c1 /dev/urandom > /dev/null",
        "test -d /dev/shm && touch /dev/shm/x",
        "ls /dev/pts /dev/mqueue",
        "cat /proc/self/stat /proc/meminfo > /dev/null",
        "su -s /bin/sh nobody -c true",
        "sleep 0 & wait",
        "test $$ = 1",
        "test -d /sys/class",
    ],
)
def test_what_a_sandbox_allows(run: Run, alpine: Path, command: str) -> None:
    assert run(alpine, "sh", "-c", command)[0] == 0


def test_insecure(run: Run, alpine: Path) -> None:
    status, out, _ = run(
        alpine, "sh", "-c", "unshare -m mount -t tmpfs none /mnt && cat /proc/self/status", security="insecure"
    )
    assert status == 0
    assert _status_fields(out)["Seccomp"] == "0"


def test_network(run: Run, alpine: Path) -> None:
    host = os.readlink("/proc/self/ns/net").encode()
    assert run(alpine, "readlink", "/proc/self/ns/net")[1].strip() == host
    _, out, _ = run(alpine, "sh", "-c", "readlink /proc/self/ns/net; ip -o link; ping -c1 127.0.0.1", network="none")
    assert host not in out
    assert b"lo" in out
    assert b"eth" not in out
    assert b"1 packets received" in out


def test_names(run: Run, alpine: Path) -> None:
    _, out, _ = run(alpine, "cat", "/etc/resolv.conf")
    assert out == Path("/etc/resolv.conf").read_bytes()
    _, out, _ = run(alpine, "cat", "/etc/hosts")
    assert out.startswith(b"127.0.0.1\tlocalhost lamella\n")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("no-such-program",), 127),
        (("/no/such/program",), 127),
        (("./relative",), 127),
        (("/etc/passwd",), 126),
        (("/etc",), 126),
        (("/tmp/no-interpreter",), 127),
        (("/tmp/no-program",), 126),
    ],
)
def test_what_cannot_be_executed(run: Run, alpine: Path, args: tuple[str, ...], expected: int) -> None:
    for name, content in (("no-interpreter", "#!/no/such\n"), ("no-program", "\x7fELF")):
        (alpine / "tmp" / name).write_text(content)
        (alpine / "tmp" / name).chmod(0o755)
    status, _, err = run(alpine, *args)
    assert status == expected
    assert args[0].encode() in err


def test_status_1_of_a_process_is_its_own(run: Run, alpine: Path) -> None:
    assert run(alpine, "sh", "-c", "echo 'exec x: no such file or directory!' >&2; exit 1")[0] == 1


def test_mounts(run: Run, alpine: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("hello")
    (tmp_path / "single").write_text("one")
    mounts = (
        BindMount("/mnt/dir", str(tmp_path / "source")),
        BindMount("/mnt/ro", str(tmp_path / "source"), readonly=True),
        BindMount("/run/deep/er/single", str(tmp_path / "single"), readonly=True),
        TmpfsMount("/mnt/tmp", size=1 << 20),
    )
    script = (
        "cat /mnt/dir/file /run/deep/er/single; touch /mnt/dir/new /mnt/tmp/x;"
        " touch /mnt/ro/new2 || echo ' ro'; dd if=/dev/zero of=/mnt/tmp/big bs=1M count=2 2>/dev/null || echo full"
    )
    _, out, _ = run(alpine, "sh", "-c", script, mounts=mounts)
    assert out == b"helloone ro\nfull\n"
    assert sorted(os.listdir(tmp_path / "source")) == ["file", "new"]
    assert os.listdir(alpine / "mnt") == []
    assert os.listdir(alpine / "run") == []


def test_runtime_that_fails_is_an_error_of_the_machine(run: Run, alpine: Path) -> None:
    with pytest.raises(MachineError) as caught:
        run(alpine, "true", mounts=(BindMount("/mnt/x", "/no/such/source"),))
    assert "/no/such/source" in str(caught.value.detail)
    assert os.listdir(alpine / "mnt") == []


def test_missing_working_directory_is_made_for_the_user(run: Run, scratch: Path) -> None:
    status, _, _ = run(scratch, "/bin/busybox", "touch", "here", cwd="/srv/app", user=(7, 8, ()))
    assert status == 0
    about = (scratch / "srv" / "app").stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (7, 8, 0o755)
    assert sorted(os.listdir(scratch)) == ["bin", "srv"]


def test_much_output(run: Run, alpine: Path) -> None:
    status, out, err = run(
        alpine, "sh", "-c", "head -c 10000000 /dev/zero >&2 & head -c 10000000 /dev/zero; wait; echo end"
    )
    assert status == 0
    assert len(err) == 10_000_000
    assert out == b"\0" * 10_000_000 + b"end\n"


def test_order_on_one_stream(run: Run, alpine: Path) -> None:
    _, out, _ = run(alpine, "sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done")
    assert out == b"".join(b"%d\n" % number for number in range(2000))


def test_what_stays_in_the_background_dies(run: Run, alpine: Path) -> None:
    started = time.monotonic()
    status, out, _ = run(alpine, "sh", "-c", "sleep 31.4159 & echo done")
    assert (status, out) == (0, b"done\n")
    assert time.monotonic() - started < 20
    assert _processes_with("31.4159") == []


def test_killed_by_a_signal(run: Run, alpine: Path) -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(run(alpine, "sleep", "27.1828")[0]))
    thread.start()
    until(lambda: _processes_with("27.1828"))
    subprocess.run(["pkill", "-KILL", "-f", "^sleep 27.1828"], check=True)
    thread.join(10)
    assert results == [137]


def test_stop_from_another_thread(runner: Any, alpine: Path, tmp_path: Path) -> None:
    raised: list[BaseException] = []
    sandbox = Sandbox(str(alpine), Process(("sleep", "16.1803"), ("PATH=/bin",)))

    def work() -> None:
        try:
            runner.run(sandbox, lambda stream, data: None)
        except Interrupted as error:
            raised.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: len(_processes_with("16.1803")) >= 2 and (bool(_cgroups_named("lamella-")) or not IS_ROOT))
    runner.stop()
    for thread in threads:
        thread.join(10)
    assert len(raised) == 2
    assert until(lambda: not _processes_with("16.1803"))
    owner = next(name for name in os.listdir(tmp_path / "run"))
    assert not any(name.isdigit() for name in os.listdir(tmp_path / "run" / owner))
    assert _cgroups_named(f"lamella-{owner}") == []
    with pytest.raises(Interrupted):
        runner.run(sandbox, lambda stream, data: None)


def test_output_that_raises_ends_the_process(runner: Any, alpine: Path) -> None:
    def output(stream: int, data: bytes) -> None:
        raise KeyboardInterrupt

    sandbox = Sandbox(str(alpine), Process(("sh", "-c", "echo x; sleep 14.1421"), ("PATH=/bin",)))
    with pytest.raises(KeyboardInterrupt):
        runner.run(sandbox, output)
    assert _processes_with("14.1421") == []


def test_parallel_runs(run: Run, alpine: Path) -> None:
    results: list[tuple[int, int, bytes]] = []

    def work(number: int) -> None:
        for turn in range(3):
            status, out, _ = run(alpine, "sh", "-c", f"echo {number}.{turn}; exit {number}")
            results.append((number, status, out))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 12
    assert all(number == status for number, status, _ in results)
    assert {out for _, _, out in results} == {f"{n}.{t}\n".encode() for n in range(4) for t in range(3)}
