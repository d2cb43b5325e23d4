"""--secret, --ssh and --allow as Docker writes them, and caches in df and prune."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.build.mounts.cachefolders import CacheFolders
from lamella.build.request import AgentSource, SecretSource
from lamella.cli.view.access import parse_agents, parse_allowed, parse_secrets
from lamella.errors import LamellaError

Lamella = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that we are in, with files and a folder ``d``. VARIABLE is set, SSH_AUTH_SOCK is not."""
    for name in ("s", "a,b", "NAMED"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d").mkdir()
    (tmp_path / "large").write_bytes(bytes(500 * 1024 + 1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VARIABLE", "x")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("id=t,src=s", SecretSource("t", file="s")),
        ("id=t,source=s", SecretSource("t", file="s")),
        ("ID=t,SRC=s,type=file", SecretSource("t", file="s")),
        ("id=t,env=VARIABLE", SecretSource("t", env="VARIABLE")),
        ("id=t,env=UNSET", SecretSource("t", env="UNSET")),
        ("type=env,id=t,src=VARIABLE", SecretSource("t", env="VARIABLE")),
        ("id=VARIABLE", SecretSource("VARIABLE", env="VARIABLE")),
        ("id=NAMED", SecretSource("NAMED", file="NAMED")),
        ('id=t,"src=a,b"', SecretSource("t", file="a,b")),
        ("id=t,src=s,env=VARIABLE", SecretSource("t", env="VARIABLE")),
        ("id=a=b,src=s", SecretSource("a=b", file="s")),
    ],
)
def test_secrets(here: Path, spec: str, expected: SecretSource) -> None:
    assert parse_secrets([spec]) == (expected,)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("src=s", "there is no id"),
        ("", "there is no id"),
        ("id=t,source", "'source' is not KEY=VALUE"),
        ("id=t,file=s", "unexpected key 'file'"),
        ("id=t,type=text", "unsupported type 'text'"),
        ('id=t,"src=a', "unexpected end of data"),
        ("id=t,src=missing", "cannot be found"),
        ("id=missing", "cannot be found"),
        ("id=t,src=d", "is a folder"),
        ("id=t,src=large", "larger than 500 KiB"),
    ],
)
def test_secrets_that_are_refused(here: Path, spec: str, message: str) -> None:
    with pytest.raises(LamellaError, match=message) as caught:
        parse_secrets([spec])
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_agents(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", "agent")
        assert parse_agents(["default", "two=agent", "keys=s,NAMED"]) == (
            AgentSource("default"),
            AgentSource("two", ("agent",)),
            AgentSource("keys", ("s", "NAMED")),
        )
        assert parse_agents(["=s"]) == (AgentSource("default", ("s",)),)
        for specs, message in ((["a=agent,s"], "but not both"), (["a=agent,agent"], "but not both")):
            with pytest.raises(LamellaError, match=message):
                parse_agents(specs)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["default"], "SSH_AUTH_SOCK is not set"),
        (["x=missing"], "No such file"),
        (["x=s", "x=NAMED"], "an agent 'x' already"),
    ],
)
def test_agents_that_are_refused(here: Path, specs: list[str], message: str) -> None:
    with pytest.raises(LamellaError, match=message) as caught:
        parse_agents(specs)
    assert (caught.value.exit_code, bool(caught.value.hint)) == (2, True)


def test_what_may_be_allowed() -> None:
    assert parse_allowed(["network.host", "security.insecure"]) == ("network.host", "security.insecure")
    with pytest.raises(LamellaError, match="--allow everything") as caught:
        parse_allowed(["everything"])
    assert "security.insecure" in (caught.value.hint or "")


def test_words_reach_the_build(lamella: Lamella, here: Path) -> None:
    (here / "Dockerfile").write_text("FROM scratch\nRUN --security=insecure x\n")
    done = lamella("build", ".")
    assert (done.code, "Dockerfile:2: RUN --security=insecure is not allowed" in done.err) == (2, True)
    assert "--allow security.insecure" in done.err
    done = lamella("build", "--secret", "id=nothing", ".")
    assert (done.code, "--secret id=nothing" in done.err) == (2, True)
    done = lamella("build", "--ssh", "default", ".")
    assert (done.code, "SSH_AUTH_SOCK" in done.err) == (2, True)


def _fill(place: str) -> None:
    os.mkdir(place)
    Path(place, "f").write_bytes(bytes(100_000))


def test_caches_are_counted_and_pruned(lamella: Lamella, store_root: Path) -> None:
    folders = CacheFolders(str(store_root / "lamella" / "caches"))
    lamella("image", "ls")
    with folders.use("a", "shared", _fill, lambda: None), folders.use("b", "shared", _fill, lambda: None):
        pass
    with folders.use("a", "shared", _fill, lambda: None) as used:
        said = lamella("system", "df", "--format", "json").json["cache mounts"]
        assert said["total"] == 2
        assert said["size"] >= 200_000
        assert 100_000 <= said["reclaimable"] < said["size"]
        assert lamella("image", "prune", "--force", "--format", "json").json["cache_mounts"] == 0
        pruned = lamella("image", "prune", "--force", "--build-cache", "--format", "json").json
        assert pruned["cache_mounts"] == 1
        assert pruned["reclaimed"] >= 100_000
        assert Path(used, "f").exists()
    assert lamella("system", "df", "--format", "json").json["cache mounts"]["total"] == 1
