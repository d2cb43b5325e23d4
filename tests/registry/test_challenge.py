"""WWW-Authenticate, by the grammar of RFC 9110."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamella.registry.challenge import Challenge, parse_challenges

HUB = (
    'Bearer realm="https://auth.example/token",service="registry.example",'
    'scope="repository:library/alpine:pull,push",error="invalid_token"'
)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], []),
        ([""], []),
        (
            [HUB],
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:library/alpine:pull,push",
                        "error": "invalid_token",
                    },
                )
            ],
        ),
        (['Basic realm="a \\"quoted\\" one, with a comma"'], [("basic", {"realm": 'a "quoted" one, with a comma'})]),
        (["Basic realm=plain"], [("basic", {"realm": "plain"})]),
        (["BASIC REALM = x"], [("basic", {"realm": "x"})]),
        (["Negotiate, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (["Negotiate YWJj==, Bearer realm=x"], [("negotiate", {"": "YWJj=="}), ("bearer", {"realm": "x"})]),
        (["Negotiate", "Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        ([', ,Basic realm=x , , charset="UTF-8",'], [("basic", {"realm": "x", "charset": "UTF-8"})]),
        (["Basic realm=x, realm=y"], [("basic", {"realm": "x"})]),
        (['Basic realm="never ends'], [("basic", {})]),
        (["=", "Basic realm=x"], [("basic", {"realm": "x"})]),
        (["Bearer realm=x, \x00"], [("bearer", {"realm": "x"})]),
    ],
)
def test_headers(headers: list[str], found: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(headers) == [Challenge(*challenge) for challenge in found]


TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=8)
PARAMS = st.dictionaries(TOKENS.map(str.lower), st.text(max_size=12), max_size=4)


@given(st.lists(st.tuples(TOKENS.map(str.lower), PARAMS), max_size=4), st.booleans())
def test_what_is_written_is_read(challenges: list[tuple[str, dict[str, str]]], one_header: bool) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    written = [
        f"{scheme} " + ", ".join(f"{key}={quoted(value)}" for key, value in params.items())
        for scheme, params in challenges
    ]
    headers = [", ".join(written)] if one_header else written
    assert parse_challenges(headers) == [Challenge(scheme, params) for scheme, params in challenges]


@given(st.text(max_size=60))
def test_any_text_is_survived(text: str) -> None:
    parse_challenges([text])
