"""USER by Docker's rules, without a container."""

from __future__ import annotations

import pytest

from lamella.errors import InputError
from lamella.runtime.users import User, resolve_user

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
# comment
bin:x:1:1:bin:/bin:/sbin/nologin

app:x:1000:1001::/home/app:/bin/sh
app2:x:1000:2000::/home/app2:/bin/sh
1234:x:77:78::/odd:/bin/sh
short:x:5
"""
GROUP = b"""root:x:0:root
bin:x:1:root,bin
staff:x:50:app,bin
wheel:x:10:app
twice:x:10:app
"""
FILES = {"/etc/passwd": PASSWD, "/etc/group": GROUP}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", User(0, 0, (0, 1), "/root")),
        ("root", User(0, 0, (0, 1), "/root")),
        ("0", User(0, 0, (0, 1), "/root")),
        ("app", User(1000, 1001, (50, 10), "/home/app")),
        ("1000", User(1000, 1001, (50, 10), "/home/app")),
        ("app:staff", User(1000, 50, (), "/home/app")),
        ("app:7", User(1000, 7, (), "/home/app")),
        ("1000:staff", User(1000, 50, (), "/home/app")),
        ("4242", User(4242, 0, (), "/")),
        ("4242:4343", User(4242, 4343, (), "/")),
        ("1234", User(1234, 0, (), "/")),
        (":staff", User(0, 50, (), "/root")),
        ("short", User(5, 0, (), "/")),
        ("app:", User(1000, 1001, (50, 10), "/home/app")),
    ],
)
def test_known_users(spec: str, expected: User) -> None:
    assert resolve_user(spec, FILES.get) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("", User()), ("0", User()), ("12:34", User(12, 34)), ("12", User(12))],
)
def test_image_without_files(spec: str, expected: User) -> None:
    assert resolve_user(spec, lambda path: None) == expected


@pytest.mark.parametrize("spec", ["nobody", "app:nogroup", "4294967296", "0:99999999999", "-1", "1_0", "٣"])
def test_unknown_users(spec: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_user(spec, FILES.get)
    assert caught.value.hint


@pytest.mark.parametrize("number", ["9" * 11, "9" * 5000])
def test_numbers_without_end_are_refused(number: str) -> None:
    """Python itself refuses to read thousands of digits, by another error."""
    files = {
        "/etc/passwd": f"big:x:{number}:0::/:\nok:x:5:5::/:\n".encode(),
        "/etc/group": f"g:x:{number}:ok\n".encode(),
    }
    for spec in ("big", "ok", number, f"5:{number}", "5:g"):
        with pytest.raises(InputError, match="out of range"):
            resolve_user(spec, files.get)
