"""From the command line's words about a Dockerfile to the request of its build."""

from __future__ import annotations

import argparse
import os

from lamella.build.request import BuildRequest
from lamella.cli.dockerfile import DockerfileText, named_contexts, pairs, read_dockerfile, source_date_epoch


def dockerfile_request(args: argparse.Namespace, dockerfile: str | None, context: str) -> BuildRequest:
    """Reads ``dockerfile`` (``-`` is standard input, None the one in ``context``). ``args`` has the options of
    ``add_dockerfile_options``, or those of them that the command takes. Raises InputError, DockerfileError."""
    return source_request(args, read_dockerfile(context, dockerfile))


def source_request(args: argparse.Namespace, source: DockerfileText) -> BuildRequest:
    """The same, of a Dockerfile that was read already."""
    return BuildRequest(
        context=source.context,
        text=source.text,
        name=source.name,
        dockerfile=source.path,
        target=args.target or None,
        build_args=pairs(args.build_arg, "--build-arg", from_environment=True),
        named_contexts=named_contexts(getattr(args, "build_context", [])),
        epoch=source_date_epoch(),
        runtime=os.environ.get("LAMELLA_RUNTIME") or None,
    )


def context_of(what: str) -> str:
    """The build context where only a Dockerfile or a folder is named: the folder itself, or the one of the file."""
    return what if os.path.isdir(what) else os.path.dirname(what) or "."
