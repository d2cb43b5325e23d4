"""Downloads from a server on loopback: what comes, what is refused, and how it is said."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import InputError, Interrupted, LamellaError, MachineError
from lamella.remote.http import MAX_REDIRECTS, Known, Limits, download

Web = Any


def get(url: str, **options: Any) -> bytes:
    parts: list[bytes] = []
    done = download(url, parts.append, **options)
    content = b"".join(parts)
    assert done is not None
    assert (done.digest, done.size) == (hashlib.sha256(content).hexdigest(), len(content))
    return content


def refused(kind: type[LamellaError], url: str, **options: Any) -> LamellaError:
    with pytest.raises(kind) as caught:
        get(url, **options)
    assert caught.value.where is not None
    return caught.value


def test_the_content_and_what_the_server_says_of_it(web: Web) -> None:
    content = bytes(range(256)) * 5000
    url = web.file("/f", content, ETag='"one"', **{"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert get(url) == content
    done = download(url, lambda data: None)
    assert done is not None
    assert (done.etag, done.mtime) == ('"one"', 1_445_412_480 * 10**9)
    plain = download(web.file("/plain", b""), lambda data: None)
    assert plain is not None
    assert (plain.etag, plain.size, plain.mtime) == ("", 0, 0)


def test_what_has_not_changed_is_not_sent_again(web: Web) -> None:
    url = web.file("/f", b"content", ETag='"one"', **{"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"})
    for known in (Known('"one"', "", "d"), Known("", "Wed, 21 Oct 2015 07:28:00 GMT", "d")):
        assert download(url, lambda data: pytest.fail("sent"), known=known) is None
    assert get(url, known=Known('"other"', "", "d")) == b"content"

    def deaf(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("ETag", 'W/"one"')
        request.send_header("Content-Length", "4")
        request.end_headers()
        request.wfile.write(b"same")

    web.answers["/deaf"] = deaf
    assert download(web.url("/deaf"), lambda data: pytest.fail("read"), known=Known('"one"', "", "d")) is None


@pytest.mark.parametrize(("status", "kind"), [(404, InputError), (500, MachineError)])
def test_an_error_is_no_unchanged_file_whatever_its_tag(web: Web, status: int, kind: type[LamellaError]) -> None:
    def gone(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("ETag", '"one"')
        request.send_header("Content-Length", "0")
        request.end_headers()

    web.answers["/gone"] = gone
    assert str(status) in refused(kind, web.url("/gone"), known=Known('"one"', "", "d")).message


def test_gzip_as_transport_encoding_is_undone_and_no_other(web: Web) -> None:
    packed = gzip.compress(b"content")
    assert get(web.file("/f.tar", packed, **{"Content-Encoding": "gzip"})) == b"content"
    assert get(web.file("/f.gz", packed)) == packed
    assert get(web.file("/f.br", b"as it is", **{"Content-Encoding": "br"})) == b"as it is"


def test_redirects_are_followed_to_a_limit(web: Web) -> None:
    web.file("/end", b"here")
    web.redirect("/relative", "end", 307)
    assert get(web.redirect("/start", web.url("/relative"), 301)) == b"here"
    error = refused(InputError, web.redirect("/loop", "/loop"))
    assert (error.exit_code, "redirects" in error.message) == (2, True)
    assert len([path for path, _ in web.asked if path == "/loop"]) == MAX_REDIRECTS + 1
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/x"):
        assert "no address" in refused(InputError, web.redirect("/out", target)).message


@pytest.mark.parametrize(
    ("status", "kind", "code"), [(404, InputError, 2), (403, InputError, 2), (500, MachineError, 3)]
)
def test_a_refusal_says_its_status(web: Web, status: int, kind: type[LamellaError], code: int) -> None:
    web.answers["/x"] = lambda request: request.send_error(status)
    error = refused(kind, web.url("/x"))
    assert (error.exit_code, str(status) in error.message) == (code, True)


def test_a_server_that_is_overloaded_is_asked_again(web: Web) -> None:
    answers = iter((503, 503))

    def answer(request: BaseHTTPRequestHandler) -> None:
        status = next(answers, 200)
        request.send_response(status)
        request.send_header("Content-Length", "2")
        request.end_headers()
        request.wfile.write(b"ok")

    web.answers["/x"] = answer
    assert get(web.url("/x")) == b"ok"


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refused(MachineError, f"http://user:secret@127.0.0.1:{port}/x")
    assert (error.exit_code, error.code) == (3, "download-unreachable")
    assert "secret" not in f"{error} {error.detail} {error.hint}"
    assert "refused" in (error.detail or "")


def test_a_download_that_is_cut(web: Web) -> None:
    def cut(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"x" * 10)
        request.close_connection = True

    web.answers["/x"] = cut
    error = refused(MachineError, web.url("/x"))
    assert (error.exit_code, error.code) == (3, "download-cut")


def test_a_server_that_falls_silent(web: Web) -> None:
    import threading

    over = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"x")
        request.wfile.flush()
        over.wait(30)
        request.close_connection = True

    web.answers["/x"] = slow
    try:
        assert refused(MachineError, web.url("/x"), limits=Limits(patience=0.3)).code == "download-stalled"
    finally:
        over.set()


def test_a_server_that_drips(web: Web) -> None:
    import threading

    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while not over.wait(0.05):
                request.wfile.write(b"x")
        except OSError:
            pass
        request.close_connection = True

    web.answers["/x"] = drip
    try:
        assert refused(MachineError, web.url("/x"), limits=Limits(patience=0.5)).code == "download-stalled"
    finally:
        over.set()


def test_too_large_with_and_without_a_length(web: Web) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"x" * 5000)
        request.close_connection = True

    web.answers["/endless"] = endless
    for url in (web.file("/f", b"x" * 5000), web.url("/endless")):
        assert refused(InputError, url, limits=Limits(size=4000)).code == "download-too-large"
    bomb = web.file("/bomb", gzip.compress(bytes(1 << 20)), **{"Content-Encoding": "gzip"})
    assert refused(InputError, bomb, limits=Limits(size=100_000)).code == "download-too-large"


def test_cancelled(web: Web) -> None:
    with pytest.raises(Interrupted):
        get(web.file("/f", b"x" * 5000), cancelled=lambda: True)


@pytest.mark.parametrize("length", [True, False])
def test_cancelled_while_the_server_is_silent(web: Web, length: bool) -> None:
    import threading

    over, asked = threading.Event(), threading.Event()

    def silent(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if length:
            request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"x")
        request.wfile.flush()
        asked.set()
        over.wait(30)
        request.close_connection = True

    web.answers["/x"] = silent
    try:
        with pytest.raises(Interrupted):
            get(web.url("/x"), cancelled=asked.is_set)
    finally:
        over.set()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_cancelled_or_out_of_patience_before_there_is_an_answer(web: Web, start: bytes) -> None:
    """Each byte of a header comes well in time, and the header never ends."""
    import threading

    over, asked = threading.Event(), threading.Event()

    def dripping(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        request.wfile.write(start)
        request.close_connection = True
        while not over.wait(0.05):
            if start:
                try:
                    request.wfile.write(b"x")
                except OSError:
                    return

    web.answers["/x"] = dripping
    try:
        with pytest.raises(Interrupted):
            get(web.url("/x"), cancelled=asked.is_set)
        if start:
            assert "sends nothing" in refused(MachineError, web.url("/x"), limits=Limits(patience=0.2)).message
    finally:
        over.set()


def test_a_user_in_the_address_and_who_else_hears_of_it(web: Web) -> None:
    url = web.file("/f", b"x").replace("http://", "http://me:p%40ss@")
    get(url)
    assert web.asked[-1][1]["authorization"] == "Basic bWU6cEBzcw=="
    web.redirect("/away", f"http://localhost:{web.port}/f")
    get(web.url("/away").replace("http://", "http://me:pass@"))
    assert "authorization" in web.asked[-2][1]
    assert "authorization" not in web.asked[-1][1]
    get(url.replace("me:", "%E2%82%AC:"))
    assert web.asked[-1][1]["authorization"] == "Basic 4oKsOnBAc3M=", "in UTF-8"


@pytest.mark.parametrize("target", ["http://[", "//[x", "http://a:x/", "file:///etc/passwd"])
def test_a_redirect_to_what_is_no_address(web: Web, target: str) -> None:
    web.redirect("/away", target)
    assert "which is no address" in refused(InputError, web.url("/away")).message


def test_proxies_of_the_environment(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{web.port}")
    web.answers["http://files.example/x"] = lambda request: (
        request.send_response(200), request.send_header("Content-Length", "3"), request.end_headers(),
        request.wfile.write(b"via"),
    )  # fmt: skip
    assert get("http://files.example/x") == b"via"
    assert web.asked[-1][1]["proxy-authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(web.file("/f", b"direct")) == b"direct"
    assert web.asked[-1][0] == "/f"
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    assert refused(MachineError, "http://files.example/x").exit_code == 3


@pytest.mark.parametrize("url", ["http://", "http:///x", "http://[::1", "http://a b/x", "http://127.0.0.1:99999/x"])
def test_what_is_no_address(url: str) -> None:
    assert refused(LamellaError, url).exit_code in (2, 3)


def test_certificates_are_verified(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require: Callable[[str], str]
) -> None:
    key, cert = tmp_path / "key", tmp_path / "cert"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    make = [require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *subject]
    subprocess.run([*make, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
    url = web.file("/f", b"private").replace("http://", "https://")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    error = refused(MachineError, url)
    assert (error.exit_code, error.code) == (3, "download-untrusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    assert get(url) == b"private"
