"""Where the ignore file of a context lies."""

from __future__ import annotations

from pathlib import Path

from lamella.build.ignorefile import ignore_candidates, read_ignore_file


def test_names_in_order_of_precedence() -> None:
    own = ("docker/app.Dockerfile.dockerignore", "context/.dockerignore")
    assert ignore_candidates("context", "docker/app.Dockerfile") == own
    assert ignore_candidates("context", None) == ("context/.dockerignore",)


def test_the_first_that_is_there_is_read(tmp_path: Path) -> None:
    dockerfile = str(tmp_path / "Dockerfile")
    assert read_ignore_file(str(tmp_path), dockerfile) is None
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    own, general = (read_ignore_file(str(tmp_path), each) for each in (dockerfile, None))
    assert own is not None
    assert general is not None
    assert [file.decide("b").ignored for file in (own, general)] == [True, False]
