"""What is known of a RUN with mounts before a build: nothing is run for it, and nothing secret asked for."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lamella.build.preview import preview
from lamella.build.request import BuildRequest, SecretSource

pytestmark = pytest.mark.containers
Builder = Any
TEXT = (
    "FROM alpine:3.20\nRUN --mount=target=/ctx --mount=type=cache,target=/c --mount=type=secret,id=s,required "
    "--mount=type=ssh --network=host cat /ctx/f /run/secrets/s > /made\n"
)


def test_a_cached_step_is_known_and_another_is_not_run(alpine: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLA_TEST_TOKEN", "12345")
    alpine.file("f", "123")
    request = BuildRequest(context=str(alpine.context), text=TEXT, name="Dockerfile")
    assert preview(request, alpine.store).stages[0].sizes == {}
    assert not os.path.exists(alpine.root / "lamella" / "caches")
    alpine.build(TEXT, secrets=(SecretSource("s", env="LAMELLA_TEST_TOKEN"),), allow=("network.host",))
    assert preview(request, alpine.store).stages[0].sizes == {0: 8}
    alpine.file("f", "1234")
    assert preview(request, alpine.store).stages[0].sizes == {}
