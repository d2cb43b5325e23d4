"""Images moved to another base."""

from __future__ import annotations

import pytest

from lamella.errors import InputError
from lamella.filetree.entry import DIRECTORY, FILE, WHITEOUT, Entry
from lamella.image.assemble import assemble
from lamella.image.rebase import hidden_changes, merge_configs, rebase
from lamella.oci.config import HistoryEntry, RunConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import DiffID, Digest
from lamella.oci.image import Image, LayerRef
from lamella.oci.mediatype import OCI_LAYER_GZIP
from lamella.oci.platform import Platform


def layer(digit: str) -> LayerRef:
    return LayerRef(DiffID(f"sha256:{digit * 64}"), Descriptor(OCI_LAYER_GZIP, Digest(f"sha256:{digit * 64}"), 1))


def image(base: Image | None, digits: str, config: RunConfig, *history: str, arch: str = "amd64") -> Image:
    entries = [HistoryEntry(created_by=text.removeprefix("-"), empty_layer=text[0] == "-") for text in history]
    return assemble(base, [layer(digit) for digit in digits], config, entries, platform=Platform("linux", arch))


OLD = image(None, "12", RunConfig(env=("PATH=/bin", "V=1"), cmd=("sh",)), "old 1", "old 2", "-CMD sh")
NEW = image(None, "789", RunConfig(env=("PATH=/usr/bin", "W=3"), cmd=("bash",)), "new 1", "new 2", "new 3")
APP = image(OLD, "a", RunConfig(env=("PATH=/bin", "V=1", "A=b"), cmd=("sh",), user="app"), "COPY app", "-USER app")


def test_own_layers_and_history_stand_on_the_new_base() -> None:
    moved = rebase(APP, OLD, NEW)
    assert [diff_id[7] for diff_id in moved.config.diff_ids] == ["7", "8", "9", "a"]
    texts = [entry.created_by for entry in moved.config.history]
    assert texts == ["new 1", "new 2", "new 3", "COPY app", "USER app"]
    assert moved.manifest.layers[-1] == APP.manifest.layers[-1]
    back = rebase(moved, NEW, OLD)
    assert back.config.raw == APP.config.raw


def test_a_history_that_is_not_the_bases_own() -> None:
    rewritten = image(None, "12a", APP.config.config, "other 1", "-ENV", "other 2", "-CMD", "COPY app")
    texts = [entry.created_by for entry in rebase(rewritten, OLD, NEW).config.history]
    assert texts == ["new 1", "new 2", "new 3", "CMD", "COPY app"]


def test_what_the_image_set_itself_stays() -> None:
    config = merge_configs(APP.config.config, OLD.config.config, NEW.config.config)
    assert config.env == ("PATH=/usr/bin", "W=3", "A=b")
    assert (config.cmd, config.user) == (("bash",), "app")
    own = RunConfig(env=("PATH=/opt",), labels=(("a", "2"),), exposed_ports=("80/tcp",), cmd=("sh",))
    old = RunConfig(env=("PATH=/bin", "V=1"), labels=(("a", "1"), ("b", "1")), exposed_ports=("80/tcp", "81/tcp"))
    new = RunConfig(env=("V=2",), labels=(("b", "3"), ("c", "3")), exposed_ports=("81/tcp", "82/tcp"), volumes=("/v",))
    config = merge_configs(own, old, new)
    assert config.env == ("PATH=/opt",)  # V was taken away by the image
    assert dict(config.labels) == {"c": "3", "a": "2"}
    assert (config.exposed_ports, config.volumes, config.cmd) == (("82/tcp",), ("/v",), ("sh",))


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(InputError, match="does not stand on this base"):
        rebase(APP, NEW, OLD)
    with pytest.raises(InputError, match="linux/arm64"):
        rebase(APP, OLD, image(None, "7", RunConfig(), "new", arch="arm64"))


def test_changes_that_the_image_hides() -> None:
    def file(path: str, digest: str, mtime: int = 0) -> Entry:
        return Entry(path, FILE, size=1, digest=digest * 64, mtime=mtime)

    old = {e.path: e for e in (file("passwd", "1"), file("same", "1"), file("gone", "1"), file("del", "1"))}
    new = {e.path: e for e in (file("passwd", "2"), file("same", "1", 5), file("del", "2"), file("own", "2"))}
    layers = [
        [file("passwd", "3"), file("same", "3"), file("gone", "3"), file("own", "3"), Entry("etc", DIRECTORY)],
        [Entry("del", WHITEOUT)],
    ]
    assert hidden_changes(old, new, layers) == ["gone", "passwd"]
