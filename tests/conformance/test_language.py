"""docs/language.md says what the cases say."""

from __future__ import annotations

import os

from casefile import all_cases, recorded
from language import ITEMS, PAGE, made_part, page


def test_the_page_is_made_from_the_cases() -> None:
    old = PAGE.read_text("utf-8")
    new = page(old, made_part(all_cases(), recorded()))
    if os.environ.get("LAMELLA_GOLDENS") == "write":
        PAGE.write_text(new, "utf-8")
    else:
        assert old == new, "make goldens"


def test_every_row_has_cases_that_build_and_cases_that_are_refused() -> None:
    built = {item for case in all_cases() if case.fails is None for item, _ in case.covers}
    refused = {item for case in all_cases() if case.fails is not None for item, _ in case.covers}
    assert built == set(ITEMS)
    may_be_anything = {"comments", "continuation lines", "all of them", "CMD", "ENTRYPOINT"}
    assert set(ITEMS) - refused == may_be_anything
