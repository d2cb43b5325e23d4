"""Cache keys: what must change them and what must not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.plan.key import cache_key, step_definition
from lamella.plan.stage import LoweredStage
from lamella.plan.step import ConfigStep, Step

Lower = Callable[..., LoweredStage]
HEAD = "FROM scratch AS s\nFROM scratch\n"


def definition(lower: Lower, text: str, **options: object) -> bytes:
    """Of the last step that is more than config."""
    steps: list[Step] = [step for step in lower(HEAD + text, **options).steps if not isinstance(step, ConfigStep)]
    return step_definition(steps[-1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN a\n", "RUN b\n"),
        ("RUN a\n", 'RUN ["a"]\n'),
        ("RUN a\n", "RUN --network=none a\n"),
        ("RUN a\n", "RUN --security=insecure a\n"),
        ("RUN a\n", "USER x\nRUN a\n"),
        ("RUN a\n", "WORKDIR /w\nRUN a\n"),
        ("RUN a\n", "ENV X=1\nRUN a\n"),
        ("RUN a\n", "ARG X=1\nRUN a\n"),
        ("RUN a\n", 'SHELL ["/bin/bash", "-c"]\nRUN a\n'),
        ("RUN a\n", "RUN --mount=target=/x a\n"),
        ("RUN --mount=type=cache,target=/x a\n", "RUN --mount=type=cache,target=/y a\n"),
        ("RUN --mount=type=cache,target=/x a\n", "RUN --mount=type=cache,id=c,target=/x a\n"),
        ("RUN --mount=type=cache,target=/x a\n", "RUN --mount=type=cache,target=/x,mode=0700 a\n"),
        ("RUN --mount=target=/x a\n", "RUN --mount=target=/x,rw a\n"),
        ("RUN --mount=type=tmpfs,target=/x a\n", "RUN --mount=type=tmpfs,target=/x,size=1m a\n"),
        ("RUN --mount=type=secret,id=a a\n", "RUN --mount=type=secret,id=b a\n"),
        ("RUN --mount=type=secret,id=a a\n", "RUN --mount=type=secret,id=a,env=A a\n"),
        ("RUN <<E\n#!/bin/a\n1\nE\n", "RUN <<E\n#!/bin/a\n2\nE\n"),
        ("RUN <<E\n#!/bin/a\n1\nE\n", "RUN <<F\n#!/bin/a\n1\nF\n"),
        ("COPY a b\n", "COPY a c\n"),
        ("COPY a b\n", "COPY b b\n"),
        ("COPY a b\n", "ADD a b\n"),
        ("COPY a b\n", "COPY a b/\n"),
        ("COPY a b\n", "COPY --link a b\n"),
        ("COPY a b\n", "COPY --chown=1 a b\n"),
        ("COPY a b\n", "COPY --chmod=600 a b\n"),
        ("COPY a b\n", "COPY --exclude=x a b\n"),
        ("COPY a b\n", "COPY --parents a b\n"),
        ("COPY a b\n", "COPY --from=s a b\n"),
        ("COPY <<E b\n1\nE\n", "COPY <<E b\n2\nE\n"),
        ("ADD http://x/a b\n", "ADD --checksum=sha256:00 http://x/a b\n"),
        ("WORKDIR /a\n", "WORKDIR /b\n"),
        ("WORKDIR /a\n", "USER x\nWORKDIR /a\n"),
    ],
)
def test_what_decides_the_files_changes_the_definition(lower: Lower, one: str, other: str) -> None:
    assert definition(lower, one) != definition(lower, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN a\n", "# a comment\n\n  run   a\n"),
        ("RUN a && b\n", "RUN a && \\\n # why\nb\n"),
        ("RUN a\n", "LABEL x=1\nCMD y\nEXPOSE 1\nRUN a\n"),
        ("RUN a\n", "ARG X\nRUN a\n"),
        ("RUN --mount=source=a,target=/x b\n", "RUN --mount=source=c,target=/x b\n"),
        ("RUN --mount=from=s,target=/x b\n", "RUN --mount=from=img,target=/x b\n"),
        ("RUN --mount=type=cache,id=a,target=/x b\n", "RUN --mount=type=cache,id=c,target=/x,sharing=locked b\n"),
        ("COPY a b\n", "ENV X=1\nCOPY a b\n"),
        ("COPY a b\n", "USER u\nCOPY a b\n"),
        ("COPY a /b\n", "WORKDIR /\nCOPY ./a b\n"),
        ("COPY --from=s a b\n", "COPY --from=img a b\n"),
        ("COPY a /x\n", "ARG S=a\nCOPY $S /x\n"),
    ],
)
def test_what_does_not_decide_them_leaves_it(lower: Lower, one: str, other: str) -> None:
    assert definition(lower, one) == definition(lower, other)


def test_proxies_are_not_in_the_key(lower: Lower) -> None:
    assert definition(lower, "RUN a\n") == definition(lower, "RUN a\n", build_args=(("http_proxy", "p"),))


def test_a_definition_is_plain_json_without_places(lower: Lower) -> None:
    text = definition(lower, "\n\nRUN --mount=type=secret,id=token,env=T echo é\n")
    version, data = json.loads(text)
    assert version.startswith("lamella-step-")
    assert data["argv"] == ["/bin/sh", "-c", "echo é"]
    assert b"Dockerfile" not in text
    assert b"created_by" not in text


def test_config_steps_all_have_the_same_definition(lower: Lower) -> None:
    steps = lower(HEAD + "ENV A=1\nLABEL b=2\n").steps
    assert len({step_definition(step) for step in steps}) == 1


def test_parts_of_a_key_cannot_be_shifted() -> None:
    keys = {cache_key(*parts) for parts in [("a", b"b", "c"), ("ab", b"", "c"), ("a", b"bc", ""), ("", b"abc", "")]}
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)


@given(st.tuples(st.text(), st.binary(), st.text()), st.tuples(st.text(), st.binary(), st.text()))
def test_equal_keys_mean_equal_parts(one: tuple[str, bytes, str], other: tuple[str, bytes, str]) -> None:
    assert (cache_key(*one) == cache_key(*other)) is (one == other)
