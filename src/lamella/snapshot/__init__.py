"""File systems made of layers: views, writable workspaces, commits."""

from lamella.snapshot.namespace import enter_namespaces, enter_private_mounts, mounts_are_private
from lamella.snapshot.select import open_snapshotter

__all__ = ["enter_namespaces", "enter_private_mounts", "mounts_are_private", "open_snapshotter"]
