"""RUN in a real runtime on real root file systems, and what its layers hold."""

from __future__ import annotations

from typing import Any

import pytest

from lamella.errors import LamellaError, StepFailed
from lamella.events import StepOutput

pytestmark = pytest.mark.containers
Builder = Any


def output(builder: Builder) -> str:
    return b"".join(event.data for event in builder.events if isinstance(event, StepOutput)).decode()


def test_a_run_leaves_its_own_changes_only(busybox: Builder) -> None:
    result = busybox.build("FROM busybox\nRUN echo hi > /hello && rm /etc/shadow\n")
    entries = list(busybox.store.layers.toc(result.config.diff_ids[-1]))
    kinds = {entry.path: entry.kind for entry in entries}
    assert kinds == {"etc": "d", "etc/shadow": "w", "hello": "f"}


def test_five_runs_are_five_layers_and_the_second_time_cached(alpine: Builder) -> None:
    text = "FROM alpine:3.20\n" + "".join(f"RUN echo {n} > /file{n}\n" for n in range(5))
    first = alpine.build(text)
    assert [step.cached for step in first.steps] == [False] * 5
    assert len(first.config.diff_ids) == 6
    second = alpine.build(text)
    assert [step.cached for step in second.steps] == [True] * 5
    assert second.image_id == first.image_id


def test_env_arg_workdir_and_user_reach_the_process(alpine: Builder) -> None:
    alpine.build(
        "FROM alpine:3.20\nARG WHO=world\nENV GREETING=hello\nWORKDIR /srv/app\nUSER nobody\n"
        "RUN echo $GREETING $WHO; pwd; id -un; echo $HOME\n"
    )
    assert output(alpine).splitlines()[:3] == ["hello world", "/srv/app", "nobody"]


def test_exec_form_and_shell(alpine: Builder) -> None:
    alpine.build(
        'FROM alpine:3.20\nRUN ["echo", "$HOME", "x  y"]\nSHELL ["/bin/ash", "-eo", "pipefail", "-c"]\nRUN echo $0\n'
    )
    assert output(alpine).splitlines() == ["$HOME x  y", "/bin/ash"]


def test_heredocs_are_the_text_or_go_to_a_command(alpine: Builder) -> None:
    alpine.build(
        "FROM alpine:3.20\nRUN <<EOF\nset -e\necho one\nEOF\nRUN cat <<'A' - <<B\n$x\nA\ntwo\nB\n", no_cache=True
    )
    assert output(alpine).splitlines() == ["one", "two"]


def test_a_failing_run_says_where_what_and_with_which_status(alpine: Builder) -> None:
    with pytest.raises(StepFailed) as caught:
        alpine.build("FROM alpine:3.20\nRUN true\nRUN echo about to fail; exit 7\n")
    error = caught.value
    assert (error.where, error.exit_code) == ("Dockerfile:3", 1)
    assert "status 7" in error.message
    assert "about to fail" in (error.detail or "")
    assert "lines above" in (error.hint or "")
    with pytest.raises(StepFailed) as caught:
        alpine.build("FROM alpine:3.20\nRUN false\n")
    assert (caught.value.detail, "printed nothing" in (caught.value.hint or "")) == (None, True)


def test_a_run_after_a_failure_starts_from_the_cache(alpine: Builder) -> None:
    with pytest.raises(StepFailed):
        alpine.build("FROM alpine:3.20\nRUN echo 1 > /one\nRUN false\n")
    result = alpine.build("FROM alpine:3.20\nRUN echo 1 > /one\nRUN true\n")
    assert [step.cached for step in result.steps] == [True, False]


def test_copy_after_run_sees_what_it_made(alpine: Builder) -> None:
    alpine.file("a", "x")
    result = alpine.build(
        "FROM alpine:3.20\nRUN mkdir /real && ln -s /real /alias\nCOPY a /alias\nRUN test -f /real/a\n"
    )
    assert alpine.layer_paths(result, 2) == ["real", "real/a"]


def test_chown_by_a_user_that_a_run_made(alpine: Builder) -> None:
    alpine.file("a", "x")
    result = alpine.build("FROM alpine:3.20\nRUN adduser -D -u 4321 app\nCOPY --chown=app a /a\n")
    assert alpine.tree(result)["a"].uid == 4321


def test_stages_side_by_side_and_copy_from(alpine: Builder) -> None:
    text = (
        "FROM alpine:3.20 AS left\nRUN echo left > /out\n"
        "FROM alpine:3.20 AS right\nRUN echo right > /out\n"
        "FROM alpine:3.20 AS unused\nRUN exit 1\n"
        "FROM scratch\nCOPY --from=left /out /l\nCOPY --from=right /out /r\n"
    )
    result = alpine.build(text)
    assert set(alpine.tree(result)) - {""} == {"l", "r"}
    assert [step.cached for step in alpine.build(text).steps] == [True] * 4


def test_a_failing_stage_stops_the_others_and_is_the_one_reported(alpine: Builder) -> None:
    text = (
        "FROM alpine:3.20 AS slow\nRUN sleep 30\n"
        "FROM alpine:3.20 AS bad\nRUN exit 3\n"
        "FROM scratch\nCOPY --from=slow / /\nCOPY --from=bad / /\n"
    )
    with pytest.raises(StepFailed) as caught:
        alpine.build(text)
    assert caught.value.where == "Dockerfile:4"


def test_the_environment_of_this_machine_does_not_leak(alpine: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLA_TEST_LEAK", "leaked")
    alpine.build("FROM alpine:3.20\nRUN env\n")
    assert "leaked" not in output(alpine)


def test_run_on_scratch_with_a_static_binary_leaves_no_mount_points(builder: Builder, bases: Any) -> None:
    import tarfile

    with tarfile.open(bases / "busybox-musl-amd64.tar.gz") as tar:
        binary = tar.extractfile("bin/busybox") or tar.extractfile("./bin/busybox")
        assert binary is not None
        builder.file("busybox", "")
        (builder.context / "busybox").write_bytes(binary.read())
    (builder.context / "busybox").chmod(0o755)
    result = builder.build('FROM scratch\nCOPY busybox /bin/\nRUN ["/bin/busybox", "touch", "/made"]\n')
    assert builder.layer_paths(result, 1) == ["made"]


def test_a_missing_program_is_status_127(alpine: Builder) -> None:
    with pytest.raises(StepFailed, match="127") as caught:
        alpine.build('FROM alpine:3.20\nRUN ["/no/such/program"]\n')
    assert caught.value.where == "Dockerfile:2"


def test_an_unknown_user_is_named_with_its_line(alpine: Builder) -> None:
    with pytest.raises(LamellaError, match="ghost") as caught:
        alpine.build("FROM alpine:3.20\nUSER ghost\nRUN true\n")
    assert caught.value.where == "Dockerfile:3"


def test_replacing_a_folder_hides_what_was_in_it(alpine: Builder) -> None:
    result = alpine.build("FROM alpine:3.20\nRUN rm -rf /etc/apk && mkdir /etc/apk && touch /etc/apk/new\n")
    tree = alpine.tree(result)
    assert [path for path in tree if path.startswith("etc/apk/")] == ["etc/apk/new"]


def test_a_layer_that_is_still_being_packed_when_the_next_run_fails_is_not_lost(alpine: Builder) -> None:
    text = "FROM alpine:3.20\nRUN head -c 60000000 /dev/urandom > /big\n"
    with pytest.raises(StepFailed):
        alpine.build(text + "RUN false\n")
    assert [step.cached for step in alpine.build(text).steps] == [True]
