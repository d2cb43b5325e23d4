"""Images put together as values."""

from __future__ import annotations

import json

import pytest

from lamella.errors import ImageInvalid
from lamella.image.assemble import append_layer, as_oci, assemble, from_config, validate, with_config
from lamella.oci import mediatype
from lamella.oci.config import HistoryEntry, RunConfig, parse_config
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import Image, LayerRef
from lamella.oci.manifest import parse_manifest
from lamella.oci.platform import Platform


def layer(name: str, media_type: str = mediatype.OCI_LAYER_GZIP, **fields: object) -> LayerRef:
    blob = Descriptor(media_type, Digest.of(f"blob {name}".encode()), len(name) * 100, **fields)  # type: ignore[arg-type]
    return LayerRef(DiffID.of(f"tar {name}".encode()), blob)


RUN = RunConfig(env=("PATH=/bin",), cmd=("/bin/sh",))
BASE = assemble(
    None,
    [layer("one", annotations=(("org.example.kept", "yes"),)), layer("two")],
    RUN,
    [
        HistoryEntry(created_by="ADD one"),
        HistoryEntry(created_by="ADD two"),
        HistoryEntry(created_by="CMD", empty_layer=True),
    ],
    created="2024-01-02T03:04:05Z",
    author="someone",
    platform=Platform("linux", "arm64"),
)


def reread(image: Image) -> Image:
    """Through the bytes, as a store would give it back."""
    return Image(parse_manifest(image.manifest.raw, "manifest"), parse_config(image.config.raw, "config"))


def docker(image: Image) -> Image:
    """The same image with Docker's media types, as an old registry serves it."""
    data = json.loads(image.manifest.raw)
    data["mediaType"] = mediatype.DOCKER_MANIFEST
    data["config"]["mediaType"] = mediatype.DOCKER_CONFIG
    for blob in data["layers"]:
        blob["mediaType"] = mediatype.DOCKER_LAYER_GZIP
    return Image(parse_manifest(json.dumps(data).encode(), "manifest"), image.config)


def test_the_bytes_say_what_the_value_says() -> None:
    again = reread(BASE)
    assert again.manifest == BASE.manifest
    assert again.config == BASE.config
    assert again.layers == BASE.layers == (layer("one", annotations=(("org.example.kept", "yes"),)), layer("two"))
    assert BASE.manifest.config.digest == BASE.config.image_id == Digest.of(BASE.config.raw)
    assert BASE.manifest.config.size == len(BASE.config.raw)
    assert json.loads(BASE.manifest.raw)["mediaType"] == mediatype.OCI_MANIFEST


def test_the_same_parts_give_the_same_image() -> None:
    def make() -> Image:
        return assemble(BASE, [layer("three")], RUN, [HistoryEntry("2024-01-02T03:04:05Z", "RUN x")], created="2024")

    assert make() == make()


def test_a_base_gives_layers_history_and_more() -> None:
    image = assemble(BASE, [layer("three")], RUN._replace(user="7"), [HistoryEntry(created_by="RUN x")])
    assert image.layers == (*BASE.layers, layer("three"))
    assert image.manifest.layers[:2] == BASE.manifest.layers
    assert [entry.created_by for entry in image.config.history] == ["ADD one", "ADD two", "CMD", "RUN x"]
    assert (image.config.platform, image.config.author) == (Platform("linux", "arm64"), "someone")
    assert image.config.config.user == "7"
    assert image.config.created == ""


def test_platform_and_author_may_be_said() -> None:
    image = assemble(BASE, [], RUN, [], platform=Platform("linux", "arm", "v7"), author="")
    assert (image.config.platform, image.config.author) == (Platform("linux", "arm", "v7"), "")
    assert json.loads(image.config.raw)["variant"] == "v7"


def test_scratch_has_no_layers() -> None:
    image = assemble(None, [], RunConfig(), [])
    assert image.layers == ()
    assert json.loads(image.config.raw)["rootfs"] == {"type": "layers", "diff_ids": []}


def test_dockers_media_types_become_ocis_all_together() -> None:
    image = assemble(docker(BASE), [layer("three")], RUN, [HistoryEntry()])
    types = {blob.media_type for blob in image.manifest.layers}
    assert types == {mediatype.OCI_LAYER_GZIP}
    assert image.manifest.config.media_type == mediatype.OCI_CONFIG
    assert [blob.digest for blob in image.manifest.layers[:2]] == [blob.digest for blob in BASE.manifest.layers]
    for kind in ("none", "gzip", "zstd"):
        oci = mediatype.layer_media_type(kind)
        assert as_oci(Descriptor(oci, Digest.of(b""), 0)).media_type == oci
    assert as_oci(Descriptor(mediatype.DOCKER_LAYER_ZSTD, Digest.of(b""), 0)).media_type == mediatype.OCI_LAYER_ZSTD


def test_a_layer_is_appended() -> None:
    entry = HistoryEntry(created_by="COPY")
    image = append_layer(BASE, layer("three"), entry)
    assert image.layers == (*BASE.layers, layer("three"))
    assert image.config.history[-1] == entry
    assert (image.config.created, image.config.config) == (BASE.config.created, RUN)
    assert append_layer(BASE, layer("three"), entry, created="2025").config.created == "2025"


def test_a_config_is_replaced() -> None:
    image = with_config(BASE, RUN._replace(cmd=None), [HistoryEntry(created_by="CMD []", empty_layer=True)])
    assert image.layers == BASE.layers
    assert image.config.config.cmd is None
    assert len(image.config.history) == 4


def test_what_a_config_has_beyond_our_knowledge_is_kept() -> None:
    raw = json.loads(BASE.config.raw)
    raw["org.example"] = {"kept": True}
    config = parse_config(json.dumps(raw).encode(), "config")
    image = assemble(Image(BASE.manifest, config), [], RUN, [])
    assert json.loads(image.config.raw)["org.example"] == {"kept": True}


def test_an_image_whose_numbers_do_not_fit_is_refused() -> None:
    for config in (BASE.config._replace(diff_ids=()), BASE.config._replace(diff_ids=BASE.config.diff_ids * 2)):
        with pytest.raises(ImageInvalid, match=r"image-7: the manifest has 2 layers"):
            validate(Image(BASE.manifest, config), "image-7")
        with pytest.raises(ImageInvalid, match="2 layers"):
            assemble(Image(BASE.manifest, config), [], RUN, [])


def test_a_history_that_lies_is_let_pass() -> None:
    for history in ((), (HistoryEntry(),) * 9):
        validate(Image(BASE.manifest, BASE.config._replace(history=history)), "image-7")


def test_layers_of_another_kind_are_refused() -> None:
    blob = Descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", Digest.of(b""), 0)
    with pytest.raises(ImageInvalid, match="no layer"):
        from_config(BASE.config, [blob, blob])
