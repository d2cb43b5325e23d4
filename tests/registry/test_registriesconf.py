"""registries.conf, by the rules of containers-registries.conf(5) and .conf.d(5)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lamella.errors import InputError
from lamella.registry.conffiles import read_registries, registries_files
from lamella.registry.registriesconf import Place, RegistriesConf, merge_tables

MANUAL = """
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal.example/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
"""


def conf(*texts: str) -> RegistriesConf:
    return merge_tables([(f"file-{index}", tomllib.loads(text)) for index, text in enumerate(texts)])


def names(configured: RegistriesConf, name: str) -> list[str]:
    return [place.name for place in configured.places(name, by_digest="@" in name)]


def test_the_example_of_the_manual() -> None:
    configured = conf(MANUAL)
    assert configured.places("example.com/foo/image:latest", by_digest=False) == (
        Place("example-mirror-0.local/mirror-for-foo/image:latest", False),
        Place("example-mirror-1.local/mirrors/foo/image:latest", True),
        Place("internal.example/bar/image:latest", False),
    )
    assert names(configured, "registry.com/image:latest") == [
        "mirror.registry.com/image:latest",
        "registry.com/image:latest",
    ]
    assert names(configured, "example.com/other:1") == ["example.com/other:1"]


@pytest.mark.parametrize(
    ("prefix", "name", "counts"),
    [
        ("example.com", "example.com/a:1", True),
        ("example.com", "example.com", True),
        ("example.com", "example.company/a:1", False),
        ("example.com/a", "example.com/ab:1", False),
        ("example.com/a", "example.com/a:1", True),
        ("example.com/a", "example.com/a@sha256:0", True),
        ("example.com/a:1", "example.com/a:1", True),
        ("example.com/a:1", "example.com/a:12", False),
        ("example.com:5000", "example.com/a:1", False),
        ("*.example.com", "bar.example.com/a:1", True),
        ("*.example.com", "foo.bar.example.com/a:1", True),
        ("*.example.com", "foo.example.com:5000/a:1", True),
        ("*.example.com", "example.com/a:1", False),
        ("*.example.com", "other.org/x.example.com/a:1", False),
        ("*.example.com", "x.example.company/a:1", False),
    ],
)
def test_prefixes(prefix: str, name: str, counts: bool) -> None:
    assert (conf(f'[[registry]]\nprefix = "{prefix}"\nlocation = "there.example"').find(name) is not None) == counts


def test_the_longest_prefix_counts_alone() -> None:
    configured = conf(
        """
        [[registry]]
        prefix = "example.com"
        location = "short.example"
        insecure = true
        [[registry]]
        prefix = "example.com/a/b"
        location = "long.example/x"
        """
    )
    assert configured.places("example.com/a/b/c:1", by_digest=False) == (Place("long.example/x/c:1", False),)
    assert configured.places("example.com/a/c:1", by_digest=False) == (Place("short.example/a/c:1", True),)


def test_a_wildcard_without_location_leaves_the_name() -> None:
    configured = conf('[[registry]]\nprefix = "*.example.com"\ninsecure = true')
    assert configured.places("blah.example.com/foo:1", by_digest=False) == (Place("blah.example.com/foo:1", True),)


def test_mirrors_for_digests_and_for_tags() -> None:
    configured = conf(
        """
        [[registry]]
        location = "a.example"
        [[registry.mirror]]
        location = "tags.example"
        pull-from-mirror = "tag-only"
        [[registry.mirror]]
        location = "digests.example"
        pull-from-mirror = "digest-only"
        [[registry]]
        location = "b.example"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "mirror.example"
        """
    )
    assert names(configured, "a.example/x:1") == ["tags.example/x:1", "a.example/x:1"]
    assert names(configured, "a.example/x@sha256:0") == ["digests.example/x@sha256:0", "a.example/x@sha256:0"]
    assert names(configured, "b.example/x:1") == ["b.example/x:1"]
    assert names(configured, "b.example/x@sha256:0") == ["mirror.example/x@sha256:0", "b.example/x@sha256:0"]


def test_a_later_file_replaces_the_table_of_the_same_prefix() -> None:
    configured = conf(
        '[[registry]]\nlocation = "a.example"\ninsecure = true\n[[registry]]\nlocation = "b.example"\nblocked = true',
        '[[registry]]\nprefix = "a.example"\nlocation = "c.example"',
    )
    assert configured.places("a.example/x:1", by_digest=False) == (Place("c.example/x:1", False),)
    found = configured.find("b.example/x")
    assert found is not None
    assert (found.blocked, found.where) == (True, "file-0")


def test_version_1() -> None:
    configured = conf(
        "[registries.insecure]\nregistries = ['a.example']\n[registries.block]\nregistries = ['b.example']"
    )
    a, b = configured.find("a.example/x"), configured.find("b.example/x")
    assert a is not None
    assert b is not None
    assert (a.insecure, a.blocked, b.insecure, b.blocked) == (True, False, False, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("registry = 5", "not a list"),
        ("registry = [5]", "not a table"),
        ("[[registry]]\ninsecure = true", "neither prefix nor location"),
        ('[[registry]]\nlocation = "https://a.example"', "is an address"),
        ('[[registry]]\nprefix = "a.*.example"\nlocation = "b"', "cannot be used"),
        ('[[registry]]\nprefix = "*.example/foo"', "cannot be used"),
        ('[[registry]]\nprefix = "*.example:5000"', "cannot be used"),
        ('[[registry]]\nprefix = "a"\nlocation = "*.b"', "has a '\\*'"),
        ('[[registry]]\nlocation = "a"\ninsecure = "yes"', "neither true nor false"),
        ("[[registry]]\nlocation = 5", "no text"),
        ('[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true', "no location"),
        ('[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "x"', "is 'x'"),
        (
            '[[registry]]\nlocation = "a"\nmirror-by-digest-only = true\n'
            '[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "all"',
            "beside",
        ),
        ("[registries.block]\nregistries = 5", "not a list of names"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        conf(text)
    assert (caught.value.where or "").startswith("file-0")


def put(path: Path, text: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_which_files_are_read(tmp_path: Path) -> None:
    system, user = tmp_path / "etc", tmp_path / "home/.config/containers"
    environment = {"HOME": str(tmp_path / "home")}
    assert registries_files(environment, str(system)) == []
    main = put(system / "registries.conf")
    b, a = put(system / "registries.conf.d/b.conf"), put(system / "registries.conf.d/a.conf")
    put(system / "registries.conf.d/not.txt")
    mine = put(user / "registries.conf.d/mine.conf")
    assert registries_files(environment, str(system)) == [main, a, b, mine]
    own = put(user / "registries.conf")
    assert registries_files(environment, str(system)) == [own, mine], "of the machine's nothing counts then"
    other = put(tmp_path / "other.conf")
    named = {**environment, "CONTAINERS_REGISTRIES_CONF": other}
    assert registries_files(named, str(system)) == [other, a, b, mine]
    moved = {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path / "home/.config")}
    assert registries_files(moved, str(system)) == [own, mine]
    with pytest.raises(InputError, match="no such file"):
        registries_files({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "none")}, str(system))


def test_a_file_that_is_broken(tmp_path: Path) -> None:
    path = put(tmp_path / "etc/registries.conf", "[[registry]\n")
    with pytest.raises(InputError, match="is no TOML") as caught:
        read_registries({"HOME": str(tmp_path)}, str(tmp_path / "etc"))
    assert caught.value.where == path
    put(tmp_path / "etc/registries.conf", MANUAL)
    assert len(read_registries({"HOME": str(tmp_path)}, str(tmp_path / "etc")).tables) == 2
