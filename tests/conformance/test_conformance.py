"""Every case under cases/ built by Lamella, against what the real Docker made of it or what the specification says."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, cast

import pytest
from casefile import Case, all_cases, lay, recorded
from imagefacts import apply_layer, facts, output_listing
from loopback import serve

from lamella.cli.dispatch import dispatch
from lamella.store.mirror import StoredImage
from lamella.store.store import Store

CASES = list(all_cases())
RECORDED = recorded()
PARTS = ("tree", "config", "history", "layers", "output")


class Lamella:
    """The images of a store, and its command line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = (root / "index.json").read_bytes()
        self._store = Store.open(str(root))
        self._bases = {}
        for name in ("busybox", "alpine"):
            image = self._store.images.resolve(name)
            tree: dict[str, str] = {}
            apply_layer(tree, self._layers(image)(0))
            self._bases[str(image.image.config.diff_ids[0])] = tree

    def forget(self) -> None:
        """The bases are the only images again: with every image of all the cases the index would grow long."""
        half = self.root / "index.half"
        half.write_bytes(self._index)
        half.rename(self.root / "index.json")

    def close(self) -> None:
        self._store.close()

    def _layers(self, image: StoredImage) -> Callable[[int], IO[bytes]]:
        def open_layer(number: int) -> IO[bytes]:
            blob = self._store.blobs.path_of(image.image.layers[number].blob.digest)
            return cast(IO[bytes], gzip.open(blob, "rb"))

        return open_layer

    def facts(self, image_id: str) -> dict[str, Any]:
        image = self._store.images.resolve(image_id)
        config = json.loads(image.image.config.raw)
        first = str(image.image.config.diff_ids[0]) if image.image.config.diff_ids else ""
        base = (first,) if first in self._bases else ()
        return facts(config, self._layers(image), base, self._bases.get(first, {}))


@pytest.fixture(scope="session")
def lamella(lamella_root: Path) -> Any:
    one = Lamella(lamella_root)
    yield one
    one.close()


@pytest.mark.containers
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(
    case: Case,
    lamella: Lamella,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    lamella.forget()
    monkeypatch.setenv("LAMELLA_ROOT", str(lamella.root))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    (tmp_path / "www").mkdir()
    with serve(tmp_path / "www") if case.needs_server else nullcontext("") as server:
        monkeypatch.chdir(lay(case, tmp_path, server))
        for member in case.members:
            if "image" in member.words:
                Path("../before").write_text(member.body, "utf-8")
                assert dispatch(["build", "-q", "-t", member.name, "-f", "../before", "."]) == 0
        words = ["build", "--progress=plain", *case.words(server)]
        if case.output is None:
            words += ["--iidfile", "../iid"]
        if case.context is not None:
            words.append(case.context.replace("$SERVER", server))
        with standard_input(case.stdin or os.devnull):
            code = dispatch(words)
        said = capfd.readouterr().err
    if case.fails is not None:
        _check_failure(case, code, said)
        return
    assert code == 0, said
    if case.output:
        got: dict[str, Any] = {"output": output_listing(Path(case.output))}
    else:
        found = json.dumps(lamella.facts(Path("../iid").read_text("utf-8")), ensure_ascii=False)
        got = json.loads(found.replace(server, "$SERVER") if server else found)
    _check(case, got)


@contextmanager
def standard_input(path: str) -> Iterator[None]:
    """The file is standard input, for Python and below it."""
    saved, stdin = os.dup(0), sys.stdin
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        os.dup2(file.fileno(), 0)
        sys.stdin = file
        try:
            yield
        finally:
            sys.stdin = stdin
            os.dup2(saved, 0)
            os.close(saved)


def _check_failure(case: Case, code: int, said: str) -> None:
    assert case.fails is not None
    exit_code, place = case.fails
    assert code == exit_code, said
    if place:
        assert f"{place}:" in said, said
    assert "Traceback" not in said
    if not case.by_specification:
        assert ("fails" in RECORDED[case.name]) is not any(what == "fails" for what, _ in case.differs), "as in Docker?"


def _check(case: Case, got: dict[str, Any]) -> None:
    differing = {what for what, _ in case.differs}
    if case.by_specification:
        expected = case.told("expected")
    else:
        expected = RECORDED[case.name]
        assert ("fails" in expected) is ("fails" in differing), f"Docker refuses it: {expected.get('fails')}"
        if "fails" in expected:
            expected = case.told("ours")
    if "judge" not in expected and "config" in expected:
        got["config"] = {key: value for key, value in got["config"].items() if key in expected["config"]}
    for part in PARTS:
        if part in differing:
            assert got[part] != expected.get(part), f"the difference in {part} that the case names is none"
            assert got[part] == case.told("ours")[part]
        elif part in expected:
            assert got[part] == expected[part]


def test_there_are_enough() -> None:
    assert len(CASES) >= 250
    assert {case.name for case in CASES if not case.by_specification} == set(RECORDED)
