"""A registry that means harm, or is broken beyond reason: numbers, addresses and words of its headers, answers that
never end. Each is one clear error, or is passed by; none leads to another machine."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from clients import HASTY, blob
from registries import log_in

from lamella.errors import ImageInvalid, Interrupted, LamellaError, RegistryError
from lamella.oci.digest import Digest
from lamella.oci.manifest import parse_manifest
from lamella.oci.reference import parse_reference
from lamella.registry import answers
from lamella.registry.client import Repository, open_repository
from lamella.remote.waiting import never

LONG = "9" * 5000
MANIFEST = "/v2/app/manifests/one"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REGISTRY_AUTH_FILE":
            monkeypatch.delenv(name)
    for name in ("HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def heads(web: Any) -> Iterator[Any]:
    """The web server, which answers HEAD like GET."""
    web.server.RequestHandlerClass.do_HEAD = web.server.RequestHandlerClass.do_GET
    return web


def opened(web: Any, cancelled: Callable[[], bool] = never) -> Repository:
    return open_repository(parse_reference(f"127.0.0.1:{web.port}/app:one"), HASTY, cancelled=cancelled)


def says(status: int, content: bytes = b"{}", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    return answer


@pytest.mark.parametrize("realm", ["http://[::1", "http://a[b]c/", "http://user:secret@[", "https://x:99999/t"])
def test_token_servers_that_are_no_address(web: Any, realm: str) -> None:
    web.answers[MANIFEST] = says(401, WWW_Authenticate=f'Bearer realm="{realm}"')
    with pytest.raises(RegistryError, match="no address") as caught:
        opened(web).get_manifest("one")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://localhost:x@elsewhere.invalid/x", "leads to plain HTTP, at elsewhere.invalid"),
        ("http://127.0.0.1:x@elsewhere.invalid:80/x", "leads to plain HTTP, at elsewhere.invalid:80"),
        ("http://127.0.0.1\\@elsewhere.invalid/x", "leads to plain HTTP, at elsewhere.invalid"),
        ("http://127.0.0.1\\.elsewhere.invalid/x", "no address"),
        ("https://else where.invalid/x", "no address"),
        ("https://../x", "no address"),
    ],
)
def test_a_user_before_the_host_makes_it_no_other(web: Any, target: str, message: str) -> None:
    web.answers[MANIFEST] = says(307, Location=target)
    with pytest.raises(RegistryError, match=message):
        opened(web).get_manifest("one")


def test_what_looks_like_the_registry_does_not_get_its_credentials(web: Any, tmp_path: Path) -> None:
    """For one reader of addresses it is the registry that stands here, for another it is localhost."""
    host = f"127.0.0.1:{web.port}"
    log_in(tmp_path, host)

    def closed(request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Authorization") is None:
            says(401, WWW_Authenticate='Basic realm="x"')(request)
        else:
            says(307, Location=f"http://localhost:{web.port}\\@{host}/elsewhere")(request)

    web.answers[MANIFEST] = closed
    web.answers["/elsewhere"] = says(200, b'{"a": 1}')
    opened(web).get_manifest("one")
    given = [(headers["host"], "authorization" in headers) for path, headers in web.asked]
    assert ("127.0.0.1", True) in {(name.partition(":")[0], there) for name, there in given}
    assert not any(there for name, there in given if name.startswith("localhost"))


def test_words_of_the_status_line_do_not_reach_the_terminal(web: Any) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 418 \x1b]0;evil\x07\x9b2J words\r\nContent-Length: 0\r\n\r\n")

    web.answers[MANIFEST] = answer
    with pytest.raises(RegistryError, match="418") as caught:
        opened(web).get_manifest("one")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("said", [{"Docker_Content_Digest": "sha256:nonsense"}, {"Docker_Content_Digest": "sha384:00"}])
def test_a_digest_that_is_none_is_not_believed(heads: Any, said: dict[str, str]) -> None:
    heads.answers[MANIFEST] = says(200, b'{"a": 1}', **said)
    found = opened(heads).head_manifest("one")
    assert found is not None
    assert found.digest == Digest.of(b'{"a": 1}')


def test_a_length_of_5000_digits(heads: Any) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.command == "HEAD":
            says(200, Content_Length=LONG, Docker_Content_Digest=str(Digest.of(b"{}")))(request)
        else:
            says(200, b"{}")(request)

    heads.answers[MANIFEST] = answer
    found = opened(heads).head_manifest("one")
    assert found is not None
    assert found.size == 2


def test_a_part_that_begins_at_a_place_of_5000_digits(web: Any) -> None:
    content = bytes(1000)
    wanted = blob(content)

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Range"):
            says(206, b"", Content_Range=f"bytes {LONG}-1/2")(request)
            return
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(content[:10])
        request.close_connection = True

    web.answers[f"/v2/app/blobs/{wanted.digest}"] = answer
    with pytest.raises(RegistryError, match="another part"):
        opened(web).open_blob(wanted).read()


def test_a_spoilt_beginning_is_not_the_registrys_alone(web: Any) -> None:
    content = bytes(1000)
    wanted = blob(content)
    web.answers[f"/v2/app/blobs/{wanted.digest}"] = says(206, content[10:], Content_Range="bytes 10-999/1000")
    with pytest.raises(ImageInvalid, match=r"an earlier command kept \(10 bytes\)"):
        opened(web).open_blob(wanted, 10, hashlib.sha256(b"other byte")).read()
    assert opened(web).open_blob(wanted, 10, hashlib.sha256(content[:10])).read() == content[10:]


# --- answers without an end ------------------------------------------------------------------------------------------


def drips(status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        try:
            for _ in range(200):
                request.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            pass

    return answer


@pytest.fixture(params=["manifest", "refusal", "token"])
def dripping(request: pytest.FixtureRequest, web: Any) -> Any:
    web.answers[MANIFEST] = drips(200 if request.param == "manifest" else 403)
    if request.param == "token":
        web.answers[MANIFEST] = says(401, WWW_Authenticate=f'Bearer realm="{web.url("/token")}"')
        web.answers["/token"] = drips()
    return web


def test_what_drips_is_given_up(dripping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(LamellaError) as caught:
        opened(dripping).get_manifest("one")
    assert caught.value.exit_code == 3
    assert time.monotonic() - began < 8


def test_what_drips_can_be_cancelled(dripping: Any) -> None:
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        opened(dripping, stop.is_set).get_manifest("one")
    assert time.monotonic() - began < 5


def test_manifests_that_are_too_large(web: Any) -> None:
    web.answers[MANIFEST] = says(200, b" " * ((4 << 20) + 1))
    with pytest.raises(LamellaError, match="larger than"):
        opened(web).get_manifest("one")


def test_half_a_character_is_found_before_it_is_to_be_written() -> None:
    config = b'{"mediaType": "", "size": 1, "digest": "sha256:' + b"0" * 64 + b'"}'
    raw = b'{"config": ' + config + b', "layers": [], "annotations": {"a": "%s"}}'
    assert parse_manifest(raw % b"\\uD83D\\uDE00", "m").annotations == (("a", "\U0001f600"),)
    with pytest.raises(ImageInvalid, match="half a character"):
        parse_manifest(raw % b"\\uD83D", "m")
