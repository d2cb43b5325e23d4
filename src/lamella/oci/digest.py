"""Digests of stored bytes, diff IDs of uncompressed layers, chain IDs of layer stacks.

They are different types on purpose: a diff ID handed to something that wants a digest fails the type check.
Source: OCI image-spec, descriptor.md "Digests" and config.md "Layer DiffID", "Layer ChainID".
"""

from __future__ import annotations

import hashlib
import re
from typing import Self

from lamella.errors import ImageInvalid

_ENCODED_LENGTH = {"sha256": 64, "sha512": 128}
_SYNTAX = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)")


class _Hashed(str):
    """``algorithm:encoded``, checked on the way in by :meth:`parse`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Self:
        """Raises ImageInvalid when ``text`` is no digest of a supported algorithm (sha256, sha512)."""
        match = _SYNTAX.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ImageInvalid(f"{text!r} is not a digest", hint="a digest reads sha256:<64 hex digits>")
        algorithm, encoded = match.groups()
        length = _ENCODED_LENGTH.get(algorithm)
        if length is None:
            raise ImageInvalid(f"digest algorithm {algorithm!r} is not supported", where=str(text))
        if len(encoded) != length or not set(encoded) <= set("0123456789abcdef"):
            raise ImageInvalid(f"{text!r} is not a {algorithm} digest")
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The sha256 of ``data``."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve hex digits, as people read them."""
        return self.encoded[:12]


class Digest(_Hashed):
    """Digest of bytes as they are stored or sent (for a layer: compressed)."""

    __slots__ = ()


class DiffID(_Hashed):
    """Digest of a layer's uncompressed tar."""

    __slots__ = ()


class ChainID(_Hashed):
    """Digest that names a whole stack of layers."""

    __slots__ = ()


def chain_id(parent: ChainID | None, diff_id: DiffID) -> ChainID:
    """ChainID(0) = DiffID(0); ChainID(n) = sha256(ChainID(n-1) + " " + DiffID(n))."""
    if parent is None:
        return ChainID(diff_id)
    return ChainID.of(f"{parent} {diff_id}".encode())


def chain_ids(diff_ids: tuple[DiffID, ...]) -> tuple[ChainID, ...]:
    """The chain ID of each layer in its place, bottom first."""
    chain: list[ChainID] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, diff_id))
    return tuple(chain)
