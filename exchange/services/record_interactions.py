"""The rows of stored records in the table of interactions, and the handlers behind them."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Iterator
from functools import partial
from typing import Final

from exchange.auth.principal import Principal
from exchange.errors import NotFoundError
from exchange.fhir import search
from exchange.fhir.interaction import PAGE, Interaction
from exchange.runtime.offload import offload
from exchange.services.interactions import EVERY_TYPE, THE_TYPE, InteractionRow, Outcome
from exchange.services.meta_operations import MetaOperations
from exchange.services.records import pages
from exchange.services.records.changes import Deletion
from exchange.services.records.conditions.preconditions import (
    is_known_already,
    precondition_of,
    version_number,
)
from exchange.services.records.conditions.searched import Conditions
from exchange.services.records.create_update import RecordWriter, write_outcome
from exchange.services.records.history import HistoryReader
from exchange.services.records.pages import Pages
from exchange.services.records.plan import plan
from exchange.services.records.prepare import LOG_TYPE
from exchange.services.records.read import HIDDEN, RecordReader
from exchange.services.records.search import RecordSearch
from exchange.services.records.sort import is_by_value, search_in_order
from exchange.services.records.write_rights import WriteRights
from exchange.services.validation import validate

_SHAPE: Final = frozenset({"_elements", "_summary"})
_PAGED: Final = frozenset({"_count", PAGE})


class RecordInteractions:
    """Handlers of the interactions with one custodian's records; `base` is the FHIR base URL."""

    def __init__(
        self,
        *,
        base: str,
        reading: RecordReader,
        histories: HistoryReader,
        searching: RecordSearch,
        writing: RecordWriter,
        conditions: Conditions,
        rights: WriteRights,
        pages: Pages,
    ) -> None:
        self._base = base
        self._reading = reading
        self._histories = histories
        self._searching = searching
        self._writing = writing
        self._conditions = conditions
        self._rights = rights
        self._pages = pages

    def rows(self) -> Iterator[InteractionRow]:
        """Yield the rows, in the order of the CapabilityStatement."""
        yield from self._of_resources(EVERY_TYPE)
        yield from self._operations(EVERY_TYPE)

    def _of_resources(self, every: str) -> Iterator[InteractionRow]:
        yield InteractionRow(code="read", resource_type=every, handle=self._read, parameters=_SHAPE)
        yield InteractionRow(code="vread", resource_type=every, handle=self._read, parameters=_SHAPE)
        yield InteractionRow(
            code="create",
            resource_type=every,
            handle=self._create,
            conditions=frozenset({"If-None-Exist"}),
            takes_body=True,
            writes=True,
            declares={"conditionalCreate": True},
        )
        yield InteractionRow(
            code="update",
            resource_type=every,
            handle=self._update,
            conditions=frozenset({"If-Match", "If-None-Match"}),
            takes_body=True,
            writes=True,
            declares={"updateCreate": True},
        )
        yield InteractionRow(
            code="delete",
            resource_type=every,
            handle=self._delete,
            conditions=frozenset({"If-Match"}),
            writes=True,
        )
        yield InteractionRow(
            code="history-instance",
            resource_type=every,
            handle=self._history,
            parameters=_PAGED,
            declares={"readHistory": True},
        )
        yield InteractionRow(
            code="search-type",
            resource_type=every,
            handle=self._search,
            parameters=None,
            search_parameters=search.capability,
        )

    def _operations(self, every: str) -> Iterator[InteractionRow]:
        yield InteractionRow(
            code="$everything",
            resource_type="Patient",
            handle=self._everything,
            scopes=[("search-type", "*")],
            parameters=_PAGED,
            method="GET",
            on_instance=True,
            definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
        )
        yield MetaOperations(reading=self._reading, writing=self._writing, rights=self._rights).row(every)
        for kind in (every, LOG_TYPE):  # a body of any type can be checked, stored or not
            yield InteractionRow(
                code="$validate",
                resource_type=kind,
                handle=self._validate,
                scopes=[("create", THE_TYPE)],
                method="POST",
                takes_body=True,
                definition="http://hl7.org/fhir/OperationDefinition/Resource-validate",
            )

    async def _read(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        version = version_number(interaction.version) if interaction.version else None
        released = await self._reading.read(principal, interaction.type, interaction.id, version)
        if is_known_already(interaction, version=released.version, written=released.written):
            return Outcome(304, b"", released.tx_id, released.version, released.written)
        released.give()
        body = released.body
        if interaction.parameters:
            body = await offload(partial(pages.shape, interaction.parameters, body), size=len(body))
        return Outcome(200, body, released.tx_id, released.version, released.written)

    async def _history(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        page = self._pages.history_asked(principal, interaction)
        found = await self._histories.history(
            principal, interaction.type, interaction.id, below=page.below, limit=page.count
        )
        size = sum(len(version.body) for version in found.versions)
        return await offload(
            partial(self._pages.history_set, principal, interaction.target, page, found), size=size
        )

    async def _search(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        page = self._pages.asked(principal, interaction, interaction.type)
        query = await plan(interaction.type, page.parameters, lenient=page.lenient, base=self._base)
        target = f"{interaction.type}?{urllib.parse.urlencode(page.parameters)}"
        if is_by_value(query):
            found = await search_in_order(
                self._searching, principal, query, target=target, shown=page.after or 0, total=page.total
            )
        else:
            found = await self._searching.search(
                principal, query, target=target, after=page.after, total=page.total, one_page=False
            )
        return await offload(partial(self._pages.search_set, principal, page, found, query), size=found.size)

    async def _everything(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        page = self._pages.asked(principal, interaction, f"{interaction.target}/$everything")
        count = pages.everything_size(page.parameters)
        found = await self._searching.everything(principal, interaction.id, count=count, after=page.after)
        if count and page.after is None and found.more_after is None and not found.resources:
            raise NotFoundError(HIDDEN, tx_id=found.tx_id)  # as a read of the patient would be
        return await offload(partial(self._pages.compartment_set, principal, page, found), size=found.size)

    async def _validate(self, _principal: Principal, interaction: Interaction, body: bytes) -> Outcome:
        return Outcome(body=await asyncio.to_thread(validate, body, interaction.type))

    async def _create(self, principal: Principal, interaction: Interaction, body: bytes) -> Outcome:
        right = self._rights.grant(principal, interaction.type)
        if not interaction.condition:
            [result] = await self._writing.write(
                [await self._writing.prepare(right, body, logical_id=None)],
                by=principal,
                interaction=interaction.code,
            )
            return write_outcome(result)
        async with self._conditions.lock(principal, [interaction.type]):
            existing = await self._conditions.match(principal, interaction.type, interaction.condition)
            if existing:
                return Outcome(location=existing)
            [result] = await self._writing.write(
                [await self._writing.prepare(right, body, logical_id=None)],
                by=principal,
                interaction=interaction.code,
            )
            return write_outcome(result)

    async def _update(self, principal: Principal, interaction: Interaction, body: bytes) -> Outcome:
        right = self._rights.grant(principal, interaction.type)
        change = await self._writing.prepare(
            right,
            body,
            logical_id=interaction.id,
            precondition=precondition_of(interaction),
            replaces=True,
        )
        [result] = await self._writing.write([change], by=principal, interaction=interaction.code)
        return write_outcome(result)

    async def _delete(self, principal: Principal, interaction: Interaction, _body: bytes) -> Outcome:
        right = self._rights.grant(principal, interaction.type)
        change = Deletion(right, interaction.type, interaction.id, precondition_of(interaction))
        [result] = await self._writing.write([change], by=principal, interaction=interaction.code)
        return write_outcome(result)
