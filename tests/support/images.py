"""Images of raw layers, whatever is in them: as an archive of ``docker save``, as an OCI layout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from lyingtar import END, member


def _config(layers: list[bytes]) -> bytes:
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()


def docker_archive(layers: list[bytes], name: str = "hostile:1") -> bytes:
    """As Docker wrote it before it wrote OCI layouts."""
    names = [f"{number}.tar" for number in range(len(layers))]
    listing = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": names}]).encode()
    files = {"config.json": _config(layers), "manifest.json": listing, **dict(zip(names, layers, strict=True))}
    return b"".join(member(path, data) for path, data in files.items()) + END


def oci_layout(layers: list[bytes], folder: Path, name: str = "hostile") -> None:
    """In a new folder, the layers as they are."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(_config(layers), "config.v1+json"),
        "layers": [put(layer, "layer.v1.tar") for layer in layers],
    }
    entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
