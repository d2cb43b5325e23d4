"""``lamella explain``: an image measured, a Dockerfile predicted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.oci.config import RunConfig

Put = Callable[..., None]
Call = Callable[..., Any]


class TestImage:
    def put(self, put_image: Put) -> None:
        base = {"bin/sh": b"0" * 1000}
        history = ["ADD rootfs.tar /", '-CMD ["sh"]']
        put_image("base:1", [base], history, RunConfig(cmd=("sh",)))
        more = [
            *history,
            "COPY app /app # buildkit",
            "RUN /bin/sh -c chmod +x /app && rm -r /tmp/x # buildkit",
            '-CMD ["/app"]',
        ]
        put_image("app:1", [base, {"app": b"1" * 2000, "tmp/x/y": b"3" * 500}, {"tmp/x": None, "b": b"2" * 300}], more)

    def test_text(self, put_image: Put, lamella: Call) -> None:
        self.put(put_image)
        result = lamella("explain", "app:1")
        assert result.code == 0
        assert result.out.splitlines() == [
            "app:1",
            "",
            "instruction                        layer  bytes  why",
            "ADD rootfs.tar /                       0    1kB  base: 1 path",
            'CMD ["sh"]                             ·         base: changes the config only',
            "COPY app /app                          1  2.5kB  2 paths",
            "RUN chmod +x /app && rm -r /tmp/x      2   300B  2 paths",
            'CMD ["/app"]                           ·         changes the config only',
            "",
            "base 1 + added 2 = 3 layers, 3.8kB",
            "",
            "waste: 500B of 3.8kB (13%) is not used by the final file system",
            "  500B  deleted  layer 1 → 2  /tmp/x/y",
        ]

    def test_without_waste(self, put_image: Put, lamella: Call) -> None:
        put_image("a:1", [{"x": b"1"}], ["COPY x /"])
        out = lamella("explain", "a:1").out
        assert out.endswith("no waste: the final file system uses all 1B\n")
        assert "base 0 + added 1 = 1 layer, 1B" in out

    def test_a_lying_history(self, put_image: Put, lamella: Call) -> None:
        put_image("a:1", [{"x": b"1"}, {"y": b"1"}], ["RUN one"])
        result = lamella("explain", "a:1")
        assert result.code == 0
        assert "note: the history speaks of 1 layer, the image has 2; they are joined from the top down" in result.out
        assert "(not in the history)" in result.out

    def test_nothing_is_wider_than_a_page(self, put_image: Put, lamella: Call) -> None:
        long = "RUN /bin/sh -c " + "apt-get install -y something-long 한국어 && " * 20
        put_image("a:1", [{"d" * 60 + "/" + "f" * 90: b"1"}, {"d" * 60: None}], [long, "RUN rm"])
        lines = lamella("explain", "a:1").out.splitlines()
        assert all(sum(2 if "가" <= char <= "힣" else 1 for char in line) < 100 for line in lines)
        assert any("…" in line for line in lines)

    def test_flags_of_a_dockerfile(self, put_image: Put, lamella: Call) -> None:
        put_image("a:1", [{"x": b"1"}])
        result = lamella("explain", "a:1", "--target", "x")
        assert result.code == 2
        assert "--target is for a Dockerfile" in result.err
        result = lamella("explain", "--build-context", "a=.", "a:1")
        assert (result.code, "--build-context is for a Dockerfile" in result.err) == (2, True)

    def test_no_such_image(self, lamella: Call) -> None:
        result = lamella("explain", "nothing:1")
        assert result.code == 2 and "no image 'nothing:1'" in result.err

    def test_json(self, put_image: Put, lamella: Call) -> None:
        self.put(put_image)
        data = lamella("explain", "app:1", "--format", "json").json
        assert data["schema"] == 1
        assert data["base"] == {"reference": "base:1", "layers": 1, "size": 1000}
        assert data["layers"] == {"base": 1, "added": 2, "total": 3}
        assert data["size"] == 3800
        assert [(step["instruction"], step["layer"], step["size"], step["in_base"]) for step in data["steps"]] == [
            ("ADD", True, 1000, True),
            ("CMD", False, 0, True),
            ("COPY", True, 2500, False),
            ("RUN", True, 300, False),
            ("CMD", False, 0, False),
        ]
        assert data["waste"] == {
            "bytes": 500,
            "duplicate_bytes": 0,
            "used_bytes": 3300,
            "paths": [{"path": "/tmp/x/y", "bytes": 500, "why": "deleted", "brought_by": 1, "hidden_by": 2}],
        }


FRONT_END = """FROM node14-like
WORKDIR /app
COPY package*.json /app/
RUN npm ci
COPY . /app
CMD ["npm", "start"]
"""


@pytest.fixture
def front_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "front"
    folder.mkdir()
    (folder / "Dockerfile").write_text(FRONT_END)
    (folder / "package.json").write_text("{}")
    monkeypatch.chdir(folder)
    return folder


class TestDockerfile:
    """The example that the project began with: 14 layers of a base, four of five instructions make one."""

    def put_base(self, put_image: Put) -> None:
        layers = [{f"base/{number}": b"1" * 1000} for number in range(14)]
        put_image("node14-like", layers, [f"RUN step {number}" for number in range(14)])

    def test_text(self, front_end: Path, put_image: Put, lamella: Call) -> None:
        self.put_base(put_image)
        result = lamella("explain")
        assert result.code == 0
        lines = result.out.splitlines()
        assert lines[0] == "Dockerfile, as buildkit builds it"
        assert lines[2].split() == ["line", "instruction", "layer", "bytes", "why"]
        assert lines[3].split()[:5] == ["1", "FROM", "node14-like", "0-13", "14kB"]
        assert lines[4].split()[:5] == ["2", "WORKDIR", "/app", "14", "?"]
        assert any('CMD ["npm", "start"]' in line and " · " in line for line in lines)
        assert "base 14 + added 4 = 18 layers, 14kB and what 4 steps will add" in lines
        assert all(len(line) < 100 for line in lines)

    def test_json(self, front_end: Path, put_image: Put, lamella: Call) -> None:
        self.put_base(put_image)
        data = lamella("explain", "--format", "json").json
        assert data["schema"] == 1 and data["dialect"] == "buildkit"
        assert data["base"] == {"reference": "node14-like", "layers": 14, "size": 14_000}
        assert data["layers"] == {"base": 14, "added": 4, "total": 18}
        assert [(step["line"], step["instruction"], step["layer"]) for step in data["steps"]] == [
            (2, "WORKDIR", True),
            (3, "COPY", True),
            (4, "RUN", True),
            (5, "COPY", True),
            (6, "CMD", False),
        ]
        assert all(step["reason"] for step in data["steps"])
        assert not any(step["measured"] for step in data["steps"])
        assert "waste" not in data

    def test_a_base_that_is_not_there(self, front_end: Path, lamella: Call) -> None:
        result = lamella("explain", "--format", "json")
        assert result.code == 0
        assert result.json["layers"] == {"base": None, "added": 4, "total": None}
        assert "base ? + added 4 = ? layers" in lamella("explain").out

    @pytest.mark.parametrize(
        ("dialect", "added"), [("buildkit", 4), ("classic", 4), ("kaniko", 4), ("buildah-layers", 3), ("buildah", 1)]
    )
    def test_dialects(self, dialect: str, added: int, front_end: Path, put_image: Put, lamella: Call) -> None:
        self.put_base(put_image)
        data = lamella("explain", "--dialect", dialect, "--format", "json").json
        assert data["layers"] == {"base": 14, "added": added, "total": 14 + added}

    def test_what_is_built_is_measured(self, front_end: Path, put_image: Put, lamella: Call) -> None:
        self.put_base(put_image)
        text = FRONT_END.replace("RUN npm ci\n", "")
        (front_end / "Dockerfile").write_text(text)
        assert lamella("build", "-q", "-t", "front", ".").code == 0
        before = lamella("explain", "--format", "json").json
        assert [step["size"] for step in before["steps"]] == [0, 2, len(text) + 2, 0]
        assert [step["measured"] for step in before["steps"]] == [True, True, True, False]
        image = lamella("explain", "front", "--format", "json").json
        assert image["layers"] == before["layers"] == {"base": 14, "added": 3, "total": 17}
        assert image["base"] == before["base"] | {"reference": "node14-like:latest"}
        assert image["size"] == before["size"]
        (front_end / "Dockerfile").write_text(text.replace("COPY . /app", "COPY . /srv"))
        after = lamella("explain", "--format", "json").json
        assert [step["measured"] for step in after["steps"]] == [True, True, False, False]

    @pytest.mark.peer
    def test_skopeo_counts_the_same_layers(
        self, front_end: Path, put_image: Put, lamella: Call, store_root: Path, require: Callable[[str], str]
    ) -> None:
        skopeo = require("skopeo")
        self.put_base(put_image)
        (front_end / "Dockerfile").write_text(FRONT_END.replace("RUN npm ci\n", "COPY package.json /b\n"))
        predicted = lamella("explain", "--format", "json").json["layers"]
        assert lamella("build", "-q", "-t", "front", ".").code == 0

        def inspect(*flags: str) -> Any:
            command = [skopeo, "inspect", *flags, f"oci:{store_root}:front:latest"]
            return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

        image = lamella("explain", "front", "--format", "json").json
        assert len(inspect()["Layers"]) == predicted["total"] == image["layers"]["total"] == 18
        compressed = [step["compressed"] for step in image["steps"] if step["layer"]]
        assert [layer["size"] for layer in inspect("--raw")["layers"]] == compressed

    def test_stages(self, front_end: Path, put_image: Put, lamella: Call) -> None:
        self.put_base(put_image)
        (front_end / "Dockerfile").write_text(
            "FROM node14-like AS base\nRUN a\nFROM node14-like AS build\nRUN b\n"
            "FROM base AS app\nCOPY --from=build /x /x\nFROM scratch AS bare\nCOPY a /\n"
        )
        data = lamella("explain", "--target", "app", "--format", "json").json
        assert data["target"] == "app"
        assert [step["line"] for step in data["steps"]] == [2, 6]
        assert data["layers"] == {"base": 14, "added": 2, "total": 16}
        assert data["notes"] == ["stage build is built too, and leaves no layer in the image"]
        assert "base 0 + added 1 = 1 layer, 0B and what 1 step will add" in lamella("explain").out

    def test_a_file_by_name_and_arguments(self, front_end: Path, put_image: Put, lamella: Call) -> None:
        self.put_base(put_image)
        (front_end / "other.Dockerfile").write_text("ARG BASE=scratch\nFROM $BASE\nCOPY a /\n")
        assert lamella("explain", "other.Dockerfile", "--format", "json").json["base"]["layers"] == 0
        arguments = ["explain", "-f", "other.Dockerfile", "--build-arg", "BASE=node14-like", "--format", "json"]
        assert lamella(*arguments).json["base"]["layers"] == 14

    def test_bad_dockerfiles(self, front_end: Path, lamella: Call) -> None:
        (front_end / "Dockerfile").write_text("FROM scratch\nCOPY\n")
        result = lamella("explain")
        assert result.code == 2 and "Dockerfile:2: " in result.err
        (front_end / "Dockerfile").unlink()
        missing = lamella("explain", ".")
        assert missing.code == 2 and "there is no Dockerfile in this folder" in missing.err and "hint:" in missing.err
        assert lamella("explain", "--target", "none", "-f", "missing").code == 2
