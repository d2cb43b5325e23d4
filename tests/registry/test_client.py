"""The client against a real registry that asks for nothing."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest
from clients import HASTY, blob, manifest_of, opener
from registries import Registry, free_port

from lamella.errors import ImageInvalid, Interrupted, NotFound, RegistryUnreachable
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.mediatype import DOCKER_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from lamella.oci.reference import parse_reference
from lamella.registry import upload
from lamella.registry.client import Repository, open_repository


def opened(registry: Registry, name: str, *, push: bool = True) -> Repository:
    return open_repository(parse_reference(f"{registry.host}/{name}:one"), HASTY, push=push)


def test_there_and_back(registry: Registry) -> None:
    repository = opened(registry, "there/and-back")
    content = random.Random(1).randbytes(3_000_000)
    config, layer = blob(b"{}", OCI_CONFIG), blob(content)
    assert not repository.has_blob(layer)
    done: list[int] = []
    repository.put_blob(layer, opener(content), done.append)
    repository.put_blob(config, opener(b"{}"))
    assert (done[-1], sorted(done)) == (len(content), done)
    assert repository.has_blob(layer)
    raw = manifest_of(config, layer)
    assert repository.put_manifest("one", raw, OCI_MANIFEST) == Digest.of(raw)

    reader = opened(registry, "there/and-back", push=False)
    for name in ("one", Digest.of(raw)):
        assert reader.get_manifest(name) == (raw, OCI_MANIFEST, Digest.of(raw))
        assert reader.head_manifest(name) == Descriptor(OCI_MANIFEST, Digest.of(raw), len(raw))
    with reader.open_blob(layer) as stream:
        assert stream.read() == content
    with reader.open_blob(layer, 1_000_000, hashlib.sha256(content[:1_000_000])) as stream:
        assert stream.read() == content[1_000_000:]


def test_a_small_blob_is_two_requests_and_a_large_one_goes_in_chunks(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = opened(registry, "chunks")
    repository.put_blob(blob(b"small"), opener(b"small"))
    assert [(asked.method, asked.status) for asked in registry.asked("chunks")] == [("POST", 202), ("PUT", 201)]
    monkeypatch.setattr(upload, "CHUNK", 2 << 20)
    content = random.Random(2).randbytes(5_000_000)
    repository.put_blob(blob(content), opener(content))
    large = [(asked.method, asked.status) for asked in registry.asked("chunks")[2:]]
    assert large == [("POST", 202), ("PATCH", 202), ("PATCH", 202), ("PUT", 201)], "the rest goes with the PUT"
    with repository.open_blob(blob(content)) as stream:
        assert stream.read() == content


def test_an_empty_blob_and_one_with_a_sha512_digest(registry: Registry) -> None:
    repository = opened(registry, "kinds")
    repository.put_blob(blob(b""), opener(b""))
    with repository.open_blob(blob(b"")) as stream:
        assert stream.read() == b""
    content = b"long digest"
    digest = Digest("sha512:" + hashlib.sha512(content).hexdigest())
    descriptor = Descriptor(OCI_LAYER_GZIP, digest, len(content))
    repository.put_blob(descriptor, opener(content))
    with repository.open_blob(descriptor) as stream:
        assert stream.read() == content


def test_a_mount_sends_nothing(registry: Registry) -> None:
    content = random.Random(3).randbytes(2_000_000)
    opened(registry, "mount/from").put_blob(blob(content), opener(content))
    repository = opened(registry, "mount/to")
    assert repository.mount_blob(blob(content), "mount/from")
    assert repository.has_blob(blob(content))
    assert [asked.method for asked in registry.asked("mount/to")] == ["POST", "HEAD"]
    assert not repository.mount_blob(blob(b"nowhere"), "mount/from")
    repository.put_blob(blob(b"nowhere"), opener(b"nowhere"))
    methods = [asked.method for asked in registry.asked("mount/to")][2:]
    assert methods == ["POST", "PUT"], "the upload that the refused mount began is used"


def test_what_is_not_there(registry: Registry) -> None:
    repository = opened(registry, "nothing", push=False)
    assert repository.head_manifest("one") is None
    with pytest.raises(NotFound) as caught:
        repository.get_manifest("one")
    assert caught.value.where == f"{registry.host}/nothing:one"
    assert "manifest unknown" in (caught.value.detail or "")
    with pytest.raises(NotFound), repository.open_blob(blob(b"no")) as stream:
        stream.read()


def test_a_manifest_that_is_refused_says_why(registry: Registry) -> None:
    repository = opened(registry, "refused")
    raw = manifest_of(blob(b"gone", OCI_CONFIG))
    with pytest.raises(Exception, match="take a manifest") as caught:
        repository.put_manifest("one", raw, OCI_MANIFEST)
    assert "blob unknown" in str(getattr(caught.value, "detail", ""))


def test_a_registry_whose_blob_is_broken(registry: Registry) -> None:
    repository = opened(registry, "broken")
    content = random.Random(4).randbytes(100_000)
    repository.put_blob(blob(content), opener(content))
    file = registry.blob_file(blob(content).digest)
    file.write_bytes(bytes(100_000))
    with pytest.raises(ImageInvalid, match="has the digest"), repository.open_blob(blob(content)) as stream:
        stream.read()
    file.write_bytes(content[:-1])
    with pytest.raises(ImageInvalid, match="ends after"), repository.open_blob(blob(content)) as stream:
        stream.read()


def test_a_manifest_of_two_media_types(registry: Registry) -> None:
    repository = opened(registry, "two-types")
    repository.put_blob(blob(b"{}", OCI_CONFIG), opener(b"{}"))
    raw = manifest_of(blob(b"{}", OCI_CONFIG))
    with pytest.raises(Exception, match="take a manifest"):
        repository.put_manifest("one", raw, DOCKER_MANIFEST)


def test_several_threads(registry: Registry) -> None:
    repository = opened(registry, "threads")
    contents = [random.Random(seed).randbytes(1_500_000) for seed in range(10, 16)]
    errors: list[BaseException] = []

    def move(content: bytes) -> None:
        try:
            repository.put_blob(blob(content), opener(content))
            with repository.open_blob(blob(content)) as stream:
                assert stream.read() == content
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=move, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_nobody_there_is_said_at_once() -> None:
    repository = open_repository(parse_reference(f"127.0.0.1:{free_port()}/a:b"), HASTY)
    with pytest.raises(RegistryUnreachable) as caught:
        repository.get_manifest("b")
    assert "refused" in (caught.value.detail or "")
    assert caught.value.exit_code == 3


def test_cancelled(registry: Registry) -> None:
    repository = open_repository(parse_reference(f"{registry.host}/x:y"), HASTY, push=True, cancelled=lambda: True)
    with pytest.raises(Interrupted):
        repository.get_manifest("y")
    with pytest.raises(Interrupted):
        repository.put_blob(blob(b"x"), opener(b"x"))
