"""Logs: named events with listed fields, and never a word from a value, a message or a library."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import exchange
from exchange.runtime import logs

SECRET = "Erika Mustermann 1964-08-12"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "disabled", False)
    logs.configure("info", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)  # which also forgets what was enabled
    structlog.reset_defaults()


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def fail(depth: int = 0) -> None:
    try:
        int(SECRET)
    except ValueError as cause:
        raise KeyError(SECRET) from cause


def test_a_line_is_json_with_time_level_and_event(written: io.StringIO) -> None:
    structlog.get_logger().info("token.issued", client_id="lab", count=3)
    [line] = lines(written)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "token.issued", "level": "info", "client_id": "lab", "count": 3}


def test_fields_that_are_not_listed_are_withheld_and_named(written: io.StringIO) -> None:
    structlog.get_logger().info("record.read", patient=SECRET, tx="t1")
    [line] = lines(written)
    assert SECRET not in written.getvalue()
    assert (line["tx"], line["withheld"]) == ("t1", ["patient"])


@pytest.mark.parametrize(
    "value", [{"name": SECRET}, [{"name": SECRET}], "x" * 201 + SECRET, f"a\n{SECRET}", object()]
)
def test_listed_fields_are_withheld_if_they_hold_more_than_a_plain_value(
    written: io.StringIO, value: Any
) -> None:
    structlog.get_logger().info("record.read", reason=value)
    [line] = lines(written)
    assert SECRET not in written.getvalue()
    assert line["withheld"] == ["reason"]


@pytest.mark.parametrize("event", [SECRET, f"read {SECRET}", "Read.Record", "", "a" * 80, 7])
def test_an_event_that_is_no_name_is_not_written(written: io.StringIO, event: Any) -> None:
    structlog.get_logger().info(event)
    assert SECRET not in written.getvalue()
    assert lines(written)[0]["event"] == "unnamed"


def test_an_exception_is_its_class_its_causes_and_its_places(written: io.StringIO) -> None:
    try:
        fail()
    except KeyError:
        structlog.get_logger().exception("request.failed")
    [line] = lines(written)
    assert SECRET not in written.getvalue()
    assert (line["error"], line["causes"]) == ("KeyError", ["ValueError"])
    assert any("test_logs.py" in place and place.endswith(":fail") for place in line["frames"])


def test_what_a_library_logs_is_placed_but_not_repeated(written: io.StringIO) -> None:
    logging.getLogger("some.library").warning("query failed for %s", SECRET)
    logging.getLogger("some.library").error(f"query failed for {SECRET}")
    logging.getLogger("some.library").info("chatter")
    first, second = lines(written)
    assert SECRET not in written.getvalue()
    assert first["logger"] == "some.library"
    assert "test_logs.py" in first["at"]
    assert (first["level"], second["level"]) == ("warning", "error")


def test_the_servers_access_log_with_its_urls_is_off(written: io.StringIO) -> None:
    logging.getLogger("uvicorn.access").warning("GET /Patient?name=%s", SECRET)
    assert written.getvalue() == ""


def test_uncaught_exceptions_are_logged_without_their_message(written: io.StringIO) -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)
    assert [line["event"] for line in lines(written)] == ["thread.failed", "process.failed"]
    assert SECRET not in written.getvalue()


def test_lines_below_the_level_are_not_written(written: io.StringIO) -> None:
    structlog.get_logger().debug("token.issued")
    assert written.getvalue() == ""


def test_every_field_that_this_program_logs_is_listed() -> None:
    logged = {
        keyword.arg
        for path in Path(exchange.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("_log.")
        for keyword in call.keywords
    }
    assert {"job", "reason"} <= logged
    assert logged - {"exc_info"} <= logs.FIELDS


async def test_the_line_of_a_request_has_listed_fields_alone_and_is_written_where_it_is_asked_for():
    line = logs.AnsweredRequest("GET", 200, 1.5, 10, "ab", interaction="read", client_id="lake-ehr")
    stream = io.StringIO()
    logs.answered(line)
    logs.log_requests(stream)
    try:
        logs.answered(line)
        await asyncio.sleep(0)
        assert len(stream.getvalue().splitlines()) == 1
        for _ in range(3):  # of one turn of the loop
            logs.answered(line)
    finally:
        logs.log_requests(None)
    logs.answered(line)
    await asyncio.sleep(0)
    written = stream.getvalue().splitlines()
    assert [json.loads(one)["request_id"] for one in written] == ["ab"] * 4
    told = json.loads(written[0])
    assert told.keys() - {"event"} <= logs.FIELDS
    assert told["event"] == "request.answered"
    assert (told["status"], told["interaction"], told["client_id"]) == (200, "read", "lake-ehr")
