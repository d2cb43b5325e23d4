"""RUN --mount=type=cache: it outlives builds, is in no layer and no key, and is shared as asked."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamella.build.mounts.cachefolders import CacheFolders
from lamella.errors import DockerfileError, Interrupted, StepFailed
from lamella.events import StepOutput

Builder = Any
root = pytest.mark.containers


def output(builder: Builder) -> str:
    return b"".join(event.data for event in builder.events if isinstance(event, StepOutput)).decode()


@root
def test_it_keeps_what_builds_write_and_no_layer_holds_it(alpine: Builder) -> None:
    step = "RUN --mount=type=cache,target=/root/.cache/x cd /root/.cache/x; echo $N >> log; cat log\n"
    text = f"FROM alpine:3.20\nARG N\n{step}"
    for number in (1, 2):
        result = alpine.build(text, build_args=(("N", str(number)),))
        assert alpine.layer_paths(result, 1) == []
    assert output(alpine) == "1\n2\n"
    with pytest.raises(StepFailed):
        alpine.build(
            "FROM alpine:3.20\nRUN --mount=type=cache,target=/root/.cache/x echo 3 >> /root/.cache/x/log; false\n"
        )
    alpine.build("FROM alpine:3.20\nRUN --mount=type=cache,id=/root/.cache/x,target=/other cat /other/log\n")
    assert output(alpine) == "1\n2\n3\n", "what a failed step wrote stays too"


@root
def test_what_is_in_it_is_not_in_the_key(alpine: Builder) -> None:
    text = "FROM alpine:3.20\nRUN --mount=type=cache,id={},sharing={},target=/c echo x > /c/x\n"
    assert [step.cached for step in alpine.build(text.format("a", "locked")).steps] == [False]
    assert [step.cached for step in alpine.build(text.format("b", "private")).steps] == [True]
    result = alpine.build("FROM alpine:3.20\nRUN --mount=type=cache,target=/c echo x > /c/x\n")
    assert [step.cached for step in result.steps] == [False], "as in BuildKit, the default one is told apart"


@root
def test_its_owner_and_mode_make_another_cache(alpine: Builder) -> None:
    text = "FROM alpine:3.20\nUSER {}\nRUN --mount=type=cache,target=/c,{} stat -c '%a %u:%g' /c; touch /c/f; ls /c\n"
    alpine.build(text.format("1000", "uid=1000,gid=7,mode=0700"))
    assert output(alpine) == "700 1000:7\nf\n"
    alpine.build("FROM alpine:3.20\nRUN --mount=type=cache,target=/c stat -c '%a %u:%g' /c; ls /c\n")
    assert output(alpine) == "755 0:0\n"


@root
def test_read_only_and_twice_in_one_step(alpine: Builder) -> None:
    alpine.build(
        "FROM alpine:3.20\nRUN --mount=type=cache,id=c,target=/a,sharing=locked "
        "--mount=type=cache,id=c,target=/b,ro,sharing=locked "
        "echo x > /a/f && cat /b/f && touch /b/g 2> /dev/null || echo refused\n"
    )
    assert output(alpine) == "x\nrefused\n"


@root
def test_it_begins_as_a_stage_or_the_context_says(alpine: Builder) -> None:
    alpine.file("seed/f", "context")
    text = (
        "FROM alpine:3.20 AS s\nRUN mkdir -m 750 /d && echo {} > /d/f && chown -R 5:6 /d && ln /d/f /d/g\n"
        "FROM alpine:3.20\nRUN --mount=type=cache,id=c,from=s,source=/d,target=/c "
        "stat -c '%a %u:%g %h' /c /c/f; cat /c/f; echo new > /c/n; ls /c\n"
    )
    alpine.build(text.format("one"))
    assert output(alpine) == "750 5:6 2\n644 5:6 2\none\nf\ng\nn\n"
    alpine.build(text.format("one"), no_cache=True)
    assert output(alpine).endswith("f\ng\nn\n"), "filled once"
    alpine.build(text.format("two"))
    assert output(alpine).endswith("two\nf\ng\nn\n"), "another beginning is another cache"
    named = (("named", str(alpine.context / "seed")),)
    alpine.build("FROM alpine:3.20\nRUN --mount=type=cache,from=named,target=/c cat /c/f\n", named_contexts=named)
    assert output(alpine) == "context"
    with pytest.raises(DockerfileError, match="no folder"):
        alpine.build("FROM alpine:3.20\nRUN --mount=type=cache,from=alpine:3.20,source=/etc/passwd,target=/c true\n")


@root
def test_a_namespace_keeps_caches_apart(alpine: Builder) -> None:
    text = "FROM alpine:3.20\nRUN --mount=type=cache,id=a,target=/c ls /c; touch /c/{}\n"
    alpine.build(text.format(1))
    alpine.build(text.format(2), build_args=(("BUILDKIT_CACHE_MOUNT_NS", "other"),))
    assert output(alpine) == ""


@root
def test_a_locked_cache_is_used_by_one_stage_at_a_time(alpine: Builder) -> None:
    """Each takes the mark away, or finds that another has it."""
    step = "RUN --mount=type=cache,id={},target=/{},sharing=locked --mount=type=cache,id={},target=/{},sharing=locked "
    use = "if [ -e /a/used ]; then echo clash; fi; touch /a/used; sleep 0.1; rm /a/used\n"
    text = "".join(
        f"FROM alpine:3.20 AS s{number}\n{step.format(names[0], names[0], names[1], names[1])}{use}"
        for number, names in enumerate((("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")))
    )
    text += "FROM scratch\n" + "".join(f"COPY --from=s{number} /etc/hostname /{number}\n" for number in range(4))
    alpine.build(text)
    assert "clash" not in output(alpine)
    folders = CacheFolders(str(alpine.root / "lamella" / "caches")).usage()
    assert len(folders.folders) == len(folders.free) == 2


def _fill(place: str) -> None:
    Path(place).mkdir()


def _never() -> None:
    raise AssertionError("it waits")


def _take(folders: CacheFolders, sharing: str, wait: Callable[[], None] = _never) -> Any:
    return folders.use("key", sharing, _fill, wait)


def test_sharing(tmp_path: Path) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))
    with _take(folders, "shared") as one, _take(folders, "shared") as same:
        assert one == same
        with _take(folders, "private") as alone:
            assert alone != one
            with _take(folders, "private") as third, _take(folders, "shared") as shared:
                assert len({one, alone, third}) == 3
                assert shared == one
        assert len(folders.usage().folders) == 3
        assert len(folders.usage().free) == 2
    with _take(folders, "private") as again:
        assert again == one
        with _take(folders, "shared") as other:
            assert other == alone
            with _take(folders, "shared") as same:
                assert same == alone, "the one that is shared already, not the first that is free"


def test_sharing_begins_with_taking(tmp_path: Path) -> None:
    """Another step that comes right after the first, before anything else happens, must find it shared."""
    folders = CacheFolders(str(tmp_path / "caches"))
    with _take(folders, "shared") as files:
        path = str(Path(files).parent.parent)
    taken = [folders._take(path, "shared") for _ in range(2)]
    assert [one and one.folder for one in taken] == [f"{path}/0"] * 2
    for one in taken:
        assert one is not None
        os.close(one.lock)


def test_looking_who_uses_a_cache_takes_it_from_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))
    with _take(folders, "shared") as files:
        pass
    again: list[str] = []
    thread = threading.Thread(target=lambda: again.append(_taken_once(folders)))

    def while_it_is_tried(folder: str) -> bool:
        lock = os.open(f"{folder}/lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread.start()
        thread.join(0.3)
        os.close(lock)
        return True

    monkeypatch.setattr("lamella.build.mounts.cachefolders._is_free", while_it_is_tried)
    assert folders.usage().free == (str(Path(files).parent),)
    thread.join(10)
    assert again == [files]


def _taken_once(folders: CacheFolders) -> str:
    with _take(folders, "shared") as files:
        return str(files)


def test_locked_waits_for_one_that_is_free(tmp_path: Path) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))
    waited = threading.Event()
    got: list[str] = []

    def wait() -> None:
        waited.set()
        time.sleep(0.01)

    def work() -> None:
        with _take(folders, "locked", wait) as mine:
            got.append(mine)

    with _take(folders, "shared") as first:
        thread = threading.Thread(target=work)
        thread.start()
        assert waited.wait(10)
        assert got == []
    thread.join(10)
    assert got == [first]


def test_waiting_can_be_given_up(tmp_path: Path) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))

    def wait() -> None:
        raise Interrupted("enough")

    with _take(folders, "locked"), pytest.raises(Interrupted), _take(folders, "locked", wait):
        pass


def test_a_cache_whose_filling_failed_is_filled_again(tmp_path: Path) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))

    def half(place: str) -> None:
        _fill(place)
        (Path(place) / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), folders.use("key", "shared", half, _never):
        pass
    with _take(folders, "shared") as files:
        assert list(Path(files).iterdir()) == []
    assert len(folders.usage().folders) == 1


def test_those_who_share_wait_for_the_one_who_fills(tmp_path: Path) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))
    waited = threading.Event()

    def wait() -> None:
        waited.set()
        time.sleep(0.01)

    def fill(place: str) -> None:
        thread.start()
        assert waited.wait(10)
        _fill(place)

    got: list[str] = []

    def work() -> None:
        with _take(folders, "shared", wait) as mine:
            got.append(mine)

    thread = threading.Thread(target=work)
    with folders.use("key", "shared", fill, _never) as mine:
        thread.join(10)
        assert got == [mine]


def test_pruning_spares_what_is_used(tmp_path: Path) -> None:
    folders = CacheFolders(str(tmp_path / "caches"))
    assert folders.prune(all=True) == 0
    with _take(folders, "private") as used:
        with _take(folders, "private") as other:
            (Path(other) / "f").write_text("x")
        (tmp_path / "caches" / "trash.left").mkdir()
        assert folders.prune(all=False) == 0
        assert not (tmp_path / "caches" / "trash.left").exists()
        assert folders.prune(all=True) == 1
        assert Path(used).is_dir()
        assert not Path(other).exists()
    assert folders.prune(all=True) == 1
    assert [path.name for path in (tmp_path / "caches").iterdir()] == ["lock"]
