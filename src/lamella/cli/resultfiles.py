"""``--iidfile`` and ``--metadata-file``: what a build came to, for scripts."""

from __future__ import annotations

import argparse
import json

from lamella.build.request import BuildResult
from lamella.oci.reference import parse_reference
from lamella.store.disk import replacing


def write_files(args: argparse.Namespace, result: BuildResult) -> None:
    """Each whole or not at all. Raises MachineError, InputError."""
    if args.iidfile:
        _put(args.iidfile, result.image_id)
    if args.metadata_file:
        _put(args.metadata_file, json.dumps(_metadata(result), indent=2))


def _metadata(result: BuildResult) -> dict[str, object]:
    """buildx's keys; none where no image was asked for."""
    if not result.is_image:
        return {}
    data: dict[str, object] = {
        "containerimage.descriptor": result.manifest.to_json(),
        "containerimage.digest": str(result.manifest.digest),
    }
    if not result.is_index:
        data["containerimage.config.digest"] = result.image_id
    if result.names:
        data["image.name"] = ",".join(str(parse_reference(name)) for name in result.names)
    return data


def _put(path: str, text: str) -> None:
    with replacing(path, "write the file") as file:
        file.write(text.encode())
