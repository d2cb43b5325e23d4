"""What a build is asked for, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import stat_result
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamella.filetree.entry import Entry
from lamella.oci.config import ImageConfig
from lamella.oci.descriptor import Descriptor
from lamella.oci.image import LayerRef
from lamella.oci.mediatype import OCI_INDEX
from lamella.oci.platform import Platform
from lamella.plan.stage import Warning_

if TYPE_CHECKING:  # a protocol costs start-up time
    from typing import Protocol

    from lamella.oci.image import Image

    class ImagePull(Protocol):
        """What brings images from elsewhere. Used by several threads."""

        def fetch(
            self, reference: str, platform: Platform, *, always: bool, cancelled: Callable[[], bool] = ...
        ) -> None:
            """Puts the image into the store under its name; ``always`` asks for a newer one where it is there. Raises
            NotFound, ReferenceError_, RegistryError and the like; Interrupted once ``cancelled`` says so."""
            ...

        def look(self, reference: str, platform: Platform) -> Image | None:
            """Manifest and config alone, which go nowhere; None where they cannot be had."""
            ...


class SecretSource(NamedTuple):
    """Where a secret comes from: a file or a variable of our own environment. Its value is read when a step needs it,
    and stands nowhere but in memory."""

    id: str
    file: str | None = None
    env: str | None = None


class AgentSource(NamedTuple):
    """An SSH agent for steps: the socket of one that runs, or private key files. No path: SSH_AUTH_SOCK names it."""

    id: str
    paths: tuple[str, ...] = ()


class Output(NamedTuple):
    """Where the result goes. ``kind`` is ``image`` (the store), ``oci`` or ``docker`` (an archive, or with ``tar``
    False an OCI layout in a folder), ``local`` (the file system in a folder), ``tar`` (the file system as an archive),
    ``cacheonly``, or ``part`` (the store, for an index that is still to come). ``path`` is where to, or ``stream`` what
    to write an archive to. ``names`` are the image's there where the build has no tags."""

    kind: str
    path: str = ""
    stream: BinaryIO | None = None
    names: tuple[str, ...] = ()
    tar: bool = True


class BuildRequest(NamedTuple):
    """``context`` is the folder of the build context, None for none at all; ``unpacked`` the tree of what is in it
    where it came as an archive. ``text`` is the Dockerfile's text and ``name`` what messages call it (relative to the
    context where it lies inside).

    ``dockerfile`` is the file's path, for the ignore file beside it (None: it came from elsewhere).
    ``epoch`` is SOURCE_DATE_EPOCH in seconds: no time stamp in the image is later. ``layers`` says which steps share a
    layer: one of ``layering.POLICIES``. ``allow`` holds what steps may ask for beyond a sandbox: ``network.host``,
    ``security.insecure``. With ``outputs`` the image goes there, and into the store only where one of them says so.
    ``explain_cache`` asks for an event CacheMissed for each step that is not in the cache; ``remember`` False is for a
    build that is not to be the last one that the next explanation compares with. ``pull`` brings images that the store
    lacks, and with ``always_pull`` newer states of those that it has; without it, the store is all there is.
    """

    context: str | None
    text: str
    name: str
    dockerfile: str | None = None
    tags: tuple[str, ...] = ()
    target: str | None = None
    build_args: tuple[tuple[str, str], ...] = ()
    platform: Platform | None = None
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    named_contexts: tuple[tuple[str, str], ...] = ()
    network: str = "default"
    no_cache: bool = False
    no_cache_stages: tuple[str, ...] = ()
    explain_cache: bool = False
    remember: bool = True
    epoch: int | None = None
    compression: str = "gzip"
    layers: str = "faithful"
    runtime: str | None = None
    backend: str = "auto"
    secrets: tuple[SecretSource, ...] = ()
    ssh: tuple[AgentSource, ...] = ()
    allow: tuple[str, ...] = ()
    unpacked: Mapping[str, Entry] | None = None
    outputs: tuple[Output, ...] = (Output("image"),)
    pull: ImagePull | None = None
    always_pull: bool = False


class StepReport(NamedTuple):
    """One step of a build. ``seconds`` are without those that it waited for another stage; ``size`` is the content of
    its layer in bytes, None where it made none."""

    stage: int
    where: str
    keyword: str
    text: str
    cached: bool
    seconds: float
    size: int | None
    layer: LayerRef | None


class StageLayers(NamedTuple):
    """What a stage came to, as its steps made it (an image may have its layers joined). ``layers``, bottom first, begin
    with the ``base_layers`` of the image ``base`` ("" for scratch); each other one is of the step at that position of
    ``steps``, which counts in :class:`BuildResult`. Stages that it stands on are part of it: ``numbers`` are theirs and
    its own."""

    name: str
    numbers: tuple[int, ...]
    base: str
    base_layers: int
    layers: tuple[LayerRef, ...]
    steps: tuple[int, ...]


class BuildResult(NamedTuple):
    """``manifest`` describes the image, which may have gone elsewhere than into the store; ``names`` are those it got
    there. ``is_image`` False: its file system alone was asked for. ``steps`` are those of all stages built, target
    last. ``stages`` are the target and those that nothing else was built on, the target first. ``looked_at`` is what
    the build asked of its contexts: a folder, and by path in it what stat said (None: not there). ``layers`` are the
    image's, base included. ``parts`` are the images of an index, each with its own steps, stages and layers."""

    manifest: Descriptor
    config: ImageConfig
    names: tuple[str, ...]
    steps: tuple[StepReport, ...]
    seconds: float
    warnings: tuple[Warning_, ...] = ()
    looked_at: tuple[tuple[str, Mapping[str, stat_result | None]], ...] = ()
    is_image: bool = True
    asked_elsewhere: bool = False  # a server was asked as well: the files alone do not say that nothing has changed
    stages: tuple[StageLayers, ...] = ()
    layers: tuple[LayerRef, ...] = ()
    parts: tuple[BuildResult, ...] = ()

    @property
    def image_id(self) -> str:
        """What the image is called where it has no name: its config's digest; that of the index for several
        platforms."""
        return str(self.manifest.digest if self.is_index else self.config.image_id)

    @property
    def is_index(self) -> bool:
        return self.manifest.media_type == OCI_INDEX
