"""Wiring of pulls and pushes: who listens, what can be unpacked here, how Ctrl-C gets through."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamella.events import Emit
    from lamella.oci.platform import Platform
    from lamella.oci.reference import Reference
    from lamella.registry.pull import Pulled
    from lamella.registry.push import Pushed
    from lamella.registry.recompress import Compression
    from lamella.registry.settings import RegistrySettings
    from lamella.snapshot.protocol import Snapshotter
    from lamella.store.store import Store


@contextmanager
def listening(args: argparse.Namespace) -> Iterator[Emit]:
    """Shows progress on stderr as ``--progress`` says, nothing with ``-q`` but warnings."""
    from lamella.cli.progress import listener

    shown = listener("plain" if args.quiet else args.progress, sys.stderr)
    try:
        yield _warnings_of(shown.emit) if args.quiet else shown.emit
    finally:
        shown.close()


def _warnings_of(emit: Emit) -> Emit:
    from lamella.events import Event, Note

    def warn(event: Event) -> None:
        if isinstance(event, Note) and event.level == "warning":
            emit(event)

    return warn


def pull_image(
    reference: Reference,
    store: Store,
    settings: RegistrySettings,
    emit: Emit,
    *,
    platform: Platform | None = None,
    all_platforms: bool = False,
    unpack: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Pulled:
    """``cancelled`` ends it from another thread. Raises what ``lamella.registry.pull.pull`` raises."""
    from lamella.registry.client import open_repository
    from lamella.registry.pull import Pull, pull

    with unpacker(store, wanted=unpack) as open_unpacker:
        stop = threading.Event()
        repository = open_repository(reference, settings, emit=emit, cancelled=lambda: stop.is_set() or cancelled())
        return pull(Pull(repository, reference, store, stop, platform, all_platforms, open_unpacker, emit))


@contextmanager
def unpacker(store: Store, *, wanted: bool = True) -> Iterator[Callable[[], Snapshotter | None]]:
    """Opens what unpacks layers while they come, where this machine can put layers on top of each other. Copies of
    whole file systems are left to the one who needs them.

    Unpacking mounts nothing; whether it can be done is tried by a mount, once after each start of the machine. That is
    done in a mount namespace of our own, which root enters at once, before there is a second thread. An ordinary user's
    user namespace is entered when it is needed: programs that keep credentials want to see who asks."""
    if not wanted:
        yield lambda: None
        return
    if os.geteuid() == 0:
        from lamella.snapshot.namespace import enter_namespaces

        enter_namespaces()
    opened: list[Snapshotter] = []

    def open_one() -> Snapshotter | None:
        if not opened and (snapshotter := _open_unpacker(store)) is not None:
            opened.append(snapshotter)
        return opened[0] if opened else None

    try:
        yield open_one
    finally:
        for snapshotter in opened:
            snapshotter.close()


def _open_unpacker(store: Store) -> Snapshotter | None:
    from lamella.snapshot.select import open_snapshotter, overlay_works

    if os.geteuid() != 0:
        from lamella.snapshot.namespace import enter_namespaces

        _wait_alone()
        enter_namespaces()
    folder = os.path.join(store.root, "lamella", "snapshots")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    return open_snapshotter(folder, "overlay") if overlay_works(folder) else None


def _wait_alone(seconds: float = 0.5) -> None:
    """Threads that asked the registry are over, and may take a moment to go."""
    import time

    end = time.monotonic() + seconds
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < end:
        time.sleep(0.005)


def push_to(
    reference: Reference,
    image: str,
    store: Store,
    settings: RegistrySettings,
    emit: Emit,
    *,
    platform: Platform | None = None,
    all_platforms: bool = False,
    compression: Compression,
) -> Pushed:
    """``image`` is any IMAGE. Raises what opening it and ``lamella.registry.push`` raise."""
    from lamella.events import Note
    from lamella.registry.client import open_repository
    from lamella.registry.locate import open_image
    from lamella.registry.push import Push, index_of, push_image, push_index

    stop = threading.Event()
    with open_image(image, store, settings, platform) as located:
        if all_platforms and located.blobs is not store.blobs:
            from lamella.errors import UsageError

            hint = "pull or load it first; 'lamella pull --all-platforms' fetches all that there are"
            raise UsageError(f"--all-platforms takes an image of the store, and {image} lies elsewhere", hint=hint)
        repository = open_repository(reference, settings, push=True, emit=emit, cancelled=stop.is_set)
        job = Push(repository, reference, store, located.blobs, stop, compression, located.home, emit)
        stored = store.images.find(image) if located.blobs is store.blobs else None
        index = index_of(store, stored.root) if stored is not None else None
        if index is not None and all_platforms:
            return push_index(job, index)
        if index is not None and platform is None and len(index.manifests) > 1:
            shown = located.image.config.platform
            hint = "--all-platforms pushes all that are here"
            emit(Note("info", f"{image} is for several platforms; {shown} alone is pushed ({hint})"))
        return push_image(job, located.image)
