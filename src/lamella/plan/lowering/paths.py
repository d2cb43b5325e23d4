"""Paths of an image, relative to a working directory."""

from __future__ import annotations

import posixpath


def absolute_path(path: str, working_dir: str) -> str:
    """``path`` below ``working_dir`` unless it is absolute; cleaned, never above ``/``."""
    joined = posixpath.join("/", working_dir, path)
    return "/" + posixpath.normpath(joined).lstrip("/")


def absolute_destination(path: str, working_dir: str) -> str:
    """As :func:`absolute_path`, keeping what says that a folder is meant: a slash at the end, or the path ``.``."""
    cleaned = absolute_path(path, working_dir)
    is_folder = path in ("", ".") or path.endswith(("/", "/."))
    return cleaned + "/" if is_folder and cleaned != "/" else cleaned
