"""Archives in and out, in one place: what commands and the build's outputs call."""

from __future__ import annotations

from lamella.store.load import load_archive, put_image
from lamella.store.rootfs import import_rootfs
from lamella.store.save import Saved, chosen, save_docker_archive, save_oci_archive, save_oci_layout

__all__ = [
    "Saved",
    "chosen",
    "import_rootfs",
    "load_archive",
    "put_image",
    "save_docker_archive",
    "save_oci_archive",
    "save_oci_layout",
]
