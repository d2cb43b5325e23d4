"""From words to a command, and what is said to words that name none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.cli.dispatch import ALIASES, ELSEWHERE, GROUPS, LATER
from lamella.cli.overview import command_names

Lamella = Callable[..., Any]


def test_planned_commands_are_not_there_yet(lamella: Lamella) -> None:
    assert not {*command_names(), *ALIASES} & {*LATER}
    for name in LATER:
        done = lamella(*name.split(), "x")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"error: lamella {name} is not supported yet\n  hint: ")


def test_root_behind_the_command_is_told_where_it_belongs(lamella: Lamella) -> None:
    done = lamella("image", "ls", "--root", "x")
    assert done.code == 2
    assert "lamella --root DIR image ls" in done.err


def test_a_folder_without_a_dockerfile(lamella: Lamella, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    done = lamella("explain", "app")
    assert done.code == 2
    assert done.err.startswith("error: app: there is no Dockerfile in this folder, and no image has its name\n  hint: ")
    (tmp_path / "app" / "oci-layout").touch()
    assert "hint: to read the image layout in the folder of that name write oci:app" in lamella("explain", "app").err
    (tmp_path / "app" / "Dockerfile").touch()
    assert "write its tag: app:latest" in lamella("prove", "app/", "other").err


def test_a_flag_that_was_mistyped(lamella: Lamella) -> None:
    for words, message, hint in (
        (("build", "--buildarg", "X=1", "m"), "there is no flag --buildarg", "did you mean --build-arg?"),
        (("build", "--seceret=id=a", "."), "there is no flag --seceret", "did you mean --secret?"),
        (("explain", "--zzz"), "there is no flag --zzz", "'lamella explain --help' shows how it is called"),
        (("build", "a", "b"), "unrecognized arguments: b", "'lamella build --help' shows how it is called"),
    ):
        done = lamella(*words)
        assert (done.code, done.err.splitlines()) == (2, [f"error: {message}", f"  hint: {hint}"])


def test_commands_of_docker_that_are_called_otherwise(lamella: Lamella) -> None:
    for words, hint in (
        (("container", "ls"), "'lamella ps'"),
        (("version",), "'lamella --version'"),
        (("port", "web"), "'lamella ps' shows the ports"),
        (("restart", "web"), "'lamella run' makes a new one"),
        (("pss",), "did you mean 'lamella ps'?"),
    ):
        done = lamella(*words)
        assert done.code == 2 and f"there is no command {words[0]!r}" in done.err and hint in done.err, done.err


def test_what_is_listed_elsewhere_is_no_command(lamella: Lamella) -> None:
    assert not {*ELSEWHERE} & {*command_names(), *ALIASES, *GROUPS}


def test_words_of_others_do_not_steer_the_terminal(lamella: Lamella) -> None:
    done = lamella("image", "inspect", "no\x1b]0;evil\x07such\x9b")
    assert done.code == 2
    assert done.err.replace("\n", "").isprintable()
    assert "\\x1b]0;evil\\x07such\\x9b" in done.err
