"""`consentry review`: the accesses that need a look, as an officer reads them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from exchange.auth.principal import Principal
from exchange.cli.errors import CommandError
from exchange.cli.options import FOLDER
from exchange.node.folder import NodeFolder
from exchange.node.open import open_node
from exchange.services.access.releases import Exchange
from exchange.services.audit.access_review import QueuedAccess, ReviewQueue


def review(
    folder: Annotated[Path, FOLDER],
    officer: Annotated[str, typer.Option(help="The officer's user name, for the log.", show_default=False)],
    since: Annotated[
        str | None,
        typer.Option(help="The first day, such as 2026-11-01; without it, a week ago.", show_default=False),
    ] = None,
    most: Annotated[int, typer.Option(help="The most users and patients to show.", min=1, max=10_000)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Show the accesses that need a look, the least explained first, with why they are flagged.

    The reading is logged under the officer's name, and under each patient that is shown; so is the opening of
    the records that explain the accesses. No gateway may serve the node meanwhile.

    Example: consentry review ./node --officer o.reyes --since 2026-11-01
    """
    queue = asyncio.run(_queue(NodeFolder(folder), officer, since, most))
    if as_json:
        print(msgspec.json.encode(_report(queue)).decode())
        return
    for one in queue.queued:
        print("\n".join(_lines(one)))
    named = f"{queue.unnamed} entries name no user" if queue.unnamed else "every entry names its user"
    print(f"{len(queue.queued)} to look at, of {queue.reviewed} accesses of people; {named}")


async def _queue(folder: NodeFolder, officer: str, since: str | None, most: int) -> ReviewQueue:
    async with open_node(folder) as node:
        zone = node.settings.time_zone or UTC
        begin = _day(since) if since is not None else datetime.now(zone).date() - timedelta(days=7)
        moment = int(datetime(begin.year, begin.month, begin.day, tzinfo=zone).timestamp() * 1000)
        principal = Principal.for_officer(node.settings.msp_id, officer)
        with Exchange():
            return await node.review.queue(principal, moment, most=most)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--since {text!r} is no day; write it such as 2026-11-01") from None


def _lines(one: QueuedAccess) -> list[str]:
    access, found = one.assessment.access, one.assessment
    who = f"{access.user} ({one.user_name})" if one.user_name else access.user
    times = "1 access" if one.accesses == 1 else f"{one.accesses} accesses since {_time(one.first)}"
    refused = ", refused" if access.refused else ""
    head = (
        f"{found.score:.2f}  {who} of {access.organization}, Patient/{access.patient}, {access.purpose}, "
        f"{_time(access.time)}{refused}; {times}; AuditEvent/{access.id}"
    )
    reasons = [f"      {signal.detector}: {signal.sentence}" for signal in found.signals]
    explained = "No explanation was found." if found.explanation is None else found.explanation.sentence
    return [head, *reasons, f"      explanation: {explained}"]


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _report(queue: ReviewQueue) -> dict[str, Any]:
    return {
        "reviewed": queue.reviewed,
        "unnamed": queue.unnamed,
        "transaction": queue.tx_id,
        "queue": [
            {
                "assessment": one.assessment,
                "user_name": one.user_name,
                "accesses": one.accesses,
                "first": one.first,
                "last": one.last,
            }
            for one in queue.queued
        ],
    }
