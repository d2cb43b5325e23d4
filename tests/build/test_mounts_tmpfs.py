"""RUN --mount=type=tmpfs: an empty folder in memory."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.errors import StepFailed
from lamella.events import StepOutput

pytestmark = pytest.mark.containers
Builder = Any


def test_it_hides_what_is_there_is_as_large_as_asked_and_leaves_nothing(alpine: Builder) -> None:
    result = alpine.build(
        "FROM alpine:3.20\nRUN --mount=type=tmpfs,target=/etc/apk,size=1m --mount=type=tmpfs,target=/new/deep "
        "ls -A /etc/apk /new/deep && df -k /etc/apk | tail -1 && touch /etc/apk/x /new/deep/y && stat -c %a /new/deep\n"
    )
    said = b"".join(event.data for event in alpine.events if isinstance(event, StepOutput)).decode()
    assert said.startswith("/etc/apk:\n\n/new/deep:\ntmpfs")
    assert said.split()[3] == "1024"
    assert said.endswith("1777\n")
    assert alpine.layer_paths(result, 1) == []


def test_it_can_be_full(alpine: Builder) -> None:
    with pytest.raises(StepFailed, match="status 1"):
        alpine.build(
            "FROM alpine:3.20\nRUN --mount=type=tmpfs,target=/t,size=64k dd if=/dev/zero of=/t/f bs=1k count=100\n"
        )
