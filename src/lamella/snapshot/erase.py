"""Removing a tree that an image's own processes wrote: any names, any depth, no link followed."""

from __future__ import annotations

import os

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def erase(path: str) -> None:
    """Removes ``path`` and all below it. Somebody else removing at the same time is no error.

    Goes down and up by descriptors, two open at a time: neither the length of a path nor the depth of a tree limits it.
    Raises OSError where something cannot be removed."""
    try:
        os.unlink(path)
        return
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        pass
    try:
        here = _open(path, None)
    except FileNotFoundError:
        return
    _empty(here)
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass


def _open(name: str, directory: int | None) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except PermissionError:  # without privilege: a directory of ours that we may not read
        os.chmod(name, 0o700, dir_fd=directory)
        return os.open(name, _DIRECTORY, dir_fd=directory)


def _empty(here: int) -> None:
    """Empties the directory ``here`` and closes it."""
    names: list[str] = []  # the way down
    try:
        left = [_remove_files(here)]  # for each directory on it, the directories still to be removed
        while True:
            if left[-1]:
                name = left[-1].pop()
                try:
                    os.rmdir(name, dir_fd=here)
                except FileNotFoundError:
                    continue
                except OSError:
                    here = _step(here, _open(name, here))
                    names.append(name)
                    left.append(_remove_files(here))
            elif names:
                left.pop()
                here = _step(here, os.open("..", _DIRECTORY, dir_fd=here))
                left[-1].append(names.pop())  # empty by now
            else:
                return
    finally:
        os.close(here)


def _step(here: int, there: int) -> int:
    os.close(here)
    return there


def _remove_files(directory: int) -> list[str]:
    """Removes what is no directory; returns the directories."""
    directories = []
    with os.scandir(directory) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    if listed and os.geteuid() != 0:
        os.fchmod(directory, 0o700)
    for name, is_directory in listed:
        if is_directory:
            directories.append(name)
            continue
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            continue
    return directories
