"""What every snapshot backend does. One conformance suite in the tests holds all of them to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol

from lamella.filetree.entry import Entry
from lamella.layer.packed import PackItem
from lamella.oci.digest import ChainID

Told = Callable[[list[Entry]], None]
"""Takes the entries of a layer that was unpacked, in its order, with the digests of their contents."""


class Snapshot(NamedTuple):
    """An immutable file system: the layers up to and including one. ``key`` is the backend's name for it.
    ``depth`` is the number of layers it stands on, itself included."""

    key: str
    depth: int


class Workspace(Protocol):
    """A writable file system on top of a snapshot. Close it by ``commit`` or ``discard``, exactly one of them."""

    @property
    def root(self) -> str:
        """Path of the writable root file system, mounted."""
        ...

    def changes(self) -> Iterator[PackItem]:
        """The changeset against the parent, ready to pack: sorted, parents first, whiteouts before their siblings.
        May be read after ``commit`` too (that is how packing overlaps the next step)."""
        ...

    def commit(self) -> Snapshot:
        """Unmounts, and makes what was written an immutable snapshot. ``root`` is gone afterwards."""
        ...

    def discard(self) -> None:
        """Unmounts and removes. Safe to call twice, and after commit (then it does nothing)."""
        ...


class Snapshotter(Protocol):
    @property
    def name(self) -> str:
        """``overlay`` or ``copy``."""
        ...

    def find(self, chain: ChainID) -> Snapshot | None:
        """The snapshot known by this chain ID, if it is there and whole."""
        ...

    def bind(self, snapshot: Snapshot, chain: ChainID) -> None:
        """Makes a committed snapshot known by its chain ID, for this and later processes. If another snapshot is
        bound to it already, that one stays."""
        ...

    def unpack(
        self, parent: Snapshot | None, tar: BinaryIO, chain: ChainID, where: str, told: Told | None = None
    ) -> Snapshot:
        """Unpacks one layer (an uncompressed tar stream, hostile) on ``parent`` and binds it. ``where`` names the
        layer in messages; ``told`` is given its entries with content digests, before it is bound. Raises ImageInvalid;
        nothing is left behind then."""
        ...

    def view(self, snapshot: Snapshot | None) -> AbstractContextManager[str]:
        """A read-only root file system; None is the empty one."""
        ...

    def prepare(self, parent: Snapshot | None) -> Workspace:
        """A writable workspace on ``parent``; None is the empty file system."""
        ...

    def remove(self, chain: ChainID) -> None:
        """Forgets the snapshot and removes its files. Does nothing where there is none."""
        ...

    def recover(self) -> None:
        """Removes what dead processes left: mounts, half-made snapshots, workspaces nobody commits any more."""
        ...

    def close(self) -> None:
        """Gives up this process's hold; call it when nothing of the snapshotter is in use any more."""
        ...
