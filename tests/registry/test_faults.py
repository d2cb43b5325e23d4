"""What networks and servers do: each time it ends well after another try, or in one clear error."""

from __future__ import annotations

import random
import time

import pytest
from clients import HASTY, blob, manifest_of, opener, push_image
from faults import (
    Faults,
    answers,
    cuts_each,
    cuts_upload,
    drips,
    flips,
    hangs_up,
    ignores_range,
    lies_about_length,
    loses_answer,
    redirects,
    truncates,
)
from registries import Registry

from lamella.errors import ImageInvalid, LamellaError, NotFound, RegistryError, RegistryUnreachable
from lamella.events import Event, Note
from lamella.oci.digest import Digest
from lamella.oci.mediatype import OCI_CONFIG, OCI_MANIFEST
from lamella.oci.reference import parse_reference
from lamella.registry import upload
from lamella.registry.client import Repository, open_repository
from lamella.registry.settings import RegistrySettings

SIZE = 1_000_000


def opened(host: str, name: str, settings: RegistrySettings = HASTY, *, push: bool = True) -> Repository:
    return open_repository(parse_reference(f"{host}/{name}:one"), settings, push=push)


def content_of(seed: int, size: int = SIZE) -> bytes:
    return random.Random(seed).randbytes(size)


def kept(registry: Registry, name: str, content: bytes) -> None:
    opened(registry.host, name).put_blob(blob(content), opener(content))


def fetched(faults: Faults, name: str, content: bytes, settings: RegistrySettings = HASTY) -> bytes:
    with opened(faults.host, name, settings, push=False).open_blob(blob(content)) as stream:
        return stream.read()


def patient(**more: float) -> RegistrySettings:
    return HASTY._replace(patience=HASTY.patience._replace(**more))


# --- downloads -------------------------------------------------------------------------------------------------------


def test_a_download_that_is_cut_at_every_tenth(registry: Registry, faults: Faults) -> None:
    content = content_of(1)
    kept(registry, "cut", content)
    faults.add("GET", "/blobs/", cuts_each(SIZE // 10))
    assert fetched(faults, "cut", content) == content
    starts = [asked.start for asked in faults.asked if "/blobs/" in asked.path]
    assert starts == list(range(0, SIZE, SIZE // 10))


def test_ranges_that_the_registry_ignores(registry: Registry, faults: Faults) -> None:
    content = content_of(2)
    kept(registry, "range", content)
    faults.add("GET", "/blobs/", cuts_each(300_000), times=1)
    faults.add("GET", "/blobs/", ignores_range())
    assert fetched(faults, "range", content) == content


def test_a_download_that_is_always_cut_is_given_up(registry: Registry, faults: Faults) -> None:
    content = content_of(3)
    kept(registry, "gone", content)
    faults.add("GET", "/blobs/", cuts_each(300_000), times=1)
    faults.add("GET", "/blobs/", hangs_up())
    with pytest.raises(RegistryUnreachable) as caught:
        fetched(faults, "gone", content)
    assert (caught.value.exit_code, "tried 6 times" in (caught.value.detail or "")) == (3, True)


def test_bytes_that_are_not_those_of_the_blob(registry: Registry, faults: Faults) -> None:
    content = content_of(4)
    kept(registry, "flip", content)
    faults.add("GET", "/blobs/", flips(500_000))
    with pytest.raises(ImageInvalid, match="has the digest") as caught:
        fetched(faults, "flip", content)
    assert str(blob(content).digest) in (caught.value.where or "")


@pytest.mark.parametrize("difference", [-1000, 1000])
def test_a_length_that_is_a_lie_once(registry: Registry, faults: Faults, difference: int) -> None:
    content = content_of(5)
    kept(registry, "lie", content)
    faults.add("GET", "/blobs/", lies_about_length(difference), times=1)
    assert fetched(faults, "lie", content) == content


def test_a_blob_that_is_shorter_in_the_registry(registry: Registry, faults: Faults) -> None:
    content = content_of(6)
    kept(registry, "short", content)
    faults.add("GET", "/blobs/", truncates(1000), times=1)
    faults.add("GET", "/blobs/", answers(416))
    with pytest.raises(ImageInvalid, match="ends after at most 1000"):
        fetched(faults, "short", content)


def test_a_blob_that_is_larger_than_its_descriptor_says(registry: Registry, faults: Faults) -> None:
    content = content_of(7)
    kept(registry, "larger", content)
    descriptor = blob(content)._replace(size=1000)
    with (
        pytest.raises(ImageInvalid, match="has the digest"),
        opened(faults.host, "larger").open_blob(descriptor) as stream,
    ):
        stream.read()


def test_busy_answers_are_waited_out(registry: Registry, faults: Faults) -> None:
    content = content_of(8)
    kept(registry, "busy", content)
    faults.add("GET", "/blobs/", answers(429, Retry_After="1"), times=1)
    faults.add("GET", "/blobs/", answers(503), times=3)
    begun = time.monotonic()
    assert fetched(faults, "busy", content) == content
    assert time.monotonic() - begun >= 1.0


def test_a_registry_that_asks_for_too_long_a_wait(registry: Registry, faults: Faults) -> None:
    faults.add("GET", "/manifests/", answers(429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
                                             Retry_After="86400"))  # fmt: skip
    with pytest.raises(RegistryError, match="429") as caught:
        opened(faults.host, "busy").get_manifest("one")
    assert caught.value.detail == "toomanyrequests: slow down\nit asks to come back in 86400 seconds"


def test_a_registry_that_stays_busy(registry: Registry, faults: Faults) -> None:
    faults.add("GET", "/manifests/", answers(503))
    with pytest.raises(RegistryError, match="503 Service Unavailable") as caught:
        opened(faults.host, "busy").get_manifest("one")
    assert caught.value.detail == "tried 6 times"
    assert len(faults.asked) == 6


def test_waiting_is_said(registry: Registry, faults: Faults) -> None:
    said: list[Event] = []
    faults.add("HEAD", "/manifests/", answers(429, Retry_After="1"), times=1)
    repository = open_repository(parse_reference(f"{faults.host}/x:one"), HASTY, emit=said.append)
    assert repository.head_manifest("one") is None
    assert [type(event) for event in said] == [Note]
    assert "429" in str(said[0])


def test_a_loop_of_redirects(registry: Registry, faults: Faults) -> None:
    faults.add("GET", "/blobs/", redirects("/v2/x/blobs/again"))
    with pytest.raises(RegistryError, match="redirects more than 10 times") as caught:
        fetched(faults, "x", b"content")
    assert (caught.value.code, caught.value.exit_code) == ("registry-redirects", 3)
    assert len(faults.asked) == 11


def test_a_redirect_to_another_host_goes_without_credentials(registry: Registry, faults: Faults) -> None:
    content = content_of(9)
    kept(registry, "elsewhere", content)
    faults.add("GET", "/blobs/", redirects(f"http://{registry.host}/v2/elsewhere/blobs/{blob(content).digest}"))
    assert fetched(faults, "elsewhere", content) == content
    faults.clear()
    faults.add("GET", "/blobs/", redirects("http://registry.example/x"))
    with pytest.raises(RegistryError, match=r"leads to plain HTTP, at registry\.example"):
        fetched(faults, "elsewhere", content)
    faults.clear()
    faults.add("GET", "/blobs/", redirects("file:///etc/passwd"))
    with pytest.raises(RegistryError, match="which is no address"):
        fetched(faults, "elsewhere", content)


def test_a_registry_that_drips(registry: Registry, faults: Faults) -> None:
    content = content_of(10, 20_000)
    kept(registry, "drip", content)
    faults.add("GET", "/blobs/", drips(0.05), times=1)
    assert fetched(faults, "drip", content, patient(silence=0.4)) == content
    starts = [asked.start for asked in faults.asked]
    assert (starts[0], 0 < starts[1] < 100) == (0, True), "what came before is kept"


# --- manifests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [truncates(50), lies_about_length(50), flips(5), lies_about_length(-5)],
    ids=["truncated", "longer", "another", "shorter"],
)
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_that_is_broken_on_the_way(registry: Registry, faults: Faults, fault: object, by: str) -> None:
    raw = push_image(opened(registry.host, "manifest"))
    name = "one" if by == "tag" else Digest.of(raw)
    faults.add("GET", "/manifests/", fault, times=2)  # type: ignore[arg-type]
    assert opened(faults.host, "manifest").get_manifest(name).raw == raw
    faults.clear()
    faults.add("GET", "/manifests/", fault)  # type: ignore[arg-type]
    with pytest.raises(LamellaError) as caught:
        opened(faults.host, "manifest").get_manifest(name)
    assert caught.value.exit_code in (2, 3)
    assert caught.value.where is not None


def test_a_manifest_that_does_not_end(registry: Registry, faults: Faults) -> None:
    faults.add("GET", "/manifests/", answers(200, b" " * (5 << 20), Content_Type=OCI_MANIFEST))
    with pytest.raises(ImageInvalid, match="larger than"):
        opened(faults.host, "manifest").get_manifest("one")


# --- uploads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenth", range(10))
def test_an_upload_that_is_cut_at_every_tenth(registry: Registry, faults: Faults, tenth: int) -> None:
    content = content_of(20 + tenth, 2_000_000)
    faults.add("PATCH", "", cuts_upload(tenth * 200_000), times=1)
    repository = opened(faults.host, "up")
    done: list[int] = []
    repository.put_blob(blob(content), opener(content), done.append)
    assert repository.has_blob(blob(content))
    assert done[-1] == len(content)


def test_a_chunk_that_is_cut_costs_that_chunk(
    registry: Registry, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "CHUNK", 2 << 20)
    content = content_of(31, 7_000_000)
    faults.add("PATCH", "", lambda exchange: exchange.forward(), times=1)
    faults.add("PATCH", "", answers(503), times=2)
    opened(faults.host, "chunks-cut").put_blob(blob(content), opener(content))
    assert opened(registry.host, "chunks-cut").has_blob(blob(content))
    assert [asked.method for asked in faults.asked if asked.method == "POST"] == ["POST"], "it did not begin anew"


@pytest.mark.parametrize("status", [416, 404, 400, 413, 500])
def test_an_upload_whose_part_is_refused(registry: Registry, faults: Faults, status: int) -> None:
    content = content_of(40 + status, 3_000_000)
    faults.add("PATCH", "", answers(status), times=1)
    opened(faults.host, "refused-part").put_blob(blob(content), opener(content))
    assert opened(registry.host, "refused-part").has_blob(blob(content))


@pytest.mark.parametrize("status", [416, 404, 400, 413, 500, 403])
def test_an_upload_whose_parts_are_always_refused(registry: Registry, faults: Faults, status: int) -> None:
    content = content_of(50, 3_000_000)
    faults.add("PATCH", "", answers(status, b'{"errors":[{"code":"X","message":"no"}]}'))
    with pytest.raises(LamellaError) as caught:
        opened(faults.host, "refused-parts").put_blob(blob(content), opener(content))
    assert "x: no" in (caught.value.detail or "")


@pytest.mark.parametrize("size", [1000, 2_000_000])
def test_an_upload_whose_last_answer_is_lost(registry: Registry, faults: Faults, size: int) -> None:
    content = content_of(60, size)
    faults.add("PUT", "digest=", loses_answer(), times=1)
    opened(faults.host, "lost").put_blob(blob(content), opener(content))
    assert [asked.method for asked in faults.asked].count("PUT") == 1, "it is there, nothing is sent again"


def test_an_upload_to_a_registry_that_does_not_say_where(registry: Registry, faults: Faults) -> None:
    faults.add("POST", "/uploads/", answers(202))
    with pytest.raises(RegistryError, match="does not say where"):
        opened(faults.host, "where").put_blob(blob(b"x"), opener(b"x"))


def test_content_that_is_not_what_its_digest_says_is_not_kept(registry: Registry, faults: Faults) -> None:
    with pytest.raises(RegistryError) as caught:
        opened(faults.host, "digest").put_blob(blob(b"content"), opener(b"another"))
    assert "digest invalid" in (caught.value.detail or "")
    with pytest.raises(ImageInvalid, match="ends 4 bytes early"):
        opened(faults.host, "digest").put_blob(blob(b"content"), opener(b"con"))


def test_a_manifest_whose_push_is_cut(registry: Registry, faults: Faults) -> None:
    repository = opened(faults.host, "put")
    repository.put_blob(blob(b"{}"), opener(b"{}"))
    raw = manifest_of(blob(b"{}", OCI_CONFIG))
    faults.add("PUT", "/manifests/", cuts_upload(20), times=1)
    faults.add("PUT", "/manifests/", answers(503), times=1)
    faults.add("PUT", "/manifests/", loses_answer(), times=1)
    assert repository.put_manifest("one", raw, OCI_MANIFEST) == Digest.of(raw)
    assert opened(registry.host, "put").get_manifest("one").raw == raw


def test_not_found_is_not_tried_again(registry: Registry, faults: Faults) -> None:
    with pytest.raises(NotFound):
        fetched(faults, "none", b"content")
    assert len(faults.asked) == 1
