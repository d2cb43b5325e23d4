"""Which steps share a layer: the file system is the same under every policy, and so is the cache."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from lamella.build.layering import POLICIES
from lamella.build.request import BuildResult
from lamella.events import StepStarted
from lamella.filetree.changeset import diff_trees
from lamella.filetree.entry import WHITEOUT
from lamella.image.regroup import IN_A_LATER_LAYER, NOTHING_LEFT

from .conftest import Builder

pytestmark = pytest.mark.containers

MEGABYTE = 1 << 20
FIVE_RUNS = (
    "mkdir -p /opt/report/data",
    "seq 1 2000 > /opt/report/data/numbers.txt",
    "awk '{ sum += $1 } END { print \"sum\", sum }' /opt/report/data/numbers.txt > /opt/report/summary.txt",
    "cp -r /opt/report/data /opt/report/backup",
    "chmod -R go-rwx /opt/report",
)


def all_policies(builder: Builder, text: str, base_layers: int = 1) -> dict[str, BuildResult]:
    """Builds under each policy; the file systems and configs are held to be the same, and nothing to be built twice."""
    results = {"faithful": builder.build(text)}
    for policy in POLICIES[1:]:
        result = results[policy] = builder.build(text, layers=policy)
        assert all(step.cached for step in result.steps)
        assert diff_trees(builder.tree(results["faithful"]), builder.tree(result)).empty
        assert result.config.config == results["faithful"].config.config
        history = result.config.history
        assert len(history) == len(results["faithful"].config.history)
        assert sum(not entry.empty_layer for entry in history) == len(result.config.diff_ids)
        assert result.config.diff_ids[:base_layers] == results["faithful"].config.diff_ids[:base_layers]
    return results


def added(result: BuildResult, base_layers: int = 1) -> int:
    return len(result.config.diff_ids) - base_layers


def stored(builder: Builder, result: BuildResult, base_layers: int = 1) -> int:
    """Bytes of file contents in the layers above the base."""
    return sum(builder.store.layers.uncompressed_size(one) for one in result.config.diff_ids[base_layers:])


def dockerfile(runs: Sequence[str]) -> str:
    return "FROM busybox\n" + "".join(f"RUN {run}\n" for run in runs)


def test_five_runs_come_to_the_layer_of_the_hand_joined_file(busybox: Builder) -> None:
    epoch = 1_700_000_000
    five = busybox.build(dockerfile(FIVE_RUNS), layers="tight", epoch=epoch)
    joined = busybox.build(dockerfile([" && ".join(FIVE_RUNS)]), epoch=epoch)
    assert added(five) == 1
    assert five.config.diff_ids == joined.config.diff_ids


def test_touching_the_last_run_rebuilds_only_that_one(busybox: Builder) -> None:
    busybox.build(dockerfile(FIVE_RUNS), layers="tight")
    again = busybox.build(dockerfile([*FIVE_RUNS[:4], "chmod -R go-rw /opt/report"]), layers="tight")
    assert [step.cached for step in again.steps] == [True, True, True, True, False]
    assert added(again) == 1


def test_what_a_later_step_deletes_is_never_stored(busybox: Builder) -> None:
    with open(busybox.context / "big", "wb") as file:
        file.write(os.urandom(50 * MEGABYTE))
    results = all_policies(busybox, "FROM busybox\nCOPY big /big\nRUN rm /big\n")
    assert [added(results[policy]) for policy in POLICIES] == [2, 0, 0]
    assert stored(busybox, results["faithful"]) == 50 * MEGABYTE


def test_what_a_later_step_copies_up_is_stored_once(busybox: Builder) -> None:
    busybox.file("data/big").write_bytes(os.urandom(50 * MEGABYTE))
    results = all_policies(busybox, "FROM busybox\nCOPY data /data\nRUN chown -R 7:8 /data\n")
    assert [stored(busybox, results[policy]) for policy in POLICIES] == [
        100 * MEGABYTE, 50 * MEGABYTE, 50 * MEGABYTE,
    ]  # fmt: skip
    assert [added(results[policy]) for policy in POLICIES] == [2, 1, 1]


def test_kinds_keep_apart_under_tight(busybox: Builder) -> None:
    busybox.file("one", "1")
    busybox.file("two", "2")
    text = "FROM busybox\nWORKDIR /app\nRUN echo > a\nRUN echo > b\nCOPY one .\nCOPY two .\nRUN true\nRUN echo > c\n"
    results = all_policies(busybox, text)
    assert [added(results[policy]) for policy in POLICIES] == [7, 3, 1]
    comments = [entry.comment for entry in results["tight"].config.history[-7:]]
    known = "buildkit.dockerfile.v0"
    assert comments == [IN_A_LATER_LAYER, IN_A_LATER_LAYER, known, IN_A_LATER_LAYER, known, NOTHING_LEFT, known]
    run, copy = results["tight"].config.diff_ids[-3], results["tight"].config.diff_ids[-2]
    assert [entry.path for entry in busybox.store.layers.toc(run)] == ["app", "app/a", "app/b"]
    assert [entry.path for entry in busybox.store.layers.toc(copy)] == ["app", "app/one", "app/two"]


def test_a_comment_begins_a_layer(busybox: Builder) -> None:
    text = (
        "FROM busybox\nRUN echo > /a\n# what changes rarely ends here\n# lamella: layer\nRUN echo > /b\nRUN echo > /c\n"
    )
    results = all_policies(busybox, text)
    assert [added(results[policy]) for policy in POLICIES] == [3, 2, 2]
    assert added(busybox.build(text.replace("# lamella: layer\n", ""), layers="tight")) == 1


def test_a_linked_copy_stays_alone(busybox: Builder) -> None:
    busybox.file("one", "1")
    results = all_policies(busybox, "FROM busybox\nCOPY one /a\nCOPY --link one /b\nCOPY one /c\n")
    assert [added(results[policy]) for policy in POLICIES] == [3, 3, 1]
    assert results["tight"].config.diff_ids == results["faithful"].config.diff_ids


def test_layers_that_stages_share_stay_shared(busybox: Builder) -> None:
    text = """FROM busybox AS common
RUN echo > /common
FROM common AS one
RUN echo > /one
FROM common AS two
RUN echo > /two
"""
    one, two = (busybox.build(text, layers="tight", target=target) for target in ("one", "two"))
    assert added(one) == added(two) == 2
    assert one.config.diff_ids[1] == two.config.diff_ids[1]
    alone = text.replace("FROM common AS one\nRUN echo > /one\n", "")
    assert added(busybox.build(alone, layers="tight")) == 1
    assert added(busybox.build(text, layers="single")) == 1


def test_stages_links_and_deletions_under_every_policy(busybox: Builder) -> None:
    busybox.file("app/main", "1" * 5000)
    busybox.file("app/sub/other", "2" * 3000)
    text = """FROM busybox AS made
RUN mkdir /out && echo made > /out/a && ln /out/a /out/b && ln -s a /out/c
RUN echo more >> /out/a && chmod 4755 /out/a
FROM busybox
COPY app /srv/app/
COPY --from=made /out /srv/out/
RUN rm -r /srv/app/sub && ln /srv/app/main /srv/hard && mkdir /srv/app/sub && echo new > /srv/app/sub/new
RUN rm /bin/vi && rm -r /var/spool && echo 1 > /var/spool && mkdir -m 1777 /srv/sticky
COPY app/main /srv/app/main
RUN mv /srv/out /srv/moved && touch -d @1000 /srv/app/main
"""
    results = all_policies(busybox, text)
    assert [added(results[policy]) for policy in POLICIES][0::2] == [6, 1]
    single = list(busybox.store.layers.toc(results["single"].config.diff_ids[-1]))
    assert {"bin/vi"} == {entry.path for entry in single if entry.kind == WHITEOUT}
    assert stored(busybox, results["tight"]) <= stored(busybox, results["faithful"])


def test_a_second_build_puts_nothing_together(busybox: Builder) -> None:
    text = dockerfile(FIVE_RUNS)
    first = busybox.build(text, layers="tight")
    assert any(isinstance(event, StepStarted) and event.label == "[layers]" for event in busybox.events)
    second = busybox.build(text, layers="tight")
    assert not any(isinstance(event, StepStarted) and event.label == "[layers]" for event in busybox.events)
    assert second.image_id == first.image_id


def test_a_layer_that_was_removed_is_put_together_again(busybox: Builder) -> None:
    text = dockerfile(["echo 1 > /one", "echo 2 > /two"])
    first = busybox.build(text, layers="tight")
    image = busybox.store.images.get(first.manifest.digest).image
    os.unlink(busybox.store.blobs.path_of(image.layers[-1].blob.digest))
    assert busybox.build(text, layers="tight").image_id == first.image_id
    assert busybox.store.blobs.holds(image.layers[-1].blob)


def test_on_scratch(builder: Builder) -> None:
    builder.file("one", "1")
    builder.file("two", "2")
    results = all_policies(builder, "FROM scratch\nCOPY one /a\nCOPY two /b\nCOPY two /a\n", base_layers=0)
    assert [added(results[policy], 0) for policy in POLICIES] == [3, 1, 1]
    assert stored(builder, results["tight"], 0) == 2


def test_layers_that_were_joined_before_are_not_taken_for_another_compression(builder: Builder) -> None:
    for name in ("a", "b"):
        (builder.context / name).write_text(name)
    text = "FROM scratch\nCOPY a /\nCOPY b /\n"
    kinds = [
        builder.build(text, layers="tight", compression=compression).layers[0].blob.media_type.rpartition("+")[2]
        for compression in ("gzip", "zstd", "gzip")
    ]
    assert kinds == ["gzip", "zstd", "gzip"]
