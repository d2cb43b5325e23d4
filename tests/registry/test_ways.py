"""The ways to a registry: proxies of the environment, certificates of the client, token servers and redirects that
would lead credentials astray. Servers are small ones of the tests, which see everything."""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from clients import HASTY
from quiet import QuietServer
from registries import PASSWORD, USER, Registry, log_in

from lamella.errors import RegistryDenied, RegistryError, RegistryUnreachable
from lamella.oci.reference import parse_reference
from lamella.registry.client import Repository, open_repository
from lamella.registry.settings import RegistrySettings

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REGISTRY_AUTH_FILE", "SSL_CERT_FILE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


def opened(host: str, settings: RegistrySettings = HASTY) -> Repository:
    return open_repository(parse_reference(f"{host}/app:one"), settings)


def says(status: int, content: bytes = b"{}", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)

    return answer


# --- proxies ---------------------------------------------------------------------------------------------------------


def test_plain_http_through_a_proxy(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{web.port}")
    web.answers["http://registry.invalid/v2/app/manifests/one"] = says(200, b'{"a": 1}')
    found = opened("registry.invalid", HASTY._replace(tls_verify=False)).get_manifest("one")
    assert found.raw == b'{"a": 1}'
    assert web.asked[-1][1]["proxy-authorization"].startswith("Basic ")


def test_loopback_is_asked_directly(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert opened(registry.host).head_manifest("one") is None


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:hidden@127.0.0.1:1")
    with pytest.raises(RegistryUnreachable) as caught:
        opened("registry.invalid").get_manifest("one")
    assert "proxy" in (caught.value.detail or "")
    assert "hidden" not in f"{caught.value} {caught.value.detail} {caught.value.hint}"


def test_tls_through_a_proxy(tls_registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    def tunnel(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        connected.append(head.split(b"\r\n")[0].decode())
        name, _, port = tls_registry.host.partition(":")
        with client, socket.create_connection((name, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pair = {client: server, server: client}
            while True:
                for source in select.select(list(pair), [], [])[0]:
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    pair[source].sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client = listening.accept()[0]
                except OSError:
                    return
                threading.Thread(target=tunnel, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        settings = HASTY._replace(cert_dir=str(tls_registry.cert_dir))
        assert opened("registry.example", settings).head_manifest("one") is None
        listening.shutdown(socket.SHUT_RDWR)
    assert {line.rpartition(" ")[0] for line in connected} == {"CONNECT registry.example:443"}


# --- who we are ------------------------------------------------------------------------------------------------------


@pytest.fixture
def picky(tmp_path: Path, require: Callable[[str], str]) -> Iterator[tuple[str, Authority]]:
    """A server that wants to see a certificate of the client's; and the authority of both."""
    authority = Authority(require("openssl"), tmp_path / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            says(404)(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", authority
    server.shutdown()
    server.server_close()


def test_a_certificate_of_the_client(picky: tuple[str, Authority], tmp_path: Path) -> None:
    host, authority = picky
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(authority.ca.read_bytes())
    settings = HASTY._replace(cert_dir=str(folder), tls_verify=True)
    with pytest.raises(RegistryDenied, match="asks for a certificate") as caught:
        opened(host, settings).head_manifest("one")
    assert "client.key" in (caught.value.hint or "")
    with pytest.raises(RegistryUnreachable, match="not to be trusted"):
        opened(host, HASTY._replace(tls_verify=True)).head_manifest("one")
    cert, key = authority.issue("client", usage="clientAuth")
    (folder / "client.cert").write_bytes(cert.read_bytes())
    (folder / "client.key").write_bytes(key.read_bytes())
    assert opened(host, settings).head_manifest("one") is None


# --- where credentials do not go -------------------------------------------------------------------------------------


def host_of(web: Any) -> str:
    return f"127.0.0.1:{web.port}"


def authorizations(web: Any) -> list[tuple[str, str | None]]:
    return [(path.partition("?")[0], headers.get("authorization")) for path, headers in web.asked]


def test_a_redirect_takes_nothing_along(web: Any, tmp_path: Path) -> None:
    """Another name of the same machine is another host."""
    log_in(tmp_path / ".docker", host_of(web))

    def closed(request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Authorization") != BASIC:
            says(401, WWW_Authenticate='Basic realm="x"')(request)
        else:
            says(307, Location=f"http://localhost:{web.port}/elsewhere")(request)

    web.answers["/v2/app/manifests/one"] = closed
    web.answers["/elsewhere"] = says(200, b'{"a": 1}')
    assert opened(host_of(web)).get_manifest("one").raw == b'{"a": 1}'
    assert authorizations(web)[-3:] == [
        ("/v2/app/manifests/one", None),
        ("/v2/app/manifests/one", BASIC),
        ("/elsewhere", None),
    ]


def test_who_is_redirected_to_does_not_get_them_by_asking(web: Any, tmp_path: Path) -> None:
    log_in(tmp_path / ".docker", host_of(web))
    web.answers["/v2/app/manifests/one"] = says(307, Location=f"http://localhost:{web.port}/elsewhere")
    web.answers["/elsewhere"] = says(401, WWW_Authenticate='Basic realm="x"')
    with pytest.raises(RegistryError):
        opened(host_of(web)).get_manifest("one")
    assert all(authorization is None for _, authorization in authorizations(web))


@pytest.mark.parametrize(
    ("realm", "message"),
    [
        ("http://tokens.example/token", "leads to plain HTTP, at tokens.example"),
        ("file:///etc/passwd", "which is no address"),
        ("/token", "which is no address"),
        ("", "which is no address"),
    ],
)
def test_token_servers_that_are_not_asked(web: Any, tmp_path: Path, realm: str, message: str) -> None:
    log_in(tmp_path / ".docker", host_of(web))
    web.answers["/v2/app/manifests/one"] = says(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s"')
    with pytest.raises(RegistryError, match=message):
        opened(host_of(web)).get_manifest("one")


@pytest.mark.parametrize("identity", [False, True])
def test_a_token_server_that_sends_us_elsewhere(web: Any, tmp_path: Path, identity: bool) -> None:
    more = {"identitytoken": "identity"} if identity else {}
    log_in(tmp_path / ".docker", host_of(web), **more)
    web.answers["/v2/app/manifests/one"] = says(401, WWW_Authenticate=f'Bearer realm="{web.url("/token")}"')
    web.answers["/token"] = says(307, Location=f"http://localhost:{web.port}/stolen")
    with pytest.raises(RegistryError, match="cannot be followed"):
        opened(host_of(web)).get_manifest("one")
    assert "/stolen" not in [path for path, _ in web.asked]


@pytest.mark.parametrize("answer", [b"no json", b"{}", b'{"token": 5}', b'{"token": "a\\r\\nX: y"}', b"[]"])
def test_a_token_server_that_answers_nonsense(web: Any, answer: bytes) -> None:
    web.answers["/v2/app/manifests/one"] = says(401, WWW_Authenticate=f'Bearer realm="{web.url("/token")}"')
    web.answers["/token"] = says(200, answer)
    with pytest.raises(RegistryError, match="no token"):
        opened(host_of(web)).get_manifest("one")


def test_a_login_of_a_kind_that_is_not_known(web: Any) -> None:
    web.answers["/v2/app/manifests/one"] = says(401, WWW_Authenticate="Negotiate")
    with pytest.raises(RegistryError, match=r"not supported \(negotiate\)"):
        opened(host_of(web)).get_manifest("one")


def test_several_challenges_and_a_token_that_is_refused_end(web: Any, tmp_path: Path) -> None:
    log_in(tmp_path / ".docker", host_of(web))
    web.answers["/v2/app/manifests/one"] = says(
        401, json.dumps({"errors": [{"code": "DENIED", "message": "not for you"}]}).encode(),
        WWW_Authenticate=f'Basic realm="x, y", Bearer realm="{web.url("/token")}",service="a, b"',
    )  # fmt: skip
    web.answers["/token"] = says(200, b'{"token": "t"}')
    with pytest.raises(RegistryError, match="refuses to show") as caught:
        opened(host_of(web)).get_manifest("one")
    assert caught.value.detail == "denied: not for you"
    seen = [entry for entry in authorizations(web) if entry[0] != "/v2/"]
    assert seen == [
        ("/v2/app/manifests/one", None),
        ("/token", BASIC),
        ("/v2/app/manifests/one", "Bearer t"),
    ]
    asked = next(path for path, _ in web.asked if path.startswith("/token"))
    assert asked == f"/token?service=a%2C+b&scope=repository%3Aapp%3Apull&account={USER}"


def test_a_token_server_that_is_not_there(web: Any) -> None:
    web.answers["/v2/app/manifests/one"] = says(401, WWW_Authenticate=f'Bearer realm="{web.url("/token")}"')
    with pytest.raises(RegistryError, match="token server answers 404") as caught:
        opened(host_of(web)).get_manifest("one")
    assert caught.value.exit_code == 3, "it is not the image that is not there"
