"""The places that the stages of a build read from, opened when the first of them asks, and once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from lamella.build.base import Warn, image_level
from lamella.build.fetching import Images
from lamella.build.filedigests import FileDigests
from lamella.build.ignorefile import read_ignore_file
from lamella.build.level import Level
from lamella.build.machine import Machine
from lamella.build.named import check_folder, is_folder, open_named_image, stands_for
from lamella.build.request import BuildRequest
from lamella.build.sources import ArchiveContext, ContextSource, CopySource, NoContext, TreeSource
from lamella.build.work import NotBuilt
from lamella.errors import ContextError
from lamella.oci.platform import Platform
from lamella.plan.address import is_remote
from lamella.plan.step import Source, SourceContext, SourceImage, SourceStage


class Opened:
    """``platform`` is that of images which are named without one; ``level_of`` waits for a stage. Where nothing may
    be fetched, a source from elsewhere raises NotBuilt."""

    def __init__(
        self,
        request: BuildRequest,
        machine: Machine,
        platform: Platform,
        warn: Warn,
        level_of: Callable[[int], Level | None],
        *,
        may_fetch: bool,
        images: Images,
    ) -> None:
        self._images = images
        self._request = request
        self._machine = machine
        self._platform = platform
        self._warn = warn
        self._level_of = level_of
        self._may_fetch = may_fetch
        self._sources: dict[Source, CopySource] = {}
        self._digests: list[FileDigests] = []
        self._guard = threading.Lock()

    def open(self, source: Source, where: str) -> CopySource:
        """Waits for a stage. Raises NotFound, ContextError, InputError, MachineError."""
        level = self._level_of(source.number) if isinstance(source, SourceStage) else None  # outside: it may take long
        with self._guard:
            if source not in self._sources:
                match source:
                    case SourceStage():
                        self._sources[source] = self._tree_source(level)
                    case SourceImage(reference):
                        self._sources[source] = self._named_source(reference, where)
                    case SourceContext(""):
                        self._sources[source] = self._main_context()
                    case SourceContext(name):
                        self._sources[source] = self._named_source(name, where)
            return self._sources[source]

    def looked_at(self) -> tuple[tuple[str, Mapping[str, os.stat_result | None]], ...]:
        """What was asked of each context folder."""
        contexts = [source for source in self._sources.values() if isinstance(source, ContextSource)]
        return tuple((source.root, source.stats) for source in contexts)

    def save(self) -> None:
        """Keeps the digests of context files for the next build."""
        for digests in self._digests:
            digests.save()

    def _named_source(self, reference: str, where: str) -> CopySource:
        name, value = stands_for(self._request, reference)
        if is_remote(value):
            return self._fetched(value)
        if is_folder(value):
            check_folder(name, value, where)
            return self._context(value)
        image = open_named_image(self._images, (name, value), self._platform, where, self._warn)
        return self._tree_source(image_level(image, where))

    def _fetched(self, address: str) -> CopySource:
        """A context from elsewhere."""
        if not self._may_fetch:
            raise NotBuilt
        from lamella.build.remote_context import fetch_context

        machine = self._machine
        machine.asked_elsewhere = True
        folder, tree = fetch_context(address, machine.temporary_folder, machine.cancelled.is_set)
        return ArchiveContext(tree, lambda: folder)

    def _tree_source(self, level: Level | None) -> TreeSource:
        machine = self._machine
        return TreeSource(machine.tree(level), lambda: machine.view(level), lambda: machine.workspace(level))

    def _main_context(self) -> CopySource:
        folder, tree = self._request.context, self._request.unpacked
        if folder is None:
            return NoContext(lambda: self._machine.view(None))
        if tree is not None:
            return ArchiveContext(tree, lambda: folder)
        if not os.path.isdir(folder):
            raise ContextError("the build context is not a folder", where=folder)
        return self._context(folder, self._request.dockerfile)

    def _context(self, folder: str, dockerfile: str | None = None) -> ContextSource:
        """``dockerfile`` may have an ignore file of its own, which is for the main context alone."""
        root = os.path.abspath(folder)
        digests = FileDigests(self._machine.store.digests, root)
        self._digests.append(digests)
        return ContextSource(root, read_ignore_file(root, dockerfile), digests)
