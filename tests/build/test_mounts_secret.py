"""RUN --mount=type=secret: where it is seen, and that nothing else ever holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamella.build.request import SecretSource
from lamella.errors import DockerfileError, InputError
from lamella.events import StepOutput
from lamella.userns import current
from lamella.userns.standing import ROOT

pytestmark = pytest.mark.containers
Builder = Any


def output(builder: Builder) -> str:
    return b"".join(event.data for event in builder.events if isinstance(event, StepOutput)).decode()


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SecretSource, ...]:
    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("LAMELLA_TEST_TOKEN", "from a variable")
    return SecretSource("file", file=str(tmp_path / "token")), SecretSource("env", env="LAMELLA_TEST_TOKEN")


def test_files_have_their_place_mode_and_owner(alpine: Builder, given: tuple[SecretSource, ...]) -> None:
    result = alpine.build(
        "FROM alpine:3.20\nRUN --mount=type=secret,id=file "
        "--mount=type=secret,id=env,target=/root/.deep/token,mode=0444,uid=3,gid=4 "
        "exec 2>&1; for f in /run/secrets/file /root/.deep/token; do stat -c '%a %u:%g %n' $f; cat $f; echo; done; "
        "echo x > /run/secrets/file || true\n"
        "RUN exec 2>&1; ls -A /run /root || true\n",
        secrets=given,
    )
    said = output(alpine)
    assert said.startswith("400 0:0 /run/secrets/file\nfrom a file\n444 3:4 /root/.deep/token\nfrom a variable\n")
    assert "Read-only file system" in said
    assert said.endswith("/root:\n\n/run:\n"), "the next step finds nothing"
    assert alpine.layer_paths(result, 1) == []


def test_it_lies_where_no_disk_is_written_to_not_even_by_swapping(
    alpine: Builder, given: tuple[SecretSource, ...]
) -> None:
    """A tmpfs could be swapped out; there is nothing else in a user namespace."""
    line = f"RUN --mount=type=secret,id={given[0].id},target=/s grep ' /s ' /proc/self/mountinfo\n"
    alpine.build(f"FROM alpine:3.20\n{line}", secrets=given)
    assert f" - {'ramfs' if current().kind == ROOT else 'tmpfs'} " in output(alpine)


def test_variables_are_of_that_step_alone(alpine: Builder, given: tuple[SecretSource, ...]) -> None:
    result = alpine.build(
        "FROM alpine:3.20\nENV TOKEN=public\n"
        "RUN --mount=type=secret,id=env,env=TOKEN echo $TOKEN; test -e /run/secrets || echo none\n"
        "RUN --mount=type=secret,id=file,env=TOKEN,target=/t echo $TOKEN; cat /t; echo\n"
        "RUN --mount=type=secret,id=file,env=TOKEN --mount=type=secret,id=env,env=TOKEN echo $TOKEN\nRUN echo $TOKEN\n",
        secrets=given,
    )
    assert output(alpine).splitlines() == [
        "from a variable", "none", "from a file", "from a file", "from a variable", "public",
    ]  # fmt: skip
    assert result.config.config.env_map()["TOKEN"] == "public"


def test_one_that_is_missing(alpine: Builder) -> None:
    alpine.build(
        "FROM alpine:3.20\nRUN --mount=type=secret,id=no,env=A --mount=type=secret,id=no "
        'echo "[${A-unset}]"; test -e /run/secrets || echo none\n'
    )
    assert output(alpine) == "[]\nnone\n", "BuildKit sets the variable to nothing"
    with pytest.raises(DockerfileError) as caught:
        alpine.build("FROM alpine:3.20\nRUN true\nRUN --mount=type=secret,id=no,required echo ran\n")
    assert caught.value.where == "Dockerfile:3"
    assert "--secret id=no,src=FILE" in (caught.value.hint or "")
    assert output(alpine) == ""


def test_neither_its_value_nor_that_it_is_given_is_in_the_key(alpine: Builder, given: tuple[SecretSource, ...]) -> None:
    text = "FROM alpine:3.20\nRUN --mount=type=secret,id=file,required cat /run/secrets/file > /dev/null\n"
    assert [step.cached for step in alpine.build(text, secrets=given).steps] == [False]
    Path(given[0].file or "").write_text("another")
    assert [step.cached for step in alpine.build(text, secrets=given).steps] == [True]
    assert [step.cached for step in alpine.build(text).steps] == [True], "a cached step needs none"


@pytest.mark.parametrize(
    ("content", "mount", "message"),
    [
        (b"a\0b", "env=T", "NUL byte"),
        (b"x" * (500 * 1024 + 1), "target=/t", "larger than 500 KiB"),
        (None, "target=/t", "cannot be read"),
    ],
)
def test_one_that_cannot_be_used(
    alpine: Builder, tmp_path: Path, content: bytes | None, mount: str, message: str
) -> None:
    if content is not None:
        (tmp_path / "s").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        alpine.build(
            f"FROM alpine:3.20\nRUN --mount=type=secret,id=s,{mount} true\n",
            secrets=(SecretSource("s", file=str(tmp_path / "s")),),
        )
    assert caught.value.where == "Dockerfile:2"


def test_the_largest_is_whole(alpine: Builder, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"y" * (500 << 10))
    alpine.build(
        "FROM alpine:3.20\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s\n",
        secrets=(SecretSource("s", file=str(tmp_path / "s")),),
    )
    assert output(alpine) == "512000\n"
