"""The rows of AuditEvent in the table of interactions: a type that is shown from the ledger, never stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial

from exchange.auth.principal import Principal
from exchange.errors import ForbiddenError
from exchange.fhir import search
from exchange.fhir.interaction import Interaction
from exchange.services.audit.access_log import Audit, LogPage
from exchange.services.audit.log_query import parse
from exchange.services.interactions import InteractionRow, Outcome
from exchange.services.records.pages import Pages
from exchange.services.records.prepare import LEDGER_ALONE, LOG_TYPE


class LogInteractions:
    """Handlers of the interactions with the access log."""

    def __init__(self, *, base: str, audit: Audit, pages: Pages) -> None:
        self._base = base
        self._audit = audit
        self._pages = pages

    def rows(self) -> Iterator[InteractionRow]:
        """Yield the rows; those of writes refuse."""
        yield InteractionRow(code="read", resource_type=LOG_TYPE, handle=self._read)
        for code in ("create", "update", "delete"):
            yield InteractionRow(
                code=code, resource_type=LOG_TYPE, handle=self._refused, refusal=LEDGER_ALONE
            )
        yield InteractionRow(
            code="search-type",
            resource_type=LOG_TYPE,
            handle=self._search,
            parameters=None,
            search_parameters=lambda _: self._audit.parameters,
        )

    async def _read(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        event = await self._audit.read(principal, interaction.id)
        return Outcome(body=event.body, tx_id=event.tx_id)

    async def _search(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        page = self._pages.asked(principal, interaction, interaction.type)
        work = partial(parse, page.parameters, lenient=page.lenient, base=self._base)
        light = search.is_light(LOG_TYPE, page.parameters)
        wanted = work() if light else await asyncio.to_thread(work)
        place = LogPage(page.after, page.until, page.total, page.partial)
        found = await self._audit.search(principal, wanted, page.parameters, place)
        return self._pages.search_set(principal, page, found, wanted)

    async def _refused(self, _principal: Principal, _interaction: Interaction, _body: bytes) -> Outcome:
        raise ForbiddenError(LEDGER_ALONE)
