"""``lamella fix``: the diff, in place, and proven by building."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
FIVE = """FROM busybox
# tools
RUN echo a > /a
RUN echo b > /b && mktemp -u > /stamp
RUN mkdir /c; echo c > /c/c
RUN chmod 600 /a
RUN rm /b
CMD ["sh"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the five-RUN Dockerfile."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text(FIVE)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def busybox(project: Path, bases: Path, lamella: Call) -> Path:
    """The same, and its base image in the store."""
    assert lamella("import", str(bases / "busybox-musl-amd64.tar.gz"), "busybox").code == 0
    return project


class TestText:
    def test_a_diff_on_stdout_and_remarks_on_stderr(self, project: Path, lamella: Call) -> None:
        result = lamella("fix")
        assert result.code == 0
        assert result.out.startswith("--- a/Dockerfile\n+++ b/Dockerfile\n@@ ")
        assert "-RUN chmod 600 /a\n" in result.out
        assert "Dockerfile:3-7: 5 RUNs" in result.err and "[join-runs]" in result.err
        assert (project / "Dockerfile").read_text() == FIVE

    def test_the_diff_can_be_applied(self, project: Path, lamella: Call, require: Callable[[str], str]) -> None:
        import subprocess

        diff = lamella("fix").out
        subprocess.run([require("patch"), "-p1"], input=diff.encode(), check=True, capture_output=True)
        assert (project / "Dockerfile").read_text().count("RUN ") == 1

    def test_nothing_to_fix(self, project: Path, lamella: Call) -> None:
        (project / "Dockerfile").write_text("FROM busybox\nRUN true\n")
        result = lamella("fix", "--write", "--prove")
        assert (result.code, result.out) == (0, "")
        assert "nothing to fix" in result.err

    def test_what_is_left_alone_and_why(self, project: Path, lamella: Call) -> None:
        (project / "Dockerfile").write_text("FROM busybox\nRUN true\nRUN if\nRUN true\n")
        result = lamella("fix")
        assert result.code == 0
        assert "left alone: " in result.err and "Dockerfile:" in result.err

    def test_only_and_skip(self, project: Path, lamella: Call) -> None:
        assert "RUN" in lamella("fix", "--only", "join-runs").out
        assert lamella("fix", "--skip", "join-runs").out == ""
        unknown = lamella("fix", "--only", "nonsense")
        assert unknown.code == 2 and "there is no fix 'nonsense'" in unknown.err

    def test_json(self, project: Path, lamella: Call) -> None:
        data = lamella("fix", "--format", "json").json
        assert data["schema"] == 1 and data["changed"] is True and data["written"] is False
        assert (data["file"], data["layers"], data["proof"]) == ("Dockerfile", 4, None)
        assert data["changes"][0]["pass_name"] == "join-runs" and data["changes"][0]["lines"] == [3, 7]
        assert data["diff"].startswith("--- a/Dockerfile")

    def test_markdown(self, project: Path, lamella: Call) -> None:
        out = lamella("fix", "--format", "markdown").out
        assert out.startswith("```diff\n--- a/Dockerfile\n") and out.rstrip().endswith("```")


class TestWrite:
    def test_in_place_with_its_mode(self, project: Path, lamella: Call) -> None:
        path = project / "Dockerfile"
        path.chmod(0o640)
        result = lamella("fix", "--write")
        assert result.code == 0 and "Dockerfile: written" in result.err
        assert path.read_text().count("RUN ") == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert [one.name for one in project.iterdir()] == ["Dockerfile"]
        assert lamella("fix", "--write").out == ""

    def test_line_ends_and_byte_order_mark_stay(self, project: Path, lamella: Call) -> None:
        path = project / "Dockerfile"
        path.write_bytes("\ufeffFROM busybox\r\nRUN a\r\nRUN b\r\n".encode())
        assert lamella("fix", "--write").code == 0
        data = path.read_bytes()
        assert data.startswith("\ufeffFROM busybox\r\nRUN a".encode())
        assert data.count(b"\n") == data.count(b"\r\n") and data.count(b"RUN") == 1

    def test_a_link_is_followed(self, project: Path, lamella: Call) -> None:
        (project / "Dockerfile").rename(project / "real")
        (project / "Dockerfile").symlink_to("real")
        assert lamella("fix", "--write").code == 0
        assert (project / "Dockerfile").is_symlink()
        assert (project / "real").read_text().count("RUN ") == 1

    def test_a_file_that_changed_meanwhile_is_left_alone(
        self, project: Path, lamella: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lamella.rewrite import runner

        rewrite = runner.rewrite

        def slow(*arguments: Any) -> Any:
            (project / "Dockerfile").write_text("FROM busybox\n")
            return rewrite(*arguments)

        monkeypatch.setattr(runner, "rewrite", slow)
        result = lamella("fix", "--write")
        assert result.code == 2 and "changed meanwhile" in result.err
        assert (project / "Dockerfile").read_text() == "FROM busybox\n"


BAD = [
    (["fix", "nowhere"], "there is no Dockerfile here"),
    (["fix", "."], "Dockerfile:2: "),
    (["fix", "-f", "-", "--write"], "standard input cannot be written"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input(arguments: list[str], message: str, project: Path, lamella: Call) -> None:
    (project / "Dockerfile").write_text("FROM busybox\nFRUM x\n")
    result = lamella(*arguments)
    assert result.code == 2
    assert message in result.err and "hint:" in result.err


@pytest.mark.containers
class TestProve:
    def test_five_layers_become_one(self, busybox: Path, lamella: Call) -> None:
        result = lamella("fix", "--prove", "--write")
        assert result.code == 0
        assert result.out.startswith("--- a/Dockerfile\n")
        lines = result.out.splitlines()
        assert any(line.startswith("layers") and "5 -> 1" in line for line in lines)
        assert any(line.startswith("same state: ") and line.endswith(" paths compared") for line in lines)
        assert "  /stamp  content" in lines
        assert (busybox / "Dockerfile").read_text().count("RUN ") == 1
        assert lamella("image", "ls", "-q").out.count("\n") == 1  # the base, and nothing of the trial

    def test_json(self, busybox: Path, lamella: Call) -> None:
        data = lamella("fix", "--prove", "--format", "json").json
        proof = data["proof"]
        assert proof["same"] is True and proof["differences"] == proof["config"] == proof["declared"] == []
        assert [one["path"] for one in proof["noise"]] == ["/stamp"]
        assert (proof["before"]["added"], proof["after"]["added"], data["layers"]) == (5, 1, 4)
        assert proof["after"]["bytes"] < proof["before"]["bytes"]

    def test_a_wrong_rewrite_is_found_and_not_written(
        self, busybox: Path, lamella: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lamella.rewrite import runner

        rewrite = runner.rewrite

        def wrong(*arguments: Any) -> Any:
            done = rewrite(*arguments)
            return done._replace(text=done.text.replace("chmod 600", "chmod 4600"))

        monkeypatch.setattr(runner, "rewrite", wrong)
        result = lamella("fix", "--prove", "--write")
        assert result.code == 1
        assert "different: 1 path of" in result.out
        assert "  /a  mode" in result.out.splitlines()
        assert "not written" in result.err
        assert (busybox / "Dockerfile").read_text() == FIVE

    def test_a_failing_step_is_the_answer_no(self, busybox: Path, lamella: Call) -> None:
        (busybox / "Dockerfile").write_text("FROM busybox\nRUN true\nRUN exit 7\n")
        result = lamella("fix", "--prove")
        assert result.code == 1
        assert "Dockerfile:3" in result.err

    def test_prove_of_two_dockerfiles(self, busybox: Path, lamella: Call) -> None:
        (busybox / "One").write_text("FROM busybox\nRUN touch /x\nRUN touch /y\n")
        (busybox / "Two").write_text("FROM busybox\nRUN touch /x && touch /y\n")
        (busybox / "Three").write_text("FROM busybox\nRUN touch /x\nENV A=1\n")
        assert lamella("prove", "One", "Two").code == 0
        result = lamella("prove", "One", "Three", "--format", "json")
        assert result.code == 1
        assert [one["path"] for one in result.json["differences"]] == ["/y"]
        assert [one["path"] for one in result.json["config"]] == ["Env.A"]


def test_a_base_that_only_a_build_argument_tells(busybox: Path, lamella: Call) -> None:
    (busybox / "Dockerfile").write_text("ARG BASE\nFROM $BASE\nRUN true\nRUN true\n")
    assert lamella("fix").out.startswith("--- a/Dockerfile")
    assert lamella("fix", "--prove").code == 2


def test_the_shell_of_the_base_image(busybox: Path, lamella: Call) -> None:
    """bash joins what sh would not; here the base's shell is none that a body can be read for."""
    (busybox / "Base").write_text('FROM busybox\nSHELL ["/bin/busybox", "awk"]\n')
    assert lamella("build", "-q", "-t", "odd", "-f", "Base", ".").code == 0
    (busybox / "Dockerfile").write_text("FROM odd\nRUN a\nRUN b\n")
    result = lamella("fix")
    assert result.out == "" and "left alone: " in result.err
