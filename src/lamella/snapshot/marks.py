"""How a backend writes down what the disk alone does not say: overlayfs's attributes, and what stands for something.

Source: the kernel's Documentation/filesystems/overlayfs.rst, "User xattr".
"""

from __future__ import annotations

from typing import NamedTuple

from lamella.userns.standing import SINGLE, Standing


class Marks(NamedTuple):
    """``opaque`` is the attribute of directories that hide what is below them. ``stand_ins``: files may stand for what
    a user namespace cannot make (:mod:`lamella.layer.standin`); ``owners``: the owners of the disk mean nothing, those
    that are noted beside the files count."""

    opaque: str = "trusted.overlay.opaque"
    stand_ins: bool = False
    owners: bool = False


ROOT_MARKS = Marks()


def marks_for(standing: Standing) -> Marks:
    if not standing.in_namespace:
        return ROOT_MARKS
    return Marks("user.overlay.opaque", stand_ins=True, owners=standing.kind == SINGLE)
