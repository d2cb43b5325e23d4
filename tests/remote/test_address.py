"""Addresses: what is a repository, what a file; what is wanted of a repository; what is shown of it."""

from __future__ import annotations

import pytest

from lamella.errors import InputError
from lamella.plan.address import is_remote
from lamella.remote.address import file_name, is_git, without_credentials
from lamella.remote.repository import Repository, parse_repository

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://host/x.git", "git"),
        ("https://host/x.git#v1:sub", "git"),
        ("https://host/x.git?ref=v1", "git"),
        ("http://host/x.git", "git"),
        ("https://host/x", "file"),
        ("https://host/x.git/y", "file"),
        ("https://host/x?y=.git", "file"),
        ("https://host/x.gitx", "file"),
        ("git://host/x", "git"),
        ("ssh://host/x", "git"),
        ("git@host:x", "git"),
        ("me@host.org:x/y.git#v1", "git"),
        ("github.com/x/y", "local"),
        ("git@host", "local"),
        ("a.b@host:x", "local"),
        ("me@host://x", "local"),
        ("ftp://host/x", "local"),
        ("./x.git", "local"),
        ("x", "local"),
    ],
)
def test_what_it_is(address: str, kind: str) -> None:
    """The plan, which reads no addresses, sees the same ones as remote."""
    assert (is_git(address), is_remote(address)) == (kind == "git", kind != "local")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://host/x.git", Repository("https://host/x.git")),
        ("https://me:pass@host/x.git", Repository("https://me:pass@host/x.git")),
        ("https://host/x.git#v1", Repository("https://host/x.git", "v1")),
        ("https://host/x.git#v1:a/b", Repository("https://host/x.git", "v1", "a/b")),
        ("https://host/x.git#:a/../b/", Repository("https://host/x.git", "", "b")),
        ("https://host/x.git#:../../b", Repository("https://host/x.git", "", "b")),
        ("https://host/x.git#a%2Fb", Repository("https://host/x.git", "a/b")),
        ("git@host:x/y.git#v1:sub", Repository("git@host:x/y.git", "v1", "sub")),
        ("git@host:x?tag=v1", Repository("git@host:x", "refs/tags/v1")),
        ("ssh://me@host:22/x#v1", Repository("ssh://me@host:22/x", "v1")),
        ("https://h/x.git?branch=b", Repository("https://h/x.git", "refs/heads/b")),
        ("https://h/x.git?tag=refs/tags/t", Repository("https://h/x.git", "refs/tags/t")),
        ("https://h/x.git?ref=r&subdir=s", Repository("https://h/x.git", "r", "s")),
        ("https://h/x.git?ref=r#r:s", Repository("https://h/x.git", "r", "s")),
        (f"https://h/x.git?commit={COMMIT}", Repository("https://h/x.git", COMMIT, "", COMMIT)),
        ("https://h/x.git?checksum=0123#v1", Repository("https://h/x.git", "v1", "", "0123")),
        ("https://h/x.git?keep-git-dir&submodules=false", Repository("https://h/x.git", "", "", "", True, False)),
        ("https://h/x.git?keep-git-dir=0", Repository("https://h/x.git", "", "", "", False)),
    ],
)
def test_what_is_wanted(address: str, expected: Repository) -> None:
    assert parse_repository(address) == expected


@pytest.mark.parametrize(
    "rest",
    [
        "#-x",
        "?ref=a#b",
        "?subdir=a#:b",
        "?tag=a&branch=b",
        "?ref=a&ref=a",
        "?x=1",
        "?ref=",
        "?checksum=xyz",
        "#a..b",
        "#a.lock.",
        "#:\0",
    ],
)
def test_what_is_odd(rest: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_repository(f"https://me:s3cret@host/x.git{rest}")
    assert caught.value.where == f"https://host/x.git{rest}"
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/b.tgz", "b.tgz"), ("https://h/a/", "a"), ("https://h/", "__unnamed__"),
        ("https://h", "__unnamed__"),
        ("https://h/a?x=/y#/z", "a"), ("https://h/a%20b", "a b"), ("https://h/a%2Fb", "b"), ("https://h/%C3%A9", "é"),
        ("https://h/%ff", "\udcff"),
    ],
)  # fmt: skip
def test_the_name_of_a_file(url: str, name: str) -> None:
    assert file_name(url) == name


@pytest.mark.parametrize(
    "url", ["https://h/..", "https://h/a/%2e%2e", "https://h/a%00b", "http://[", "http://[x]/y", "http://\uff0f/x"]
)
def test_names_that_no_file_can_have(url: str) -> None:
    with pytest.raises(InputError):
        file_name(url)


def test_what_is_shown() -> None:
    assert without_credentials("https://me:p@ss@host/x@y") == "https://host/x@y"
    assert without_credentials("https://host/x?a=me@b") == "https://host/x?a=me@b"
    assert without_credentials("git@host:x") == "git@host:x"
