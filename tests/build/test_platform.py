"""``--platform``: which image of several is the base, what the result says it is, what can be executed."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from lamella.errors import MachineError, NotFound
from lamella.events import Note
from lamella.oci import mediatype
from lamella.oci.digest import Digest
from lamella.oci.platform import Platform, best_match, normalize_platform, parse_platform, serving
from lamella.store.layout import normal_name

Builder = Any
AMD64, ARM64, ARMV7 = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "arm", "v7")
ARMV6 = Platform("linux", "arm", "v6")
FOREIGN = Platform("linux", "s390x")


def put_index(builder: Builder, name: str, *platforms: Platform) -> None:
    """A multi-platform image whose file ``arch`` says which one it is."""
    entries = []
    for platform in platforms:
        builder.file("arch", str(platform))
        result = builder.build("FROM scratch\nCOPY arch /arch\n", platform=platform)
        entries.append(result.manifest.to_json())
        builder.store.images.forget(result.manifest.digest)
    raw = json.dumps({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries}).encode()
    builder.store.blobs.put(raw)
    path = builder.root / "index.json"
    index = json.loads(path.read_text())
    index["manifests"].append(
        {
            "mediaType": mediatype.OCI_INDEX,
            "digest": str(Digest.of(raw)),
            "size": len(raw),
            "annotations": {"org.opencontainers.image.ref.name": normal_name(name)},
        }
    )
    path.write_text(json.dumps(index))


def arch(builder: Builder, result: Any, path: str = "arch") -> str:
    """Which of the images the file at ``path`` came from."""
    digest = builder.tree(result)[path].digest
    for platform in (AMD64, ARM64, ARMV7, ARMV6, FOREIGN):
        if Digest.of(str(platform).encode()).encoded == digest:
            return str(platform)
    raise AssertionError(digest)


def notes(builder: Builder) -> list[str]:
    return [event.message for event in builder.events if isinstance(event, Note)]


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("linux/arm64/v8", ("linux/amd64", "linux/arm64"), "linux/arm64"),
        ("linux/arm/v7", ("linux/arm/v5", "linux/arm/v6"), "linux/arm/v6"),
        ("linux/arm/v7", ("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7"),
        ("linux/arm/v6", ("linux/arm/v7",), None),
        ("linux/arm64", ("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7"),
        ("linux/amd64/v3", ("linux/386", "linux/amd64", "linux/amd64/v2"), "linux/amd64/v2"),
        ("linux/amd64", ("linux/386",), "linux/386"),
        ("linux/386", ("linux/amd64",), None),
        ("linux/riscv64", ("linux/amd64",), None),
    ],
)
def test_the_best_of_what_is_offered(wanted: str, offered: tuple[str, ...], found: str | None) -> None:
    """As containerd chooses."""
    best = best_match([parse_platform(text) for text in offered], parse_platform(wanted))
    assert (None if best is None else str(best)) == found


def test_what_serves_a_platform() -> None:
    assert [str(one) for one in serving(ARM64)] == [
        "linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5",
    ]  # fmt: skip


def test_the_platform_picks_from_an_index(builder: Builder) -> None:
    put_index(builder, "multi", AMD64, ARM64, ARMV6)
    text = "FROM multi\nCOPY --from=multi arch /copied\n"
    for platform, found in ((AMD64, AMD64), (ARM64, ARM64), (ARMV7, ARMV6)):
        result = builder.build(text, platform=platform)
        assert arch(builder, result) == arch(builder, result, "copied") == str(found)
        assert result.config.platform == platform
        assert notes(builder) == []


def test_from_names_a_platform_of_its_own(builder: Builder) -> None:
    host = normalize_platform("linux", os.uname().machine)
    put_index(builder, "multi", host, ARM64, FOREIGN)
    text = (
        "FROM --platform=$BUILDPLATFORM multi AS build\nFROM --platform=linux/s390x multi\nCOPY --from=build arch /b\n"
    )
    result = builder.build(text, platform=ARM64)
    assert arch(builder, result) == str(FOREIGN)
    assert arch(builder, result, "b") == str(host)
    assert result.config.platform == ARM64, "the image is for whom it was asked for, as in Docker"


def test_a_platform_that_an_index_lacks(builder: Builder) -> None:
    put_index(builder, "multi", AMD64, ARM64)
    for text in ("FROM multi\n", "FROM scratch\nCOPY --from=multi arch /\n"):
        with pytest.raises(NotFound) as caught:
            builder.build(text, platform=FOREIGN)
        assert caught.value.code == "missing-platform"
        assert "linux/amd64, linux/arm64" in str(caught.value.detail)


def test_an_image_for_another_platform_alone_is_taken_with_a_warning(builder: Builder) -> None:
    builder.file("arch", str(ARM64))
    builder.build("FROM scratch\nCOPY arch /arch\n", platform=ARM64, tags=("single",))
    result = builder.build("FROM single\n", platform=FOREIGN)
    assert arch(builder, result) == str(ARM64)
    assert notes(builder) == ["single is linux/arm64, the build is for linux/s390x (InvalidBaseImagePlatform)"]
    result = builder.build("FROM single\n")
    assert result.config.platform == ARM64, "nobody asked for another"


def test_a_foreign_run_says_what_is_missing_and_copy_needs_nothing(
    builder: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "binfmt").mkdir()
    (tmp_path / "binfmt" / "status").write_text("enabled\n")
    monkeypatch.setattr("lamella.runtime.binfmt.BINFMT", str(tmp_path / "binfmt"))
    builder.file("arch", "x")
    result = builder.build("FROM scratch\nCOPY arch /arch\nWORKDIR /made\nUSER 5\n", platform=FOREIGN)
    assert result.config.platform == FOREIGN
    with pytest.raises(MachineError) as caught:
        builder.build("FROM scratch\nCOPY arch /arch\nRUN /arch\n", platform=FOREIGN)
    assert (caught.value.code, caught.value.where, caught.value.exit_code) == ("no-emulation", "Dockerfile:3", 3)
    assert "qemu-user-static binfmt-support" in str(caught.value.hint)
