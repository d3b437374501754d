from __future__ import annotations

from collections.abc import Iterator

import pytest

from exchange.errors import DamagedError
from exchange.verify.reports import CheckedPart, NodeFinding, WrongError, check_part


def checked(sound: int, why: Exception | None = None) -> CheckedPart:
    def check() -> Iterator[None]:
        for _ in range(sound):
            yield
        if why is not None:
            raise why

    return check_part("documents", check(), lambda *_: None, lambda: sound)


def test_a_part_that_holds_is_counted() -> None:
    assert checked(3) == CheckedPart("documents", 3, None)


def test_a_wrong_row_is_named_with_its_place() -> None:
    found = checked(2, WrongError("row 3", "does not verify")).finding
    assert found == NodeFinding("documents", "row 3", "does not verify")
    assert str(found) == "documents: row 3: does not verify"


@pytest.mark.parametrize("why", [DamagedError("no such subject"), ValueError("secret"), OverflowError()])
def test_a_row_that_can_t_be_read_ends_the_check_behind_those_that_hold(why: Exception) -> None:
    found = checked(2, why)
    assert found.count == 2
    assert found.finding is not None
    assert found.finding.place == "after 2 sound ones"
    assert "secret" not in str(found.finding)


def test_progress_is_told_now_and_then() -> None:
    told: list[tuple[str, int, int]] = []
    check_part("log", iter([None] * 5_000), lambda *one: told.append(one), lambda: 5_000)
    assert told == [("log", 2_000, 5_000), ("log", 4_000, 5_000)]
