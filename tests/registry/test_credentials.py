"""Files and helpers with credentials, by Docker's pages and containers-auth.json(5)."""

from __future__ import annotations

import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.errors import InputError, MachineError
from lamella.events import Event
from lamella.registry.credentialfiles import HUB_KEY, CredentialFile, Credentials, entry_of, normal_key
from lamella.registry.credentials import (
    credential_files,
    find_credentials,
    forget_credentials,
    keep_credentials,
    known_domains,
)


def auth(user: str, password: str = "p") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def file_with(**auths: Any) -> CredentialFile:
    return CredentialFile("f", {"auths": {key.replace("__", "."): value for key, value in auths.items()}})


@pytest.mark.parametrize(
    ("key", "normal"),
    [
        ("registry.example", "registry.example"),
        ("https://registry.example", "registry.example"),
        ("https://registry.example:5000/v1/", "registry.example:5000"),
        ("http://registry.example/v2/", "registry.example"),
        ("registry.example/team/app", "registry.example/team/app"),
        (HUB_KEY, "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io/library", "docker.io/library"),
    ],
)
def test_keys(key: str, normal: str) -> None:
    assert normal_key(key) == normal


def test_the_longest_namespace_counts() -> None:
    """The example of the manual."""
    auths = {
        "my-registry.local/foo/bar/image": auth("image"),
        "my-registry.local/foo": auth("foo"),
        "my-registry.local": auth("all"),
    }
    file = CredentialFile("f", {"auths": auths})
    for name, user in [
        ("my-registry.local/foo/bar/image", "image"),
        ("my-registry.local/foo/bar", "foo"),
        ("my-registry.local/foo/bar/image/more", "image"),
        ("my-registry.local/fo", "all"),
        ("my-registry.local", "all"),
    ]:
        assert file.credentials(name) == Credentials(user, "p")
    assert file.credentials("my-registry.local:5000/foo") is None
    assert file.credentials("local/foo") is None


def test_docker_hub_has_a_historic_key() -> None:
    file = CredentialFile("f", {"auths": {"docker.io": auth("new"), HUB_KEY: auth("historic")}})
    assert file.credentials("docker.io/library/alpine") == Credentials("historic", "p")
    assert CredentialFile("f", {"auths": {"docker.io": auth("new")}}).credentials("docker.io") == Credentials(
        "new", "p"
    )


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({}, None),
        (None, None),
        (5, None),
        ({"auth": ""}, None),
        ({"username": "u", "password": "p:w"}, Credentials("u", "p:w")),
        (auth("u", "p:w"), Credentials("u", "p:w")),
        ({**auth("", ""), "identitytoken": "t"}, Credentials("", "", "t")),
        ({"registrytoken": "r"}, Credentials("", "", "", "r")),
    ],
)
def test_entries(entry: object, found: Credentials | None) -> None:
    assert CredentialFile("f", {"auths": {"a.example": entry}}).credentials("a.example") == found


@pytest.mark.parametrize("value", ["not base64!", base64.b64encode(b"no colon").decode()])
def test_an_entry_that_is_broken(value: str) -> None:
    with pytest.raises(InputError) as caught:
        CredentialFile("f", {"auths": {"a.example": {"auth": value}}}).credentials("a.example")
    assert caught.value.where == "f"
    assert value not in caught.value.message


@given(st.text(st.characters(exclude_characters=":\0", exclude_categories=["Cs"]), min_size=1), st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])))  # fmt: skip
def test_what_is_kept_is_found(user: str, password: str) -> None:
    entry = entry_of(Credentials(user, password))
    assert CredentialFile("f", {"auths": {"a.example": entry}}).credentials("a.example") == Credentials(user, password)


def test_nobody_sees_them() -> None:
    credentials = Credentials("user", "secret", "secret", "secret")
    assert "secret" not in f"{credentials} {credentials!r} {[credentials]}"


# --- which file ------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": os.environ["PATH"]}


def put(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def test_the_order_of_the_files(tmp_path: Path, place: dict[str, str]) -> None:
    assert credential_files(None, place) == [
        f"{tmp_path}/.docker/config.json",
        f"{tmp_path}/run/containers/auth.json",
        f"{tmp_path}/.config/containers/auth.json",
    ]
    assert credential_files(None, {**place, "DOCKER_CONFIG": "/d"})[0] == "/d/config.json"
    assert credential_files(None, {"HOME": "/h"})[1] == f"/run/containers/{os.getuid()}/auth.json"
    assert credential_files(None, {**place, "REGISTRY_AUTH_FILE": "/a"}) == ["/a"]
    assert credential_files("/b", {**place, "REGISTRY_AUTH_FILE": "/a"}) == ["/b"]


def found(name: str, place: dict[str, str], said: list[Event] | None = None) -> str | None:
    credentials = find_credentials(name, None, ([] if said is None else said).append, place)
    return credentials.user if credentials else None


def test_the_first_file_that_has_them_counts(tmp_path: Path, place: dict[str, str]) -> None:
    assert found("a.example/x", place) is None
    put(tmp_path / ".config/containers/auth.json", {"auths": {"a.example": auth("config")}})
    assert found("a.example/x", place) == "config"
    put(tmp_path / "run/containers/auth.json", {"auths": {"a.example": auth("run")}})
    assert found("a.example/x", place) == "run"
    put(tmp_path / ".docker/config.json", {"auths": {"other.example": auth("other")}})
    assert found("a.example/x", place) == "run"
    put(tmp_path / ".docker/config.json", {"auths": {"a.example": auth("docker")}})
    assert found("a.example/x", place) == "docker"
    with pytest.raises(InputError, match="no such file"):
        find_credentials("a.example", str(tmp_path / "none"), lambda event: None, place)


def test_a_file_that_is_not_for_this_user(
    tmp_path: Path, place: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    path = put(tmp_path / ".docker/config.json", {})
    put(tmp_path / "run/containers/auth.json", {"auths": {"a.example": auth("run")}})

    def refusing(file: str, *rest: Any, **more: Any) -> Any:
        if file == str(path):
            raise PermissionError(13, "Permission denied")
        return real(file, *rest, **more)

    real = builtins.open
    monkeypatch.setattr(builtins, "open", refusing)
    said: list[Event] = []
    assert found("a.example", place, said) == "run"
    assert "Permission denied" in str(said[0])
    with pytest.raises(InputError, match="Permission denied"):
        find_credentials("a.example", str(path), said.append, place)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_file_that_is_broken(tmp_path: Path, place: dict[str, str], content: str) -> None:
    path = put(tmp_path / ".docker/config.json", {})
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        found("a.example", place)
    assert str(path) in (caught.value.where or "")
    with pytest.raises(InputError):
        keep_credentials("a.example", Credentials("u", "p"), None, place)
    assert path.read_bytes() == content.encode("latin-1")


# --- helpers ---------------------------------------------------------------------------------------------------------

HELPER = """#!/bin/sh
# Keeps what it is given in files; what it was called with stands in its log.
cd "$(dirname "$0")" && echo "$*" >> log
input=$(cat)
case $1 in
  store) printf '%s' "$input" > kept ;;
  get) printf '%s' "$input" > asked
    if [ -e broken ]; then echo "the keyring is locked"; exit 1; fi
    if [ -e kept ]; then cat kept; else echo "credentials not found in native keychain"; exit 1; fi ;;
  erase) rm -f kept ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``docker-credential-test``, which is on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_helpers_come_before_the_file(tmp_path: Path, place: dict[str, str], helper: Path) -> None:
    config = {"auths": {"a.example": auth("file")}, "credsStore": "test"}
    put(tmp_path / ".docker/config.json", config)
    assert found("a.example/x/y", place) == "file", "the helper has nothing"
    (helper / "kept").write_text('{"ServerURL": "a.example", "Username": "kept", "Secret": "s"}')
    assert found("a.example/x/y", place) == "kept"
    assert (helper / "asked").read_text() == "a.example"
    assert found("docker.io/library/x", place) == "kept"
    assert (helper / "asked").read_text() == HUB_KEY
    config["credHelpers"] = {"a.example": "not-there"}
    put(tmp_path / ".docker/config.json", config)
    said: list[Event] = []
    assert found("a.example", place, said) == "file"
    assert "docker-credential-not-there" in str(said[0])


def test_a_helper_may_keep_an_identity_token(tmp_path: Path, place: dict[str, str], helper: Path) -> None:
    put(tmp_path / ".docker/config.json", {"credsStore": "test"})
    (helper / "kept").write_text('{"Username": "<token>", "Secret": "identity"}')
    assert find_credentials("a.example", None, lambda event: None, place) == Credentials("", identity_token="identity")


def test_a_helper_that_fails(tmp_path: Path, place: dict[str, str], helper: Path) -> None:
    put(tmp_path / ".docker/config.json", {"credHelpers": {"a.example": "test"}})
    (helper / "broken").touch()
    with pytest.raises(MachineError) as caught:
        found("a.example", place)
    assert caught.value.detail == "the keyring is locked"
    (helper / "broken").unlink()
    (helper / "kept").write_text("no json")
    with pytest.raises(MachineError, match="no credentials"):
        found("a.example", place)


def test_a_helper_outside_of_path_is_no_helper(tmp_path: Path, place: dict[str, str]) -> None:
    put(tmp_path / ".docker/config.json", {"credsStore": "../../bin/sh"})
    said: list[Event] = []
    assert found("a.example", place, said) is None
    assert len(said) == 1


# --- login and logout ------------------------------------------------------------------------------------------------


def test_kept_in_the_file_and_all_else_stays(tmp_path: Path, place: dict[str, str]) -> None:
    before = {"HttpHeaders": {"X": "ü"}, "auths": {"b.example": auth("b")}, "detachKeys": "ctrl-e"}
    path = put(tmp_path / ".docker/config.json", before)
    path.chmod(0o644)
    assert keep_credentials("a.example", Credentials("u", "p"), None, place) == (str(path), None)
    assert keep_credentials("docker.io", Credentials("hub", "p"), None, place).helper is None
    data = json.loads(path.read_text())
    assert data == before | {"auths": {"b.example": auth("b"), "a.example": auth("u"), HUB_KEY: auth("hub")}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["config.json"]
    assert known_domains(None, place) == ["b.example", "a.example", "docker.io"]
    assert forget_credentials("a.example", None, place) == (True, [])
    assert forget_credentials("a.example", None, place) == (False, [])
    assert forget_credentials("docker.io", None, place)[0]
    assert json.loads(path.read_text()) == before


def test_a_file_that_is_a_link_stays_one(tmp_path: Path, place: dict[str, str]) -> None:
    real = put(tmp_path / "dotfiles/docker.json", {})
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").symlink_to(real)
    keep_credentials("a.example", Credentials("u", "p"), None, place)
    assert (tmp_path / ".docker/config.json").is_symlink()
    assert json.loads(real.read_text()) == {"auths": {"a.example": auth("u")}}


def test_two_logins_at_once_lose_nothing(tmp_path: Path, place: dict[str, str]) -> None:
    domains = [f"registry{number}.example" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda domain: keep_credentials(domain, Credentials("me", "pw"), None, place), domains))
    assert sorted(known_domains(None, place)) == sorted(domains)


def test_a_logout_does_not_stumble_over_the_files_of_others(tmp_path: Path, place: dict[str, str]) -> None:
    keep_credentials("registry.example", Credentials("me", "pw"), None, place)
    other = Path(credential_files(None, place)[1])
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text("no json")
    assert forget_credentials("registry.example", None, place) == (True, [])


def test_an_old_spelling_of_the_registry_is_replaced(tmp_path: Path, place: dict[str, str]) -> None:
    path = put(tmp_path / ".docker/config.json", {"auths": {"https://a.example/v2/": auth("old")}})
    keep_credentials("a.example", Credentials("new", "p"), None, place)
    assert json.loads(path.read_text()) == {"auths": {"a.example": auth("new")}}


def test_kept_by_the_helper(tmp_path: Path, place: dict[str, str], helper: Path) -> None:
    path = put(tmp_path / ".docker/config.json", {"credsStore": "test"})
    assert keep_credentials("a.example", Credentials("u", "very secret"), None, place).helper == "test"
    assert "very secret" not in path.read_text()
    assert json.loads((helper / "kept").read_text()) == {
        "ServerURL": "a.example", "Username": "u", "Secret": "very secret",
    }  # fmt: skip
    assert (helper / "log").read_text().splitlines() == ["store"], "nothing secret on the command line"
    assert found("a.example", place) == "u"
    put(tmp_path / "run/containers/auth.json", {"auths": {"a.example": auth("other")}})
    assert forget_credentials("a.example", None, place) == (True, [f"{tmp_path}/run/containers/auth.json"])
    assert not (helper / "kept").exists()
