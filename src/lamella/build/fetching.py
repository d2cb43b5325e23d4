"""Images that the store lacks, or may have an old state of: asked for before they are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.build.machine import Machine
from lamella.build.request import BuildRequest
from lamella.errors import LamellaError, NotFound, ReferenceError_
from lamella.oci.platform import Platform
from lamella.store.store import Store

if TYPE_CHECKING:
    from lamella.build.request import ImagePull


class Images:
    """The store's images for one build, with what may be fetched into it."""

    def __init__(self, request: BuildRequest, machine: Machine) -> None:
        self.store: Store = machine.store
        self._machine = machine
        self._pull: ImagePull | None = request.pull
        self._always = request.always_pull

    def without_fetching(self) -> Images:
        """The same, for those who only look."""
        other = Images.__new__(Images)
        other.store, other._machine, other._pull, other._always = self.store, self._machine, None, False
        return other

    def bring(self, reference: str, platform: Platform, where: str) -> None:
        """Sees to it that ``reference`` is in the store for ``platform``, where that can be; what is there is left
        alone, and nobody is asked, unless the build is to look for newer images. Raises what fetching raises, at
        ``where``."""
        if self._pull is None:
            return
        there = self._is_there(reference, platform)
        if there and not self._always:
            return
        self._machine.asked_elsewhere = True
        try:
            self._pull.fetch(reference, platform, always=self._always, cancelled=self._machine.cancelled.is_set)
        except ReferenceError_:
            if not there:
                return  # an ID prefix that fits nothing: the store says it better
            raise
        except LamellaError as error:
            raise _explained(error, reference, where, self._near(reference)) from None

    def _is_there(self, reference: str, platform: Platform) -> bool:
        images = self.store.images
        try:
            stored = images.find(reference)
        except LamellaError:
            return not self._always  # whoever opens it tells what is the matter, unless it is fetched anew
        if stored is None:
            return False
        if not images.lacks(stored, platform):
            return True
        # One that was never in a registry is not looked for there.
        return not self.store.origins.digests((stored.root.digest, stored.descriptor.digest))

    def _near(self, reference: str) -> str | None:
        try:
            self.store.images.resolve(reference)
        except NotFound as error:
            return error.hint if error.hint and error.hint.startswith("did you mean") else None
        except LamellaError:
            pass
        return None


def _explained(error: LamellaError, reference: str, where: str, near: str | None) -> LamellaError:
    """The same error, told of the image that a line of the Dockerfile names."""
    if isinstance(error, NotFound) and error.code != "missing-platform":
        lower = reference.lower()
        hint = f"image names are lower case: {lower}" if reference != lower else near or error.hint
        return NotFound(
            f"the base image {reference!r} is neither in the local store nor in its registry",
            where=where,
            detail=str(error),
            hint=hint,
            code="missing-base",
        )
    error.message = f"the base image {reference!r} cannot be fetched: {error.message}"
    error.args = (error.message,)
    error.at(where)
    if near is not None:  # a misspelt name, or else what is the matter on the way there
        error.hint = f"{near} Otherwise {error.hint}" if error.hint else near
    return error
