"""Logs that can't carry a patient's data: JSON lines of named events with fields from a closed list.

An event's name is fixed text of this program. A field is written only if its name is in `FIELDS` and its
value is short and plain; the names of other fields are listed under `withheld`. Of an
exception its class and the places it passed are written, never its message, since messages of libraries
quote values. Of a library's log only the place and the level are written.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec
import structlog

FIELDS: Final = frozenset(
    {
        "action", "at", "attempt", "attempts", "block", "bytes", "causes", "client_id", "code", "count",
        "error", "frames", "from_block", "interaction", "job", "kind", "level", "limit", "logger", "member",
        "method", "milliseconds", "model", "number", "operation", "organization", "outcome", "port",
        "purpose", "reason", "request_id", "resource_type", "role", "schema", "seconds", "state", "status",
        "step", "time", "to_block", "topic", "tx", "version",
    }
)  # fmt: skip
"""The fields a log line may have besides `event`; none of them ever holds content of a request or record."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this task serves; `exchange.api.http.limits` sets it."""

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31}){0,3}")
_LONGEST = 200
_MOST_FRAMES = 40
_MOST_CAUSES = 5

_Event = MutableMapping[str, Any]
_encode = msgspec.json.Encoder().encode


def configure(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Write this process's logs to `stream`, standard error if not given, from `level` upwards.

    Includes the logs of libraries and the interpreter's reports of uncaught exceptions. Servers
    must be started so that they leave logging alone (`log_config=None` for uvicorn).
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            name_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            describe_failure,
            withhold,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(max(threshold, logging.WARNING))  # libraries log values at this level
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold URLs
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class AnsweredRequest(msgspec.Struct):
    """The line of one request: no address, no parameter and no content, as of every line.

    `milliseconds` are from its head to the end of its answer, `bytes` those of the answer's body.
    """

    method: str
    status: int
    milliseconds: float
    bytes: int
    request_id: str
    interaction: str = ""
    resource_type: str = ""
    client_id: str = ""
    organization: str = ""
    purpose: str = ""
    event: str = "request.answered"
    level: str = "info"
    time: str = ""


_requests: TextIO | None = None
_lines: list[bytes] = []


def log_requests(stream: TextIO | None) -> None:
    """Write a line for each request to `stream` from now on; none with None."""
    global _requests  # noqa: PLW0603 - one per process, as all of logging
    _write_lines()
    _requests = stream


def answered(line: AnsweredRequest) -> None:
    """Write the line of a request, if lines of requests are written.

    It takes no way through the processors of other lines, which cost more than a read does: its fields are
    fixed, and of `FIELDS`. The lines of one turn of the event loop are written at its end, together.
    """
    if _requests is None:
        return
    line.time = datetime.now(UTC).isoformat(timespec="milliseconds")
    _lines.append(_encode(line))
    if len(_lines) == 1:
        asyncio.get_running_loop().call_soon(_write_lines)


def _write_lines() -> None:
    lines = [*_lines, b""]
    _lines.clear()
    if _requests is not None and len(lines) > 1:
        _requests.write(b"\n".join(lines).decode())


def silence() -> None:
    """Write no lines: a command of the console says itself what happens."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def name_request(_logger: Any, _method: str, event: _Event) -> _Event:
    """Put the id of the request that is being served on the line, if one is."""
    served = request_id.get()
    if served:
        event["request_id"] = served
    return event


def describe_failure(_logger: Any, _method: str, event: _Event) -> _Event:
    """Replace `exc_info` by the exception's class, the classes of its causes, and its frames."""
    told = event.pop("exc_info", None)
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        causes = _causes(error)
        event["error"] = type(error).__qualname__
        event["frames"] = _frames(error.__traceback__)
        if causes:
            event["causes"] = [type(cause).__qualname__ for cause in causes]
            event["frames"] += [place for cause in causes for place in _frames(cause.__traceback__)]
        event["frames"] = event["frames"][-_MOST_FRAMES:]
    return event


def withhold(_logger: Any, _method: str, event: _Event) -> _Event:
    """Drop all but the event's name, if it is one, and the fields that are listed and plain."""
    name = event.pop("event", "")
    known = isinstance(name, str) and _EVENT.fullmatch(name) is not None
    plain: dict[str, Any] = {"event": name if known else "unnamed"}
    plain |= {field: value for field, value in event.items() if field in FIELDS and _is_plain(value)}
    withheld = sorted(field[:_LONGEST] for field in event if field not in plain)
    if withheld:
        plain["withheld"] = withheld
    return plain


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST and value.isprintable()
    if isinstance(value, list | tuple):
        return len(value) <= _MOST_FRAMES and all(isinstance(v, str) and _is_plain(v) for v in value)
    return value is None or isinstance(value, bool | int | float)


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    while len(causes) < _MOST_CAUSES:
        shown = None if error.__suppress_context__ else error.__context__
        cause = error.__cause__ or shown
        if cause is None:
            break
        causes.append(cause)
        error = cause
    return causes


def _frames(place: TracebackType | None) -> list[str]:
    return [
        f"{_short(frame.f_code.co_filename)}:{line}:{frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(place)
    ]


def _short(file: str) -> str:
    return "/".join(PurePath(file).parts[-3:])


def _render(_logger: Any, _method: str, event: _Event) -> str:
    return _encode(event).decode()


class _LibraryHandler(logging.Handler):
    """Logs the place and the level of a library's log, without its message."""

    def emit(self, record: logging.LogRecord) -> None:
        at = f"{_short(record.pathname)}:{record.lineno}:{record.funcName}"
        structlog.get_logger().log(
            record.levelno, "library.logged", logger=record.name, at=at, exc_info=record.exc_info
        )


def _uncaught(_kind: type[BaseException], error: BaseException, _place: TracebackType | None) -> None:
    structlog.get_logger().critical("process.failed", exc_info=error)


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    structlog.get_logger().critical("thread.failed", exc_info=told.exc_value)
