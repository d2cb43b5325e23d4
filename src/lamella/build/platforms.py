"""One build for several platforms: an image each, and an index over them."""

from __future__ import annotations

import time

from lamella.build.engine import build
from lamella.build.request import BuildRequest, BuildResult, Output
from lamella.errors import NotSupported
from lamella.events import Emit, ImageWritten, Note, ignore
from lamella.oci.config import parse_config
from lamella.oci.image import Image
from lamella.oci.manifest import Index, make_index, parse_manifest
from lamella.oci.platform import Platform
from lamella.store.store import Store

_TAKEN = ("image", "oci", "local", "cacheonly")


def build_platforms(
    request: BuildRequest, platforms: tuple[Platform, ...], store: Store, emit: Emit = ignore
) -> BuildResult:
    """Builds one after another; what does not depend on the platform is built once and then cached. ``local`` outputs
    get a folder for each platform, ``image`` and ``oci`` ones the index. The result's manifest is the index."""
    began = time.perf_counter()
    for output in request.outputs:
        if output.kind not in _TAKEN or not output.tar:
            raise NotSupported(
                f"--output type={output.kind}{'' if output.tar else ',tar=false'} takes one platform",
                hint=f"use type={', '.join(_TAKEN)}, or build for one platform at a time",
            )
    results = []
    for platform in platforms:
        emit(Note("info", f"building for {platform}"))
        outputs = tuple(_own(output, platform) for output in request.outputs)
        results.append(build(request._replace(platform=platform, tags=(), outputs=outputs), store, emit))
    index = make_index(tuple(result.manifest for result in results))
    result = results[0]._replace(
        manifest=index.descriptor,
        names=request.tags or tuple(name for output in request.outputs for name in output.names),
        steps=tuple(step for one in results for step in one.steps),
        seconds=time.perf_counter() - began,
        is_image=any(output.kind in ("image", "oci") for output in request.outputs),
        looked_at=(),
        parts=tuple(results),
    )
    if result.is_image:
        _deliver(request, store, index, results, emit)
    return result


def _own(output: Output, platform: Platform) -> Output:
    """What one platform's build does: its file system is written, its image waits for the index."""
    if output.kind == "local":
        return output._replace(path=f"{output.path}/{str(platform).replace('/', '_')}")
    return Output("cacheonly" if output.kind == "cacheonly" else "part")


def _deliver(request: BuildRequest, store: Store, index: Index, results: list[BuildResult], emit: Emit) -> None:
    for output in request.outputs:
        names = request.tags or output.names
        if output.kind == "image":
            store.images.put_index(index, names)
            emit(ImageWritten(str(index.digest), str(index.digest), names))
        elif output.kind == "oci":
            from lamella.build.output import open_sink
            from lamella.store.save import save_oci_index

            with open_sink(output) as sink:
                save_oci_index(store, index, [_image(store, result) for result in results], names, sink)
                sink.flush()
            emit(Note("info", f"wrote an OCI archive{f' to {output.path}' if output.path else ''}"))


def _image(store: Store, result: BuildResult) -> Image:
    manifest = parse_manifest(store.blobs.read_blob(result.manifest), str(result.manifest.digest))
    return Image(manifest, parse_config(store.blobs.read_blob(manifest.config), str(manifest.config.digest)))
