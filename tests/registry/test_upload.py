"""Uploads to registries that keep what came before a cut, as the specification has it, and to some that are particular.

docker-registry keeps nothing of a PATCH that was cut, so these are small ones of the tests.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import BinaryIO, cast

import pytest
from clients import HASTY, blob, opener
from quiet import QuietServer

from lamella.errors import ImageInvalid, RegistryError
from lamella.oci.reference import parse_reference
from lamella.registry import upload
from lamella.registry.client import open_repository

SIZE = 3_000_000


class Keeper:
    """A registry of one blob. ``cuts`` are the bytes of a PATCH after which it hangs up, one for each PATCH (None:
    none); ``takes`` is the most it takes of one, ``limit`` the longest that it allows; ``chunks`` whether it knows
    Content-Range."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.received = 0
        self.done: bytes | None = None
        self.cuts: list[int | None] = []
        self.takes: int | None = None
        self.limit = SIZE
        self.chunks = True
        self.asked: list[str] = []
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.say(404 if keeper.done is None else 200)

            def do_POST(self) -> None:
                keeper.asked.append("POST")
                keeper.content.clear()
                self.say(202, Location="/upload")

            def do_GET(self) -> None:
                keeper.asked.append("GET")
                self.say(204, Location="/upload", Range=self.stands())

            def do_PATCH(self) -> None:
                keeper.asked.append("PATCH")
                length = int(self.headers["Content-Length"])
                told = re.match(r"(\d+)-", self.headers.get("Content-Range", ""))
                if (told and not keeper.chunks) or length > keeper.limit:
                    self.rfile.read(length)
                    self.say(413 if length > keeper.limit else 400)
                    return
                if (int(told[1]) if told else 0) != len(keeper.content):
                    self.rfile.read(length)
                    self.say(416, Location="/upload", Range=self.stands())
                    return
                cut = keeper.cuts.pop(0) if keeper.cuts else None
                data = self.rfile.read(length if cut is None else min(cut, length))
                keeper.received += len(data)
                keeper.content += data[: keeper.takes]
                if cut is not None:
                    self.connection.close()
                    self.close_connection = True
                    return
                self.say(202, Location="/upload", Range=self.stands())

            def do_PUT(self) -> None:
                keeper.asked.append("PUT")
                keeper.content += self.rfile.read(int(self.headers["Content-Length"]))
                keeper.done = bytes(keeper.content)
                same = f"digest=sha256%3A{hashlib.sha256(keeper.done).hexdigest()}" in self.path
                self.say(201 if same else 400)

            def stands(self) -> str:
                return f"0-{max(0, len(keeper.content) - 1)}"

            def say(self, status: int, **headers: str) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def handle(self) -> None:
                try:
                    super().handle()
                except (OSError, ValueError):
                    pass

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    pass

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def put(self, content: bytes, open_stream: Callable[[], BinaryIO] | None = None) -> list[int]:
        """What progress was told."""
        done: list[int] = []
        repository = open_repository(parse_reference(f"{self.host}/app:one"), HASTY, push=True)
        server = repository._sources[-1].server
        server._base = f"http://{self.host}/"  # it does not take a TLS greeting well
        repository.put_blob(blob(content), open_stream or opener(content), done.append)
        assert self.done == content
        return done


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    server = Keeper()
    yield server
    server.server.shutdown()
    server.server.server_close()


CONTENT = random.Random(1).randbytes(SIZE)


def test_cut_at_every_tenth_and_no_byte_is_sent_twice(keeper: Keeper) -> None:
    keeper.cuts = [SIZE // 10] * 10
    done = keeper.put(CONTENT)
    assert done[-1] == SIZE
    assert keeper.asked == ["POST", *["PATCH", "GET"] * 7, "PUT"], "the last megabyte goes with the PUT"
    assert keeper.received == SIZE // 10 * 7


def test_a_cut_after_nothing_and_after_one_byte(keeper: Keeper) -> None:
    """``Range: 0-0`` is said of both; who is wrong about it hears 416 and begins anew."""
    keeper.cuts = [0, 1]
    keeper.put(CONTENT)
    assert keeper.asked.count("POST") <= 2


def test_a_registry_that_takes_less_than_it_was_sent(keeper: Keeper) -> None:
    keeper.takes = 500_000
    keeper.put(CONTENT)
    assert keeper.asked == ["POST", "PATCH", "PATCH", "PATCH", "PATCH", "PUT"]


def test_a_registry_that_takes_nothing(keeper: Keeper) -> None:
    keeper.takes = 0
    with pytest.raises(RegistryError, match="does not keep what it is sent"):
        keeper.put(CONTENT)


def test_a_registry_that_does_not_know_chunks(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "CHUNK", 1_500_000)
    keeper.chunks = False
    keeper.put(CONTENT)
    assert keeper.asked == ["POST", "PATCH", "POST", "PATCH", "PUT"]


def test_a_registry_that_does_not_take_much_at_once(keeper: Keeper) -> None:
    keeper.limit = 2_000_000
    keeper.put(CONTENT)
    assert keeper.asked == ["POST", "PATCH", "POST", "PATCH", "PATCH", "PUT"]


class Tape(io.RawIOBase):
    """What can only be read from its beginning on, and how much of it was."""

    read_so_far = 0

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = self._content.readinto(buffer)
        Tape.read_so_far += count
        return count


def test_chunks_are_read_in_one_go(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each of them would read, and verify, all that is before it."""
    monkeypatch.setattr(upload, "CHUNK", 300_000)
    monkeypatch.setattr(Tape, "read_so_far", 0)
    keeper.put(CONTENT, lambda: cast(BinaryIO, io.BufferedReader(Tape(CONTENT), 1 << 16)))
    assert keeper.asked == ["POST", *["PATCH"] * 7, "PUT"]
    assert Tape.read_so_far == SIZE


def test_a_blob_that_is_longer_than_it_says(keeper: Keeper) -> None:
    with pytest.raises(ImageInvalid, match="longer than"):
        keeper.put(CONTENT, opener(CONTENT + b"x"))
    assert keeper.done is None
