"""What each instruction means."""

from __future__ import annotations

import pytest

from lamella.syntax.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    HealthcheckInstruction,
    KeyValue,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    TypedInstruction,
    User,
    Volume,
    Workdir,
)
from lamella.syntax.parser import parse
from lamella.syntax.typed import parse_trigger, type_document, type_instruction


def typed(text: str, *, escape: str = "\\") -> TypedInstruction:
    """The first instruction of a text, typed."""
    document = parse(("# escape=`\n" if escape == "`" else "") + text)
    return type_instruction(document, document.instructions[0])


@pytest.mark.parametrize(
    ("text", "image", "name", "platform"),
    [
        ("FROM alpine", "alpine", None, None),
        ("from alpine:3 as Build-1.x_y", "alpine:3", "build-1.x_y", None),
        ("FROM --platform=$BUILDPLATFORM ${A:-b} AS c", "${A:-b}", "c", "$BUILDPLATFORM"),
        ("FROM --platform= scratch", "scratch", None, None),
    ],
)
def test_from(text: str, image: str, name: str | None, platform: str | None) -> None:
    result = typed(text)
    assert isinstance(result, From)
    assert (result.image, result.name, result.platform) == (image, name, platform)


@pytest.mark.parametrize(
    ("text", "pairs", "legacy"),
    [
        (
            "ENV a=1 b=\"2 3\" c='4 5' d=6\\ 7 e=",
            [("a", "1"), ("b", '"2 3"'), ("c", "'4 5'"), ("d", "6\\ 7"), ("e", "")],
            False,
        ),
        ("ENV a=b=c", [("a", "b=c")], False),
        ("ENV a 1  2 ", [("a", "1  2")], True),
        ("ENV a b=c", [("a", "b=c")], True),
        ('ENV "a b"=c', [('"a b"', "c")], False),
        ("ENV a=\"it's\" b='x\"y'", [("a", '"it\'s"'), ("b", "'x\"y'")], False),
        ('ENV a="open b=c', [("a", '"open b=c')], False),
        ("ENV a=b\\", [("a", "b")], False),
        ("ENV a=`b` c=\\`", [("a", "`b`"), ("c", "\\`")], False),
    ],
)
def test_env(text: str, pairs: list[tuple[str, str]], legacy: bool) -> None:
    result = typed(text + "\n" if not text.endswith("\\") else text)
    assert isinstance(result, Env)
    assert result.pairs == tuple(KeyValue(*pair) for pair in pairs)
    assert result.legacy is legacy


def test_env_with_a_backtick_as_escape() -> None:
    result = typed('ENV a=b` c d="e`"f" g=h\\ i=j', escape="`")
    assert isinstance(result, Env)
    assert result.pairs == (KeyValue("a", "b` c"), KeyValue("d", '"e`"f"'), KeyValue("g", "h\\"), KeyValue("i", "j"))


def test_label() -> None:
    result = typed('LABEL "a b"=c d.e/f="g"')
    assert isinstance(result, Label)
    assert result.pairs == (KeyValue('"a b"', "c"), KeyValue("d.e/f", '"g"'))
    old = typed("LABEL a b c")
    assert isinstance(old, Label)
    assert (old.pairs, old.legacy) == ((KeyValue("a", "b c"),), True)


def test_arg() -> None:
    result = typed("ARG a b= c=\"d e\" f='g'")
    assert isinstance(result, Arg)
    assert result.args == (KeyValue("a", None), KeyValue("b", ""), KeyValue("c", '"d e"'), KeyValue("f", "'g'"))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("echo  a \\\n  b", Command("echo  a   b", None)),
        ('["a", "b c"]', Command(None, ("a", "b c"))),
        ('  [ "a\\u00e9\\"" , "" ]  ', Command(None, ('aé"', ""))),
        ('["\\ud800"]', Command(None, ("\ufffd",))),
        ("['a', 'b']", Command("['a', 'b']", None)),
        ('["a",]', Command('["a",]', None)),
        ('["a"', Command('["a"', None)),
        ('["a"] # no comment', Command('["a"] # no comment', None)),
        ("[ -f x ]", Command("[ -f x ]", None)),
        ("[NaN]", Command("[NaN]", None)),
        ('{"a": 1}', Command('{"a": 1}', None)),
    ],
)
@pytest.mark.parametrize("keyword", ["RUN", "CMD", "ENTRYPOINT"])
def test_shell_and_exec_form(keyword: str, text: str, command: Command) -> None:
    result = typed(f"{keyword} {text}")
    assert isinstance(result, Run | Cmd | Entrypoint)
    assert result.command == command


@pytest.mark.parametrize("keyword", ["CMD", "ENTRYPOINT"])
def test_empty_commands(keyword: str) -> None:
    empty, nothing = typed(f"{keyword} []"), typed(keyword)
    assert isinstance(empty, Cmd | Entrypoint)
    assert isinstance(nothing, Cmd | Entrypoint)
    assert empty.command == Command(None, ())
    assert nothing.command == Command("", None)


def test_run_flags_and_heredocs() -> None:
    result = typed("RUN --network=none --security=insecure <<E sh\nx\nE\n")
    assert isinstance(result, Run)
    assert (result.network, result.security) == ("none", "insecure")
    assert result.command == Command("<<E sh", None)
    assert [heredoc.content for heredoc in result.heredocs] == ["x\n"]
    plain = typed("RUN a")
    assert isinstance(plain, Run)
    assert (plain.network, plain.security, plain.mounts, plain.heredocs) == ("default", "sandbox", (), ())


def test_copy() -> None:
    result = typed(
        "COPY --from=b --chown=u:g --chmod=0755 --link --parents=TRUE --exclude=*.a --exclude=b a 'b' c/ d/\n"
    )
    assert isinstance(result, Copy)
    assert (result.sources, result.destination) == (("a", "'b'", "c/"), "d/")
    assert (result.from_, result.chown, result.chmod) == ("b", "u:g", "0755")
    assert (result.link, result.parents, result.excludes) == (True, True, ("*.a", "b"))
    plain = typed('COPY ["a b", "c"]')
    assert isinstance(plain, Copy)
    assert (plain.sources, plain.destination, plain.from_, plain.link) == (("a b",), "c", None, False)


def test_copy_heredocs() -> None:
    result = typed("COPY <<-a x <<'b' y /z/\n\tone\n\ta\n$two\nb\n")
    assert isinstance(result, Copy)
    assert (result.sources, result.destination) == (("x", "y"), "/z/")
    assert [(heredoc.name, heredoc.content, heredoc.expand) for heredoc in result.heredocs] == [
        ("a", "one\n", True),
        ("b", "$two\n", False),
    ]


def test_copy_json_takes_markers_as_names() -> None:
    result = typed('COPY ["<<a", "/z"]')
    assert isinstance(result, Copy)
    assert (result.sources, result.heredocs) == (("<<a",), ())


def test_add() -> None:
    result = typed("ADD --checksum=sha256:0 --keep-git-dir --unpack=false --chown=1 --chmod=a+x --link --exclude=x a b")
    assert isinstance(result, Add)
    assert (result.checksum, result.keep_git_dir, result.unpack, result.chown) == ("sha256:0", True, False, "1")
    assert (result.chmod, result.link, result.excludes) == ("a+x", True, ("x",))
    plain = typed("ADD a b")
    assert isinstance(plain, Add)
    assert (plain.unpack, plain.checksum, plain.keep_git_dir) == (None, None, False)


def test_single_arguments() -> None:
    workdir, user, signal = typed('WORKDIR "/a b" c'), typed("USER a:$b"), typed("STOPSIGNAL SIGRTMIN+3")
    maintainer = typed("MAINTAINER A B <c>")
    assert isinstance(workdir, Workdir)
    assert isinstance(user, User)
    assert isinstance(signal, Stopsignal)
    assert isinstance(maintainer, Maintainer)
    assert (workdir.path, user.user, signal.signal, maintainer.name) == (
        '"/a b" c',
        "a:$b",
        "SIGRTMIN+3",
        "A B <c>",
    )


def test_expose_volume_shell() -> None:
    expose, volume, volumes = (
        typed("EXPOSE 80 8000-8010/udp\t$P"),
        typed("VOLUME /a\t/b"),
        typed('VOLUME [" /a b ", "c"]'),
    )
    shell = typed('SHELL ["a", "-c"]')
    assert isinstance(expose, Expose)
    assert isinstance(volume, Volume)
    assert isinstance(volumes, Volume)
    assert isinstance(shell, Shell)
    assert expose.ports == ("80", "8000-8010/udp", "$P")
    assert (volume.paths, volumes.paths) == (("/a", "/b"), ("/a b", "c"))
    assert shell.shell == ("a", "-c")


def test_healthcheck() -> None:
    result = typed(
        'HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0s --start-interval=2ms --retries=+3 cmd ["a", "b"]'
    )
    assert isinstance(result, HealthcheckInstruction)
    assert result.command == Command(None, ("a", "b"))
    assert (result.interval, result.timeout) == (90_000_000_000, 1_500_000_000)
    assert (result.start_period, result.start_interval, result.retries) == (0, 2_000_000, 3)
    shell, none = typed("HEALTHCHECK CMD a  b || c"), typed("HEALTHCHECK --interval=1s NONE")
    assert isinstance(shell, HealthcheckInstruction)
    assert isinstance(none, HealthcheckInstruction)
    assert (shell.command, shell.interval) == (Command("a  b || c", None), 0)
    assert none.command is None


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("ONBUILD RUN a  b ", "RUN a  b "),
        ("onbuild   copy --from=x a \\\n  b", "copy --from=x a   b"),
        ("ONBUILD RUN <<-E cat\n\tx\n\tE\n", "RUN <<-E cat\n\tx\nE"),
        ("ONBUILD COPY <<a <<b /\n1\na\n2\nb", "COPY <<a <<b /\n1\na\n2\nb"),
        ("ONBUILD FOO x", "FOO x"),  # BuildKit finds out when the child is built
    ],
)
def test_onbuild(text: str, trigger: str) -> None:
    result = typed(text)
    assert isinstance(result, Onbuild)
    assert result.trigger == trigger


def test_trigger_of_a_heredoc_is_read_back() -> None:
    onbuild = typed("ONBUILD COPY --chmod=1 <<-'a' /\n\t$x\n\ta\n")
    assert isinstance(onbuild, Onbuild)
    result = parse_trigger(onbuild.trigger, "alpine: ONBUILD 1", "\\")
    assert isinstance(result, Copy)
    assert (result.chmod, result.destination) == ("1", "/")
    assert [(heredoc.content, heredoc.expand) for heredoc in result.heredocs] == [("$x\n", False)]


def test_trigger_escape_character() -> None:
    result = parse_trigger("ENV a=b` c", "base", "`")
    assert isinstance(result, Env)
    assert result.pairs == (KeyValue("a", "b` c"),)


def test_document() -> None:
    types = [type(instruction) for instruction in type_document(parse("ARG a\narg b\nFROM $a\nRUN c\nFROM d\n"))]
    assert types == [Arg, Arg, From, Run, From]
