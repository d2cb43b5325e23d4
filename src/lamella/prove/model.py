"""What a comparison takes and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lamella.filetree.entry import Entry
from lamella.oci.config import ImageConfig

Tree = Mapping[str, Entry]
"""Path → entry of a merged file system. Hard links are FILE entries whose ``link`` names the first path of the
group (see :func:`lamella.prove.trees.normalize_tree`)."""

#: the check of paths that one side lacks: the comparison treats its differences apart
PRESENCE = "presence"

#: stands where one side has no value
ABSENT = "absent"


class Side(NamedTuple):
    """One image: ``name`` is what messages call it, ``tree`` its merged layers."""

    name: str
    tree: Tree
    config: ImageConfig


class Difference(NamedTuple):
    """``path`` is absolute for a file; for the config it is the key (``Env.PATH``). ``what`` is the check's name;
    ``a`` and ``b`` are both values, for people."""

    path: str
    what: str
    a: str
    b: str


class Removal(NamedTuple):
    """A path that the fix removes on purpose: ``bytes`` of content, ``pattern`` that declared it."""

    path: str
    bytes: int
    pattern: str


class Proof(NamedTuple):
    """The verdict on two images.

    ``paths`` counts the paths that were compared (those of either side, the ignored ones not counted).
    ``differences`` and ``config`` are what makes the images differ: file system and config. ``times`` are paths
    whose modification time alone differs, and never count. ``noise`` is what already differs between two builds of
    the original, ``excused`` what of the comparison fell to it. ``declared`` are removals made on purpose.
    ``notes`` are remarks that do not count. ``a_bytes`` and ``b_bytes`` are the bytes of file contents.
    """

    same: bool
    paths: int
    differences: tuple[Difference, ...] = ()
    times: tuple[Difference, ...] = ()
    noise: tuple[Difference, ...] = ()
    excused: tuple[Difference, ...] = ()
    declared: tuple[Removal, ...] = ()
    config: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    a_bytes: int = 0
    b_bytes: int = 0
