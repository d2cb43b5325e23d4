"""Small images for tests of registries, and a client that does not wait long."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import BinaryIO

from lamella.oci.descriptor import Descriptor
from lamella.oci.digest import Digest
from lamella.oci.mediatype import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from lamella.registry.client import Repository
from lamella.registry.retry import Patience
from lamella.registry.settings import RegistrySettings

HASTY = RegistrySettings(patience=Patience(first=0.02, longest=0.1, silence=5.0))


def blob(content: bytes, media_type: str = OCI_LAYER_GZIP) -> Descriptor:
    return Descriptor(media_type, Digest.of(content), len(content))


def opener(content: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(content)


def manifest_of(config: Descriptor, *layers: Descriptor) -> bytes:
    data = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.to_json()}
    return json.dumps(data | {"layers": [layer.to_json() for layer in layers]}).encode()


def push_image(repository: Repository, tag: str = "one", *, seed: int = 0, size: int = 1000) -> bytes:
    """An image of one layer of noise, which no tool could unpack; returns its manifest."""
    content = random.Random(seed).randbytes(size)
    repository.put_blob(blob(content), opener(content))
    repository.put_blob(blob(b"{}"), opener(b"{}"))
    raw = manifest_of(blob(b"{}", OCI_CONFIG), blob(content))
    repository.put_manifest(tag, raw, OCI_MANIFEST)
    return raw
