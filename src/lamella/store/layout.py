"""The OCI image layout that the store is: ``oci-layout`` and ``index.json``.

``index.json`` is the truth for names. Others (skopeo, umoci) may change it at any time, so it is read again whenever
its stamp changed, and what they wrote is kept as it came. Source: OCI image-spec image-layout.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from lamella.errors import ImageInvalid, InputError, LamellaError, StoreDamaged
from lamella.oci import mediatype
from lamella.oci.descriptor import REF_NAME, Descriptor, descriptor_from_json
from lamella.oci.manifest import canonical_json, parse_json_object
from lamella.oci.reference import parse_reference
from lamella.store.disk import disk_errors, sync_path, write_atomically

_VERSION = "1.0.0"
#: file times are not finer than this; a file changed so lately may change again without its stamp showing it
_GRAIN_NS = 20_000_000
_RETRIES, _RETRY_SECONDS = 4, 0.02


class IndexEntry(NamedTuple):
    """One manifest of ``index.json``. ``data`` is the JSON object as it stands there; ``name`` is the normal form
    of its ref.name annotation (``alpine:latest``), None where it has none."""

    data: dict[str, Any]
    descriptor: Descriptor
    name: str | None


class IndexState(NamedTuple):
    """``stamp`` is "" where the file changed so lately that its stamp proves nothing."""

    entries: tuple[IndexEntry, ...]
    stamp: str


def normal_name(text: str) -> str:
    """The name that an annotation stands for: familiar, and with a tag or a digest; text that is no reference stays as
    it is."""
    try:
        return parse_reference(text).familiar
    except LamellaError:
        return text


def split_name(name: str) -> tuple[str, str | None]:
    """Repository and tag of a normal name; no tag where it names a digest or is no reference."""
    if "@" in name:
        return name.partition("@")[0], None
    repository, _, tag = name.rpartition(":")
    return (repository, tag) if repository else (name, None)


def new_entry(descriptor: Descriptor, name: str | None) -> IndexEntry:
    """``descriptor`` under ``name``, or under none."""
    annotations = tuple((key, value) for key, value in descriptor.annotations if key != REF_NAME)
    if name is not None:
        annotations += ((REF_NAME, name),)
    named = descriptor._replace(annotations=annotations)
    return IndexEntry(named.to_json(), named, name)


def renamed(entry: IndexEntry, name: str | None) -> IndexEntry:
    """The same entry under another name or none; what else others wrote into it stays."""
    annotations = {key: value for key, value in (entry.data.get("annotations") or {}).items() if key != REF_NAME}
    if name is not None:
        annotations[REF_NAME] = name
    data = {key: value for key, value in entry.data.items() if key != "annotations"}
    if annotations:
        data["annotations"] = annotations
    return IndexEntry(data, descriptor_from_json(data, "index.json"), name)


class Layout:
    """The two files. Whoever writes holds the store's lock."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._index = f"{root}/index.json"

    def exists(self) -> bool:
        return os.path.isfile(f"{self.root}/oci-layout")

    def create(self) -> None:
        """Makes an empty layout in an empty or missing folder. Raises InputError where something else lies."""
        with disk_errors(self.root, "make a store"):
            # Images may hold what is not for everybody on this machine: a new folder is its owner's alone.
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            if set(os.listdir(self.root)) - {"blobs", "lamella", "index.json", "oci-layout", "lost+found"}:
                raise InputError(
                    "this folder holds other things and is no store",
                    where=self.root,
                    hint="name an empty or new folder with --root or LAMELLA_ROOT",
                )
            os.makedirs(f"{self.root}/blobs/sha256", exist_ok=True)
            if not os.path.exists(self._index):
                write_atomically(self._index, _encode([]), self._beside())
        self.mark()

    def mark(self) -> None:
        """Writes ``oci-layout``."""
        marker = f"{self.root}/oci-layout"
        with disk_errors(marker, "make a store"):
            os.makedirs(f"{self.root}/blobs", exist_ok=True)
            write_atomically(marker, canonical_json({"imageLayoutVersion": _VERSION}), self._beside())

    def _beside(self) -> str:
        """A name for a file that is not finished, in the one folder that every layout has."""
        return f"{self.root}/blobs/.{os.getpid()}-{os.urandom(4).hex()}.new"

    def check(self) -> None:
        """Raises InputError when ``oci-layout`` is not that of a version we know."""
        path = f"{self.root}/oci-layout"
        with disk_errors(path, "open the store"), open(path, "rb") as file:
            raw = file.read(4096)
        try:
            version = parse_json_object(raw, path).get("imageLayoutVersion")
        except ImageInvalid:
            version = None
        if not isinstance(version, str) or version.partition(".")[0] != "1":
            raise InputError(f"not an OCI image layout of version {_VERSION}", where=path)

    def stamp(self) -> str:
        """Changes whenever the file does, if it is older than the grain of file times; "" where there is none."""
        try:
            stat = os.stat(self._index)
        except FileNotFoundError:
            return "none"
        except OSError:
            return ""
        return f"{stat.st_mtime_ns}-{stat.st_ctime_ns}-{stat.st_ino}-{stat.st_size}"

    def read(self) -> IndexState:
        """Raises StoreDamaged when index.json cannot be understood, now and a moment later: skopeo and umoci write it
        in place, so it may be met half-written."""
        for _ in range(_RETRIES):
            try:
                return self._read()
            except StoreDamaged:
                time.sleep(_RETRY_SECONDS)
        return self._read()

    def _read(self) -> IndexState:
        stamp, now = self.stamp(), time.time_ns()
        try:
            with disk_errors(self._index, "read the store's names"):
                raw = _content(self._index)
            entries = read_index(raw, self._index)
        except ImageInvalid as error:
            raise StoreDamaged(
                f"the list of images is damaged: {error.message}",
                where=self._index,
                hint="`lamella image verify --repair` writes it anew from what the store knows",
            ) from None
        recent = not stamp or stamp != self.stamp()
        if not recent and stamp != "none":
            recent = now - max(map(int, stamp.split("-")[:2])) < _GRAIN_NS
        return IndexState(entries, "" if recent else stamp)

    def write(self, entries: Iterable[IndexEntry], temporary: str) -> None:
        """Replaces index.json, durably. Top-level keys that others wrote stay."""
        rest: dict[str, Any] = {}
        try:
            data = parse_json_object(_content(self._index), self._index)
            rest = {key: value for key, value in data.items() if key not in {"schemaVersion", "mediaType", "manifests"}}
        except (ImageInvalid, OSError):
            pass
        with disk_errors(self._index, "write the store's names"):
            write_atomically(self._index, _encode([entry.data for entry in entries], rest), temporary)
            sync_path(self.root)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b'{"schemaVersion":2,"manifests":[]}'


def _encode(manifests: list[dict[str, Any]], rest: dict[str, Any] | None = None) -> bytes:
    data = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": manifests, **(rest or {})}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def read_index(raw: bytes, where: str) -> tuple[IndexEntry, ...]:
    """The entries of an index.json. Raises ImageInvalid."""
    data = parse_json_object(raw, where)
    manifests = data.get("manifests")
    if manifests is None and data.get("schemaVersion") == 2:
        manifests = []
    if not isinstance(manifests, list):
        raise ImageInvalid("it holds no list of manifests", where=where)
    entries = []
    for item in manifests:
        descriptor = descriptor_from_json(item, where)
        name = descriptor.annotation(REF_NAME)
        entries.append(IndexEntry(item, descriptor, normal_name(name) if name else None))
    return tuple(entries)
