"""All containers of a store: made, found, listed, removed.

ROOT/lamella/containers/ID/         one container (folder.py)
ROOT/lamella/containers/names/NAME  a symlink that says the ID; a name is taken when that container is there
ROOT/lamella/containers/lock        held while names are given and taken away
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from lamella.container.folder import Folder
from lamella.container.names import is_name, random_name
from lamella.container.values import Container, State
from lamella.errors import InputError, LamellaError, NoPrivilege, NotFound
from lamella.snapshot.erase import erase
from lamella.store.disk import disk_errors

_ID = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{1,64}")
_TRIES = 50


class Table:
    """The containers below the store ``root``. Nothing is made before the first container is. Raises NoPrivilege
    where they are another user's."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.path = f"{self.root}/lamella/containers"
        self._require_own()

    def _require_own(self) -> None:
        """What is noted of another user's containers is not believed: it says which process is to be killed or entered,
        and files of this user's would be written where that one has laid links."""
        try:
            owner = os.stat(self.path).st_uid
        except OSError:
            return
        if owner != os.geteuid():
            raise NoPrivilege(
                "the containers belong to another user", where=self.path, hint="call it as that user, or use --root"
            )

    def create(self, container: Container, state: State) -> tuple[Folder, int, Container]:
        """Makes the container's folder; one without a name gets one. Returns the folder, a descriptor that holds its
        lock, and the container with its name. Raises InputError where the name is taken, NoSpace."""
        final = Folder(f"{self.path}/{container.id}")
        half = Folder(f"{self.path}/new.{container.id}")
        with disk_errors(self.path, "make a container"):
            for path in (self.path, f"{self.path}/names"):
                os.makedirs(path, mode=0o700, exist_ok=True)
            os.mkdir(half.path, 0o700)
        try:
            lock = half.lock()
            assert lock is not None, "nobody knows the folder yet"
            try:
                with self._locked():
                    container = container._replace(name=self._take_name(container))
                    half.write_container(container)
                    half.write_state(state)
                    with disk_errors(final.path, "make a container"):
                        os.rename(half.path, final.path)
            except BaseException:
                os.close(lock)
                raise
        except BaseException:
            erase(half.path)
            raise
        return final, lock, container

    def _take_name(self, container: Container) -> str:
        if container.name:
            holder = self._holder(container.name)
            if holder is not None:
                raise InputError(
                    f"the name {container.name!r} is taken by the container {holder[:12]}",
                    hint=f"choose another, or remove that one: lamella rm {container.name}",
                    code="conflict",
                )
            self._give(container.name, container.id)
            return container.name
        for number in range(_TRIES):
            name = random_name() + (str(number) if number > 5 else "")
            if self._holder(name) is None:
                self._give(name, container.id)
                return name
        return self._give(container.short, container.id)

    def _holder(self, name: str) -> str | None:
        try:
            holder = os.readlink(f"{self.path}/names/{name}")
        except FileNotFoundError:
            return None
        return holder if os.path.isdir(f"{self.path}/{holder}") else None

    def _give(self, name: str, id_: str) -> str:
        link = f"{self.path}/names/{name}"
        with disk_errors(link, "name a container"):
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink(id_, link)
        return name

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with disk_errors(self.path, "change the containers"):
            descriptor = os.open(f"{self.path}/lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def folders(self) -> list[Folder]:
        """Every container's, in no order."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return [Folder(f"{self.path}/{name}") for name in names if _ID.fullmatch(name)]

    def list(self) -> list[tuple[Folder, Container, State]]:
        """All that can be read, the newest first."""
        found = []
        for folder in self.folders():
            try:
                found.append((folder, folder.container(), folder.state()))
            except (FileNotFoundError, LamellaError):  # removed meanwhile, or damaged
                continue
        found.sort(key=lambda one: one[1].created, reverse=True)
        return found

    def find(self, text: str) -> Folder:
        """By name, ID, or the beginning of an ID. Raises NotFound, InputError where several begin so."""
        if _ID.fullmatch(text) and os.path.isdir(f"{self.path}/{text}"):
            return Folder(f"{self.path}/{text}")
        name = text.removeprefix("/")
        holder = self._holder(name) if is_name(name) else None
        if holder is not None:
            return Folder(f"{self.path}/{holder}")
        fitting = [folder for folder in self.folders() if folder.id.startswith(text)] if _PREFIX.fullmatch(text) else []
        if len(fitting) > 1:
            listed = ", ".join(sorted(folder.id[:12] for folder in fitting)[:5])
            raise InputError(
                f"{text!r} is the beginning of {len(fitting)} containers: {listed}",
                hint="write more digits of the one you mean",
                code="ambiguous",
            )
        if not fitting:
            raise NotFound(f"there is no container {text!r}", hint=self._near(name))
        return fitting[0]

    def _near(self, text: str) -> str:
        import difflib

        close = difflib.get_close_matches(text, [one.name for _, one, _ in self.list()], n=1)
        return f"did you mean {close[0]}?" if close else "`lamella ps -a` shows what there is"

    def remove(self, folder: Folder, name: str) -> None:
        """Removes what is known of a container that nothing runs in. Its name is free afterwards."""
        doomed = f"{self.path}/gone.{folder.id}"
        with self._locked():
            if name and self._link(name) == folder.id:
                os.unlink(f"{self.path}/names/{name}")
            try:
                os.rename(folder.path, doomed)
            except FileNotFoundError:
                return
        erase(doomed)

    def sweep_names(self) -> None:
        """Removes names of containers that are not there: of one that was killed while it was made."""
        if not self._loose():
            return
        with self._locked():  # one that is just being made has its name before its folder
            for name in self._loose():
                os.unlink(f"{self.path}/names/{name}")

    def _loose(self) -> tuple[str, ...]:
        try:
            names = os.listdir(f"{self.path}/names")
        except FileNotFoundError:
            return ()
        return tuple(name for name in names if self._holder(name) is None)

    def _link(self, name: str) -> str | None:
        try:
            return os.readlink(f"{self.path}/names/{name}")
        except OSError:
            return None
