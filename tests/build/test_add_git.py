"""ADD of git repositories served over HTTP on loopback, and what a hostile one cannot do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lamella.errors import InputError, LamellaError, MachineError

Builder = Any
Repositories = Any


def built(builder: Builder, text: str) -> dict[str, Any]:
    tree = builder.tree(builder.build("FROM scratch\n" + text))
    return {path: entry for path, entry in sorted(tree.items()) if path}


def files(builder: Builder, text: str) -> list[str]:
    return [path for path, entry in built(builder, text).items() if entry.kind != "d"]


def cached(builder: Builder, text: str) -> list[bool]:
    return [step.cached for step in builder.build("FROM scratch\n" + text).steps]


def refused(builder: Builder, address: str, flags: str = "") -> LamellaError:
    with pytest.raises(LamellaError) as caught:
        built(builder, f"\nADD {flags} {address} /x\n")
    assert caught.value.where == "Dockerfile:3"
    return caught.value


def test_the_files_of_a_repository(builder: Builder, repositories: Repositories) -> None:
    repositories.commit("app", main="1", sub__run="22")
    (repositories.folder / "app" / "sub" / "run").chmod(0o700)
    (repositories.folder / "app" / "link").symlink_to("main")
    repositories.commit("app")
    tree = built(builder, f"ADD {repositories.url('app')} /x\nADD --chown=5:6 {repositories.url('app')} /y/z/\n")
    assert {path: (entry.kind, oct(entry.mode)[2:], entry.uid) for path, entry in tree.items()} == {
        "x": ("d", "755", 0),
        "x/link": ("l", "777", 0),
        "x/main": ("f", "644", 0),
        "x/sub": ("d", "755", 0),
        "x/sub/run": ("f", "755", 0),
        "y": ("d", "755", 5),
        "y/z": ("d", "755", 5),
        "y/z/link": ("l", "777", 5),
        "y/z/main": ("f", "644", 5),
        "y/z/sub": ("d", "755", 5),
        "y/z/sub/run": ("f", "755", 5),
    }


def test_branches_tags_commits_and_folders(builder: Builder, repositories: Repositories) -> None:
    first = repositories.commit("app", sub__one="1")
    repositories.git("app", "tag", "-a", "v1", "-m", "one")
    repositories.git("app", "branch", "old")
    repositories.commit("app", sub__two="2")
    repositories.git("app", "tag", "v2")
    url = repositories.url("app")
    both, one = ["sub/one", "sub/two"], ["sub/one"]
    for ref, expected in (
        ("", both), ("#main", both), ("#v2", both), ("#HEAD", both), ("#old", one), ("#v1", one), (f"#{first}", one),
        ("#refs/tags/v1", one), ("#refs/heads/old", one), ("?branch=old", one), ("?tag=v1", one),
        (f"?commit={first}", one), ("?ref=old", one), (":", None), ("#:sub", ["one", "two"]), ("#v1:/sub/", ["one"]),
        ("?tag=v1&subdir=sub", ["one"]), ("#:sub/../sub", ["one", "two"]), ("#:../../sub", ["one", "two"]),
    ):  # fmt: skip
        if expected is not None:
            assert (ref, files(builder, f"ADD {url}{ref} /\n")) == (ref, expected)
    assert files(builder, f"ADD --exclude=sub/o* {url} /\n") == ["sub/two"]
    assert refused(builder, f"{url}#nowhere").code == "no-ref"
    assert refused(builder, f"{url}#:nowhere").code == "no-folder"
    assert refused(builder, f"{url}#:sub/one").code == "no-folder"


def test_a_branch_comes_before_a_tag_of_its_name(builder: Builder, repositories: Repositories) -> None:
    repositories.commit("app", tagged="1")
    repositories.git("app", "tag", "both")
    repositories.commit("app", branched="1")
    repositories.git("app", "branch", "both")
    assert files(builder, f"ADD {repositories.url('app')}#both /\n") == ["branched", "tagged"]


def test_the_checksum_is_the_commit(builder: Builder, repositories: Repositories) -> None:
    old = repositories.commit("app", a="1")
    repositories.git("app", "tag", "-a", "v1", "-m", "one")
    tag = repositories.git("app", "rev-parse", "v1")
    new = repositories.commit("app", b="1")
    url = repositories.url("app")
    assert files(builder, f"ADD --checksum={new[:7]} {url} /\n") == ["a", "b"]
    assert files(builder, f"ADD {url}?checksum={new} /\n") == ["a", "b"]
    for name in (old, tag[:10]):
        assert files(builder, f"ADD --checksum={name} {url}#v1 /\n") == ["a"]
    error = refused(builder, url, f"--checksum={old}")
    assert (error.exit_code, error.code) == (2, "checksum")
    assert old in (error.detail or "")
    assert new in (error.detail or "")
    assert refused(builder, f"{url}#{new}", f"--checksum={old}").code == "checksum"
    assert "different" in refused(builder, f"{url}?checksum={new}", f"--checksum={old}").message
    assert refused(builder, url, "--checksum=main").exit_code == 2


def test_the_key_is_the_commit(builder: Builder, repositories: Repositories) -> None:
    commit = repositories.commit("app", a="1")
    url = repositories.url("app")
    assert cached(builder, f"ADD {url} /\n") == [False]
    result = builder.build(f"FROM scratch\nADD {url} /\n")
    assert ([step.cached for step in result.steps], result.asked_elsewhere) == ([True], True)
    repositories.git(
        "app", "commit", "--quiet", "--amend", "--message", "other", GIT_COMMITTER_DATE="@1000000000 +0000"
    )
    assert cached(builder, f"ADD {url} /\n") == [False]
    pinned = f"ADD {url}#{repositories.git('app', 'rev-parse', 'HEAD')} /\n"
    assert commit not in pinned
    assert cached(builder, pinned) == [False]
    count = len(repositories.web.asked)
    result = builder.build("FROM scratch\n" + pinned)
    assert ([step.cached for step in result.steps], result.asked_elsewhere) == ([True], False)
    assert len(repositories.web.asked) == count


def test_the_git_folder_stays_when_asked_for(builder: Builder, repositories: Repositories) -> None:
    repositories.commit("app", a="1")
    url = repositories.url("app").replace("http://", "http://me:s3cret@")
    for text in (f"ADD --keep-git-dir=true {url} /\n", f"ADD {url}?keep-git-dir=1#main /\n"):
        result = builder.build("FROM scratch\n" + text)
        tree = builder.tree(result)
        assert ".git/HEAD" in tree
        assert not any(path.startswith(".git/hooks") for path in tree)
        assert not any("FETCH_HEAD" in path for path in tree)
        assert tree[".git/HEAD"].size == 41


def test_submodules_come_along(builder: Builder, repositories: Repositories) -> None:
    repositories.commit("library", code="1")
    repositories.commit("library", code="2", later="1")
    repositories.commit("app", a="1")
    repositories.git("app", "submodule", "--quiet", "add", repositories.url("library"), "lib")
    repositories.git("app/lib", "checkout", "--quiet", "HEAD~1")
    repositories.commit("app")
    url = repositories.url("app")
    assert files(builder, f"ADD {url} /\n") == [".gitmodules", "a", "lib/code"]
    assert files(builder, f"ADD {url}?submodules=false /\n") == [".gitmodules", "a"]


def test_a_server_that_only_hands_out_files(builder: Builder, repositories: Repositories) -> None:
    """The dumb protocol knows no shallow fetch."""
    repositories.commit("app", a="1")
    repositories.git("app", "update-server-info")
    root = repositories.folder

    def hand_out(request: Any) -> None:
        path = root / request.path.partition("?")[0].replace(".git/", "/.git/", 1).lstrip("/")
        if not path.is_file():
            request.send_error(404)
            return
        content = path.read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    repositories.web.other = hand_out
    assert files(builder, f"ADD {repositories.url('app')}#main /\n") == ["a"]


@pytest.mark.parametrize(
    "ref",
    [
        "--upload-pack=touch",
        "-x",
        "+main",
        "a..b",
        "ma*n",
        "a b",
        "a~1",
        "a^",
        "a@{1}",
        "a\\b",
        "main/",
        "a.",
        "a?b",
    ],
)
def test_refs_that_git_would_take_for_something_else(builder: Builder, repositories: Repositories, ref: str) -> None:
    repositories.commit("app", a="1")
    with pytest.raises(InputError, match="cannot be the name") as caught:
        built(builder, f'ADD ["{repositories.url("app")}#{ref.replace(chr(92), chr(92) * 4)}", "/"]\n')
    assert caught.value.where == "Dockerfile:2"


@pytest.mark.parametrize("query", ["nothing=1", "ref=a&ref=b", "ref=", "tag=a&branch=b", "keep-git-dir=perhaps"])
def test_queries_that_are_none(builder: Builder, repositories: Repositories, query: str) -> None:
    assert refused(builder, f"{repositories.url('app')}?{query}").exit_code == 2


def test_a_hostile_repository_runs_nothing(
    builder: Builder, repositories: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its own hooks, nor filters that the user has set up for himself, nor programs as addresses."""
    mark = tmp_path / "mark"
    home = tmp_path / "home"
    home.mkdir()
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[core]\n\thooksPath = {hooks}\n\tfsmonitor = "touch {mark}"\n'
        f'[filter "evil"]\n\tsmudge = "touch {mark}; cat"\n\trequired = true\n'
        "[protocol]\n\tallow = always\n"
    )
    repositories.commit("app", a="1")
    (repositories.folder / "app" / ".gitattributes").write_text("* filter=evil\n")
    gitmodules = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {mark}"\n\tupdate = !touch {mark}\n'
    repositories.git("app", "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x")
    (repositories.folder / "app" / ".gitmodules").write_text(gitmodules)
    repositories.git("app", "add", ".gitmodules", ".gitattributes")
    repositories.git("app", "commit", "--quiet", "-m", "evil")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks.parent))
    url = repositories.url("app")
    assert files(builder, f"ADD {url}?submodules=0 /\n") == [".gitattributes", ".gitmodules", "a"]
    assert refused(builder, url).exit_code == 2
    assert not mark.exists()


def test_links_do_not_lead_out_of_the_checkout(builder: Builder, repositories: Repositories) -> None:
    repositories.commit("app", a="1")
    (repositories.folder / "app" / "out").symlink_to("/etc")
    repositories.commit("app")
    assert refused(builder, f"{repositories.url('app')}#:out").code == "no-folder"
    assert built(builder, f"ADD {repositories.url('app')} /\n")["out"].link == "/etc"


def test_what_goes_wrong_says_what_and_leaves_nothing(
    builder: Builder, repositories: Repositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories.commit("app", a="1")
    gone = refused(builder, repositories.url("gone").replace("http://", "http://me:s3cret@"))
    assert gone.exit_code == 2
    away = refused(builder, "http://127.0.0.1:9/x.git")
    assert (isinstance(away, MachineError), away.exit_code) == (True, 3)
    repositories.web.other = lambda request: request.send_error(401)
    private = refused(builder, repositories.url("app"))
    assert (private.exit_code, "not for everybody" in private.message) == (2, True)
    for error in (gone, away, private):
        assert "s3cret" not in f"{error} {error.detail} {error.hint}"
    assert not [name for name in os.listdir(f"{builder.root}/lamella/tmp") if not name.endswith(".toc")]
    monkeypatch.setenv("PATH", "/nowhere")
    missing = refused(builder, repositories.url("app"))
    assert (missing.exit_code, "git" in (missing.hint or "")) == (3, True)


def test_credentials_of_the_user_are_used(
    builder: Builder, repositories: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories.commit("app", a="1")
    served = repositories.web.other

    def private(request: Any) -> None:
        if request.headers.get("Authorization") != "Basic bWU6czNjcmV0":
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="x"')
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            served(request)

    repositories.web.other = private
    (tmp_path / ".gitconfig").write_text(
        f'[credential "{repositories.web.url("")}"]\n\thelper = "!printf \'username=me\\\\npassword=s3cret\\\\n\'; :"\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert files(builder, f"ADD {repositories.url('app')} /\n") == ["a"]


def test_a_password_in_the_address_is_used_and_in_no_command_line(
    builder: Builder, repositories: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of git and of its helpers are looked at from the server's side, while they wait for it."""
    repositories.commit("part", b="1")
    repositories.commit("app", a="1")
    repositories.git("app", "submodule", "--quiet", "add", repositories.url("part"), "part")
    repositories.git("app", "config", "-f", ".gitmodules", "submodule.part.url", "../part.git")
    repositories.commit("app")
    served = repositories.web.other
    seen: list[bytes] = []

    def private(request: Any) -> None:
        seen.extend(_command_lines(b"git"))
        if request.headers.get("Authorization") != "Basic bWU6czMgJCJA4oKsJ2NyM3Q=":
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="x"')
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            served(request)

    repositories.web.other = private
    url = repositories.url("app").replace("http://", "http://me:s3%20%24%22@%E2%82%AC%27cr3t@")
    assert files(builder, f'ADD ["{url}", "/"]\n') == [".gitmodules", "a", "part/b"]
    assert any(b"git\0ls-remote" in line for line in seen)
    assert not [line for line in seen if b"cr3t" in line]


def test_git_does_not_outlive_a_killed_build(repositories: Repositories, tmp_path: Path, web: Any) -> None:
    asked, over = threading.Event(), threading.Event()

    def silent(request: Any) -> None:
        asked.set()
        over.wait(30)
        request.close_connection = True

    web.other = silent
    room = tmp_path / "room"
    room.mkdir()
    script = (
        "import sys; from lamella.remote.git import resolve; from lamella.remote.repository import parse_repository\n"
        "resolve(parse_repository(sys.argv[1]), sys.argv[2], lambda: False)"
    )
    try:
        with subprocess.Popen([sys.executable, "-c", script, repositories.url("app"), str(room)]) as process:
            assert asked.wait(20)
            process.kill()
        assert _gone(lambda: _command_lines(b"ls-remote", repositories.url("app").encode()))
    finally:
        over.set()


def _command_lines(*words: bytes) -> list[bytes]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    return [line for line in lines if all(word in line for word in words)]


def _gone(what: Any) -> bool:
    end = time.monotonic() + 5
    while what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
