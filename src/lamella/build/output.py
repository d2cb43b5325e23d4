"""What is done with a finished image: into the store, into archives and folders, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from lamella.build.level import Level
from lamella.build.machine import Machine
from lamella.build.request import BuildRequest, Output
from lamella.errors import LamellaError
from lamella.events import ImageWritten, Note
from lamella.oci.image import Image

_WORDS = {
    "oci": "an OCI archive",
    "docker": "an archive for docker load",
    "local": "the file system",
    "tar": "the file system as an archive",
}


def deliver(request: BuildRequest, machine: Machine, image: Image, level: Level | None) -> tuple[str, ...]:
    """Writes the image, whose file system is ``level``, to every output of the request; returns the names it got."""
    images = [output for output in request.outputs if output.kind == "image"]
    named = request.tags or tuple(name for output in request.outputs for name in output.names)
    if images:
        names = request.tags or tuple(name for output in images for name in output.names)
        machine.store.images.put(image.manifest.raw, image.config.raw, names)
        machine.emit(ImageWritten(str(image.manifest.digest), str(image.config.image_id), names))
    for output in request.outputs:
        if output.kind == "part":
            _put_image(machine, image)
        elif output.kind not in ("image", "cacheonly"):
            try:
                _write(output, request.tags or output.names, machine, image, level)
            except LamellaError as error:
                error.at(f"--output type={output.kind}")
                raise
            target = f" to {output.path}" if output.path else ""
            machine.emit(Note("info", f"wrote {_WORDS[output.kind]}{target}"))
    return named if makes_image(request.outputs) else ()


def makes_image(outputs: Sequence[Output]) -> bool:
    """Whether an image comes of it, and not its file system alone."""
    return any(output.kind in ("image", "oci", "docker") for output in outputs)


def _write(output: Output, names: tuple[str, ...], machine: Machine, image: Image, level: Level | None) -> None:
    if output.kind == "local":
        from lamella.build.export import export_folder

        export_folder(machine, level, output.path)
    elif output.kind == "tar":
        from lamella.build.export import export_tar

        with open_sink(output) as sink:
            export_tar(machine, level, sink)
            sink.flush()
    else:
        _write_image(output, names, machine, image)


def _write_image(output: Output, names: tuple[str, ...], machine: Machine, image: Image) -> None:
    from lamella.store.images import storable_name
    from lamella.store.save import Saved, save_docker_archive, save_oci_archive, save_oci_layout

    store = machine.store
    _put_image(machine, image)
    saved = [Saved(image, tuple(map(storable_name, names)))]
    if not output.tar:
        save_oci_layout(store, saved, output.path)
        return
    with open_sink(output) as sink:
        (save_docker_archive if output.kind == "docker" else save_oci_archive)(store, saved, sink)
        sink.flush()


def _put_image(machine: Machine, image: Image) -> None:
    """Its blobs alone: no name, and no entry among the images."""
    machine.store.blobs.put(image.config.raw)
    machine.store.blobs.put(image.manifest.raw)


def open_sink(output: Output) -> AbstractContextManager[BinaryIO]:
    """What an archive is written to."""
    from lamella.store.disk import replacing

    return nullcontext(output.stream) if output.stream is not None else replacing(output.path, "write the output")
