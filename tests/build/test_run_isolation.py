"""RUN --network and --security, and what the command line must allow for them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lamella.errors import DockerfileError
from lamella.events import StepOutput

pytestmark = pytest.mark.containers
Builder = Any


def output(builder: Builder) -> str:
    return b"".join(event.data for event in builder.events if isinstance(event, StepOutput)).decode()


def test_network_of_a_step_goes_before_that_of_the_command_line(alpine: Builder) -> None:
    host = os.readlink("/proc/self/ns/net")
    step = "readlink /proc/self/ns/net\n"
    text = f"FROM alpine:3.20\nRUN {step}RUN --network=none {step}RUN --network=default true && {step}"
    alpine.build(text, no_cache=True)  # a step that changes nothing has the key of the same step elsewhere
    default, none, named = output(alpine).split()
    assert default == named == host != none
    alpine.build(f"{text}RUN --network=host {step}", network="none", allow=("network.host",), no_cache=True)
    assert [said == host for said in output(alpine).split()] == [False, False, False, True]


@pytest.mark.parametrize(
    ("flag", "options", "hint"),
    [
        ("--network=host", {}, "--allow network.host"),
        ("--network=host", {"allow": ("security.insecure",)}, "--allow network.host"),
        ("--security=insecure", {"network": "host"}, "--allow security.insecure"),
    ],
)
def test_what_must_be_allowed_is_refused_before_any_step_runs(
    alpine: Builder, flag: str, options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(DockerfileError) as caught:
        alpine.build(f"FROM alpine:3.20\nRUN echo ran\nRUN {flag} true\n", **options)
    assert caught.value.where == "Dockerfile:3"
    assert hint in (caught.value.hint or "")
    assert output(alpine) == ""


def test_network_of_the_command_line_allows_it_too(alpine: Builder) -> None:
    alpine.build("FROM alpine:3.20\nRUN --network=host echo ran\n", network="host")
    assert output(alpine) == "ran\n"


def test_insecure_can_mount_and_sandbox_cannot(alpine: Builder) -> None:
    step = "mount -t tmpfs none /mnt && echo mounted || echo refused\n"
    text = f"FROM alpine:3.20\nRUN --security=insecure {step}RUN --security=sandbox {step}RUN {step}"
    alpine.build(text, allow=("security.insecure",))
    assert [line for line in output(alpine).splitlines() if "mount:" not in line] == ["mounted", "refused", "refused"]


def test_a_heredoc_with_an_interpreter_is_a_script_of_its_name_and_leaves_nothing(alpine: Builder) -> None:
    result = alpine.build(
        "FROM alpine:3.20\n"
        "RUN <<my.script\n#!/bin/ash -e\necho $0; stat -c '%a %u' $0; ls -a /dev/pipes\n"
        "exec 2> /dev/null; echo x >> $0 || echo ro; touch /dev/pipes/x || echo ro\nmy.script\n"
        "USER 1000\n"
        "RUN --mount=type=tmpfs,target=/t <<EOF\n#!/usr/bin/awk BEGIN{print(3*7)}\nEOF\n"
    )
    assert output(alpine).split() == ["/dev/pipes/my.script", "755", "0", ".", "..", "my.script", "ro", "ro", "21"]
    assert alpine.layer_paths(result, 1) == []
    assert alpine.layer_paths(result, 2) == []
