"""The names by which a layer removes things: the only place that knows ``.wh.``.

Source: OCI image-spec layer.md, "Whiteouts" and "Opaque Whiteout"; AUFS's other ``.wh..wh.`` names are its own files.
"""

from __future__ import annotations

from lamella.errors import ImageInvalid
from lamella.layer.names import shown

PREFIX = ".wh."
OPAQUE_NAME = ".wh..wh..opq"
_AUFS = ".wh..wh."


def whiteout_path(path: str) -> str:
    """The member name that removes ``path``."""
    parent, slash, name = path.rpartition("/")
    return f"{parent}{slash}{PREFIX}{name}"


def opaque_path(directory: str) -> str:
    """The member name that hides the lower content of ``directory`` ("" is the root)."""
    return f"{directory}/{OPAQUE_NAME}" if directory else OPAQUE_NAME


def is_reserved(path: str) -> bool:
    """Whether a file of this path would be taken for a whiteout."""
    return PREFIX in path and any(part.startswith(PREFIX) for part in path.split("/"))


def decode_whiteout(path: str, where: str) -> tuple[str, bool] | None:
    """(path that is removed or made opaque, is it opaque) for a path that :func:`is_reserved`.

    None for AUFS's own files, which are to be skipped. Raises ImageInvalid for what removes nothing sensible."""
    parent, _, name = path.rpartition("/")
    if name == OPAQUE_NAME and not is_reserved(parent):
        return parent, True
    if any(part.startswith(_AUFS) for part in path.split("/")):
        return None
    removed = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or is_reserved(parent):
        raise ImageInvalid(f"{shown(path)} lies inside a whiteout", where=where)
    if removed in ("", ".", ".."):
        raise ImageInvalid(f"the whiteout {shown(path)} names nothing that can be removed", where=where)
    return (f"{parent}/{removed}" if parent else removed), False
