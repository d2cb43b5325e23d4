"""Parts of the room that need no container: the log, the table, names, signals, flags."""

from __future__ import annotations

import argparse
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.cli.commands import run as run_command
from lamella.cli.containerfilter import parse_filters
from lamella.cli.moments import parse_moment
from lamella.cli.runoptions import asked_for, parse_size
from lamella.cli.text.docker import docker_status, quoted_command
from lamella.container import log as logs
from lamella.container.folder import Folder
from lamella.container.health import Times, next_health, times_of
from lamella.container.log import LogWriter
from lamella.container.logread import read_log
from lamella.container.names import check_name, random_name
from lamella.container.new import Asked, new_container
from lamella.container.sandbox import user_in
from lamella.container.signals import parse_signal
from lamella.container.table import Table
from lamella.container.values import Container, Mounted, State, as_json, from_json
from lamella.errors import InputError, LamellaError, NoSpace, NotFound, StoreDamaged, UsageError
from lamella.oci.config import Healthcheck, ImageConfig, RunConfig
from lamella.oci.platform import Platform
from lamella.runtime.ports import PublishedPort

SECOND = 1_000_000_000


def container(**fields: Any) -> Container:
    values = {
        "id": os.urandom(32).hex(), "name": "", "image": "a", "image_id": "sha256:0", "platform": "linux/amd64",
        "created": 1, "args": ("true",), "env": (), "cwd": "/", "user": "", "hostname": "h",
    }  # fmt: skip
    return Container(**{**values, **fields})


def config(**fields: Any) -> ImageConfig:
    return ImageConfig(b"", Platform("linux", "amd64"), RunConfig(**fields), ()).encode()


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=30))
def test_a_log_gives_back_every_byte(tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, bytes]]) -> None:
    folder = Folder(str(tmp_path_factory.mktemp("log")))
    writer = LogWriter(folder.file("log"))
    for stream, data in writes:
        writer.write(stream, data)
    writer.close()
    for stream in (1, 2):
        read = b"".join(record.data for record in read_log(folder) if record.stream == stream)
        assert read == b"".join(data for one, data in writes if one == stream)


def test_a_log_is_bounded(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    writer = LogWriter(folder.file("log"), limit=20_000)
    for number in range(2000):
        writer.write(1, b"line %d\n" % number)
    writer.close()
    sizes = [os.path.getsize(folder.file(name)) for name in ("log", "log.1")]
    assert sum(sizes) <= 20_000
    read = [record.data for record in read_log(folder)]
    assert read == [b"line %d\n" % number for number in range(2000 - len(read), 2000)]
    assert len(read) > 100
    assert [record.data for record in read_log(folder, tail=150)] == read[-150:]
    os.replace(folder.file("log"), folder.file("log.1"))
    os.link(folder.file("log.1"), folder.file("log"))  # as one sees it who opens both while it is put aside
    assert len(list(read_log(folder))) == len({record.data for record in read_log(folder)}) > 0


def test_long_lines_are_cut_in_the_log_alone(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    writer = LogWriter(folder.file("log"))
    writer.write(1, b"x" * 40_000)
    writer.write(1, b"y\nz\n")
    writer.close()
    assert [len(record.data) for record in read_log(folder)] == [
        logs.LONGEST,
        logs.LONGEST,
        40_002 - 2 * logs.LONGEST,
        2,
    ]


def test_following_a_log_that_is_put_aside(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    writer = LogWriter(folder.file("log"), limit=2000)
    written = 0

    def more() -> bool:
        nonlocal written
        for _ in range(5):
            writer.write(1, b"line %d\n" % written)
            written += 1
        return written < 60

    read = [record.data for record in read_log(folder, follow=more)]
    assert read == [b"line %d\n" % number for number in range(written)]
    assert (tmp_path / "log.1").exists()


def test_a_full_disk_loses_lines_and_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(str(tmp_path))
    writer = LogWriter(folder.file("log"))
    writer.write(1, b"before\n")
    real, full = os.write, [True]

    def write(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[:10] if full[0] else data)

    monkeypatch.setattr(logs.os, "write", write)
    writer.write(1, b"lost\n")
    full[0] = False
    writer.write(1, b"after\n")
    writer.close()
    assert [record.data for record in read_log(folder)] == [b"before\n", b"after\n"]
    assert "not whole" in writer.trouble


def test_values_and_json() -> None:
    made = container(
        name="n", labels=(("a", "b"),), ports=(PublishedPort(80, "tcp", "127.0.0.1", 8080, 8080),),
        mounts=(Mounted("bind", "/a", "/b", True),), healthcheck=Healthcheck(("CMD", "true"), 5), env=("A=\udcff",),
    )  # fmt: skip
    assert from_json(Container, as_json(made)) == made
    assert from_json(State, {"status": "exited", "from": "the future"}) == State("exited")
    with pytest.raises(TypeError):
        from_json(State, {"pid": "text"})


def test_the_table(tmp_path: Path) -> None:
    table = Table(str(tmp_path))
    assert (table.list(), table.folders()) == ([], [])
    with pytest.raises(NotFound):
        table.find("x")
    made = [table.create(container(name=name), State()) for name in ("one", "")]
    folder, lock, first = made[0]
    assert folder.watched() and folder.lock() is None
    os.close(lock)
    assert not folder.watched()
    assert made[1][2].name and made[1][2].name != "one"
    assert table.find("one") == table.find(first.id[:20]) == table.find("/one") == folder
    with pytest.raises(InputError, match="is taken by the container"):
        table.create(container(name="one"), State())
    assert len(table.folders()) == 2
    table.remove(folder, "one")
    assert sorted(os.listdir(table.path)) == sorted([made[1][0].id, "lock", "names"])
    os.close(table.create(container(name="one"), State())[1])
    for word in ("..", "", "../names", "names", "lock"):
        with pytest.raises(NotFound):
            table.find(word)


def test_a_dangling_name_is_free(tmp_path: Path) -> None:
    """Whoever named a container and died before it was there."""
    table = Table(str(tmp_path))
    os.close(table.create(container(name="one"), State())[1])
    os.symlink("0" * 64, f"{table.path}/names/two")
    os.close(table.create(container(name="two"), State())[1])
    assert {one.name for _, one, _ in table.list()} == {"one", "two"}
    os.symlink("0" * 64, f"{table.path}/names/three")
    table.sweep_names()
    assert sorted(os.listdir(f"{table.path}/names")) == ["one", "two"]


def test_several_that_begin_alike(tmp_path: Path) -> None:
    table = Table(str(tmp_path))
    for last in "12":
        os.close(table.create(container(id="ab" * 31 + "0" + last), State())[1])
    with pytest.raises(InputError, match="the beginning of 2 containers"):
        table.find("abab")


def test_a_full_disk_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of a container whose folder cannot be written, and its name is free."""
    table = Table(str(tmp_path))

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr("lamella.container.folder.os.write", full)
        with pytest.raises(NoSpace):
            table.create(container(name="one"), State())
    assert os.listdir(table.path) == ["names", "lock"] or sorted(os.listdir(table.path)) == ["lock", "names"]
    os.close(table.create(container(name="one"), State())[1])


def test_a_state_is_written_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(str(tmp_path))
    folder.write_state(State("running", pid=1234567))
    real = os.open

    def no_new_files(path: str, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "full", path)
        return real(path, flags, *rest, **more)

    monkeypatch.setattr("lamella.container.folder.os.open", no_new_files)
    folder.write_state(State("exited"))
    assert folder.state() == State("exited")


def test_a_damaged_container(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(StoreDamaged, match="cannot be read"):
        Folder(str(tmp_path)).state()


@pytest.mark.parametrize(
    ("text", "number"),
    [("SIGTERM", 15), ("term", 15), ("9", 9), (" SIGKILL ", 9), ("SIGRTMIN+3", 37), ("rtmax-1", 63), ("RTMIN", 34)],
)
def test_signals(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "SIGNO", "RTMIN-1", "RTMAX+1", "-9", "SIG_BLOCK", "raise_signal"])
def test_no_signals(text: str) -> None:
    with pytest.raises(InputError):
        parse_signal(text)


def test_users_of_a_hostile_image(tmp_path: Path) -> None:
    """No device or pipe is opened, no link leads out."""
    (tmp_path / "etc").mkdir()
    passwd = tmp_path / "etc" / "passwd"
    passwd.write_text("app:x:7:8::/home/app:/bin/sh\n")
    assert user_in(str(tmp_path), "app")[:2] == (7, 8)
    passwd.unlink()
    os.mkfifo(passwd)
    with pytest.raises(InputError, match="is not in the image"):
        user_in(str(tmp_path), "app")
    passwd.unlink()
    passwd.symlink_to("../../../../../../../../etc/passwd")  # itself, inside
    with pytest.raises(InputError):
        user_in(str(tmp_path), "root")
    assert user_in(str(tmp_path), "12:34")[:2] == (12, 34)


def test_names() -> None:
    assert check_name(random_name())
    for name in ("a", "-ab", "a/b", "", "ä1", "a b"):
        with pytest.raises(InputError):
            check_name(name)


def parsed(*words: str) -> Asked:
    parser = argparse.ArgumentParser()
    run_command.configure(parser)
    return asked_for(parser.parse_args(list(words)))


def test_flags_end_at_the_image() -> None:
    asked = parsed("-dit", "--rm", "-p8080:80", "alpine", "sh", "-c", "--rm", "-x")
    assert (asked.detached, asked.stdin, asked.terminal, asked.remove) == (True,) * 4
    assert asked.command == ("sh", "-c", "--rm", "-x")
    assert asked.ports == (PublishedPort(80, "tcp", "", 8080, 8080),)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-p", "80:81:82:83"), "is no port to publish"),
        (("-e", "=x"), "a variable has a name"),
        (("-v", "a b:/x"), "neither a path nor the name of a volume"),
        (("-v", "/tmp:relative"), "not absolute"),
        (("-v", "/a:/b:fast"), "unknown option 'fast'"),
        (("--mount", "type=bind,dst=/a"), "there is no source"),
        (("--mount", "type=bind,src=/a,dst=/a,flavour=x"), "unknown key 'flavour'"),
        (("--memory", "lots"), "this is no size"),
        (("--memory", "1m"), "less than 6 MB"),
        (("--cpus", "5000"), "this machine has"),
        (("--name", "a b"), "cannot be a container's name"),
        (("--stop-signal", "SIGNOTHING"), "is no signal"),
        (("--network", "mars"), "there is no such network"),
        (("--add-host", "x"), "not NAME:ADDRESS"),
        (("--expose", "1:2"), "a port of the container alone"),
        (("--health-interval", "soon"), "this is no time"),
        (("--no-healthcheck", "--health-cmd", "x"), "stands against"),
        (("--env-file", "/no/such/file"), "cannot be read"),
    ],
)
def test_flags_that_cannot_be(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(LamellaError, match=message) as caught:
        parsed(*words, "alpine")
    assert caught.value.exit_code == 2


def test_sizes_and_moments() -> None:
    assert [parse_size(text, "-m") for text in ("7", "7b", "2k", "1.5m", "2G", "1GiB")] == [
        7, 7, 2048, 1572864, 2 << 30, 1 << 30,
    ]  # fmt: skip
    assert parse_moment("2026-01-02T13:00:00+01:00", "--since") == "2026-01-02T12:00:00.000000000Z"
    assert parse_moment("0.5", "--since") == "1970-01-01T00:00:00.500000000Z"
    assert parse_moment("1h", "--since") < parse_moment("59m", "--since")
    with pytest.raises(UsageError):
        parse_moment("soon", "--since")


@pytest.mark.parametrize(
    ("image", "asked", "args"),
    [
        ({"entrypoint": ("e",), "cmd": ("c",)}, {}, ("e", "c")),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"command": ("x",)}, ("e", "x")),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"entrypoint": "n"}, ("n",)),
        ({"entrypoint": ("e",), "cmd": ("c",)}, {"entrypoint": "", "command": ("x",)}, ("x",)),
        ({"cmd": ("c", "d")}, {}, ("c", "d")),
    ],
)
def test_the_command_line(image: dict[str, Any], asked: dict[str, Any], args: tuple[str, ...]) -> None:
    assert new_container(Asked(**asked), "a", config(**image)).args == args


def test_an_image_makes_a_container() -> None:
    image = config(
        cmd=("c",), env=("A=1", "PATH=/b"), volumes=("/v", "/w/"), exposed_ports=("80/tcp", "53"), stop_signal="9",
        healthcheck=Healthcheck(("CMD", "old"), interval=7), labels=(("l", "image"),), shell=("/bin/bash", "-c"),
    )  # fmt: skip
    asked = Asked(
        env=("A=2", "GONE"), mounts=(Mounted("bind", "/v/", "/host"),), publish_all=True,
        ports=(PublishedPort(80, "tcp", "", 8, 8),), healthcheck=Healthcheck(("CMD-SHELL", "new")),
    )  # fmt: skip
    made = new_container(asked, "a", image)
    assert set(made.env) == {"A=2", "PATH=/b", f"HOSTNAME={made.short}"}
    assert [(one.kind, one.target, one.anonymous) for one in made.mounts] == [
        ("bind", "/v", False),
        ("volume", "/w", True),
    ]
    assert [(port.container, port.protocol, port.host) for port in made.ports] == [(80, "tcp", 8), (53, "tcp", 0)]
    assert (made.stop_signal, made.exposed, made.shell) == (9, ("80/tcp", "53/tcp"), ("/bin/bash", "-c"))
    assert made.healthcheck == Healthcheck(("CMD-SHELL", "new"), interval=7)
    assert new_container(Asked(no_healthcheck=True), "a", image).healthcheck is None
    none = config(cmd=("c",), healthcheck=Healthcheck(("NONE",)))
    assert new_container(Asked(), "a", none).healthcheck is None


def test_health_in_words() -> None:
    assert times_of(Healthcheck(("CMD", "x"))) == Times(30, 30, 0, 5, 3)
    health, streak, seen = "starting", 0, []
    for succeeded, early in (
        (False, True),
        (False, False),
        (False, False),
        (True, False),
        (False, False),
        (False, False),
    ):
        health, streak = next_health(health, streak, succeeded, early, 2)
        seen.append((health, streak))
    assert seen == [
        ("starting", 0), ("starting", 1), ("unhealthy", 2), ("healthy", 0), ("healthy", 1), ("unhealthy", 2),
    ]  # fmt: skip


def test_status_in_words() -> None:
    now = 1000 * SECOND
    up = State("running", started=now - 300 * SECOND)
    assert docker_status(up, now) == "Up 5 minutes"
    assert docker_status(up._replace(health="starting"), now) == "Up 5 minutes (health: starting)"
    assert docker_status(up._replace(health="healthy"), now) == "Up 5 minutes (healthy)"
    assert (
        docker_status(State("exited", finished=now - 7200 * SECOND // 3600, exit_code=3), now)
        == "Exited (3) 2 seconds ago"
    )
    assert docker_status(State("created"), now) == "Created"
    assert quoted_command('sh -c "x\n\x1b[1m\\"') == '"sh -c \\"x\\n\\x1b[1m\\\\\\""'


def test_filters() -> None:
    one, state = container(name="web-1", image="app:latest", labels=(("a", "b"),)), State("exited", exit_code=3)
    for word in ("name=web", f"id={one.id[:5]}", "label=a", "label=a=b", "status=exited", "exited=3", "ancestor=app"):
        assert parse_filters([word])(one, state), word
    for word in ("name=db", "label=a=c", "status=running", "exited=0", "health=healthy", "ancestor=other"):
        assert not parse_filters([word])(one, state), word
    assert parse_filters(["name=db", "name=web"])(one, state)
    assert not parse_filters(["name=web", "status=running"])(one, state)
    with pytest.raises(UsageError):
        parse_filters(["colour=red"])
