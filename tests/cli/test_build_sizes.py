"""The sizes after a build: exact, of every stage, and the same from the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.store.store import Store

Lamella = Callable[..., Any]
TEXT = """FROM scratch AS build
COPY big /out/big
COPY small /out/small
FROM scratch
WORKDIR /srv
COPY --from=build /out .
COPY --chmod=600 big big
ENV A=1
COPY other big
"""


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Dockerfile").write_text(TEXT)
    (folder / "big").write_bytes(b"b" * 50_000)
    (folder / "small").write_bytes(b"s" * 20)
    (folder / "other").write_bytes(b"o" * 300)
    monkeypatch.chdir(folder)
    return folder


def sizes(lamella: Lamella, *words: str) -> dict[str, Any]:
    """The last event of a build."""
    found: dict[str, Any] = json.loads(lamella("build", "--progress", "json", *words, ".").err.splitlines()[-1])
    return found


def test_as_json(lamella: Lamella, context: Path, store_root: Path) -> None:
    found = sizes(lamella, "-t", "app")
    assert (found["event"], found["schema"]) == ("sizes", 1)
    numbers = ("in_image", "added", "overwritten", "deleted_later")
    assert [(step["where"].rpartition(":")[2], *(step[name] for name in numbers)) for step in found["steps"]] == [
        ("2", False, 50_000, 0, 0),
        ("3", False, 20, 0, 0),
        ("5", True, 0, 0, 0),
        ("6", True, 50_020, 0, 0),
        ("7", True, 50_000, 50_000, 0),
        ("9", True, 300, 50_000, 0),
    ]
    assert found["base"] == {"reference": "", "layers": 0, "added": 0, "overwritten": 0, "deleted_later": 0}
    assert found["layers"] == {"base": 0, "added": 4, "total": 4}
    assert found["largest"] == [
        {"path": "/srv/big", "bytes": 300, "where": "Dockerfile:9"},
        {"path": "/srv/small", "bytes": 20, "where": "Dockerfile:6"},
    ]
    with Store.open(str(store_root)) as store:
        image = store.images.resolve("app").image
        assert [step["layer"] for step in found["steps"] if step["in_image"]] == list(image.config.diff_ids)
        assert found["image"] == {
            "compressed": sum(layer.blob.size for layer in image.layers),
            "unpacked": 0 + 50_020 + 50_000 + 300,
        }


def test_a_cached_build_says_the_same(lamella: Lamella, context: Path) -> None:
    first, second = sizes(lamella), sizes(lamella)
    for step in first["steps"] + second["steps"]:
        step.pop("seconds")
    assert [step.pop("cached") for step in first["steps"]] == [False] * 6
    assert [step.pop("cached") for step in second["steps"]] == [True] * 6
    assert first == second


def test_a_note_that_is_broken_is_made_anew(lamella: Lamella, context: Path, store_root: Path) -> None:
    first = sizes(lamella)
    with Store.open(str(store_root)) as store:
        assert store.database.change("UPDATE note SET text = '[[1]]' WHERE kind = 'growth'") == 2
    assert sizes(lamella)["largest"] == first["largest"]


def test_for_people(lamella: Lamella, context: Path) -> None:
    lines = lamella("build", ".").err.splitlines()
    table = lines[lines.index("") + 1 :]
    words = [[word for word in line.split() if not word.endswith("s") or word[0] not in "01"] for line in table]
    assert words[:4] == [
        ["ADDED", "OVERWRITTEN", "DELETED", "LATER", "TIME", "STEP"],
        ["stage", "build,", "not", "in", "the", "image:"],
        ["50kB", "·", "·", "COPY", "big", "/out/big"],
        ["20B", "·", "·", "COPY", "small", "/out/small"],
    ]
    assert words[4:9] == [
        ["stage", "1:"],
        ["0B", "·", "·", "WORKDIR", "/srv"],
        ["50kB", "·", "·", "COPY", "--from=build", "/out", "."],
        ["50kB", "50kB", "·", "COPY", "--chmod=600", "big", "big"],
        ["300B", "50kB", "·", "COPY", "other", "big"],
    ]
    assert "; base 0 + added 4 = 4 layers; built in " in table[10]
    assert table[-3:] == [
        "largest files:",
        "  300B  /srv/big    line 9: COPY other big",
        "   20B  /srv/small  line 6: COPY --from=build /out .",
    ]
    assert max(map(len, table)) <= 99


def test_on_a_base(lamella: Lamella, context: Path) -> None:
    lamella("build", "-t", "base", ".")
    (context / "two").write_text("FROM base AS one\nCOPY small /one\nFROM one\nCOPY small /srv/big\nCMD x\n")
    found = sizes(lamella, "-f", "two")
    assert found["base"] == {"reference": "base", "layers": 4, "added": 100_320, "overwritten": 0, "deleted_later": 0}
    assert [(step["where"], step["added"], step["overwritten"]) for step in found["steps"]] == [
        ("two:2", 20, 0),
        ("two:4", 20, 300),
    ]
    assert found["layers"] == {"base": 4, "added": 2, "total": 6}
    assert {file["path"]: file["where"] for file in found["largest"]} == {
        "/srv/small": None,
        "/one": "two:2",
        "/srv/big": "two:4",
    }


def test_layers_that_are_joined(lamella: Lamella, context: Path) -> None:
    """What steps did is told of their own layers, what the image is of its."""
    faithful, single = sizes(lamella), sizes(lamella, "--layers", "single")
    assert single["layers"] == {"base": 0, "added": 1, "total": 1}
    assert single["image"]["unpacked"] == 320 < faithful["image"]["unpacked"]
    numbers = [[(step["added"], step["overwritten"]) for step in found["steps"]] for found in (faithful, single)]
    assert numbers[0] == numbers[1]
    assert single["largest"] == faithful["largest"]


def test_an_image_that_goes_elsewhere(lamella: Lamella, context: Path, tmp_path: Path) -> None:
    in_store = sizes(lamella)
    elsewhere = sizes(lamella, "--output", f"type=local,dest={tmp_path / 'out'}")
    assert elsewhere["image"] == in_store["image"]


def test_several_platforms(lamella: Lamella, context: Path) -> None:
    done = lamella("build", "--progress", "json", "--platform", "linux/amd64,linux/arm64", ".")
    events = [json.loads(line) for line in done.err.splitlines()]
    found = [event for event in events if event["event"] == "sizes"]
    assert [event["platform"] for event in found] == ["linux/amd64", "linux/arm64"]
    assert found[0]["image"] == found[1]["image"]
    assert [step["cached"] for step in found[1]["steps"]] == [True] * 6
    err = lamella("build", "--platform", "linux/amd64,linux/arm64", ".").err
    assert "\nlinux/arm64:\n ADDED" in err or "\nlinux/arm64:\nADDED" in err


def test_quiet(lamella: Lamella, context: Path) -> None:
    assert lamella("build", "-q", ".").err == ""


def test_an_image_without_layers(lamella: Lamella, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCMD x\n")
    assert sizes(lamella)["layers"] == {"base": 0, "added": 0, "total": 0}
    assert lamella("build", ".").code == 0


@pytest.mark.containers
def test_what_a_later_step_deletes(lamella: Lamella, context: Path, bases: Path) -> None:
    lamella("import", str(bases / "busybox-musl-amd64.tar.gz"), "busybox")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY big /big\nRUN rm /big && echo 1 >/x\n")
    found = sizes(lamella)
    assert [(step["added"], step["deleted_later"]) for step in found["steps"]] == [(50_000, 50_000), (2, 0)]
    lines = lamella("build", ".").err.splitlines()
    assert ["50kB", "·", "50kB", "cached", "COPY", "big", "/big"] in [line.split() for line in lines]
