"""``lamella login`` and ``logout`` against real registries."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registries import PASSWORD, USER, Registry, free_port, log_in

Lamella = Callable[..., Any]


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's config file of this test; nothing of this machine's configuration counts."""
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    return tmp_path / ".docker/config.json"


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.mark.parametrize("kind", ["basic_registry", "token_registry"])
def test_in_and_out(
    kind: str, request: pytest.FixtureRequest, lamella: Lamella, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = request.getfixturevalue(kind).host
    stdin(monkeypatch, PASSWORD + "\n")
    result = lamella("login", host, "--username", USER, "--password-stdin")
    assert (result.code, result.out) == (0, "Login Succeeded\n")
    assert str(config) in result.err
    assert PASSWORD not in result.err
    assert config.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(config.read_text())["auths"]) == [host]
    again = lamella("login", f"http://{host}/v2/")
    assert (again.code, again.out) == (0, "Login Succeeded\n"), "with what was kept"
    out = lamella("logout", host)
    assert (out.code, out.out) == (0, f"Removed the credentials of {host}\n")
    assert json.loads(config.read_text()) == {"auths": {}}
    assert lamella("logout", host).out == f"Not logged in to {host}\n"


def test_a_file_that_is_named_is_made(
    basic_registry: Registry, lamella: Lamella, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other files have is not what this one is to have."""
    log_in(config.parent, basic_registry.host)
    named = tmp_path / "named.json"
    result = lamella("login", basic_registry.host, "--authfile", str(named))
    assert (result.code, result.out, named.exists()) == (2, "", False), "nobody sits at a terminal here"
    stdin(monkeypatch, PASSWORD)
    words = ("--authfile", str(named), "-u", USER, "--password-stdin")
    assert lamella("login", basic_registry.host, *words).code == 0
    assert list(json.loads(named.read_text())["auths"]) == [basic_registry.host]


def test_refused_and_nothing_is_kept(basic_registry: Registry, lamella: Lamella, config: Path) -> None:
    result = lamella("login", basic_registry.host, "-u", USER, "-p", "wrong one")
    assert result.code == 3
    assert result.err.startswith("warning: a password on the command line is seen by others")
    assert "error: " in result.err and "hint: check the user name and the password" in result.err
    assert "refuses to log in" in result.err
    assert "wrong one" not in result.err
    assert not config.exists()


def test_what_was_kept_and_is_not_good_any_more(
    basic_registry: Registry, lamella: Lamella, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(config.parent, basic_registry.host, password="old")
    stdin(monkeypatch, "")
    result = lamella("login", basic_registry.host)
    assert result.code == 2
    assert "note: the registry refuses to log in" in result.err
    assert "--password-stdin" in result.err


def test_nobody_there(lamella: Lamella, config: Path) -> None:
    result = lamella("login", f"127.0.0.1:{free_port()}", "-u", "a", "-p", "b")
    assert (result.code, "cannot be reached" in result.err) == (3, True)
    assert not config.exists()


def test_tls(tls_registry: Registry, lamella: Lamella, tmp_path: Path) -> None:
    host, file = tls_registry.host, str(tmp_path / "auth.json")
    words = ("login", host, "-u", "a", "-p", "b", "--authfile", file)
    assert "not to be trusted" in lamella(*words).err
    assert lamella(*words, "--tls-verify=false").code == 0
    result = lamella(*words, "--cert-dir", str(tls_registry.cert_dir))
    assert (result.code, "does not ask who you are" in result.err) == (0, True)
    assert list(json.loads(Path(file).read_text())["auths"]) == [host]
    assert lamella(*words, "--cert-dir", str(tmp_path / "none")).code == 2
    assert lamella("logout", "--authfile", file, "--all").out == f"Removed the credentials of {host}\n"


def test_asked_at_the_terminal(basic_registry: Registry, config: Path, require: Callable[[str], str]) -> None:
    ours, theirs = pty.openpty()
    program = [require("setsid"), "--ctty", "--wait", sys.executable, "-m", "lamella", "login", basic_registry.host]
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    for prompt, answer in (("Username: ", USER), ("Password: ", PASSWORD), ("Login Succeeded", "")):
        while prompt not in shown:
            try:
                data = os.read(ours, 4096)
            except OSError:
                data = b""
            assert data, shown
            shown += data.decode()
        os.write(ours, answer.encode() + b"\n")
    assert process.wait(30) == 0
    os.close(ours)
    assert PASSWORD not in shown
    assert list(json.loads(config.read_text())["auths"]) == [basic_registry.host]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("login", "a.example/team", "-u", "a", "-p", "b"), "more than a registry"),
        (("login", "a.example", "-p", "b", "--password-stdin", "-u", "a"), "both give a password"),
        (("login", "a.example", "--password-stdin"), "needs --username"),
        (("login", "a.example", "-u", "a:b", "-p", "c"), "holds no ':'"),
        (("login", "a.example", "-u", "a", "-p", ""), "one of them is empty"),
        (("login", "a.example", "-u", "\udcff", "-p", "a"), "no UTF-8"),
        (("login", "a.example", "--tls-verify", "perhaps"), "neither true nor false"),
        (("logout", "a.example", "--all"), "both given"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], message: str, lamella: Lamella) -> None:
    result = lamella(*words)
    assert (result.code, message in result.err) == (2, True), result.err
