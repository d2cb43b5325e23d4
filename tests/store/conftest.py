"""Stores in temporary folders, and images of a few files in them."""

from __future__ import annotations

from stores import add_image, add_layer, leftovers, make_tar, root, store

__all__ = ["add_image", "add_layer", "leftovers", "make_tar", "root", "store"]
