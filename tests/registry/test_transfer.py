"""Pull and push against a real registry: what travels, what is spared, and what the store holds afterwards."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from clients import HASTY, blob, opener
from faults import Faults, answers, cuts_each
from registries import Asked, Registry
from stores import AddImage

from lamella.errors import (
    ImageInvalid,
    LamellaError,
    NoSpace,
    NotFound,
    NotSupported,
    RegistryError,
    StoreDamaged,
)
from lamella.events import BlobMoved, Event, Note, Transferred
from lamella.layer.limits import Swelling
from lamella.oci import mediatype
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest, chain_ids
from lamella.oci.image import Image
from lamella.oci.manifest import make_index, make_manifest
from lamella.oci.platform import Platform
from lamella.oci.reference import parse_reference
from lamella.registry import layers
from lamella.registry.client import Repository, open_repository
from lamella.registry.pull import Pull, Pulled, pull
from lamella.registry.push import Push, Pushed, index_of, push_image, push_index
from lamella.registry.recompress import Compression
from lamella.registry.remote_image import choose, fetch_config
from lamella.store.collect import prune
from lamella.store.mirror import StoredImage
from lamella.store.store import Store
from lamella.store.verify import verify

ARM = Platform("linux", "arm64")
_MARKS = itertools.count(1)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store.open(str(tmp_path / "other")) as opened:
        yield opened


class Heard:
    """Events of a transfer."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def total(self) -> Transferred:
        return next(event for event in reversed(self.events) if isinstance(event, Transferred))

    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Note)]


def repository(registry: Registry, name: str, *, push: bool = False) -> Repository:
    return open_repository(parse_reference(f"{registry.host}/{name}"), HASTY, push=push)


def pull_from(registry: Registry, name: str, store: Store, heard: Heard | None = None, **more: Any) -> Pulled:
    reference = parse_reference(f"{registry.host}/{name}")
    job = Pull(repository(registry, name), reference, store, threading.Event(), **more)
    return pull(job._replace(emit=heard or Heard()))


def push_to(
    registry: Registry, name: str, image: Image, store: Store, heard: Heard | None = None, **more: Any
) -> Pushed:
    return push_image(push_job(registry, name, store, heard, **more), image)


def push_job(registry: Registry, name: str, store: Store, heard: Heard | None = None, **more: Any) -> Push:
    reference = parse_reference(f"{registry.host}/{name}")
    job = Push(repository(registry, name, push=True), reference, store, store.blobs, threading.Event(), **more)
    return job._replace(emit=heard or Heard())


def asked(registry: Registry, name: str) -> list[Asked]:
    """What the registry was asked of a repository. Its log may have a line after the client has the answer: a question
    of our own shows that the log has come so far, and then it must say no more."""
    mark = f"/v2/{name}/tags/list?n={next(_MARKS)}"
    connection = http.client.HTTPConnection(registry.host, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", mark)
        connection.getresponse().read()
    found: list[Asked] = []
    deadline = time.monotonic() + 20
    while True:
        before, found = found, registry.asked(name)
        if found == before and any(one.path == mark for one in found):
            return [one for one in found if "/tags/list?n=" not in one.path]
        assert time.monotonic() < deadline, "the registry's log stands still"
        time.sleep(0.05)


def noise(seed: int, size: int = 50_000) -> bytes:
    return random.Random(seed).randbytes(size)


def sent(lines: list[Asked]) -> int:
    """Blobs that were uploaded."""
    return sum(one.method == "PUT" and "/blobs/uploads/" in one.path and one.status == 201 for one in lines)


def is_well(store: Store) -> None:
    report = verify(store)
    assert report.ok, report.problems


# --- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_was_pushed_is_what_is_pulled(
    registry: Registry, add_image: AddImage, store: Store, other: Store, compression: str
) -> None:
    name = f"same-{compression}"
    image = add_image(
        "a:1", {"a": noise(1), "d/b": b"b"}, {"a": None, "c": b"c"}, {"empty": b"", "l": "c"}, compression=compression
    )
    heard = Heard()
    pushed = push_to(registry, f"{name}:1", image.image, store, heard)
    assert pushed.digest == image.descriptor.digest
    assert (heard.total.blobs, heard.total.changed, heard.total.present) == (4, True, 0)
    pulled = pull_from(registry, f"{name}:1", other, heard)
    assert (pulled.digest, pulled.changed, heard.total.blobs) == (pushed.digest, True, 3)
    assert pulled.name == f"{registry.host}/{name}:1"
    assert pulled.image.image.manifest.raw == image.image.manifest.raw
    for diff_id in image.diff_ids:
        assert list(other.layers.toc(diff_id)) == list(store.layers.toc(diff_id))
    is_well(other)
    # Everything there: one question, and no answer but the digest.
    before = len(asked(registry, name))
    assert not pull_from(registry, f"{name}:1", other, heard).changed
    assert [one.method for one in asked(registry, name)[before:]] == ["HEAD"]
    assert (heard.total.blobs, heard.total.present) == (0, 3)


@pytest.mark.containers
def test_layers_are_unpacked_while_they_come(
    registry: Registry, add_image: AddImage, store: Store, other: Store
) -> None:
    from lamella.snapshot.overlay import OverlaySnapshotter

    image = add_image("a:1", {"a": noise(2, 3_000_000), "d/b": b"b"}, {"a": None}, {"d/b": b"new"})
    push_to(registry, "unpacked:1", image.image, store)
    snapshotter = OverlaySnapshotter(f"{other.root}/snapshots")
    try:
        pull_from(registry, "unpacked:1", other, unpacker=lambda: snapshotter)
        chains = chain_ids(image.diff_ids)
        assert all(snapshotter.find(chain) for chain in chains)
        for diff_id in image.diff_ids:
            assert list(other.layers.toc(diff_id)) == list(store.layers.toc(diff_id))
        is_well(other)
        # Snapshots that are gone are made again from what is here; nothing is fetched.
        snapshotter.remove(chains[-1])
        heard = Heard()
        pull_from(registry, "unpacked:1", other, heard, unpacker=lambda: snapshotter)
        assert heard.total.blobs == 0 and snapshotter.find(chains[-1]) is not None
    finally:
        snapshotter.close()


def test_a_changed_last_layer_is_sent_alone(registry: Registry, add_image: AddImage, store: Store) -> None:
    below = {"a": noise(3)}
    push_to(registry, "changed:1", add_image("a:1", below, {"b": noise(4)}).image, store)
    before = len(asked(registry, "changed"))
    heard = Heard()
    push_to(registry, "changed:2", add_image("a:2", below, {"b": noise(5)}).image, store, heard)
    assert sent(asked(registry, "changed")[before:]) == 2  # the layer, and the config that names it
    assert (heard.total.blobs, heard.total.present) == (2, 1)
    before = len(asked(registry, "changed"))
    push_to(registry, "changed:2", store.images.resolve("a:2").image, store, heard)
    assert {one.method for one in asked(registry, "changed")[before:]} == {"HEAD"}
    assert (heard.total.blobs, heard.total.changed) == (0, False)


def test_another_repository_of_the_registry_gives_its_blobs(
    registry: Registry, add_image: AddImage, store: Store, other: Store
) -> None:
    image = add_image("a:1", {"a": noise(6)}, {"b": noise(7)})
    push_to(registry, "mounts/from:1", image.image, store)
    heard = Heard()
    push_to(registry, "mounts/to:1", image.image, store, heard)
    lines = asked(registry, "mounts/to")
    assert sent(lines) == 0 and not [one for one in lines if one.method == "PATCH"]
    assert sum("mount=" in one.path and one.status == 201 for one in lines) == 3
    assert (heard.total.blobs, heard.total.mounted, heard.total.spared > 100_000) == (0, 3, True)
    # One that was pulled is mounted too.
    pull_from(registry, "mounts/to:1", other)
    push_to(registry, "mounts/third:1", image.image, other, heard)
    assert heard.total.mounted == 3 and sent(asked(registry, "mounts/third")) == 0


def test_a_home_that_lost_the_blob_is_forgotten(registry: Registry, add_image: AddImage, store: Store) -> None:
    image = add_image("a:1", {"a": noise(8)})
    store.origins.note_blobs(f"{registry.host}/lost/never", [image.image.manifest.layers[0].digest])
    heard = Heard()
    push_to(registry, "lost/here:1", image.image, store, heard)
    assert (heard.total.blobs, heard.total.mounted) == (2, 0)
    homes = store.origins.homes(image.image.manifest.layers[0].digest, registry.host)
    assert homes == [f"{registry.host}/lost/here"]


# --- platforms -------------------------------------------------------------------------------------------------------


def two_platforms(add_image: AddImage, store: Store) -> tuple[StoredImage, StoredImage]:
    own = add_image(None, {"a": noise(10)})
    arm = add_image(None, {"a": noise(11)}, platform=ARM)
    store.images.put_index(make_index((own.descriptor, arm.descriptor)), ["many:1"])
    return own, arm


def test_an_index_of_two_platforms(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    own, arm = two_platforms(add_image, store)
    root = store.images.resolve("many:1").root
    index = index_of(store, root)
    assert index is not None
    assert push_index(push_job(registry, "many:1", store), index).digest == root.digest
    name = f"{registry.host}/many:1"

    pulled = pull_from(registry, "many:1", other)
    assert (pulled.digest, pulled.image.platform) == (root.digest, own.platform)
    assert other.images.platforms(pulled.image) == (own.platform,)
    with pytest.raises(NotFound, match="not for linux/arm64"):
        other.images.resolve(name, ARM)
    is_well(other)
    heard = Heard()
    assert pull_from(registry, "many:1", other, heard, platform=ARM).image.platform == ARM
    assert (heard.total.blobs, heard.total.present) == (1, 0)
    assert other.images.resolve(name).platform == own.platform
    assert other.images.resolve(name, ARM).descriptor.digest == arm.descriptor.digest
    is_well(other)
    with pytest.raises(NotFound, match=r"has .*many:1 for linux/amd64, linux/arm64, not for linux/s390x") as caught:
        pull_from(registry, "many:1", other, platform=Platform("linux", "s390x"))
    assert "--platform" in (caught.value.hint or "")


def test_the_other_platform_first(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    two_platforms(add_image, store)
    index = index_of(store, store.images.resolve("many:1").root)
    assert index is not None
    push_index(push_job(registry, "first:1", store), index)
    pull_from(registry, "first:1", other, platform=ARM)
    assert other.images.resolve(f"{registry.host}/first:1").platform == ARM
    pull_from(registry, "first:1", other)
    assert other.images.resolve(f"{registry.host}/first:1").platform == Platform("linux", "amd64")


def in_registry(registry: Registry, store: Store, image: StoredImage, name: str, *others: Descriptor) -> str:
    """The image, an index of it alone, and as ``name`` an index of that one and ``others``; the last one's digest."""
    path = name.partition(":")[0]
    push_to(registry, f"{path}:image", image.image, store)
    remote = repository(registry, name, push=True)
    inner = make_index((image.descriptor,))
    remote.put_manifest("inner", inner.raw, inner.media_type)
    outer = make_index((inner.descriptor, *others))
    return remote.put_manifest(name.partition(":")[2], outer.raw, outer.media_type)


def test_an_index_of_indexes(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    """What is kept of it is the image that was asked for."""
    image = add_image("a:1", {"a": b"a"})
    digest = in_registry(registry, store, image, "nested:1")
    heard = Heard()
    pulled = pull_from(registry, "nested:1", other, heard)
    assert (pulled.digest, pulled.image.image.config) == (digest, image.image.config)
    assert not pull_from(registry, "nested:1", other).changed
    is_well(other)
    for name, more in ((f"nested@{digest}", {}), ("nested:1", {"all_platforms": True})):
        with pytest.raises(NotSupported, match="index of indexes"):
            pull_from(registry, name, other, **more)


def test_an_index_of_images_and_indexes(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    """The image of this machine stands in the index itself."""
    image = add_image("a:1", {"a": b"b"})
    digest = in_registry(registry, store, image, "mixed:1", image.descriptor._replace(platform=image.platform))
    assert pull_from(registry, "mixed:1", other).image.root.digest == digest
    is_well(other)


def test_layers_without_an_end() -> None:
    """Nothing is asked for them, and nothing is done for each of them that takes as long as the manifest is large."""
    part = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"x"), 1)
    manifest = make_manifest(part, (part,) * 15_000)
    began = time.monotonic()
    with pytest.raises(ImageInvalid, match="15000 layers"):
        fetch_config(cast(Repository, None), manifest)
    assert time.monotonic() - began < 5


def test_a_digest_of_another_kind_is_refused_before_anything_comes(registry: Registry, other: Store) -> None:
    with pytest.raises(NotSupported, match="sha256"):
        pull_from(registry, f"nowhere@sha512:{'0' * 128}", other)


def test_platforms_without_an_end() -> None:
    parts = [
        Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"x"), 1, (), Platform("linux", f"\x1b[{n}m")) for n in range(500)
    ]
    with pytest.raises(NotFound, match="not for linux") as caught:
        choose(make_index(tuple(parts)), ARM, "app")
    assert caught.value.message.isprintable() and len(caught.value.message) < 600


def test_an_index_that_lies_about_a_size(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    """It is the index that is wrong, and not the store."""
    image = add_image("a:1", {"a": b"d"})
    push_to(registry, "lies:image", image.image, store)
    index = make_index((image.descriptor._replace(size=17, platform=image.platform),))
    repository(registry, "lies", push=True).put_manifest("1", index.raw, index.media_type)
    for name in ("lies:1", "lies:image", "lies:1"):
        if name == "lies:image":
            pull_from(registry, name, other)
            continue
        with pytest.raises(ImageInvalid, match="the index that names it says 17"):
            pull_from(registry, name, other)
    is_well(other)


def test_all_platforms_and_what_is_attested(
    registry: Registry, add_image: AddImage, store: Store, other: Store
) -> None:
    own, arm = two_platforms(add_image, store)
    remote = repository(registry, "all:1", push=True)
    push_to(registry, "all:own", own.image, store)
    push_to(registry, "all:arm", arm.image, store)
    config, statement = blob(b"{}", mediatype.OCI_CONFIG), blob(b'{"it": "is so"}', "application/vnd.in-toto+json")
    remote.put_blob(config, opener(b"{}"))
    remote.put_blob(statement, opener(b'{"it": "is so"}'))
    attested = make_manifest(config, (statement,))
    remote.put_manifest(attested.digest, attested.raw, attested.media_type)
    beside = attested.descriptor._replace(platform=Platform("unknown", "unknown"))
    index = make_index((own.descriptor, arm.descriptor, beside))
    remote.put_manifest("1", index.raw, index.media_type)

    pulled = pull_from(registry, "all:1", other, all_platforms=True)
    assert other.images.platforms(pulled.image) == (own.platform, ARM)
    assert other.blobs.holds(statement)
    is_well(other)
    # And from there somewhere else, byte for byte.
    pushed = push_index(push_job(registry, "all-again:1", other), index)
    assert pushed.digest == index.digest
    prune(other, all=True, grace=0)
    assert list(other.blobs) == []


def test_a_part_of_an_index_is_pushed_as_what_it_is(
    registry: Registry, add_image: AddImage, store: Store, other: Store
) -> None:
    two_platforms(add_image, store)
    index = index_of(store, store.images.resolve("many:1").root)
    assert index is not None
    push_index(push_job(registry, "part:1", store), index)
    pull_from(registry, "part:1", other)
    heard = Heard()
    # Where the other platform is there already, the index goes as it is,
    assert push_index(push_job(registry, "part:2", other, heard), index).digest == index.digest
    assert heard.notes() == []
    # elsewhere it is another one, which is said.
    assert push_index(push_job(registry, "elsewhere:1", other, heard), index).digest != index.digest
    assert heard.notes() == ["1 of 2 platforms is here: the index that is pushed names this one only"]
    assert pull_from(registry, "elsewhere:1", other).image.platform == Platform("linux", "amd64")


def test_a_wrong_platform_is_said(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    push_to(registry, "arm-only:1", add_image(None, {"a": b"a"}, platform=ARM).image, store)
    heard = Heard()
    assert pull_from(registry, "arm-only:1", other, heard).image.platform == ARM
    assert heard.notes() == [f"{registry.host}/arm-only:1 is for linux/arm64, not for linux/amd64"]
    assert not pull_from(registry, "arm-only:1", other).changed
    wanted = Platform("linux", "s390x")
    heard = Heard()
    assert pull_from(registry, "arm-only:1", other, heard, platform=wanted).image.platform == ARM
    assert heard.notes() == [f"{registry.host}/arm-only:1 is for linux/arm64, not for linux/s390x"]


# --- digests and compressions ----------------------------------------------------------------------------------------


def test_by_digest(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    image = add_image("a:1", {"a": noise(20)})
    digest = push_to(registry, "pinned:1", image.image, store).digest
    pinned = f"{registry.host}/pinned@{digest}"
    assert pull_from(registry, f"pinned@{digest}", other).name == pinned
    assert other.images.resolve(pinned).names == (pinned,)
    before = len(asked(registry, "pinned"))
    assert not pull_from(registry, f"pinned:1@{digest}", other).changed  # the digest wins over the tag
    assert asked(registry, "pinned")[before:] == []
    # It is no image without a name: it stays.
    assert prune(other, grace=0).images == ()
    assert other.images.find(pinned) is not None
    # What a tag led to is known by its digest when the tag has moved on.
    pull_from(registry, "pinned:1", store)
    store.images.tag(f"{registry.host}/pinned:1", add_image("b:1", {"b": b"b"}))
    store.images.untag("a:1")
    assert store.images.resolve(pinned).descriptor.digest == digest
    assert store.images.find(f"{registry.host}/other@{digest}") is None


def test_compression_on_the_way_out(
    registry: Registry, add_image: AddImage, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add_image("a:1", {"a": noise(21) * 3, "b": b"b"}, {"c": b"c" * 9000})
    first = push_to(registry, "zstd:1", image.image, store, compression=Compression("zstd"))
    pulled = pull_from(registry, "zstd:1", other).image
    kinds = [layer.media_type for layer in pulled.image.manifest.layers]
    assert kinds == [mediatype.OCI_LAYER_ZSTD] * 2
    assert (pulled.diff_ids, pulled.image_id) == (image.diff_ids, image.image_id)
    is_well(other)
    assert os.listdir(f"{store.root}/lamella/tmp") == []
    # The second time nothing is compressed: what came of it is known, and there.
    monkeypatch.setattr("lamella.registry.push.recompress", lambda *args, **more: pytest.fail("compressed again"))
    assert push_to(registry, "zstd:2", image.image, store, compression=Compression("zstd")).digest == first.digest
    # What is of that compression stays as it is, unless it is forced.
    assert push_to(registry, "zstd:3", pulled.image, other, compression=Compression("zstd", 19)).digest == first.digest
    monkeypatch.undo()
    forced = push_to(registry, "zstd:4", pulled.image, other, compression=Compression("zstd", 19, force=True))
    assert forced.digest != first.digest


def test_what_is_compressed_again_is_what_the_config_says(
    registry: Registry, add_image: AddImage, store: Store, leftovers: Callable[[], list[str]]
) -> None:
    right, wrong = add_image("a:1", {"a": noise(23)}).image, add_image("b:1", {"a": noise(24)}).image
    forged = Image(make_manifest(right.manifest.config, wrong.manifest.layers), right.config)
    with pytest.raises(ImageInvalid, match="diff ID"):
        push_to(registry, "forged:1", forged, store, compression=Compression("zstd"))
    assert repository(registry, "forged:1").head_manifest("1") is None
    assert leftovers() == []


def test_plain_tars_are_compressed(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    image = add_image("a:1", {"a": b"a" * 90_000}, compression="none")
    push_to(registry, "plain:1", image.image, store)
    assert pull_from(registry, "plain:1", other).image.image.manifest.layers[0].media_type == mediatype.OCI_LAYER_GZIP


def test_a_layer_that_is_here_under_another_digest_is_spared(
    registry: Registry, add_image: AddImage, store: Store
) -> None:
    image = add_image("a:1", {"a": noise(22)})
    pushed = push_to(registry, "spared:1", image.image, store, compression=Compression("zstd"))
    heard = Heard()
    pulled = pull_from(registry, "spared:1", store, heard)
    assert (heard.total.bytes, heard.total.blobs, heard.total.present) == (0, 0, 1)
    assert (pulled.digest, pulled.image.image_id) == (pushed.digest, image.image_id)
    assert pulled.image.image.manifest.layers == image.image.manifest.layers
    assert store.images.find(f"{registry.host}/spared@{pushed.digest}") is not None
    assert not pull_from(registry, "spared:1", store).changed
    # By digest the very bytes are wanted.
    pull_from(registry, f"spared@{pushed.digest}", store, heard)
    assert heard.total.blobs == 1
    is_well(store)


# --- what goes wrong -------------------------------------------------------------------------------------------------


def nothing_came(store: Store) -> None:
    assert store.images.list() == [] and os.listdir(f"{store.root}/lamella/tmp") == []
    is_well(store)


def put(registry: Registry, name: str, image: Image, *blobs: tuple[Any, bytes]) -> None:
    """An image that need not be right."""
    remote = repository(registry, name, push=True)
    for descriptor, content in blobs:
        remote.put_blob(descriptor, opener(content))
    remote.put_blob(image.manifest.config, opener(image.config.raw))
    remote.put_manifest(name.partition(":")[2], image.manifest.raw, image.manifest.media_type)


def test_a_cut_pull_keeps_what_came_whole(
    registry: Registry, add_image: AddImage, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add_image("a:1", {"a": noise(30)}, {"b": noise(31)})
    push_to(registry, "cut-pull:1", image.image, store)
    monkeypatch.setattr(layers, "PARALLEL", 1)
    second = registry.blob_file(image.image.manifest.layers[1].digest)
    content = second.read_bytes()
    second.write_bytes(content[:-1] + b"x")
    with pytest.raises(ImageInvalid, match="digest"):
        pull_from(registry, "cut-pull:1", other)
    nothing_came(other)
    assert [layer for layer in image.image.manifest.layers if other.blobs.holds(layer)] == [
        image.image.manifest.layers[0]
    ]
    second.write_bytes(content)
    heard = Heard()
    pull_from(registry, "cut-pull:1", other, heard)
    assert (heard.total.blobs, heard.total.present) == (1, 1)
    is_well(other)


@pytest.mark.parametrize("what", ["manifest", "config", "layer"])
def test_what_was_lost_here_is_fetched_again(
    registry: Registry, add_image: AddImage, store: Store, other: Store, what: str
) -> None:
    image = add_image("a:1", {"a": noise(42)}, {"b": b"b"}).image
    push_to(registry, f"again-{what}:1", image, store)
    pull_from(registry, f"again-{what}:1", other)
    lost = {"manifest": image.manifest.descriptor, "config": image.manifest.config, "layer": image.manifest.layers[0]}
    other.blobs.remove(lost[what].digest)
    other.close()
    with Store.open(other.root) as opened:
        assert not verify(opened).ok
        pull_from(registry, f"again-{what}:1", opened)
        is_well(opened)
        assert opened.images.resolve(f"{registry.host}/again-{what}:1").image == image


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_blob_that_came_in_part_is_gone_on_with(
    registry: Registry, faults: Faults, add_image: AddImage, store: Store, other: Store, *, spoilt: bool
) -> None:
    image = add_image("a:1", {"a": noise(39, 3_000_000)})
    name = f"partial-{spoilt}:1".lower()
    push_to(registry, name, image.image, store)
    faults.add("GET", "/blobs/sha256:" + image.image.manifest.layers[0].digest.encoded, cuts_each(2_000_000), times=1)
    faults.add("GET", "/blobs/sha256:" + image.image.manifest.layers[0].digest.encoded, answers(503))
    reference = parse_reference(f"{faults.host}/{name}")
    job = Pull(open_repository(reference, HASTY), reference, other, threading.Event())
    with pytest.raises(RegistryError, match="503"):
        pull(job)
    nothing_came(other)
    (part,) = os.listdir(f"{other.root}/lamella/partial")
    if spoilt:
        with open(f"{other.root}/lamella/partial/{part}", "r+b") as file:
            file.write(b"nonsense")
    faults.clear()
    heard = Heard()
    again = job._replace(stop=threading.Event(), emit=heard, repository=open_repository(reference, HASTY))
    if spoilt:
        with pytest.raises(ImageInvalid):
            pull(again)
        nothing_came(other)
        assert os.listdir(f"{other.root}/lamella/partial") == []
        return
    pull(again)
    assert [one.start for one in faults.asked if one.start] == [2_000_000]
    assert (heard.total.blobs, heard.total.bytes < 1_100_000, heard.total.spared) == (1, True, 2_000_000)
    assert os.listdir(f"{other.root}/lamella/partial") == []
    is_well(other)


def test_what_came_in_part_is_garbage_one_day(store: Store, tmp_path: Path) -> None:
    path = store.temporary_path()
    Path(path).write_bytes(bytes(2 << 20))
    store.partials.keep(path, blob(b"whatever")._replace(size=3 << 20))
    prune(store)
    assert os.listdir(f"{store.root}/lamella/partial") != []
    prune(store, grace=0)
    assert os.listdir(f"{store.root}/lamella/partial") == []


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("unpack", [False, pytest.param(True, marks=pytest.mark.containers)])
def test_a_layer_that_is_not_what_the_config_says(
    registry: Registry, add_image: AddImage, store: Store, other: Store, *, known: bool, unpack: bool
) -> None:
    """A blob of one's own under a diff ID that the other has already, or has not."""
    from lamella.snapshot.overlay import OverlaySnapshotter

    right = add_image("a:1", {"a": noise(32)}).image
    wrong = add_image("b:1", {"a": noise(33)}).image
    name = f"lies-{known}-{unpack}:1".lower()
    forged = Image(make_manifest(right.manifest.config, wrong.manifest.layers), right.config)
    content = store.blobs.open_blob(wrong.manifest.layers[0]).read()
    put(registry, name, forged, (wrong.manifest.layers[0], content))
    snapshotter = OverlaySnapshotter(f"{other.root}/snapshots") if unpack else None
    try:
        if known:
            push_to(registry, "right:1", right, store)
            pull_from(registry, "right:1", other, unpacker=lambda: snapshotter)
        digest = forged.manifest.digest  # by tag, a layer that is known is not even fetched
        with pytest.raises(ImageInvalid, match="diff ID"):
            pull_from(registry, f"{name.partition(':')[0]}@{digest}", other, unpacker=lambda: snapshotter)
        assert snapshotter is None or known == (snapshotter.find(chain_ids(right.config.diff_ids)[0]) is not None)
    finally:
        if snapshotter is not None:
            snapshotter.close()
    found = other.layers.find(right.config.diff_ids[0])
    assert (found.blob if found else None) == (right.manifest.layers[0] if known else None)
    is_well(other)


def test_a_layer_that_swells(
    registry: Registry, add_image: AddImage, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = add_image("a:1", {"a": b"ok"}, {"bomb": bytes(8 << 20)})
    push_to(registry, "bomb:1", image.image, store)
    monkeypatch.setattr(layers, "SWELLING", Swelling(ratio=100, free=1 << 20))
    with pytest.raises(ImageInvalid, match="more than 100 times its size") as caught:
        pull_from(registry, "bomb:1", other)
    assert caught.value.where == image.image.manifest.layers[1].digest
    nothing_came(other)
    monkeypatch.undo()
    pull_from(registry, "bomb:1", other)
    is_well(other)


def test_layers_of_kinds_that_are_not_known(
    registry: Registry, add_image: AddImage, store: Store, other: Store
) -> None:
    image = add_image("a:1", {"a": b"a"}).image
    for number, (kind, said) in enumerate(
        [
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign layer"),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "no kind of layer that is known"),
            ("application/wasm", "no kind of layer that is known"),
        ]
    ):
        content = store.blobs.open_blob(image.manifest.layers[0]).read()
        layer = image.manifest.layers[0]._replace(media_type=kind, urls=())
        odd = Image(make_manifest(image.manifest.config, (layer,)), image.config)
        put(registry, f"odd:{number}", odd, (layer, content))
        with pytest.raises(NotSupported, match=said):
            pull_from(registry, f"odd:{number}", other)
    nothing_came(other)


def test_manifest_and_config_that_do_not_agree(
    registry: Registry, add_image: AddImage, store: Store, other: Store
) -> None:
    image = add_image("a:1", {"a": b"a"}).image
    odd = Image(make_manifest(image.manifest.config, image.manifest.layers * 2), image.config)
    content = store.blobs.open_blob(image.manifest.layers[0]).read()
    put(registry, "disagree:1", odd, (image.manifest.layers[0], content))
    with pytest.raises(ImageInvalid, match="names 1 layers, the manifest 2"):
        pull_from(registry, "disagree:1", other)
    with pytest.raises(NotFound):
        pull_from(registry, "nothing-here:1", other)
    nothing_came(other)


@pytest.mark.root
@pytest.mark.parametrize("unpack", [False, True])
def test_a_full_disk(registry: Registry, add_image: AddImage, store: Store, tmp_path: Path, unpack: bool) -> None:
    from lamella.snapshot.overlay import OverlaySnapshotter

    image = add_image("a:1", {"a": b"small"}, {"a": noise(40, 2_500_000)}, {"b": noise(41, 2_500_000)})
    push_to(registry, f"full-{unpack}:1".lower(), image.image, store)
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)], check=True)
    try:
        with Store.open(str(small / "store")) as full:
            snapshotter = OverlaySnapshotter(f"{full.root}/snapshots") if unpack else None
            if not unpack:
                (small / "filler").write_bytes(bytes(1_000_000))
            with pytest.raises(NoSpace) as caught:
                pull_from(registry, f"full-{unpack}:1".lower(), full, unpacker=lambda: snapshotter)
            assert caught.value.exit_code == 3
            nothing_came(full)
            assert (
                not os.path.exists(f"{full.root}/lamella/partial") or os.listdir(f"{full.root}/lamella/partial") == []
            )
            if snapshotter is not None:
                snapshotter.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_same_layer_twice(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    image = add_image("a:1", {"a": noise(34)}, {"b": b"b"}, {"a": noise(34)})
    heard = Heard()
    push_to(registry, "twice:1", image.image, store, heard)
    assert heard.total.blobs == 3
    pull_from(registry, "twice:1", other, heard)
    assert heard.total.blobs == 2
    is_well(other)


def test_stopping_ends_it(registry: Registry, add_image: AddImage, store: Store, other: Store) -> None:
    image = add_image("a:1", {"a": noise(35, 2_000_000)}, {"b": noise(36)})
    push_to(registry, "stopped:1", image.image, store)
    reference, stop = parse_reference(f"{registry.host}/stopped:1"), threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, BlobMoved) and event.state == "downloading":
            stop.set()

    remote = open_repository(reference, HASTY, cancelled=stop.is_set)
    with pytest.raises(LamellaError) as caught:
        pull(Pull(remote, reference, other, stop, emit=emit))
    assert caught.value.exit_code == 130
    nothing_came(other)
    left = {thread.name for thread in threading.enumerate()} & {"transfer", "watch the download"}
    assert not left


def test_a_push_of_what_is_missing_here_changes_no_tag(
    registry: Registry, add_image: AddImage, store: Store, leftovers: Callable[[], list[str]]
) -> None:
    image = add_image("a:1", {"a": noise(37)}, {"b": noise(38)}).image
    store.blobs.remove(image.manifest.layers[1].digest)
    with pytest.raises(NotFound):
        push_to(registry, "missing:1", image, store)
    assert repository(registry, "missing:1").head_manifest("1") is None
    with pytest.raises(NotFound):
        push_to(registry, "missing:1", image, store, compression=Compression("zstd"))
    assert leftovers() == []


def test_a_push_of_what_is_damaged_here(registry: Registry, add_image: AddImage, store: Store) -> None:
    """The store is to blame, which is found out before the registry has all of it."""
    image = add_image("a:1", {"a": noise(39)}).image
    path = Path(store.blobs.path_of(image.manifest.layers[0].digest))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreDamaged):
        push_to(registry, "damaged:1", image, store)
    assert repository(registry, "damaged:1").head_manifest("1") is None
