"""Telling a Dockerfile from an image where a command takes either."""

from __future__ import annotations

import os

from lamella.errors import InputError

_NAMES = ("Dockerfile", "dockerfile", "Containerfile")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.zst")


def find_dockerfile(text: str) -> str | None:
    """The path of the Dockerfile that ``text`` names: a file that is no archive, or a folder that holds one. A program
    that has an image's name (``helloworld``, before whose folder one stands) is none either.

    None for everything else, which then is the name of an image. A folder without a Dockerfile that cannot be an
    image's name raises InputError."""
    if os.path.isfile(text) and not text.endswith(_ARCHIVES):
        return None if "/" not in text and _is_binary(text) else text
    if not os.path.isdir(text):
        return None
    for name in _NAMES:
        path = os.path.join(text, name)
        if os.path.isfile(path):
            return path
    if text.startswith((".", "/")) or text.endswith("/"):
        hint = f"to read the image layout in it write oci:{text}" if _is_layout(text) else "name the Dockerfile with -f"
        raise InputError("there is no Dockerfile in this folder", where=text, hint=hint)
    return None


def _is_binary(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(1024)
    except OSError:
        return False


def _is_layout(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "oci-layout"))
