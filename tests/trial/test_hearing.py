"""The trial with a builder that packs what its text says: each line ``PATH=CONTENT`` one layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamella.build.request import BuildRequest, BuildResult, StepReport
from lamella.errors import StepFailed
from lamella.events import Emit, ignore
from lamella.filetree.entry import FILE, Entry
from lamella.image.assemble import assemble
from lamella.layer.pack import pack_layer
from lamella.layer.packed import PackItem
from lamella.oci.config import HistoryEntry, RunConfig
from lamella.oci.image import LayerRef
from lamella.oci.platform import Platform
from lamella.store.store import Store
from lamella.trial.hearing import try_rewrite, try_two
from lamella.trial.verdict import Rewritten, verdict_to_json

REQUEST = BuildRequest(None, "", "Dockerfile", tags=("app:1",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store")) as opened:
        yield opened


class FakeBuilder:
    """Counts its builds. ``@`` in a content stands for the number of the build: noise. ``!`` fails."""

    def __init__(self) -> None:
        self.requests: list[BuildRequest] = []
        self.cached = False

    def __call__(self, request: BuildRequest, store: Store, emit: Emit = ignore) -> BuildResult:
        self.requests.append(request)
        if "!" in request.text:
            raise StepFailed("a step failed", where=f"{request.name}:1")
        layers = [self._layer(store, line) for line in request.text.splitlines()]
        history = [HistoryEntry(created_by=line) for line in request.text.splitlines()]
        image = assemble(None, layers, RunConfig(), history, platform=Platform("linux", "amd64"))
        stored = store.images.put(image.manifest.raw, image.config.raw, request.tags)
        steps = tuple(StepReport(0, "Dockerfile:1", "RUN", "RUN", self.cached, 0.5, 1, layer) for layer in layers)
        return BuildResult(stored.descriptor, image.config, request.tags, steps, float(len(self.requests)))

    def _layer(self, store: Store, line: str) -> LayerRef:
        items = []
        for word in sorted(line.split()):
            path, _, content = word.partition("=")
            data = content.replace("@", str(len(self.requests))).encode()
            items.append(PackItem(Entry(path, FILE, size=len(data)), data=data))
        with store.blobs.writer(hashing=False) as sink:
            packed = pack_layer(items, sink)
            sink.commit(trusted=packed.blob.digest, size=packed.blob.size)
        store.layers.record(packed)
        return packed.ref


def test_five_layers_and_one_are_the_same_state(store: Store) -> None:
    builder = FakeBuilder()
    rewritten = Rewritten("a=1\nb=2\nc=3\nd=4\ne=5", "a=1 b=2 c=3 d=4 e=5", history=(("join-runs", "…"),))
    verdict = try_rewrite(rewritten, REQUEST, store, build=builder)
    assert verdict.proven
    assert (verdict.before.added, verdict.after.added) == (5, 1)
    assert (verdict.before.bytes, verdict.after.bytes) == (5, 5)
    assert verdict.proof.paths == 6
    assert verdict.passes == ("join-runs",)
    assert [request.no_cache for request in builder.requests] == [False, False, True]
    assert [request.text for request in builder.requests] == [rewritten.original, rewritten.fixed, rewritten.original]
    assert all(request.tags == () for request in builder.requests)


def test_noise_of_the_original_is_subtracted_and_told(store: Store) -> None:
    verdict = try_rewrite(Rewritten("log=@\na=1", "log=@ a=1"), REQUEST, store, build=FakeBuilder())
    assert verdict.proven
    assert [difference.path for difference in verdict.proof.noise] == ["/log"]
    assert [difference.path for difference in verdict.proof.excused] == ["/log"]


def test_what_goes_beyond_the_noise_counts(store: Store) -> None:
    verdict = try_rewrite(Rewritten("log=@\na=1", "log=@ a=2"), REQUEST, store, build=FakeBuilder())
    assert not verdict.proven
    assert [(difference.path, difference.what) for difference in verdict.proof.differences] == [("/a", "content")]


def test_declared_removals(store: Store) -> None:
    removal = Rewritten("a=1\ncache/x=12", "a=1", declared=("/cache/**",))
    verdict = try_rewrite(removal, REQUEST, store, build=FakeBuilder())
    assert not verdict.proven  # the folder itself is gone too, and nobody declared that
    assert [removed.path for removed in verdict.proof.declared] == ["/cache/x"]
    assert try_rewrite(removal._replace(declared=("/cache",)), REQUEST, store, build=FakeBuilder()).proven


def test_cached_layers_that_the_original_does_not_have_are_made_again(store: Store) -> None:
    builder = FakeBuilder()
    builder.cached = True
    try_rewrite(Rewritten("a=1\nb=2", "b=2"), REQUEST, store, build=builder)
    assert [request.no_cache for request in builder.requests] == [False, False, True]
    builder.requests.clear()
    try_rewrite(Rewritten("a=1\nb=2", "a=1 b=2"), REQUEST, store, build=builder)
    assert [request.no_cache for request in builder.requests] == [False, False, True, True]


def test_a_stamp_that_grows_is_noise_even_if_two_builds_share_it(store: Store) -> None:
    """As a clock of seconds does: the same in the first two builds, another in the third."""

    class Slow(FakeBuilder):
        def __call__(self, request: BuildRequest, store: Store, emit: Emit = ignore) -> BuildResult:
            stamp = "late" if len(self.requests) >= self.late else "early"
            return super().__call__(request._replace(text=request.text.replace("now", stamp)), store, emit)

        late = 3

    for late in range(4):
        builder = Slow()
        builder.late = late
        assert try_rewrite(Rewritten("log=now\na=1", "log=now a=1"), REQUEST, store, build=builder).proven


def test_two_dockerfiles(store: Store) -> None:
    a, b = REQUEST._replace(text="a=1"), REQUEST._replace(text="a=1\nb=@", name="Other")
    assert not try_two(a, b, store, build=FakeBuilder()).proven
    assert try_two(a, b, store, build=FakeBuilder(), ignored=["b"]).proven


def test_no_image_is_left_behind(store: Store) -> None:
    builder = FakeBuilder()
    kept = builder(REQUEST._replace(text="a=1"), store)
    try_rewrite(Rewritten("a=1", "b=@"), REQUEST, store, build=builder)
    with pytest.raises(StepFailed, match=r"^Dockerfile \(rewritten\):1: "):
        try_rewrite(Rewritten("c=1", "!"), REQUEST, store, build=builder)
    assert [image.descriptor.digest for image in store.images.list()] == [kept.manifest.digest]


def test_an_image_that_somebody_named_meanwhile_stays(store: Store) -> None:
    class Naming(FakeBuilder):
        def __call__(self, request: BuildRequest, store: Store, emit: Emit = ignore) -> BuildResult:
            result = super().__call__(request, store, emit)
            if len(self.requests) == 2:
                store.images.tag("mine:1", store.images.get(result.manifest.digest))
            return result

    try_rewrite(Rewritten("a=1", "b=2"), REQUEST, store, build=Naming())
    assert [image.names for image in store.images.list()] == [("mine:1",)]


def test_json(store: Store) -> None:
    data = verdict_to_json(
        try_rewrite(Rewritten("a=1\nb=2", "a=1 b=2", (("p", ""),)), REQUEST, store, build=FakeBuilder())
    )
    assert data["schema"] == 1 and data["same"] is True and data["passes"] == ["p"]
    assert (data["before"]["added"], data["after"]["added"], data["again"]["cached"]) == (2, 1, 0)
    assert set(data["after"]) == {
        "image_id",
        "added",
        "layers",
        "bytes",
        "compressed",
        "seconds",
        "steps",
        "cached",
    }


def test_the_listener_hears_what_is_built(store: Store) -> None:
    heard: list[object] = []
    listen: Callable[[object], None] = heard.append
    try_rewrite(Rewritten("a=1", "a=1"), REQUEST, store, listen, build=FakeBuilder())
    assert len(heard) == 3 and "without the cache" in str(heard[2])
