"""The image that comes out: history, config, names."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.errors import DockerfileError

Builder = Any


def test_history_matches_layers_and_says_what_docker_says(builder: Builder) -> None:
    builder.file("a")
    result = builder.build('FROM scratch\nENV A=1\nWORKDIR /w\nCOPY a b\nCMD ["x"]\n')
    history = result.config.history
    assert [entry.empty_layer for entry in history] == [True, False, False, True]
    assert [entry.created_by for entry in history] == ["ENV A=1", "WORKDIR /w", "COPY a b # buildkit", 'CMD ["x"]']
    assert sum(not entry.empty_layer for entry in history) == len(result.config.diff_ids)


def test_config_fields(builder: Builder) -> None:
    result = builder.build(
        "FROM scratch\nENV A=1 B=2\nLABEL x=y\nEXPOSE 80 53/udp\nVOLUME /data\nUSER 5:6\nSTOPSIGNAL SIGINT\n"
        'ENTRYPOINT ["/e"]\nCMD ["c"]\nHEALTHCHECK --interval=5s CMD true\nSHELL ["/s", "-c"]\nONBUILD RUN x\n'
    )
    config = result.config.config
    assert config.env_map()["B"] == "2"
    assert (config.user, config.stop_signal, config.entrypoint, config.cmd) == ("5:6", "SIGINT", ("/e",), ("c",))
    assert set(config.exposed_ports) == {"80/tcp", "53/udp"}
    assert config.volumes == ("/data",)
    assert config.healthcheck is not None
    assert config.healthcheck.interval == 5 * 10**9
    assert (config.shell, config.on_build) == (("/s", "-c"), ("RUN x",))


def test_names_resolve_to_the_image(builder: Builder) -> None:
    result = builder.build("FROM scratch\nLABEL a=b\n", tags=("one", "two:x"))
    for name in ("one", "one:latest", "two:x", result.image_id[7:15]):
        assert builder.store.images.resolve(name).descriptor.digest == result.manifest.digest


def test_a_child_inherits_and_keeps_the_bases_layers(builder: Builder) -> None:
    builder.file("a", "1")
    base = builder.build('FROM scratch\nCOPY a /a\nENV A=1\nCMD ["/a"]\n', tags=("base",))
    child = builder.build("FROM base\nCOPY a /b\n")
    assert child.config.diff_ids[:1] == base.config.diff_ids
    assert child.config.config.cmd == ("/a",)
    assert child.config.history[: len(base.config.history)] == base.config.history


def test_labels_and_annotations_from_the_command_line(builder: Builder) -> None:
    result = builder.build("FROM scratch\nLABEL a=1\n", labels=(("b", "2"),), annotations=(("k", "v"),))
    assert dict(result.config.config.labels) == {"a": "1", "b": "2"}
    raw = builder.store.blobs.read_blob(result.manifest)
    assert b'"annotations":{"k":"v"}' in raw


def test_a_build_of_config_alone_has_no_layer(builder: Builder) -> None:
    result = builder.build('FROM scratch\nCMD ["x"]\n')
    assert result.config.diff_ids == ()


def test_target_builds_that_stage_only(builder: Builder) -> None:
    builder.file("a")
    text = "FROM scratch AS one\nCOPY a /a\nFROM scratch AS two\nCOPY missing /\n"
    assert len(builder.build(text, target="one").config.diff_ids) == 1


def test_a_trigger_of_the_base_may_read_a_stage_that_nothing_else_reads(builder: Builder) -> None:
    builder.file("a", "from the stage")
    builder.build("FROM scratch\nONBUILD COPY --from=tools /a /b\n", tags=("base",))
    result = builder.build("FROM scratch AS tools\nCOPY a /a\nFROM base\nLABEL x=y\n")
    assert set(builder.tree(result)) - {""} == {"b"}
    assert result.config.config.on_build == ()


def test_a_trigger_that_reads_a_later_stage_is_refused(builder: Builder) -> None:
    builder.file("a")
    builder.build("FROM scratch\nONBUILD COPY --from=later /a /b\n", tags=("base",))
    with pytest.raises(DockerfileError, match="stage 1"):
        builder.build("FROM base AS first\nFROM first AS later\nCOPY a /a\n")


@pytest.mark.containers
def test_the_time_of_a_step_does_not_count_its_waiting_for_a_stage(busybox: Builder) -> None:
    result = busybox.build(
        "FROM busybox AS slow\nRUN sleep 0.5; echo 1 >/out\nFROM busybox\nCOPY --from=slow /out /out\n"
    )
    slow, copy = result.steps
    assert slow.seconds > 0.5
    assert copy.seconds < result.seconds - 0.5
