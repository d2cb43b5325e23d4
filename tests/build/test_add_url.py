"""ADD of files over HTTP: where they land, what they look like, when the server is asked, what is refused."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from typing import Any

import pytest

from lamella.build.preview import preview
from lamella.build.request import BuildRequest
from lamella.errors import ContextError, DockerfileError, InputError, LamellaError, MachineError

Builder = Any
Web = Any
TIME = "Wed, 21 Oct 2015 07:28:00 GMT"


def built(builder: Builder, text: str) -> dict[str, Any]:
    tree = builder.tree(builder.build("FROM scratch\n" + text))
    return {path: entry for path, entry in sorted(tree.items()) if path}


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def cached(builder: Builder, text: str, **options: Any) -> list[bool]:
    return [step.cached for step in builder.build("FROM scratch\n" + text, **options).steps]


def test_where_it_lands_and_what_it_looks_like(builder: Builder, web: Web) -> None:
    url = web.file("/dir/a%20file", b"content", **{"Last-Modified": TIME})
    tree = built(builder, f"ADD {url}?q=1#part /into/\nADD {url} /as\nADD --chmod=u+x --chown=3:4 {url} /own/x\n")
    files = {path: (entry.mode, entry.uid, entry.size) for path, entry in tree.items() if entry.kind == "f"}
    assert files == {"into/a file": (0o600, 0, 7), "as": (0o600, 0, 7), "own/x": (0o700, 3, 7)}
    assert (tree["own"].mode, tree["own"].uid) == (0o755, 3)
    assert tree["as"].mtime == 1_445_412_480 * 10**9
    assert tree["as"].digest == hashlib.sha256(b"content").hexdigest()
    timeless = built(builder, f"WORKDIR /there\nADD {web.file('/', b'')} /there\n")
    assert timeless["there/__unnamed__"].mtime == 0


def test_several_and_beside_local_ones(builder: Builder, web: Web) -> None:
    builder.file("local", "1")
    urls = [web.file(f"/{name}", name.encode()) for name in ("one", "three")]
    tree = built(builder, f"ENV U={urls[0]}\nADD local $U {urls[1]} /x/\n")
    assert {path: entry.size for path, entry in tree.items() if entry.kind == "f"} == {
        "x/local": 1,
        "x/one": 3,
        "x/three": 5,
    }


def test_an_archive_is_unpacked_when_asked_for(builder: Builder, web: Web) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("inside"))
    url = web.file("/files.tar.gz", packed.getvalue())
    (builder.context / "local.tgz").write_bytes(packed.getvalue())
    assert list(built(builder, f"ADD {url} /x/\n")) == ["x", "x/files.tar.gz"]
    assert list(built(builder, f"ADD --unpack=true {url} /x/\n")) == ["x", "x/inside"]
    assert list(built(builder, f"ADD --unpack {web.file('/plain', b'no archive')} /x/\n")) == ["x", "x/plain"]
    assert list(built(builder, "ADD --unpack=false local.tgz /x/\n")) == ["x", "x/local.tgz"]
    assert list(built(builder, "ADD --unpack=true local.tgz /x/\n")) == ["x", "x/inside"]


def test_a_right_checksum_needs_no_server_the_second_time(builder: Builder, web: Web) -> None:
    text = f"ADD --checksum={sha256(b'content')} {web.file('/f', b'content')} /\n"
    assert cached(builder, text) == [False]
    count = len(web.asked)
    result = builder.build("FROM scratch\n" + text)
    assert ([step.cached for step in result.steps], result.asked_elsewhere) == ([True], False)
    assert len(web.asked) == count


def test_a_wrong_checksum_names_both(builder: Builder, web: Web) -> None:
    url = web.file("/f", b"changed").replace("http://", "http://me:secret@")
    with pytest.raises(InputError) as caught:
        built(builder, f"\nADD --checksum={sha256(b'content')} {url} /\n")
    error = caught.value
    assert (error.where, error.exit_code) == ("Dockerfile:3", 2)
    assert sha256(b"content") in (error.detail or "")
    assert sha256(b"changed") in (error.detail or "")
    assert "secret" not in f"{error} {error.detail} {error.hint}"
    assert not any(name.endswith(".download") for name in os.listdir(f"{builder.root}/lamella/tmp"))


@pytest.mark.parametrize("checksum", ["md5:00", "sha256:12", "sha256:" + "G" * 64, "0" * 64])
def test_what_is_no_checksum(builder: Builder, web: Web, checksum: str) -> None:
    with pytest.raises(LamellaError) as caught:
        built(builder, f"ADD --checksum={checksum} {web.file('/f', b'')} /\n")
    assert (caught.value.where, caught.value.exit_code) == ("Dockerfile:2", 2)


def test_the_key_is_the_content(builder: Builder, web: Web) -> None:
    """The server is asked each time; what it says of the file spares the download."""
    url = web.file("/f", b"content", ETag='"1"')
    text = f"ADD {url} /\nCOPY <<x /x\nx\n"
    assert cached(builder, text) == [False, False]
    result = builder.build("FROM scratch\n" + text)
    assert ([step.cached for step in result.steps], result.asked_elsewhere) == ([True, True], True)
    assert web.asked[-1][1]["if-none-match"] == '"1"'
    web.file("/f", b"content", ETag='"2"')  # sent again, and the same
    assert cached(builder, text) == [True, True]
    web.file("/f", b"changed", ETag='"3"')
    assert cached(builder, text) == [False, False]
    assert cached(builder, text, no_cache=True) == [False, False]
    assert "if-none-match" not in web.asked[-1][1]


def test_a_server_that_names_no_tag_sends_it_again(builder: Builder, web: Web) -> None:
    url = web.file("/f", b"content")
    assert [cached(builder, f"ADD {url} /\n") for _ in range(2)] == [[False], [True]]
    web.file("/f", b"changed")
    assert cached(builder, f"ADD {url} /\n") == [False]


def test_a_known_file_that_goes_elsewhere(builder: Builder, web: Web) -> None:
    """The server says it is unchanged, but the step is not in the cache: it is fetched after all."""
    url = web.file("/f", b"content", ETag='"1"')
    builder.build(f"FROM scratch\nADD {url} /a\n")
    builder.file("base", "1")
    builder.build(f"FROM scratch\nCOPY base /\nADD --link {url} /b\n")
    web.file("/f", b"other", ETag='"2"')
    builder.build(f"FROM scratch\nADD {url} /a\n")
    web.file("/f", b"other", ETag='"2"')
    assert built(builder, f"ADD --link {url} /b\n")["b"].size == 5


def test_a_preview_asks_nobody(builder: Builder, web: Web) -> None:
    text = f"FROM scratch\nADD {web.file('/f', b'content', ETag='1')} /\n"
    request = BuildRequest(context=str(builder.context), text=text, name="Dockerfile")
    assert dict(preview(request, builder.store).stages[0].sizes) == {}
    builder.build(text)
    count = len(web.asked)
    assert dict(preview(request, builder.store).stages[0].sizes) == {0: 7}
    assert len(web.asked) == count


def test_passwords_are_in_no_key_and_no_message(builder: Builder, web: Web) -> None:
    url = web.file("/f", b"content", ETag='"1"')
    secret = url.replace("http://", "http://me:s3cret@")
    builder.build(f"FROM scratch\nADD {secret} /\n")
    assert cached(builder, f"ADD {url} /\n") == [True]
    with open(f"{builder.root}/lamella/index.sqlite", "rb") as file:
        assert b"s3cret" not in file.read()
    with pytest.raises(InputError) as caught:
        built(builder, f"ADD {secret}/gone /\n")
    assert "s3cret" not in f"{caught.value} {caught.value.detail} {caught.value.hint}"


def test_what_goes_wrong_has_its_line_and_its_exit_code(builder: Builder, web: Web) -> None:
    for url, code in ((web.url("/none"), 2), ("http://127.0.0.1:9/x", 3), ("http://127.0.0.1/..", 2)):
        with pytest.raises((InputError, MachineError)) as caught:
            built(builder, f"\n\nADD {url} /x/\n")
        assert (caught.value.where, caught.value.exit_code) == ("Dockerfile:4", code)
    with pytest.raises(ContextError, match="not a folder"):
        built(builder, f"COPY <<x /x\nx\nADD {web.file('/f', b'')} /x/\n")
    with pytest.raises(DockerfileError, match="takes no URL"):
        built(builder, f"COPY {web.url('/f')} /\n")
