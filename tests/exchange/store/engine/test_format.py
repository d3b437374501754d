from __future__ import annotations

import pytest

from exchange.errors import FormatError
from exchange.store.engine.format import FORMAT, OLDEST, check_format


def test_this_format_is_read() -> None:
    check_format(FORMAT)


@pytest.mark.parametrize("number", range(OLDEST, FORMAT))
def test_an_older_format_is_refused_and_can_be_migrated(number: int) -> None:
    said = f"^this node is of format {number}, this release reads {FORMAT}: run `consentry migrate FOLDER`$"
    with pytest.raises(FormatError, match=said):
        check_format(number)


def test_a_newer_format_is_refused_and_asks_for_a_newer_release() -> None:
    with pytest.raises(FormatError, match="install the release that made it, or a newer one"):
        check_format(FORMAT + 1)


def test_a_format_from_before_migrations_can_only_be_loaded_into_a_new_node() -> None:
    with pytest.raises(FormatError, match="make a new one with `consentry init`"):
        check_format(OLDEST - 1)
