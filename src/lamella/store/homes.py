"""Where images live outside the store, as words that can be written to: ``docker-archive:FILE[:NAME]``,
``oci-archive:FILE[:NAME]`` and ``oci:DIR[:NAME]``, as skopeo and podman spell them. ``-`` as a file is standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, NamedTuple

from lamella.errors import UsageError
from lamella.store.disk import replacing
from lamella.store.images import storable_name
from lamella.store.locate import split_path
from lamella.store.save import Saved, save_docker_archive, save_oci_archive, save_oci_layout
from lamella.store.store import Store

_KINDS = ("docker-archive", "oci-archive", "oci")


class Home(NamedTuple):
    """``kind`` is ``docker-archive``, ``oci-archive``, ``oci``, or another that this room does not write; ``name`` is
    what the image is to be called there, None leaves it its names."""

    kind: str
    path: str
    name: str | None = None

    @property
    def to_stdout(self) -> bool:
        return self.path == "-" and self.kind != "oci"


def parse_home(text: str) -> Home | None:
    """What ``text`` names, None where it begins with none of the three words. Raises UsageError without a path."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _KINDS:
        return None
    path, name = split_path(rest, os.path.isdir if kind == "oci" else os.path.isfile)
    if not path:
        raise UsageError(f"{text} names no {'folder' if kind == 'oci' else 'file'}", hint=f"write {kind}:PATH")
    return Home(kind, path, name)


def write_image(store: Store, images: Sequence[Saved], home: Home) -> None:
    """Writes the images there. A file appears whole or not at all; a layout keeps what else it holds.

    Raises UsageError where several images would get one name, ReferenceError_ for a name that is none, NotFound and
    StoreDamaged for blobs that are missing or damaged, MachineError where nothing can be written."""
    images = renamed(images, home)
    if home.kind == "oci":
        save_oci_layout(store, images, os.path.abspath(home.path))
        return
    with _opened(home) as sink:
        (save_docker_archive if home.kind == "docker-archive" else save_oci_archive)(store, images, sink)
        sink.flush()


def renamed(images: Sequence[Saved], home: Home) -> Sequence[Saved]:
    """The images under the name that ``home`` wants for the one there is. Raises as :func:`write_image`."""
    if home.name is None:
        return images
    if len(images) != 1:
        raise UsageError(
            f"{len(images)} images cannot all be called {home.name}",
            hint=f"leave the name out: {home.kind}:{home.path}",
        )
    if home.kind not in ("oci", "oci-archive") or ":" in home.name or "/" in home.name:
        name = storable_name(home.name)
    else:  # a tag alone, as the layout's specification has it
        name = home.name
        storable_name(f"image:{name}")
    return [images[0]._replace(names=(name,))]


def _opened(home: Home) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdout.buffer) if home.to_stdout else replacing(home.path, "write the archive")
