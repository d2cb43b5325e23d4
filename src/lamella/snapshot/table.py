"""The table of snapshots on disk, the same for every backend.

    ROOT/lock             taken shared to make or use a snapshot, exclusively to decide what is garbage
    ROOT/s/KEY/fs         the files of one snapshot or workspace; KEY is OWNER.NUMBER
    ROOT/s/KEY/lower      how many layers it stands on, itself included; then the keys that it needs, the nearest first
    ROOT/chains/HEX       a symlink naming the KEY that a chain ID is bound to
    ROOT/unsettled, kernel-run: see settle.py
    ROOT/owners/OWNER/    a process: ``lock`` is held by flock as long as it lives; ``pin-KEY``: what it found

A key is garbage when no chain ID, no living owner and no other snapshot that is not garbage holds it. A process that is
killed thus leaves garbage only: its lock is free then, and the next ``sweep`` sees that.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lamella.errors import LamellaError, MachineError, NoPrivilege, NoSpace
from lamella.oci.digest import ChainID
from lamella.snapshot.erase import erase
from lamella.snapshot.settle import Settling


class SnapshotTable:
    """Keys, what they stand on, what they are called, and who uses them. Threads and processes may share ``root``."""

    def __init__(self, root: str, release: Callable[[str], None]) -> None:
        """``release`` frees a key's directory of what a backend keeps there beside files (mounts) before it goes."""
        self.root = os.path.abspath(root)
        self._release = release
        self._counter = 0
        self._mutex = threading.Lock()
        self._settling = Settling(self.root)
        #: keys made or found here → the chain ID that they are bound to, where they are
        self._own: dict[str, ChainID | None] = {}
        self._known: dict[str, tuple[int, tuple[str, ...]]] = {}
        with disk_errors("the folder for snapshots cannot be made"):
            for name in ("s", "chains", "owners"):
                os.makedirs(os.path.join(self.root, name), mode=0o711, exist_ok=True)
            self._owner, self._owner_lock = self._register()
            with self.locked(exclusive=True):
                doubted = self._settling.settle(lambda name: self._unbind(ChainID(f"sha256:{name}")))
            if doubted:
                self.sweep()

    # who

    def _register(self) -> tuple[str, int]:
        with self.locked():
            while True:
                owner = os.urandom(4).hex()
                try:
                    os.mkdir(self._owner_dir(owner))
                except FileExistsError:
                    continue
                lock = os.open(self._owner_dir(owner) + "/lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                fcntl.flock(lock, fcntl.LOCK_EX)
                return owner, lock

    def _owner_dir(self, owner: str) -> str:
        return os.path.join(self.root, "owners", owner)

    @contextmanager
    def locked(self, exclusive: bool = False) -> Iterator[None]:
        """Every entry opens the file anew: flock belongs to an open file, so that threads exclude each other too."""
        fd = os.open(os.path.join(self.root, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(fd)

    def close(self) -> None:
        """Gives up what this process holds; snapshots of its own that were never bound are removed."""
        if self._owner_lock < 0:
            return
        tidy = all(chain is not None and self._bound(chain) == key for key, chain in self._own.items())
        os.close(self._owner_lock)
        self._owner_lock = -1
        if not tidy:
            self.sweep()
            return
        with self.locked(exclusive=True):
            erase(self._owner_dir(self._owner))

    # keys

    def directory(self, key: str) -> str:
        return os.path.join(self.root, "s", key)

    def files(self, key: str) -> str:
        return os.path.join(self.root, "s", key, "fs")

    def allocate(self, lower: tuple[str, ...], depth: int) -> str:
        """A new key with an empty directory, needing ``lower``. Raises MachineError where one of those is gone, NoSpace
        where the disk is full."""
        with self._mutex:
            self._counter += 1
            key = f"{self._owner}.{self._counter:x}"
        with disk_errors("a snapshot cannot be made"), self.locked():
            if lower and not os.path.isdir(self.files(lower[0])):
                raise _gone(lower[0])
            os.mkdir(self.directory(key), 0o700)
            self._note(key, depth, lower)
        self._own[key] = None
        return key

    def _note(self, key: str, depth: int, lower: tuple[str, ...]) -> None:
        path = f"{self.directory(key)}/lower"
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write("\n".join((str(depth), *lower)))
        os.rename(path + ".new", path)
        self._known[key] = depth, lower

    def _noted(self, key: str) -> tuple[int, tuple[str, ...]]:
        known = self._known.get(key)
        if known is None:
            try:
                with open(f"{self.directory(key)}/lower", encoding="ascii") as file:
                    depth, *lower = file.read().split()
            except (FileNotFoundError, ValueError):
                raise _gone(key) from None
            known = self._known[key] = int(depth), tuple(lower)
        return known

    def lower(self, key: str) -> tuple[str, ...]:
        """The keys that ``key`` needs, the nearest first. Raises MachineError where the key is gone."""
        return self._noted(key)[1]

    def depth(self, key: str) -> int:
        return self._noted(key)[0]

    def stand_alone(self, key: str) -> None:
        """From now on ``key`` needs no other."""
        depth, lower = self._noted(key)
        if lower:
            self._note(key, depth, ())

    def drop(self, key: str) -> None:
        """Removes an unbound key of this process at once."""
        self._known.pop(key, None)
        self._own.pop(key, None)
        self._release(self.directory(key))
        erase(self.directory(key))

    # names

    def _chain(self, chain: ChainID) -> str:
        return os.path.join(self.root, "chains", _hex(chain))

    def find(self, chain: ChainID) -> str | None:
        """The key bound to ``chain``. It stays as long as this process lives, whatever others remove."""
        try:
            os.lstat(self._chain(chain))
        except FileNotFoundError:
            return None
        with disk_errors("the snapshot cannot be held"), self.locked():
            key = self._bound(chain)
            if key is not None:
                self._pin(key, chain)
            return key

    def _bound(self, chain: ChainID) -> str | None:
        try:
            key = os.readlink(self._chain(chain))
        except FileNotFoundError:
            return None
        return key if os.path.isdir(self.files(key)) else None

    def _pin(self, key: str, chain: ChainID) -> None:
        self._own[key] = chain
        fd = os.open(f"{self._owner_dir(self._owner)}/pin-{key}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.close(fd)

    def bind(self, key: str, chain: ChainID) -> str:
        """Returns the key that ``chain`` is bound to from now on: the one that was there first stays."""
        with disk_errors("the snapshot cannot be named"), self.locked():
            self._settling.mark(_hex(chain))
            while True:
                try:
                    os.symlink(key, self._chain(chain))
                    self._own[key] = chain
                    return key
                except FileExistsError:
                    present = self._bound(chain)
                    if present is not None:
                        self._pin(present, chain)
                        return present
                    self._unbind(chain)

    def _unbind(self, chain: ChainID) -> bool:
        try:
            os.unlink(self._chain(chain))
        except FileNotFoundError:
            return False
        return True

    def remove(self, chain: ChainID) -> None:
        if self._unbind(chain):
            self.sweep(let_go=True)

    # garbage

    def abandoned(self) -> bool:
        """Whether an owner died without tidying up."""
        owners = os.listdir(os.path.join(self.root, "owners"))
        return any(not self._alive(owner) for owner in owners)

    def _alive(self, owner: str) -> bool:
        if owner == self._owner and self._owner_lock >= 0:
            return True
        try:
            fd = os.open(self._owner_dir(owner) + "/lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def sweep(self, let_go: bool = False) -> None:
        """Removes every key that nothing holds, and owners that are dead. With ``let_go``, this process holds only what
        it has not bound yet, and what that stands on.

        Only the decision is made under the exclusive lock: garbage is renamed away, and erased afterwards."""
        garbage = []
        with self.locked(exclusive=True):
            alive = {owner for owner in os.listdir(self.root + "/owners") if self._alive(owner)}
            held = self._held(alive, let_go)
            for key in os.listdir(self.root + "/s"):
                if key in held:
                    continue
                self._release(self.directory(key))
                doomed = self.directory("trash." + key.removeprefix("trash."))
                os.rename(self.directory(key), doomed)
                garbage.append(doomed)
                self._known.pop(key, None)
                self._own.pop(key, None)
            for owner in os.listdir(self.root + "/owners"):
                if owner not in alive:
                    erase(self._owner_dir(owner))
        for doomed in garbage:
            erase(doomed)

    def _held(self, alive: set[str], let_go: bool) -> set[str]:
        roots = {os.readlink(os.path.join(self.root, "chains", name)) for name in os.listdir(self.root + "/chains")}
        for key in os.listdir(self.root + "/s"):
            if key.partition(".")[0] in alive and not (let_go and self._own.get(key) is not None):
                roots.add(key)
        for owner in alive:
            if not (let_go and owner == self._owner):
                names = os.listdir(self._owner_dir(owner))
                roots.update(name.removeprefix("pin-") for name in names if name.startswith("pin-"))
        held = set(roots)
        for key in roots:
            try:
                held.update(self.lower(key))
            except _Gone:
                continue
        return held


def _hex(chain: ChainID) -> str:
    return chain.partition(":")[2]


class _Gone(MachineError):
    pass


def _gone(key: str) -> _Gone:
    return _Gone("the snapshot was removed while it was to be used", where=key, hint="run it again")


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Tells an OSError in this project's words: ``what`` happened because of it."""
    try:
        yield
    except OSError as error:
        raise explain(error, what) from None


def explain(error: OSError, what: str) -> LamellaError:
    """``what`` happened because of ``error``."""
    place = error.filename if isinstance(error.filename, str) else None
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("the disk is full", where=place, hint="free some space, or choose another store")
    if error.errno in (errno.EPERM, errno.EACCES, errno.EROFS):
        return NoPrivilege(f"{what}: {error.strerror}", where=place, hint="run as root")
    return MachineError(f"{what}: {error.strerror}", where=place)
