"""The trial: the original built twice, for its noise, the rewritten once between them, and all compared."""

from __future__ import annotations

from collections.abc import Sequence

from lamella.build.request import BuildRequest
from lamella.events import Emit, Note, ignore
from lamella.prove.compare import compare
from lamella.store.store import Store
from lamella.trial.builds import Build, Builds
from lamella.trial.verdict import Rewritten, Verdict


def try_rewrite(
    rewritten: Rewritten,
    request: BuildRequest,
    store: Store,
    emit: Emit = ignore,
    *,
    ignored: Sequence[str] = (),
    build: Build | None = None,
) -> Verdict:
    """Builds ``rewritten.original`` and ``rewritten.fixed`` as ``request`` says (its text and tags are not used).

    The second build of the original runs every step again: the difference to the first is the noise. The rewritten
    one is built between the two, and takes from the cache what it has in common with the original: whatever of the
    time gets into a file then differs between the originals too, if it differs at all. Raises what a build raises."""
    return try_two(
        request._replace(text=rewritten.original),
        request._replace(text=rewritten.fixed, name=f"{request.name} (rewritten)"),
        store,
        emit,
        ignored=ignored,
        declared=rewritten.declared,
        build=build,
    )._replace(passes=rewritten.passes)


def try_two(
    a: BuildRequest,
    b: BuildRequest,
    store: Store,
    emit: Emit = ignore,
    *,
    ignored: Sequence[str] = (),
    declared: Sequence[str] = (),
    build: Build | None = None,
) -> Verdict:
    """Two Dockerfiles, each with its own context: are they the same state? ``a`` is the one built twice."""
    with Builds(store, emit, build or _engine()) as builds:
        emit(Note("info", f"building {a.name}"))
        before = builds.build(a, "original")
        emit(Note("info", f"building {b.name}"))
        after = builds.build(b, "rewritten")
        if not after.cached <= before.layers:
            # Layers of an earlier day: what is noise in them would not show between two builds of today.
            after = builds.build(b._replace(no_cache=True), "rewritten")
        emit(Note("info", f"building {a.name} once more without the cache, to know its noise"))
        again = builds.build(a._replace(no_cache=True), "original, again")
        proof = compare(before.side, after.side, noise=again.side, ignore=ignored, declared=declared)
        return Verdict(proof, before.measure, again.measure, after.measure)


def _engine() -> Build:
    from lamella.build.engine import build

    return build
