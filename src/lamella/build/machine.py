"""What a build works with on this machine: the store, a snapshotter and a runtime, made when first needed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from lamella.build.level import Level, stack, tree_of
from lamella.build.task import Task
from lamella.errors import Interrupted, LamellaError
from lamella.events import Emit, Note
from lamella.filetree.entry import Entry
from lamella.layer.packed import PackedLayer, PackItem
from lamella.oci.image import LayerRef
from lamella.snapshot.protocol import Snapshot, Snapshotter, Workspace
from lamella.store.disk import disk_errors
from lamella.store.lease import remove_any
from lamella.store.store import Store

if TYPE_CHECKING:
    from lamella.runtime.protocol import Runner


class Machine:
    """One build's tools. Used by several threads; what they share is guarded here."""

    def __init__(
        self, store: Store, emit: Emit, *, epoch: int | None, compression: str, runtime: str | None, backend: str
    ) -> None:
        self.store = store
        self.emit = emit
        self.epoch = epoch
        self.started = time.time_ns() if epoch is None else min(time.time_ns(), epoch * 10**9)
        self.cancelled = threading.Event()
        self._abandoned = threading.Event()
        self.compression = compression
        self._runtime = runtime
        self._backend = backend
        self._lock = threading.RLock()
        self._open = ExitStack()
        self._snapshotter: Snapshotter | None = None
        self._runner: Runner | None = None
        self._views: dict[Level | None, str] = {}
        self._packing: list[Task[LayerRef]] = []
        #: whether something beside files decided what came out: the answer of a server
        self.asked_elsewhere = False

    @property
    def made_at(self) -> int:
        """The mtime of what the builder itself makes: its start, in whole seconds (as nanoseconds)."""
        return self.started // 10**9 * 10**9

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for what is being packed."""
        return self._abandoned.is_set()

    def cancel(self) -> None:
        """Stops what runs, here and in other threads; steps that have not begun do not begin. Layers of steps that
        are done are packed to their end: the next build finds them in the cache."""
        self.cancelled.set()
        runner = self._runner  # without the lock: its holder may be busy for long
        if runner is not None:
            runner.stop()

    def abandon(self) -> None:
        """Cancels, and stops the packing too: somebody waits for the prompt."""
        self._abandoned.set()
        self.cancel()

    def close(self) -> None:
        """Waits for the packing, unmounts every view, gives back what the runtime and the snapshotter hold."""
        for task in self._packing:
            task.wait()
        self._open.close()
        if self._snapshotter is not None:
            self._snapshotter.close()
            self._snapshotter = None

    def check_cancelled(self) -> None:
        """Raises Interrupted once the build was cancelled (Ctrl-C, or another stage failed)."""
        if self.cancelled.is_set():
            raise Interrupted("the build was cancelled")

    @property
    def snapshotter(self) -> Snapshotter:
        with self._lock:
            if self._snapshotter is None:
                from lamella.snapshot import open_snapshotter

                self._snapshotter = open_snapshotter(
                    os.path.join(self.store.root, "lamella", "snapshots"), self._backend
                )
            return self._snapshotter

    @property
    def runner(self) -> Runner:
        """Raises NoRuntime or NoPrivilege."""
        with self._lock:
            if self._runner is None:
                from lamella.runtime import find_runner

                self._runner = find_runner(os.path.join(self.store.root, "lamella", "run"), self._runtime)
                self._open.callback(self._runner.close)
                self._runner.recover()
                self._say_what_differs()
                if self.cancelled.is_set():  # by a thread that found no runner yet
                    self._runner.stop()
            return self._runner

    def _say_what_differs(self) -> None:
        from lamella.userns.standing import SINGLE, current

        standing = current()
        if standing.kind == SINGLE:
            message = "RUN has one user id: files keep their owners in the image, but no step can change to other users"
            self.emit(Note("warning", f"{message} ({standing.reason})" if standing.reason else message))

    def require_runner(self) -> None:
        """Raises NoRuntime or NoPrivilege before anything is prepared for a RUN."""
        assert self.runner is not None

    def contents(self, layer: LayerRef) -> list[Entry]:
        """A layer's table of contents."""
        self.store.layers.ensure_toc(layer)
        return list(self.store.layers.toc(layer.diff_id))

    def tree(self, level: Level | None) -> dict[str, Entry]:
        return tree_of(level, self.contents)

    def snapshot(self, level: Level | None) -> Snapshot | None:
        """The level as files on disk: unpacks those of its layers that no snapshot holds yet."""
        if level is None or level.snapshot is not None:
            return level.snapshot if level is not None else None
        chain = level.chain  # waits for the packing, which needs the lock: not to be asked while holding it
        with self._lock:
            if level.snapshot is None:
                found = self.snapshotter.find(chain)
                level.snapshot = found or self._unpack(level, self.snapshot(level.below))
            return level.snapshot

    def _unpack(self, level: Level, below: Snapshot | None) -> Snapshot:
        from lamella.snapshot.unpacked import unpack_blob

        return unpack_blob(self.snapshotter, below, level.layer, level.chain, self.store.blobs)

    def view(self, level: Level | None) -> str:
        """A read-only root file system of the level, there until the build ends."""
        snapshot = self.snapshot(level)
        with self._lock:
            if level not in self._views:
                self._views[level] = self._open.enter_context(self.snapshotter.view(snapshot))
            return self._views[level]

    def workspace(self, level: Level | None) -> Workspace:
        """A writable file system on the level, for its caller to close."""
        return self.snapshotter.prepare(self.snapshot(level))

    def spool(self, content: BinaryIO) -> str:
        """Writes a stream to a temporary file that goes with the build; returns its path."""
        path = self.temporary_file(".spool")
        with open(path, "xb") as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
        return path

    def temporary_folder(self, suffix: str) -> str:
        """An empty folder that goes with the build."""
        path = self.store.temporary_path(suffix)
        with disk_errors(path, "make a temporary folder"):
            os.mkdir(path)
        self._open.callback(remove_any, path)
        return path

    def temporary_file(self, suffix: str) -> str:
        """A path for a file that goes with the build."""
        path = self.store.temporary_path(suffix)
        self._open.callback(_remove, path)
        return path

    def pack(
        self,
        items: Callable[[], Iterable[PackItem]],
        where: str,
        then: Callable[[PackedLayer], None],
    ) -> Task[LayerRef]:
        """Packs a layer into the store on a thread of its own. ``then`` is called there with the result, before
        anyone who waits sees it. An error names ``where``, and the path that it is about in its detail."""

        def work() -> LayerRef:
            from lamella.layer.pack import pack_layer

            try:
                with self.store.blobs.writer(hashing=False) as sink:
                    packed = pack_layer(
                        items(),
                        sink,
                        compression=self.compression,
                        clamp_mtime=self.epoch,
                        cancelled=self._abandoned.is_set,
                    )
                    sink.commit(trusted=packed.blob.digest, size=packed.blob.size)
                self.store.layers.record(packed)
                then(packed)
            except LamellaError as error:
                error.at(where)
                raise
            return packed.ref

        task = Task(work, f"pack {where}")
        with self._lock:
            self._packing.append(task)
        return task


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)


def content_size(entries: Iterable[Entry]) -> int:
    """Bytes of file content in a layer."""
    return sum(entry.size for entry in entries)


def all_layers(level: Level | None) -> tuple[LayerRef, ...]:
    """Bottom first; waits for the packing."""
    return tuple(one.layer for one in stack(level))
