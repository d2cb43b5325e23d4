"""Extended attributes that a layer may not have. The others are written or left out, as ``is_packed_xattr`` says."""

from __future__ import annotations

from lamella.errors import ImageInvalid
from lamella.filetree.entry import Xattrs
from lamella.layer.limits import MAX_XATTR, MAX_XATTR_NAME
from lamella.layer.names import shown

_OVERLAYFS = ("trusted.overlay.", "user.overlay.")
_CAPABILITY = "security.capability"
#: the kernel's struct vfs_cap_data: revision in the first four bytes (the highest counts) → size in bytes
_CAPABILITY_SIZES = {2: 20, 3: 24}


def check_attributes(xattrs: Xattrs, where: str) -> None:
    """Raises ImageInvalid for attributes that steer overlayfs, and for those that no file on Linux can have."""
    for name, value in xattrs:
        if name.startswith(_OVERLAYFS):
            raise ImageInvalid(f"has the attribute {shown(name)}, which steers overlayfs", where=where)
        size = len(name.encode("utf-8", "surrogateescape"))
        if not 0 < size <= MAX_XATTR_NAME or "\0" in name:
            raise ImageInvalid(f"has an attribute with the impossible name {shown(name)}", where=where)
        if len(value) > MAX_XATTR:
            raise ImageInvalid(f"has the attribute {shown(name)} of {len(value)} bytes, which no file has", where=where)
        if name == _CAPABILITY and _CAPABILITY_SIZES.get(value[3] if len(value) > 3 else 0) != len(value):
            raise ImageInvalid(f"has the attribute {shown(name)} with a value that is no capability", where=where)
