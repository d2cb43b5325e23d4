"""Bad input: each has one message, its place, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from lamella.errors import DockerfileError, LamellaError, NotSupported
from lamella.syntax.keywords import INSTRUCTIONS, nearest
from lamella.syntax.parser import MAX_BYTES, MAX_LINES, decode, parse
from lamella.syntax.typed import parse_trigger, type_document

# bytes, line, words of the message, words of the hint
FILES: Iterable[tuple[bytes, int, str, str]] = [
    (b"", 1, "file with no instructions", "FROM"),
    (b"\n\n", 1, "file with no instructions", "FROM"),
    (b"\xef\xbb\xbf# only a comment\n", 1, "file with no instructions", "FROM"),
    (b"FROM a\nRUN \0\n", 2, "holds a NUL byte", "the file you meant"),
    (b"F\0R\0O\0M\0 \0a\0\n\0", 1, "holds a NUL byte", "UTF-8"),
    (b"\xff\xfeF\0R\0O\0M\0", 1, "UTF-16", "save it as UTF-8"),
    (b"\xfe\xff\0F\0R\0O\0M", 1, "UTF-16", "save it as UTF-8"),
    (b"\x7fELF\x02\x01\x01\0\0", 1, "holds a NUL byte", "the file you meant"),
    (b"FROM a\n# caf\xe9\n", 2, "0xe9 is not valid UTF-8", "save the file as UTF-8"),
    (b"FROM a\n\nRUN \xf0\x9f\x90", 3, "0xf0 is not valid UTF-8", "save the file as UTF-8"),
    (b"FROM a\nLABEL a=\xed\xa0\x80\n", 2, "0xed is not valid UTF-8", "save the file as UTF-8"),
    (b"x" * (MAX_BYTES + 1), 1, f"{MAX_BYTES + 1} bytes are too many", "the file you meant"),
    (b"\n" * (MAX_LINES + 1), MAX_LINES + 1, f"{MAX_LINES + 1} lines are too many", "the file you meant"),
]

# text, line, message, words of the hint
TEXTS: Iterable[tuple[str, int, str, str]] = [
    # directives
    ("# escape=`\n# escape=\\\nFROM a", 2, "only one escape parser directive can be used", "line 1"),
    ("# syntax=a\n# SYNTAX=a\nFROM a", 2, "only one syntax parser directive can be used", "line 1"),
    ("# check=a\n# syntax=a\n# check=b\nFROM a", 3, "only one check parser directive can be used", "line 1"),
    ("# escape=x\nFROM a", 1, "invalid escape character 'x'", "# escape=`"),
    ("# escape=\\\\\nFROM a", 1, "invalid escape character '\\\\\\\\'", "# escape=`"),
    # here-documents
    ("FROM a\nRUN <<EOF\nx\n", 2, "unterminated heredoc <<EOF", "holds EOF and nothing else"),
    ("FROM a\nRUN <<EOF\n EOF\nEOF \n", 2, "unterminated heredoc <<EOF", "holds EOF and nothing else"),
    ("FROM a\nRUN <<-'E F'\nE\n", 2, "unterminated heredoc <<-'E F'", "holds E F and nothing else"),
    ("FROM a\nCOPY <<A <<B /\nA\n", 2, "unterminated heredoc <<B", "holds B and nothing else"),
    ("FROM a\n\nRUN \\\n<<A\n", 3, "unterminated heredoc <<A", "holds A and nothing else"),
    ("FROM a\nONBUILD RUN <<A\n", 2, "unterminated heredoc <<A", "holds A and nothing else"),
    ("FROM a\nRUN <<A${b:- c}\nx\n", 2, "the heredoc '<<A${b:-' has an open ${ in its name", "plain name"),
    ("FROM a\nCOPY a <<EOF\nx\nEOF\n", 2, "COPY cannot accept a heredoc as a destination", "COPY <<EOF /path"),
    ("FROM a\nADD a <<EOF\nx\nEOF\n", 2, "ADD cannot accept a heredoc as a destination", "ADD <<EOF /path"),
    ("FROM a\nCOPY <<EOF it's /x\n", 2, "the heredoc EOF has no body", "left open"),
    # keywords
    ("FROM a\nRUM b\n", 2, "unknown instruction 'RUM'", "did you mean RUN?"),
    ("FORM a\n", 1, "unknown instruction 'FORM'", "did you mean FROM?"),
    ("FROM a\n\n  copi a b\n", 3, "unknown instruction 'copi'", "did you mean COPY?"),
    ("FROM a\nENTRY_POINT b\n", 2, "unknown instruction 'ENTRY_POINT'", "did you mean ENTRYPOINT?"),
    ("FROM a\nWORK_DIR b\n", 2, "unknown instruction 'WORK_DIR'", "did you mean WORKDIR?"),
    ("FROM a\n&& b\n", 2, "unknown instruction '&&'", "did you mean"),
    ("FROM a\nRUN\u00a0b\n", 2, "unknown instruction 'RUN\\xa0b'", "only looks like"),
    ("FROM a\n\u0420UN b\n", 2, "unknown instruction '\u0420UN'", "did you mean RUN? There is a character"),
    ("FROM a\n" + "X" * 100_000, 2, f"unknown instruction '{'X' * 37}...'", "did you mean"),
    ("FROM a\n \\\n\n", 2, "a continuation character with no instruction", "remove the \\"),
    ("RUN a\nFROM b\n", 1, "RUN stands before the first FROM", "only ARG may stand before it"),
    ("ARG a\nENV b=c\n", 2, "ENV stands before the first FROM", "only ARG may stand before it"),
    # flags
    ("FROM a\nCOPY --form=x a b\n", 2, "unknown flag --form of COPY", "did you mean --from?"),
    ("FROM a\nCOPY --from=x \\\n --chwon=1 a b\n", 3, "unknown flag --chwon of COPY", "did you mean --chown?"),
    ("FROM --plataform=x a\n", 1, "unknown flag --plataform of FROM", "did you mean --platform?"),
    ("FROM a\nADD --from=x a b\n", 2, "unknown flag --from of ADD", "ADD knows --chown"),
    ("FROM a\nRUN --mounts=x b\n", 2, "unknown flag --mounts of RUN", "did you mean --mount?"),
    ("FROM a\nRUN --foo b\n", 2, "unknown flag --foo of RUN", "RUN knows"),
    ("FROM a\nCMD --foo b\n", 2, "unknown flag --foo of CMD", "CMD takes no flags; put quotes"),
    ("FROM a\nENTRYPOINT --x\n", 2, "unknown flag --x of ENTRYPOINT", "takes no flags"),
    ("FROM a\nENV --x a=b\n", 2, "unknown flag --x of ENV", "takes no flags"),
    ("FROM a\nLABEL --x a=b\n", 2, "unknown flag --x of LABEL", "takes no flags"),
    ("FROM a\nARG --x a=b\n", 2, "unknown flag --x of ARG", "takes no flags"),
    ("FROM a\nUSER --x a\n", 2, "unknown flag --x of USER", "takes no flags"),
    ("FROM a\nWORKDIR --x a\n", 2, "unknown flag --x of WORKDIR", "takes no flags"),
    ("FROM a\nEXPOSE --x 80\n", 2, "unknown flag --x of EXPOSE", "takes no flags"),
    ("FROM a\nVOLUME --x /a\n", 2, "unknown flag --x of VOLUME", "takes no flags"),
    ("FROM a\nSTOPSIGNAL --x 9\n", 2, "unknown flag --x of STOPSIGNAL", "takes no flags"),
    ("FROM a\nMAINTAINER --x a\n", 2, "unknown flag --x of MAINTAINER", "takes no flags"),
    ('FROM a\nSHELL --x ["a"]\n', 2, "unknown flag --x of SHELL", "takes no flags"),
    ("FROM a\nONBUILD --x RUN a\n", 2, "unknown flag --x of ONBUILD", "takes no flags"),
    ("FROM a\nHEALTHCHECK --intervall=1s CMD a\n", 2, "unknown flag --intervall of HEALTHCHECK", "mean --interval?"),
    ("FROM a\nHEALTHCHECK --x=1s NONE\n", 2, "unknown flag --x of HEALTHCHECK", "HEALTHCHECK knows"),
    ("FROM a\nCOPY --from a b\n", 2, "the flag --from has no value", "--from=VALUE"),
    ("FROM a\nRUN --mount a\n", 2, "the flag --mount has no value", "--mount=VALUE"),
    ("FROM a\nCOPY --from=a \\\n--from=b c d\n", 3, "the flag --from is given twice", "keep one"),
    ("FROM a\nCOPY --link --link a b\n", 2, "the flag --link is given twice", "keep one"),
    ("FROM a\nCOPY --link=yes a b\n", 2, "the flag --link is a switch and cannot be 'yes'", "--link=true"),
    ("FROM a\nCOPY --link= a b\n", 2, "the flag --link is a switch and cannot be ''", "--link=true"),
    # FROM
    ("FROM\n", 1, "FROM requires either one or three arguments", "FROM image AS name"),
    ("FROM a b\n", 1, "FROM requires either one or three arguments", "FROM image AS name"),
    ("FROM a as\n", 1, "FROM requires either one or three arguments", "FROM image AS name"),
    ("FROM a in b\n", 1, "FROM requires either one or three arguments", "FROM image AS name"),
    ("FROM a as b c\n", 1, "FROM requires either one or three arguments", "FROM image AS name"),
    ("FROM a # the base\n", 1, "FROM requires either one or three arguments", "FROM image AS name"),
    ("FROM a AS 1b\n", 1, "'1b' is no name for a build stage", "begins with a letter"),
    ("FROM a AS b$c\n", 1, "'b$c' is no name for a build stage", "begins with a letter"),
    # COPY, ADD
    ("FROM a\nCOPY\n", 2, "COPY requires at least two arguments, but none was provided", "COPY SOURCE"),
    ("FROM a\nCOPY a\n", 2, "COPY requires at least two arguments, but only one was provided", "COPY SOURCE"),
    ('FROM a\nADD ["a"]\n', 2, "ADD requires at least two arguments, but only one was provided", "ADD SOURCE"),
    ("FROM a\nCOPY [1, 2]\n", 2, "the JSON array of COPY holds something other than strings", "double quotes"),
    # RUN, CMD, ENTRYPOINT, SHELL
    ("FROM a\nRUN [1]\n", 2, "the JSON array of RUN holds something other than strings", "double quotes"),
    ('FROM a\nCMD ["a", null]\n', 2, "the JSON array of CMD holds something other than strings", "double quotes"),
    ('FROM a\nENTRYPOINT [["a"]]\n', 2, "the JSON array of ENTRYPOINT holds something other than strings", "double"),
    ('FROM a\nCMD ["\\u0000"]\n', 2, "a string of the JSON array holds the character U+0000", "remove it"),
    ("FROM a\nRUN []\n", 2, "RUN [] has no command", '["program"'),
    ("FROM a\nRUN --network=bridge b\n", 2, "'bridge' is no value for --network", "default, none, host"),
    ("FROM a\nRUN --network= b\n", 2, "'' is no value for --network", "default, none, host"),
    ("FROM a\nRUN --security=none b\n", 2, "'none' is no value for --security", "sandbox, insecure"),
    ("FROM a\nSHELL\n", 2, "SHELL requires at least one argument", 'SHELL ["'),
    ("FROM a\nSHELL []\n", 2, "SHELL requires at least one argument", 'SHELL ["'),
    ("FROM a\nSHELL /bin/sh -c\n", 2, "SHELL requires the arguments to be in JSON form", 'SHELL ["'),
    ("FROM a\nSHELL ['/bin/sh']\n", 2, "SHELL requires the arguments to be in JSON form", 'SHELL ["'),
    # ENV, LABEL, ARG
    ("FROM a\nENV\n", 2, "ENV requires at least one argument", "ENV name=value"),
    ("FROM a\nENV b\n", 2, "ENV must have two arguments", "ENV b=value"),
    ("FROM a\nENV b=c d\n", 2, "there is no = in 'd'", "name=value"),
    ("FROM a\nENV b=c =d\n", 2, "ENV names can not be blank", "without a blank before ="),
    ("FROM a\nENV =d\n", 2, "ENV names can not be blank", "without a blank before ="),
    ("FROM a\nLABEL\n", 2, "LABEL requires at least one argument", "LABEL name=value"),
    ("FROM a\nLABEL b\n", 2, "LABEL must have two arguments", "LABEL b=value"),
    ("FROM a\nLABEL b=c d e=f\n", 2, "there is no = in 'd'", "name=value"),
    ("FROM a\nARG\n", 2, "ARG requires at least one argument", "ARG name=value"),
    ("ARG =b\nFROM a\n", 1, "ARG names can not be blank", "without a blank before ="),
    # the rest
    ("FROM a\nWORKDIR\n", 2, "WORKDIR requires exactly one argument", "WORKDIR /path"),
    ("FROM a\nUSER  \n", 2, "USER requires exactly one argument", "write USER"),
    ("FROM a\nSTOPSIGNAL\n", 2, "STOPSIGNAL requires exactly one argument", "SIGTERM"),
    ("FROM a\nMAINTAINER\n", 2, "MAINTAINER requires exactly one argument", "authors"),
    ("FROM a\nEXPOSE\n", 2, "EXPOSE requires at least one argument", "EXPOSE 8080"),
    ("FROM a\nVOLUME\n", 2, "VOLUME requires at least one argument", "VOLUME /data"),
    ("FROM a\nVOLUME []\n", 2, "VOLUME requires at least one argument", "VOLUME /data"),
    ('FROM a\nVOLUME ["/a", " "]\n', 2, "a path of VOLUME is empty", "VOLUME /data"),
    ("FROM a\nONBUILD\n", 2, "ONBUILD requires at least one argument", "ONBUILD RUN"),
    ("FROM a\nONBUILD onbuild RUN b\n", 2, "chaining ONBUILD via ONBUILD ONBUILD is not allowed", "builds on this"),
    ("FROM a\nONBUILD FROM b\n", 2, "FROM is not allowed as an ONBUILD trigger", "builds on this"),
    ("FROM a\nONBUILD maintainer b\n", 2, "MAINTAINER is not allowed as an ONBUILD trigger", "builds on this"),
    ("FROM a\nONBUILD ENV b\n", 2, "ENV must have two arguments", "ENV b=value"),
    ("FROM a\nONBUILD RUN [1]\n", 2, "the JSON array of RUN holds something other than strings", "double quotes"),
    ("FROM a\nHEALTHCHECK\n", 2, "HEALTHCHECK requires at least one argument", "HEALTHCHECK NONE"),
    ("FROM a\nHEALTHCHECK NONE x\n", 2, "HEALTHCHECK NONE takes no arguments", "remove"),
    ("FROM a\nHEALTHCHECK curl x\n", 2, "unknown type 'curl' in HEALTHCHECK", "HEALTHCHECK CMD command"),
    ("FROM a\nHEALTHCHECK CMD\n", 2, "missing command after HEALTHCHECK CMD", "whether it is well"),
    ("FROM a\nHEALTHCHECK CMD []\n", 2, "missing command after HEALTHCHECK CMD", "whether it is well"),
    ("FROM a\nHEALTHCHECK --interval=5 CMD a\n", 2, "--interval=5 is no duration", "1m30s"),
    ("FROM a\nHEALTHCHECK \\\n--timeout=x CMD a\n", 3, "--timeout=x is no duration", "1m30s"),
    ("FROM a\nHEALTHCHECK --timeout=5us CMD a\n", 2, "--timeout=5us is less than 1ms", "1ms or more"),
    ("FROM a\nHEALTHCHECK --timeout=-5s CMD a\n", 2, "--timeout=-5s is less than 1ms", "1ms or more"),
    ("FROM a\nHEALTHCHECK --retries=-1 CMD a\n", 2, "--retries=-1 is no number of retries", "such as 3"),
    ("FROM a\nHEALTHCHECK --retries=1.5 CMD a\n", 2, "--retries=1.5 is no number of retries", "such as 3"),
    ("FROM a\nHEALTHCHECK --retries=99999999999 CMD a\n", 2, "--retries=99999999999 is no number of retries", "3"),
    # mounts
    ("FROM a\nRUN --mount= b\n", 2, "--mount has no options", "--mount=type="),
    ("FROM a\nRUN --mount=type=volume b\n", 2, "unsupported mount type 'volume'", "did you mean"),
    ("FROM a\nRUN --mount=type=cahce,target=/a b\n", 2, "unsupported mount type 'cahce'", "did you mean cache?"),
    ("FROM a\nRUN --mount=type=bind \\\n--mount=tagret=/a b\n", 3, "unexpected key 'tagret' in --mount", "target?"),
    ("FROM a\nRUN --mount=type=bind,target b\n", 2, "the option target of --mount has no value", "target=VALUE"),
    ("FROM a\nRUN --mount=type=bind,,target=/a b\n", 2, "unexpected key '' in --mount", "did you mean"),
    ("FROM a\nRUN --mount=from=$b,target=/a c\n", 2, "from of --mount does not support variables", "FROM $IMAGE AS"),
    ("FROM a\nRUN --mount=type=bind,target=/a,ro=maybe b\n", 2, "'maybe' is no value for readonly of --mount", "true"),
    ("FROM a\nRUN --mount=type=bind,target=/a,rw=maybe b\n", 2, "'maybe' is no value for readwrite of --mount", "true"),
    ("FROM a\nRUN --mount=type=secret,id=a,required=x b\n", 2, "'x' is no value for required of --mount", "true"),
    ("FROM a\nRUN --mount=type=cache,target=/a,sharing=lock b\n", 2, "unsupported sharing value 'lock'", "locked?"),
    ("FROM a\nRUN --mount=type=cache,target=/a,mode=rwx b\n", 2, "'rwx' is no value for mode of --mount", "0755"),
    ("FROM a\nRUN --mount=type=cache,target=/a,uid=root b\n", 2, "'root' is no value for uid of --mount", "1000"),
    ("FROM a\nRUN --mount=type=cache,target=/a,gid=4294967296 b\n", 2, "'4294967296' is no value for gid", "1000"),
    ("FROM a\nRUN --mount=type=tmpfs,target=/a,size=big b\n", 2, "'big' is no value for size of --mount", "64m"),
    ("FROM a\nRUN --mount=target=/a,sharing=locked b\n", 2, "sharing is not allowed for a mount of type bind", "cache"),
    ("FROM a\nRUN --mount=target=/a,mode=0755 b\n", 2, "mode is not allowed for a mount of type bind", "cache"),
    ("FROM a\nRUN --mount=type=tmpfs,target=/a,uid=1 b\n", 2, "uid is not allowed for a mount of type tmpfs", "cache"),
    ("FROM a\nRUN --mount=type=cache,target=/a,required b\n", 2, "required is not allowed for a mount", "secret"),
    ("FROM a\nRUN --mount=type=cache,target=/a,size=1m b\n", 2, "size is not allowed for a mount", "tmpfs"),
    ("FROM a\nRUN --mount=type=ssh,env=A b\n", 2, "env is not allowed for a mount of type ssh", "secret"),
    ("FROM a\nRUN --mount=type=secret b\n", 2, "a secret mount needs an id or a target", "id=NAME"),
    ("FROM a\nRUN --mount=type=secret,id= b\n", 2, "a secret mount needs an id or a target", "id=NAME"),
    ("FROM a\nRUN --mount=type=secret,id=a,from=b c\n", 2, "a secret mount cannot have from", "--secret"),
    ("FROM a\nRUN --mount=type=secret,id=a,source=b c\n", 2, "a secret mount cannot have both id and source", "id"),
    ('FROM a\nRUN --mount=target=\\"a\\" b\n', 2, "a quote in --mount is not where it may be", "whole option"),
    ('FROM a\nRUN --mount=\\"target=/a b\n', 2, "a quote in --mount is not where it may be", "whole option"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "line", "message", "hint"), FILES, ids=lambda value: repr(value)[:30])
def test_bytes(data: bytes, line: int, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(decode(data, "dir/Dockerfile"), "dir/Dockerfile")
    _check(caught.value, f"dir/Dockerfile:{line}", message, hint)


@pytest.mark.parametrize(("text", "line", "message", "hint"), TEXTS, ids=lambda value: repr(value)[:40])
def test_text(text: str, line: int, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        type_document(parse(text, "app.Dockerfile"))
    _check(caught.value, f"app.Dockerfile:{line}", message, hint)


def _check(error: LamellaError, where: str, message: str, hint: str) -> None:
    assert error.where == where
    assert message in error.message
    assert len(error.message) < 200
    assert error.hint is not None
    assert hint in error.hint
    assert error.exit_code == 2


def test_device_is_not_supported_yet() -> None:
    with pytest.raises(NotSupported) as caught:
        type_document(parse("FROM a\nRUN \\\n --device=gpu b\n"))
    assert (caught.value.message, caught.value.where) == ("RUN --device is not supported yet", "Dockerfile:3")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("", "file with no instructions"),
        ("RUN a\nRUN b", "is not a single instruction"),
        ("FOO a", "unknown instruction 'FOO'"),
        ("FROM a", "FROM is not allowed as an ONBUILD trigger"),
        ("ONBUILD RUN a", "chaining ONBUILD"),
        ("RUN <<EOF\nx", "unterminated heredoc"),
        ("COPY a", "COPY requires at least two arguments"),
        ("# escape=`", "file with no instructions"),
    ],
)
def test_triggers(trigger: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_trigger(trigger, "base image ruby:3", "\\")
    _check(caught.value, "base image ruby:3", message, "")


@pytest.mark.parametrize("word", ["RN", "rnu", "run1", "RUNN"])
def test_nearest(word: str) -> None:
    assert nearest(word, INSTRUCTIONS) == "RUN"
