"""The client against real registries with TLS, Basic and token authentication."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from clients import HASTY, blob, opener, push_image
from faults import Faults, flips, truncates
from registries import PASSWORD, USER, Registry, log_in
from tokenserver import TokenRequest

from lamella.errors import ImageInvalid, InputError, RegistryDenied, RegistryError, RegistryUnreachable
from lamella.oci.reference import parse_reference
from lamella.registry.client import Repository, open_repository
from lamella.registry.credentialfiles import Credentials
from lamella.registry.login import check_login
from lamella.registry.settings import RegistrySettings


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's configuration counts."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "XDG_RUNTIME_DIR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


def opened(host: str, name: str, settings: RegistrySettings = HASTY, *, push: bool = True) -> Repository:
    return open_repository(parse_reference(f"{host}/{name}:one"), settings, push=push)


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_tls_with_an_authority_of_our_own(tls_registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = HASTY._replace(cert_dir=str(tls_registry.cert_dir))
    raw = push_image(opened(tls_registry.host, "tls", settings))
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_registry.ca))
    assert opened(tls_registry.host, "tls", push=False).get_manifest("one").raw == raw


def test_a_certificate_that_nobody_vouches_for(tls_registry: Registry) -> None:
    with pytest.raises(RegistryUnreachable) as caught:
        opened(tls_registry.host, "tls").get_manifest("one")
    assert (caught.value.code, caught.value.exit_code) == ("registry-untrusted", 3)
    assert "certs.d" in (caught.value.hint or "")
    with pytest.raises(Exception, match="does not have it"):
        opened(tls_registry.host, "nothing", HASTY._replace(tls_verify=False)).get_manifest("one")


def test_the_folder_of_the_registry_is_found(tls_registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / f".config/containers/certs.d/{tls_registry.host}"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(tls_registry.ca.read_bytes())
    assert opened(tls_registry.host, "nothing").head_manifest("one") is None
    (folder / "client.key").write_text("x")
    with pytest.raises(InputError, match=r"without its certificate client\.cert"):
        opened(tls_registry.host, "nothing").head_manifest("one")


def test_plain_http_is_not_spoken_where_tls_is_asked_for(registry: Registry) -> None:
    with pytest.raises(RegistryUnreachable) as caught:
        opened(registry.host, "a", HASTY._replace(tls_verify=True)).get_manifest("one")
    assert "it does not speak TLS" in (caught.value.detail or "")
    assert "insecure = true" in (caught.value.hint or "")


# --- Basic -----------------------------------------------------------------------------------------------------------


def test_basic(basic_registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryDenied) as caught:
        opened(basic_registry.host, "basic").get_manifest("one")
    assert (caught.value.exit_code, "lamella login" in (caught.value.hint or "")) == (3, True)
    assert "authentication required" in (caught.value.detail or "")
    with pytest.raises(RegistryDenied, match="to tell which blobs it has") as caught:
        opened(basic_registry.host, "basic").has_blob(blob(b"x"))
    assert caught.value.where == f"{basic_registry.host}/basic"
    log_in(tmp_path / ".docker", basic_registry.host)
    raw = push_image(opened(basic_registry.host, "basic"))
    assert opened(basic_registry.host, "basic", push=False).get_manifest("one").raw == raw
    log_in(tmp_path / ".docker", basic_registry.host, password="wrong")
    with pytest.raises(RegistryDenied) as caught:
        opened(basic_registry.host, "basic").get_manifest("one")
    assert f"user '{USER}'" in (caught.value.hint or "")
    assert "wrong" not in f"{caught.value} {caught.value.detail} {caught.value.hint}"


def test_the_answer_to_a_first_large_upload_is_asked_for_before_it_is_sent(
    basic_registry: Registry, tmp_path: Path
) -> None:
    log_in(tmp_path / ".docker", basic_registry.host)
    content = random.Random(1).randbytes(4_000_000)
    opened(basic_registry.host, "large").put_blob(blob(content), opener(content))
    asked = [(asked.method, asked.status) for asked in basic_registry.asked("large")]
    assert asked == [("POST", 401), ("POST", 202), ("PATCH", 202), ("PUT", 201)]


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_tokens(token_registry: Registry, tmp_path: Path) -> None:
    log_in(tmp_path / ".docker", token_registry.host)
    raw = push_image(opened(token_registry.host, "public/tokens"))
    del token_registry.tokens.asked[:]
    assert opened(token_registry.host, "public/tokens", push=False).get_manifest("one").raw == raw
    assert token_registry.tokens.asked == [TokenRequest("GET", USER, ("repository:public/tokens:pull",))]


def test_nobody_may_pull_what_is_public(token_registry: Registry, tmp_path: Path) -> None:
    log_in(tmp_path / "other", token_registry.host)
    authfile = HASTY._replace(authfile=str(tmp_path / "other/config.json"))
    raw = push_image(opened(token_registry.host, "public/all", authfile))
    assert opened(token_registry.host, "public/all", push=False).get_manifest("one").raw == raw
    with pytest.raises(RegistryDenied, match="refuses to begin an upload") as caught:
        push_image(opened(token_registry.host, "public/all"))
    assert "there are no credentials" in (caught.value.hint or "")


def test_a_token_is_fetched_once_for_each_scope(token_registry: Registry, tmp_path: Path) -> None:
    log_in(tmp_path / ".docker", token_registry.host)
    repository = opened(token_registry.host, "tokens/one")
    del token_registry.tokens.asked[:]
    push_image(repository)
    content = b"to be mounted" * 100
    repository.put_blob(blob(content), opener(content))
    other = opened(token_registry.host, "tokens/two")
    assert other.mount_blob(blob(content), "tokens/one")
    assert not other.mount_blob(blob(b"nothing"), "tokens/one")
    assert [asked.scopes for asked in token_registry.tokens.asked] == [
        ("repository:tokens/one:pull,push",),
        ("repository:tokens/two:pull,push", "repository:tokens/one:pull"),
    ]


def test_a_token_that_expires_while_a_push_goes_on(
    token_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry does not take it any more, and the client was told that it would."""
    tokens = token_registry.tokens
    log_in(tmp_path / ".docker", token_registry.host)
    monkeypatch.setattr(tokens, "lifetime", -5.0)
    repository = opened(token_registry.host, "tokens/expiring")
    with pytest.raises(RegistryDenied):
        repository.has_blob(blob(b"x"))
    repository = opened(token_registry.host, "tokens/expiring")
    monkeypatch.setattr(tokens, "lifetime", 300.0)
    assert not repository.has_blob(blob(b"x"))
    # What it holds now is made stale, as time would do it.
    cached = next(iter(repository._sources[-1].server.auth._tokens))
    monkeypatch.setattr(tokens, "lifetime", -5.0)
    stale = tokens.token(USER, tuple(cached))
    repository._sources[-1].server.auth._tokens[cached] = (
        repository._sources[-1].server.auth._tokens[cached]._replace(value=stale)
    )
    monkeypatch.setattr(tokens, "lifetime", 300.0)
    del tokens.asked[:]
    content = random.Random(2).randbytes(3_000_000)
    repository.put_blob(blob(content), opener(content))
    assert len(tokens.asked) == 1
    assert repository.has_blob(blob(content))


def test_a_token_is_renewed_before_it_expires(
    token_registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = token_registry.tokens
    log_in(tmp_path / ".docker", token_registry.host)
    monkeypatch.setattr(tokens, "told", 0.001)
    repository = opened(token_registry.host, "tokens/short")
    del tokens.asked[:]
    for _ in range(3):
        assert not repository.has_blob(blob(b"x"))
    assert len(tokens.asked) == 3
    refused = [asked for asked in token_registry.asked("tokens/short") if asked.status == 401]
    assert len(refused) == 1, "only the first time, when nobody knew"


def test_an_identity_token(token_registry: Registry, tmp_path: Path) -> None:
    log_in(tmp_path / ".docker", token_registry.host, user="", password="", identitytoken="identity of tester")
    del token_registry.tokens.asked[:]
    push_image(opened(token_registry.host, "tokens/identity"))
    assert token_registry.tokens.asked == [TokenRequest("POST", USER, ("repository:tokens/identity:pull,push",))]
    log_in(tmp_path / ".docker", token_registry.host, user="", password="", identitytoken="of nobody")
    with pytest.raises(RegistryDenied, match="are refused"):
        push_image(opened(token_registry.host, "tokens/identity"))


def test_wrong_credentials_and_a_token_server_that_is_busy(token_registry: Registry, tmp_path: Path) -> None:
    log_in(tmp_path / ".docker", token_registry.host, password="hidden wrong")
    with pytest.raises(RegistryDenied, match="are refused") as caught:
        push_image(opened(token_registry.host, "tokens/wrong"))
    assert "incorrect username" in (caught.value.detail or "")
    assert "hidden" not in f"{caught.value} {caught.value.detail} {caught.value.hint}"
    log_in(tmp_path / ".docker", token_registry.host)
    token_registry.tokens.failing[:] = [503, 429]
    push_image(opened(token_registry.host, "tokens/busy"))
    assert not token_registry.tokens.failing


# --- login -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["basic_registry", "token_registry"])
def test_a_login_is_asked_for_real(kind: str, request: pytest.FixtureRequest) -> None:
    host = request.getfixturevalue(kind).host
    assert check_login(host, Credentials(USER, PASSWORD), HASTY)
    with pytest.raises(RegistryDenied) as caught:
        check_login(host, Credentials(USER, "wrong"), HASTY)
    assert caught.value.exit_code == 3


def test_a_registry_that_does_not_ask(registry: Registry) -> None:
    assert not check_login(registry.host, Credentials(USER, PASSWORD), HASTY)


# --- registries.conf -------------------------------------------------------------------------------------------------


def configured(tmp_path: Path, text: str) -> RegistrySettings:
    from lamella.registry.conffiles import read_registries

    file = tmp_path / "registries.conf"
    file.write_text(text)
    conf = read_registries({"CONTAINERS_REGISTRIES_CONF": str(file), "HOME": str(tmp_path)}, str(tmp_path))
    return HASTY._replace(registries=conf)


def test_a_mirror_that_sends_nothing_or_something_else(faults: Faults, registry: Registry, tmp_path: Path) -> None:
    """It says that it has the blob. Who sends another one is named."""
    content = random.Random(9).randbytes(2000)
    push_image(opened(registry.host, "lame/app"), seed=9, size=2000)
    settings = configured(
        tmp_path,
        f"""[[registry]]
        prefix = "registry.example/team"
        location = "{registry.host}/lame"
        [[registry.mirror]]
        location = "{faults.host}/lame"
        """,
    )
    reference = parse_reference("registry.example/team/app:one")
    faults.add("GET", "/blobs/", truncates(0))
    said: list[Any] = []
    with open_repository(reference, settings, emit=said.append).open_blob(blob(content)) as stream:
        assert stream.read() == content
    assert [event.message for event in said] == [f"the mirror {faults.host}: sends nothing of a blob"]
    faults.clear()
    faults.add("GET", "/blobs/", flips(100))
    with (
        open_repository(reference, settings).open_blob(blob(content)) as stream,
        pytest.raises(ImageInvalid) as caught,
    ):
        stream.read()
    assert (caught.value.where or "").startswith(f"{faults.host}/lame/app@")


def test_a_mirror_is_asked_first_and_the_registry_where_it_has_nothing(
    registry: Registry, basic_registry: Registry, tmp_path: Path
) -> None:
    raw = push_image(opened(registry.host, "mirrored/app"))
    settings = configured(
        tmp_path,
        f"""[[registry]]
        prefix = "registry.example/team"
        location = "{registry.host}/mirrored"
        [[registry.mirror]]
        location = "127.0.0.1:1/down"
        [[registry.mirror]]
        location = "{basic_registry.host}/closed"
        """,
    )
    said: list[object] = []
    reference = parse_reference("registry.example/team/app:one")
    repository = open_repository(reference, settings, emit=said.append)
    assert repository.get_manifest("one").raw == raw
    with repository.open_blob(blob(b"{}")) as stream:
        assert stream.read() == b"{}"
    assert len(said) == 2, "each mirror is given up once"
    assert [asked.status for asked in basic_registry.asked("closed/app")] == [401]

    mirrored = configured(
        tmp_path,
        f"""[[registry]]
        location = "registry.example"
        [[registry.mirror]]
        location = "{registry.host}/mirrored"
        """,
    )
    assert open_repository(parse_reference("registry.example/app:one"), mirrored).get_manifest("one").raw == raw


def test_a_blocked_registry(tmp_path: Path) -> None:
    settings = configured(tmp_path, '[[registry]]\nlocation = "registry.example"\nblocked = true\n')
    with pytest.raises(RegistryError, match="blocked") as caught:
        open_repository(parse_reference("registry.example/a:b"), settings)
    assert str(tmp_path / "registries.conf") in (caught.value.hint or "")


def test_an_insecure_registry_is_not_verified(tls_registry: Registry, tmp_path: Path) -> None:
    settings = configured(tmp_path, f'[[registry]]\nlocation = "{tls_registry.host}"\ninsecure = true\n')
    assert opened(tls_registry.host, "nothing", settings).head_manifest("one") is None
