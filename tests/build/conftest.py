"""A builder on a store of its own, and bases made from real root file systems."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamella.build.engine import build
from lamella.build.request import BuildRequest, BuildResult
from lamella.events import Event
from lamella.filetree.entry import Entry
from lamella.filetree.tree import merge_layers
from lamella.store.store import Store


class Builder:
    """Builds Dockerfiles given as text in a context folder, in one store."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "store"
        self.context = folder / "context"
        self.context.mkdir()
        self.store = Store.open(str(self.root))
        self.events: list[Event] = []

    def file(self, path: str, content: str = "", mode: int = 0o644) -> Path:
        target = self.context / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)
        return target

    def holding(self, base: str, store_with: Callable[[str, Path], None]) -> None:
        """Opens a store that holds this base and no more."""
        self.store.close()
        shutil.rmtree(self.root)
        store_with(base, self.root)
        self.store = Store.open(str(self.root))

    def build(self, text: str, **options: Any) -> BuildResult:
        options.setdefault("context", str(self.context))
        request = BuildRequest(text=text, name="Dockerfile", **options)
        self.events = []
        return build(request, self.store, self.events.append)

    def tree(self, result: BuildResult) -> dict[str, Entry]:
        """The merged file system of a built image."""
        layers = result.config.diff_ids
        return merge_layers(list(self.store.layers.toc(diff_id)) for diff_id in layers)

    def layer_paths(self, result: BuildResult, number: int) -> list[str]:
        return [entry.path for entry in self.store.layers.toc(result.config.diff_ids[number])]


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    one = Builder(tmp_path)
    yield one
    one.store.close()


@pytest.fixture
def busybox(builder: Builder, store_with: Callable[[str, Path], None]) -> Builder:
    """A builder whose store holds ``busybox``."""
    builder.holding("busybox", store_with)
    return builder


@pytest.fixture
def alpine(builder: Builder, store_with: Callable[[str, Path], None]) -> Builder:
    """A builder whose store holds ``alpine:3.20``."""
    builder.holding("alpine:3.20", store_with)
    return builder


@pytest.fixture(autouse=True)
def _no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def as_is() -> Callable[[str], str]:
    return os.path.realpath
