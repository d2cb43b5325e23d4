"""Keeping the note of a build that came from the cache alone; ``cli.replay`` answers the same command from it."""

from __future__ import annotations

import argparse
import os
from typing import TextIO

from lamella.build.ignorefile import ignore_candidates
from lamella.build.request import BuildRequest, BuildResult
from lamella.cli.dockerfile import NAMES
from lamella.cli.replay import default_root, record
from lamella.cli.session import Session


class Transcript:
    """A stream that remembers what went through it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._written: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._written)

    def write(self, text: str) -> int:
        self._written.append(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def may_remember(args: argparse.Namespace, result: BuildResult) -> bool:
    """Whether a note can answer this command: all was cached, nothing came from elsewhere, and the build prints its
    answer and does nothing more."""
    does_more = args.output or args.iidfile or args.metadata_file or args.secret or args.ssh
    asks_more = args.no_cache or args.no_cache_filter or args.pull or args.progress != "auto"
    elsewhere = "-" in (args.context, args.file) or result.is_index or result.asked_elsewhere
    from_environment = any("=" not in word for word in args.build_arg)
    if does_more or asks_more or elsewhere or from_environment:
        return False
    return all(step.cached for step in result.steps)


def remember(session: Session, request: BuildRequest, result: BuildResult, err: str, began: int) -> None:
    """Everything was cached: the same words can be answered by a note as long as nothing changes. ``err`` is what was
    printed for people, ``began`` when the command began (ns since the epoch)."""
    store = session.store()
    if session.root != default_root() or request.dockerfile is None or request.context is None:
        return
    if request.unpacked is not None or any(value.startswith("oci-layout:") for _, value in request.named_contexts):
        return  # what came from elsewhere is not looked at
    root = os.path.abspath(request.context)
    named = (path for folder, _ in result.looked_at for path in ignore_candidates(folder, None))
    ignoring = ignore_candidates(root, request.dockerfile)
    defaults = (os.path.join(root, name) for name in NAMES)  # one that appears may come before the one that was read
    own = (request.dockerfile, *defaults, *ignoring, *named, f"{store.root}/index.json")
    stats: dict[str, os.stat_result | None] = {}
    for path in own:
        if os.path.islink(path):
            return  # what it leads to may change without the link
        stats[path] = os.lstat(path) if os.path.lexists(path) else None
    for folder, seen in result.looked_at:
        stats.update({f"{folder}/{path}" if path else folder: stat for path, stat in seen.items()})
    image = store.images.get(result.manifest.digest).image
    digests = (result.manifest.digest, image.manifest.config.digest, *(layer.blob.digest for layer in image.layers))
    record(session.words, stats, map(store.blobs.path_of, digests), result.image_id + "\n", err, began=began)
