"""``lamella pull`` and ``lamella push`` over a network and a registry that fail: each fault ends well by trying again,
or in one clear error with its exit code; and the store verifies whatever happened."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import HASTY
from faults import (
    Fault,
    Faults,
    answers,
    cuts_each,
    cuts_upload,
    flips,
    hangs_up,
    lies_about_length,
    redirects,
    truncates,
)
from registries import Registry, log_in

from lamella.layer.verified import Swelling
from lamella.registry import layers, settings

Lamella = Any
SIZE = 400_000
FILES = [{"a": random.Random(1).randbytes(SIZE)}, {"b": b"b"}]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other quickly."""
    read = settings.read_settings
    monkeypatch.setattr(settings, "read_settings", lambda **more: read(**more)._replace(patience=HASTY.patience))


@pytest.fixture
def pushed(lamella: Lamella, put_image: Callable[..., None], registry: Registry, request: pytest.FixtureRequest) -> str:
    """An image in the registry, and nothing of it here; its name without the registry."""
    put_image("app:1", FILES)
    name = f"faults/{abs(hash(request.node.name)):x}:1"
    assert lamella("push", "-q", "app:1", f"{registry.host}/{name}").code == 0
    assert lamella("rmi", "app:1").code == 0
    return name


def is_clean(lamella: Lamella, root: Path, *, images: int) -> None:
    done = lamella("image", "verify")
    assert done.code == 0, done.err
    assert len(lamella("images", "--format", "json").json["images"]) == images
    assert os.listdir(root / "lamella/tmp") == []


def one_error(done: Any, code: int, says: str) -> None:
    assert (done.code, done.out) == (code, ""), done.err
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and says in done.err, done.err
    assert "Traceback" not in done.err


GOOD: list[tuple[str, str, Fault, int | None]] = [
    ("/blobs/", "a download cut at every tenth", cuts_each(SIZE // 10), None),
    ("/blobs/", "too many requests", answers(429, Retry_After="0"), 2),
    ("/blobs/", "unavailable", answers(503), 3),
    ("/manifests/", "a truncated manifest once", truncates(60), 1),
    ("/manifests/", "nobody answers once", hangs_up(), 1),
    ("/blobs/", "a length that is a lie once", lies_about_length(-100), 1),
]


@pytest.mark.parametrize(
    ("where", "fault", "times"), [(w, f, t) for w, _, f, t in GOOD], ids=[n for _, n, _, _ in GOOD]
)
def test_pulls_that_end_well(
    lamella: Lamella, pushed: str, faults: Faults, store_root: Path, *, where: str, fault: Fault, times: int | None
) -> None:
    faults.add("GET", where, fault, times)
    done = lamella("pull", "-q", f"{faults.host}/{pushed}")
    assert (done.code, done.out) == (0, f"{faults.host}/{pushed}\n"), done.err
    is_clean(lamella, store_root, images=1)


BAD: list[tuple[str, str, Fault, int, str]] = [
    ("/blobs/", "another content", flips(50), 2, "has the digest"),
    ("/blobs/", "a blob that is short", truncates(30), 3, "breaks off"),
    ("/blobs/", "it stays unavailable", answers(503), 3, "503"),
    ("/manifests/", "a manifest that is always cut", truncates(60), 2, "digest"),
    ("/manifests/", "asked to come back tomorrow", answers(429, Retry_After="86400"), 3, "come back in 86400 seconds"),
    ("/blobs/", "redirects without end", redirects("/v2/x/blobs/again"), 3, "redirects"),
    ("/manifests/", "no such image", answers(404), 2, "does not have it"),
    ("/blobs/", "no such blob", answers(404), 2, "does not have it"),
    ("/manifests/", "not for everybody", answers(403), 3, "refuses"),
]


@pytest.mark.parametrize(
    ("where", "fault", "code", "says"), [(w, *rest) for w, _, *rest in BAD], ids=[n for _, n, *_ in BAD]
)
def test_pulls_that_end_in_one_error(
    lamella: Lamella, pushed: str, faults: Faults, store_root: Path, *, where: str, fault: Fault, code: int, says: str
) -> None:
    faults.add("GET", where, fault)
    one_error(lamella("pull", f"{faults.host}/{pushed}"), code, says)
    is_clean(lamella, store_root, images=0)
    faults.clear()
    assert lamella("pull", "-q", f"{faults.host}/{pushed}").code == 0
    is_clean(lamella, store_root, images=1)


def test_a_layer_that_swells_to_a_thousand_times(
    lamella: Lamella,
    put_image: Callable[..., None],
    registry: Registry,
    store_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_image("bomb:1", [{"zeros": bytes(20 << 20)}])
    assert lamella("push", "-q", "bomb:1", f"{registry.host}/faults/bomb:1").code == 0
    assert lamella("rmi", "bomb:1").code == 0
    monkeypatch.setattr(layers, "SWELLING", Swelling(free=1 << 20))
    one_error(lamella("pull", f"{registry.host}/faults/bomb:1"), 2, "unpacks to more than 250 times its size")
    is_clean(lamella, store_root, images=0)


UPLOADS: list[tuple[str, str, str, Fault, int | None]] = [
    ("PATCH", "/uploads/", "an upload cut in the middle", cuts_upload(SIZE // 3), 2),
    ("POST", "/uploads/", "too many requests", answers(429, Retry_After="0"), 2),
    ("PUT", "/manifests/", "unavailable for a moment", answers(503), 2),
    ("HEAD", "/blobs/", "nobody answers once", hangs_up(), 1),
]


@pytest.mark.parametrize(
    ("method", "where", "fault", "times"),
    [(m, w, f, t) for m, w, _, f, t in UPLOADS],
    ids=[n for _, _, n, _, _ in UPLOADS],
)
def test_pushes_that_end_well(
    lamella: Lamella, put_image: Callable[..., None], faults: Faults, store_root: Path,
    *, method: str, where: str, fault: Fault, times: int | None,
) -> None:  # fmt: skip
    put_image("app:1", [{"a": os.urandom(SIZE)}])
    faults.add(method, where, fault, times)
    name = f"{faults.host}/faults/up-{method}-{times}:1".lower()
    done = lamella("push", "app:1", name)
    assert done.code == 0 and done.out.startswith("1: digest: sha256:"), done.err
    faults.clear()
    assert lamella("prove", f"docker://{name}", "app:1").code == 0
    is_clean(lamella, store_root, images=1)


def test_a_push_that_fails_leaves_the_tag_alone(
    lamella: Lamella, put_image: Callable[..., None], faults: Faults, store_root: Path
) -> None:
    name = f"{faults.host}/faults/stays:1"
    put_image("app:1", [{"a": os.urandom(100)}])
    put_image("app:2", [{"a": os.urandom(100)}])
    before = lamella("push", "app:1", name).out
    faults.add("PUT", "/uploads/", answers(500))
    one_error(lamella("push", "app:2", name), 3, "500")
    faults.clear()
    assert lamella("push", "app:1", name).out == before
    is_clean(lamella, store_root, images=2)


def test_a_token_that_expires_in_the_middle_of_a_push(
    lamella: Lamella,
    put_image: Callable[..., None],
    token_registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = Faults(token_registry.host)
    try:
        authfile = log_in(tmp_path / "docker", proxy.host)
        put_image("app:1", [{"a": os.urandom(SIZE)}])
        refused = answers(401, Www_Authenticate=_challenge(token_registry, proxy))
        proxy.add("PATCH", "/uploads/", refused, 1)
        proxy.add("PUT", "/manifests/", refused, 1)
        name = f"{proxy.host}/faults/expires:1"
        done = lamella("push", "--authfile", str(authfile), "app:1", name)
        assert done.code == 0, done.err
    finally:
        proxy.close()


def _challenge(registry: Registry, proxy: Faults) -> str:
    """What the registry says to one without a token."""
    import http.client

    connection = http.client.HTTPConnection(registry.host)
    connection.request("GET", "/v2/")
    said = connection.getresponse().headers["Www-Authenticate"]
    connection.close()
    return f'{said},scope="repository:faults/expires:pull,push"'
