"""What a layer may be at most: all limits in one place, each with its reason.

They stop what can only be meant to fill a disk or a memory, and leave everything that anybody has ever shipped.
"""

from __future__ import annotations

from typing import NamedTuple

#: bytes; Linux opens no longer path (PATH_MAX less its NUL) and no longer name
MAX_PATH, MAX_NAME = 4095, 255
#: bytes; Linux has no longer attribute, and no longer name of one (XATTR_SIZE_MAX, XATTR_NAME_MAX)
MAX_XATTR, MAX_XATTR_NAME = 65536, 255
#: bytes of one extended header, long name or long link, and of all the extended headers of one member together: each is
#: read into memory. An attribute as large as Linux has them fits ten times
MAX_EXTENDED = 1 << 20
#: members of one layer. Each takes up to 370 bytes while the layer is read, and as many again in a merged tree: this is
#: 1.5 GB at most. A whole Debian with a desktop has 300,000 files
MAX_MEMBERS = 2_000_000
#: bytes of names, link targets and attributes in one layer, which are kept in memory too. A common layer has 100 bytes
#: a member
MAX_METADATA = 512 << 20
#: layers of one image: overlayfs takes no more lower directories, and Docker stops at 127
MAX_LAYERS = 500
#: bytes a zstd stream may want to look back. RFC 8878, section 3.1.1.1.2 asks decoders for 8 MiB; encoders with
#: long-distance matching use up to 128 MiB
ZSTD_WINDOW = 128 << 20
#: bytes an xz stream may want of memory
LZMA_MEMORY = 256 << 20


class Swelling(NamedTuple):
    """How much a stream may grow when it is decompressed: to ``free`` bytes in any case, beyond that to ``ratio`` times
    its size. Programs and texts come to less than 20 times their size; gzip cannot do more than 1032, zstd does
    30,000. So an empty disk image or a file of zeros of up to a gigabyte passes, and a bomb of a few MB does not fill a
    disk."""

    ratio: int = 250
    free: int = 1 << 30


SWELLING = Swelling()
