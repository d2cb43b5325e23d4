"""Steps: what reaches the engine. Configs and histories are compared with Docker's in test_goldens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import DockerfileError, LamellaError
from lamella.oci.config import Healthcheck, RunConfig
from lamella.oci.platform import Platform
from lamella.plan.graph import plan_document
from lamella.plan.lower import lower_stage
from lamella.plan.lowering.gotext import duration, quote, quote_rune
from lamella.plan.lowering.paths import absolute_destination, absolute_path
from lamella.plan.stage import LoweredStage, PlanOptions
from lamella.plan.step import (
    SCRIPT,
    ConfigStep,
    CopyStep,
    InlineFile,
    MountStep,
    RunStep,
    SourceContext,
    SourceImage,
    SourceStage,
    WorkdirStep,
)
from lamella.syntax.parser import parse

Lower = Callable[..., LoweredStage]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def one_run(lowered: LoweredStage) -> RunStep:
    (step,) = (step for step in lowered.steps if isinstance(step, RunStep))
    return step


def one_copy(lowered: LoweredStage) -> CopyStep:
    (step,) = (step for step in lowered.steps if isinstance(step, CopyStep))
    return step


def test_kinds_and_numbers_of_steps(lower: Lower) -> None:
    lowered = lower("FROM scratch\nARG A\n\nWORKDIR /w\nWORKDIR /\nCOPY a b\nRUN x \\\n  y\nADD a b\nONBUILD RUN z\n")
    kinds = [type(step) for step in lowered.steps]
    assert kinds == [ConfigStep, WorkdirStep, ConfigStep, CopyStep, RunStep, CopyStep, ConfigStep]
    assert [step.info.number for step in lowered.steps] == list(range(1, 8))
    assert [step.info.line for step in lowered.steps] == [2, 4, 5, 6, 7, 9, 10]
    assert lowered.steps[4].info.where == "Dockerfile:7"
    assert lowered.steps[4].info.text == "RUN x y"
    assert [step.info.history for step in lowered.steps] == [True] * 6 + [False]


def test_each_step_carries_the_config_after_it(lower: Lower) -> None:
    lowered = lower("FROM scratch\nENV A=1\nUSER u\nRUN x\nCMD y\n")
    assert [step.config.user for step in lowered.steps] == ["", "u", "u", "u"]
    assert lowered.steps[-1].config == lowered.state.config
    assert lowered.steps[2].config.cmd is None


def test_run_is_given_directory_user_and_environment(lower: Lower) -> None:
    config = RunConfig(env=("PATH=/bin", "X=1"), working_dir="/home", user="7:8", shell=("/bin/ash", "-c"))
    step = one_run(lower("FROM b\nARG A=2\nENV B=$X\nRUN --network=none echo  $A\n", config=config))
    assert step.argv == ("/bin/ash", "-c", "echo  $A")
    assert step.env == ("PATH=/bin", "X=1", "A=2", "B=1")
    assert (step.cwd, step.user, step.network, step.security) == ("/home", "7:8", "none", "sandbox")


def test_an_env_hides_an_arg_and_a_later_arg_hides_it(lower: Lower) -> None:
    text = "FROM scratch AS a\nARG V=arg\nENV V=env\n"
    assert one_run(lower(text + "RUN x\n")).env == (PATH, "V=env")
    assert one_run(lower(text + "ARG V=again\nRUN x\n")).env == (PATH, "V=again")
    # in a stage on top the image's environment counts again
    assert one_run(lower(text + "ARG V=again\nFROM a\nRUN x\n")).env == (PATH, "V=env")


def test_args_of_stages_below_are_in_scope_and_global_ones_are_not(lower: Lower) -> None:
    text = "ARG G=global\nFROM scratch AS a\nARG L=local\nFROM a\nRUN x\nARG G\nLABEL g=$G l=$L\n"
    lowered = lower(text)
    assert one_run(lowered).env == ("L=local", PATH)
    assert lowered.state.config.labels == (("g", "global"), ("l", "local"))
    assert lowered.state.args == (("L", "local"), ("G", "global"))


def test_a_base_of_which_nothing_is_known(lower: Lower) -> None:
    lowered = lower("FROM unknown\nWORKDIR a\nRUN x\n")
    assert one_run(lowered).cwd == "/a"
    assert one_run(lowered).env == (PATH,)


def test_build_args_win_over_defaults_and_globals(lower: Lower) -> None:
    text = "ARG A=0\nFROM scratch\nARG A\nARG B=1\nARG C=1\nARG D\nRUN x\n"
    assert one_run(lower(text, build_args=(("B", "2"), ("C", "")))).env == (PATH, "A=0", "B=2", "C=")


def test_platform_args_need_declaring(lower: Lower) -> None:
    text = "FROM scratch\nLABEL a=$TARGETARCH\nARG TARGETARCH TARGETVARIANT=mine\nLABEL b=$TARGETARCH$TARGETVARIANT\n"
    lowered = lower(text, target_platform=Platform("linux", "arm64"))
    assert lowered.state.config.labels == (("a", ""), ("b", "arm64mine"))
    assert lowered.state.platform == Platform("linux", "arm64")


def test_proxies_reach_run_and_nothing_else(lower: Lower) -> None:
    given = (("http_proxy", "http://p"), ("NO_PROXY", "x"))
    lowered = lower("FROM scratch\nLABEL p=$http_proxy\nRUN x\n", build_args=given)
    step = one_run(lowered)
    assert step.proxy_env == ("HTTP_PROXY=http://p", "http_proxy=http://p", "NO_PROXY=x", "no_proxy=x")
    assert step.env == (PATH,)
    assert step.info.created_by == "RUN /bin/sh -c x # buildkit"
    assert lowered.state.config.labels == (("p", ""),)


def test_heredocs_of_run(lower: Lower) -> None:
    lowered = lower("FROM scratch\nRUN <<EOF\na\nb\nEOF\n")
    assert one_run(lowered).argv == ("/bin/sh", "-c", "a\nb\n")
    step = one_run(lower("FROM scratch\nRUN <<x.py\n#!/usr/bin/env python3\nprint(1)\nx.py\n"))
    assert step.argv == ("/bin/sh", "-c", SCRIPT)
    assert step.script == b"#!/usr/bin/env python3\nprint(1)\n"
    assert step.script_name == "x.py"
    step = one_run(lower("FROM scratch\nRUN <<-A cat && cat <<B\n\ta\n\tA\nb $x\nB\n"))
    assert step.argv[2] == "<<-A cat && cat <<B\n\ta\nA\nb $x\nB"
    assert step.info.text == "RUN <<-A cat && cat <<B (a) (b $x)"


def test_mounts(lower: Lower) -> None:
    text = (
        "FROM scratch AS s\nFROM scratch\nARG DIR=/cache\nWORKDIR /w\n"
        "RUN --mount=source=a/../b,target=x --mount=target=/y,from=s,rw --mount=target=/z,from=img:1,readonly=false "
        "--mount=type=cache,target=$DIR,mode=0700,uid=3,gid=4,sharing=locked "
        "--mount=type=cache,dst=c,id=own,from=s,src=/in "
        "--mount=type=tmpfs,target=/t,size=1.5m "
        "--mount=type=secret,id=top --mount=type=secret,target=s/file,required,mode=0440 "
        "--mount=type=secret,id=v,env=TOKEN --mount=type=ssh --mount=type=ssh,id=two,uid=1 true\n"
    )
    lowered = lower(text)
    context, stage, image = SourceContext(), SourceStage(0), SourceImage("img:1")
    assert one_run(lowered).mounts == (
        MountStep("bind", "/w/x", "b", context, True),
        MountStep("bind", "/y", "", stage, False),
        MountStep("bind", "/z", "", image, False),
        MountStep("cache", "/cache", id="/cache", sharing="locked", mode=0o700, uid=3, gid=4),
        MountStep("cache", "/w/c", "in", stage, id="own"),
        MountStep("tmpfs", "/t", size=1_572_864),
        MountStep("secret", "/run/secrets/top", readonly=True, id="top"),
        MountStep("secret", "/w/s/file", readonly=True, id="file", required=True, mode=0o440),
        MountStep("secret", "", readonly=True, id="v", env="TOKEN"),
        MountStep("ssh", "/run/buildkit/ssh_agent.0", readonly=True, id="default"),
        MountStep("ssh", "/run/buildkit/ssh_agent.1", readonly=True, id="two", uid=1),
    )
    assert lowered.sources == (context, stage, image)
    spaced = lower(text, build_args=(("BUILDKIT_CACHE_MOUNT_NS", "ns"),))
    assert [mount.id for mount in one_run(spaced).mounts if mount.type == "cache"] == ["ns//cache", "ns/own"]


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("COPY a /b", (SourceContext(), ("a",), "/b")),
        ("COPY /a/ ./b/../c .", (SourceContext(), ("a", "c"), "/w/")),
        ("COPY . ./", (SourceContext(), (".",), "/w/")),
        ("COPY / x", (SourceContext(), (".",), "/w/x")),
        ("COPY a /d/.", (SourceContext(), ("a",), "/d/")),
        ("COPY a ../../../d", (SourceContext(), ("a",), "/d")),
        ("COPY ../a b/", (SourceContext(), ("../a",), "/w/b/")),
        ('COPY ["a b", "$D/"]', (SourceContext(), ("a b",), "/dest/")),
        ("COPY $S*.txt $D", (SourceContext(), ("src*.txt",), "/dest")),
        ("COPY --from=s a b", (SourceStage(0), ("a",), "/w/b")),
        ("COPY --from=0 a b", (SourceStage(0), ("a",), "/w/b")),
        ("COPY --from=alpine a b", (SourceImage("alpine"), ("a",), "/w/b")),
        ("COPY --from=named a b", (SourceContext("named"), ("a",), "/w/b")),
        ("COPY --parents x/./y/z a/./ /", (SourceContext(), ("x/./y/z", "a/./."), "/")),
    ],
)
def test_copy(lower: Lower, instruction: str, expected: tuple[object, ...]) -> None:
    text = f"FROM scratch AS s\nFROM scratch\nENV S=src D=/dest\nWORKDIR /w\n{instruction}\n"
    lowered = lower(text, named_contexts=("named",))
    step = one_copy(lowered)
    assert (step.source, step.sources, step.destination) == expected
    assert lowered.sources == (step.source,)


def test_copy_flags_are_expanded(lower: Lower) -> None:
    text = "FROM scratch\nARG U=5 M=7\nCOPY --chown=$U:$NO --chmod=${M}55 --link --exclude=*.$U a b\n"
    step = one_copy(lower(text))
    assert (step.chown, step.chmod, step.link, step.excludes) == ("5:", "755", True, ("*.5",))
    assert one_copy(lower("FROM scratch\nCOPY --chown=$NO a b\n")).chown is None


def test_copy_of_heredocs(lower: Lower) -> None:
    text = "FROM scratch\nENV V=1\nCOPY <<a <<'b' /d/\n\"$V\" \\$V\na\n$V\nb\n"
    lowered = lower(text)
    assert one_copy(lowered).inline == (InlineFile("a", b'"1" $V\n'), InlineFile("b", b"$V\n"))
    assert lowered.sources == ()


def test_add(lower: Lower) -> None:
    text = "FROM scratch\nADD --unpack=false https://x.org/a.tgz git@x.org:a/b.git#v1 ./c.tar /d/\n"
    step = one_copy(lower(text))
    assert step.add
    assert step.unpack is False
    assert step.remotes == ("https://x.org/a.tgz", "git@x.org:a/b.git#v1")
    assert step.sources == ("c.tar",)


def test_triggers_of_the_base_come_first_and_are_used_up(lower: Lower) -> None:
    config = RunConfig(env=("PATH=/bin",), on_build=("RUN <<EOF cat\nx\nEOF", "COPY a b", "ENV C=1"))
    lowered = lower("\nFROM base\nRUN own\nONBUILD USER me\n", config=config)
    keywords = [step.info.keyword for step in lowered.steps]
    assert keywords == ["RUN", "COPY", "ENV", "RUN", "ONBUILD"]
    assert [step.info.where for step in lowered.steps[:4]] == ["Dockerfile:2"] * 3 + ["Dockerfile:3"]
    assert lowered.steps[0].info.text == "ONBUILD RUN <<EOF cat (x)"
    assert isinstance(lowered.steps[0], RunStep)
    assert lowered.steps[0].argv[2] == "<<EOF cat\nx\nEOF"
    assert lowered.state.config.on_build == ("USER me",)


def test_a_bad_trigger_is_told_at_from(lower: Lower) -> None:
    with pytest.raises(DockerfileError) as caught:
        lower("\nFROM base\n", config=RunConfig(on_build=("NONSENSE x",)))
    assert caught.value.where == "Dockerfile:2"


def test_labels_of_the_options_are_on_the_target_only(lower: Lower) -> None:
    text = "FROM scratch AS a\nLABEL x=1 y=1\nFROM a\nLABEL y=2\n"
    given = (("y", "given"), ("z", "3"))
    assert lower(text, labels=given).state.config.labels == (("x", "1"), ("y", "given"), ("z", "3"))
    plan = plan_document(parse(text), PlanOptions(labels=given))
    assert lower_stage(plan, plan.stages[0], None).state.config.labels == (("x", "1"), ("y", "1"))


def test_a_healthcheck_replaces_the_inherited_one_whole(lower: Lower) -> None:
    config = RunConfig(healthcheck=Healthcheck(("CMD", "a"), interval=5, retries=3))
    assert lower("FROM b\nRUN x\n", config=config).state.config.healthcheck == config.healthcheck
    changed = lower("FROM b\nHEALTHCHECK CMD b\n", config=config).state.config.healthcheck
    assert changed == Healthcheck(("CMD-SHELL", "b"))


def test_unset_variables_are_warned_of_once_each(lower: Lower) -> None:
    lowered = lower("FROM scratch\nARG DECLARED\nENV A=$NO$NO B=${NO2} C=${N3:-x} D=$DECLARED\nWORKDIR /$NO\n")
    assert [(warning.where, warning.message.split()[2]) for warning in lowered.warnings] == [
        ("Dockerfile:3", "NO"),
        ("Dockerfile:3", "NO2"),
        ("Dockerfile:4", "NO"),
    ]


def test_the_author(lower: Lower) -> None:
    assert lower("FROM scratch\nMAINTAINER Jane <j@x>\n").author == "Jane <j@x>"
    assert lower("FROM scratch\n").author == ""


@pytest.mark.parametrize("signal", ["9", "SIGTERM", "term", "SIGRTMIN+3", "RTMAX-14", "+15", "64"])
def test_good_signals(lower: Lower, signal: str) -> None:
    assert lower(f"FROM scratch\nSTOPSIGNAL {signal}\n").state.config.stop_signal == signal


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("STOPSIGNAL 0", "no signal"),
        ("STOPSIGNAL SIGNONE", "no signal"),
        ("STOPSIGNAL RTMIN+16", "no signal"),
        ("STOPSIGNAL $NO", "no signal"),
        ("EXPOSE 70000", "no port"),
        ("EXPOSE 9-8", "no port"),
        ("EXPOSE a", "no port"),
        ("EXPOSE /tcp", "port is missing"),
        ("EXPOSE 80/icmp", "no protocol"),
        ("EXPOSE 1-3:5-6", "do not go with"),
        ("EXPOSE x:80:80", "no address"),
        ('VOLUME ["/a", "$NO"]', "empty"),
        ("COPY https://x.org/a b", "takes no URL"),
        ("COPY --chmod=9 a b", "no mode"),
        ("COPY --chmod=17777 a b", "no mode"),
        ("COPY --chmod=u+q a b", "no mode"),
        ("ADD --checksum=sha256:1 a b", "exactly one URL"),
        ("RUN --mount=type=cache,target=/ x", "cannot take the place of /"),
        ("RUN --mount=type=$NO,target=/x x", "mount type"),
        ("RUN --mount=type=cache,target=/x,mode=$BAD x", "mode"),
        ("ENV A=${NO:?wanted}", "NO: wanted"),
        ("ENV A=${", "cannot expand"),
        ("WORKDIR '/a", "quote"),
    ],
)
def test_errors_name_the_line(lower: Lower, instruction: str, message: str) -> None:
    with pytest.raises(LamellaError) as caught:
        lower(f"FROM scratch\nENV BAD=89\n{instruction}\n")
    assert caught.value.where == "Dockerfile:3"
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EXPOSE 80", ("80/tcp",)),
        ("EXPOSE 80-82/UDP 53", ("80/udp", "81/udp", "82/udp", "53/tcp")),
        ("EXPOSE 8080:80", ("80/tcp",)),
        ("EXPOSE 127.0.0.1:8080:80 [::1]:1:1", ("80/tcp", "1/tcp")),
        ("EXPOSE 8000-8010:80", ("80/tcp",)),
        ("EXPOSE 80 80/tcp", ("80/tcp",)),
    ],
)
def test_ports(lower: Lower, text: str, expected: tuple[str, ...]) -> None:
    assert lower(f"FROM scratch\n{text}\n").state.config.exposed_ports == expected


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"), (1, "1ns"), (1_500, "1.5µs"), (2_000_000, "2ms"), (1_500_000_000, "1.5s"), (60 * 10**9, "1m0s"),
        (3_600 * 10**9, "1h0m0s"), (3_661_000_000_001, "1h1m1.000000001s"), (-5 * 10**9, "-5s"),
    ],
)  # fmt: skip
def test_durations_as_go_writes_them(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_strings_as_go_quotes_them() -> None:
    assert quote('a\t"b" \\ é \x01\x7f\u200b\U000e0001\udc80\'') == (
        '"a\\t\\"b\\" \\\\ é \\x01\\x7f\\u200b\\U000e0001\\x80\'"'
    )
    assert [quote_rune(number) for number in (0, 3, 39, 65, 0x110000)] == ["'\\x00'", "'\\x03'", "'\\''", "'A'", "'�'"]


@given(st.text(alphabet="a./", max_size=8), st.text(alphabet="a./", max_size=8))
def test_paths_are_absolute_and_clean(path: str, working_dir: str) -> None:
    clean = absolute_path(path, working_dir)
    assert clean.startswith("/")
    assert not clean.startswith("//")
    assert not {"", ".", ".."} & set(clean[1:].split("/")) or clean == "/"
    assert absolute_path(clean, "/x") == clean
    assert absolute_destination(path, working_dir).rstrip("/") == clean.rstrip("/")


@given(st.text(alphabet="RUNCOPYENV \n$\\\"'<{}=:-/ax", max_size=60))
def test_any_text_is_lowered_or_refused_with_its_place(text: str) -> None:
    try:
        plan = plan_document(parse("FROM scratch\n" + text), PlanOptions())
        lower_stage(plan, plan.stages[plan.target], None)
    except LamellaError as error:
        assert error.where is not None
