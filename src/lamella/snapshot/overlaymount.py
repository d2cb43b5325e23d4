"""How overlays are mounted: which options this kernel takes, and hundreds of lower directories."""

from __future__ import annotations

import os

from lamella.snapshot import kernel
from lamella.userns import current

#: What an image must not see of overlayfs's own additions, and nothing is to be synced: a workspace that did not
#: reach its commit is garbage anyway. ``volatile`` is Linux 5.10, and goes with an upper directory only.
_WISHES = (("redirect_dir", "off"), ("metacopy", "off"), ("index", "off"), ("xino", "off"))
_PAGE = 4096


class OverlayMounts:
    """Mounts below ``base``; lower directories are given relative to it."""

    def __init__(self, base: str, *, user: bool | None = None) -> None:
        """``user``: in a user namespace, with ``user.overlay.*`` instead of ``trusted.overlay.*`` (Linux 5.11);
        None: where this process is in one."""
        self._base = base
        self._user = current().in_namespace if user is None else user
        self._modern: bool | None = None

    def mount(self, target: str, lower: list[str], key: str | None) -> None:
        """Mounts ``lower`` (the uppermost first) on ``target``; with ``key``, writable: KEY/fs and KEY/work are used.

        Raises OSError."""
        if self._modern is not False:
            try:
                self._mount_by_parts(target, lower, key)
                self._modern = True
                return
            except OSError:
                if self._modern:
                    raise
                self._modern = False
        self._mount_in_one(target, lower, key)

    def _mount_by_parts(self, target: str, lower: list[str], key: str | None) -> None:
        # fsconfig takes 255 bytes a value. A descriptor keeps paths short, whatever the store is called.
        base = os.open(self._base, os.O_PATH | os.O_CLOEXEC)
        try:
            short = f"/proc/self/fd/{base}/"
            options: list[tuple[str, str | None]] = [("source", "overlay")]
            options += [("lowerdir+", short + name) for name in lower]
            options += _WISHES
            if self._user:
                options.append(("userxattr", None))
            if key is not None:
                options += [("upperdir", f"{short}{key}/fs"), ("workdir", f"{short}{key}/work"), ("volatile", None)]
            kernel.mount_by_parts("overlay", options, target)
        finally:
            os.close(base)

    def _mount_in_one(self, target: str, lower: list[str], key: str | None) -> None:
        """The call of old: all options in one page, so in a thread whose working directory makes the paths short."""
        import threading

        failure: list[OSError] = []

        def work() -> None:
            try:
                kernel.unshare(kernel.CLONE_FS)
                os.chdir(self._base)
                self._try_options(target, lower, key)
            except OSError as error:
                failure.append(error)

        thread = threading.Thread(target=work, name="mount")
        thread.start()
        thread.join()
        if failure:
            raise failure[0]

    def _try_options(self, target: str, lower: list[str], key: str | None) -> None:
        parts = ["lowerdir=" + ":".join(lower), *["userxattr"] * self._user]
        if key is not None:
            parts += [f"upperdir={key}/fs", f"workdir={key}/work"]
        wishes = [f"{name}={value}" for name, value in _WISHES]
        for extra in ([*wishes, "volatile"], wishes, wishes[:1], []):
            data = ",".join(parts + [word for word in extra if key is not None or word != "volatile"])
            if len(data) >= _PAGE:
                raise OSError(7, "more layers than this kernel mounts", target)
            try:
                kernel.mount("overlay", target, "overlay", 0, data)
                return
            except OSError:
                if not extra:
                    raise

    def release(self, directory: str) -> None:
        """Unmounts a key's directory, and removes the mount point and overlayfs's work directory."""
        root = directory + "/root"
        if not os.path.lexists(root):
            return
        if _is_mount_point(root):
            try:
                kernel.unmount(root)
            except OSError:
                kernel.unmount(root, kernel.MNT_DETACH)
        # A mount that another namespace still holds here goes with the directory (since Linux 3.18).
        os.rmdir(root)
        work = directory + "/work"
        for path in (f"{work}/work/incompat/volatile", f"{work}/work/incompat", f"{work}/work", work):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                continue
            except OSError:
                break


def _is_mount_point(path: str) -> bool:
    return os.stat(path).st_dev != os.stat(os.path.dirname(path)).st_dev
